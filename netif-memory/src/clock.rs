//! Virtual time with a sleep queue.

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use traits::{Clock, Instant, Time, WakerSet};

/// A clock that stands until it is told to [advance](VirtualClock::advance).
///
/// Share it by reference: `&VirtualClock` is the [`Time`] of a tower and of
/// the link below it.
///
/// Up to `SLEEPERS` sleeps have a place of their own in its queue. Those
/// beyond share one: they are woken together at the earliest deadline among
/// them and queue again. No sleep is lost or late.
#[derive(Debug)]
pub struct VirtualClock<const SLEEPERS: usize = 32> {
    now: Cell<Instant>,
    serial: Cell<u64>,
    sleepers: RefCell<[Option<Sleeper>; SLEEPERS]>,
    crowd: WakerSet<8>,
    crowd_deadline: Cell<Option<Instant>>,
    unix_epoch: Cell<Duration>,
}

#[derive(Debug)]
struct Sleeper {
    serial: u64,
    deadline: Instant,
    waker: Waker,
}

impl VirtualClock {
    /// A clock at [`Instant::ZERO`] with places for 32 sleeps.
    pub const fn new() -> Self {
        Self::with_capacity()
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLEEPERS: usize> VirtualClock<SLEEPERS> {
    /// A clock at [`Instant::ZERO`] with `SLEEPERS` places.
    pub const fn with_capacity() -> Self {
        Self {
            now: Cell::new(Instant::ZERO),
            serial: Cell::new(0),
            sleepers: RefCell::new([const { None }; SLEEPERS]),
            crowd: WakerSet::new(),
            crowd_deadline: Cell::new(None),
            unix_epoch: Cell::new(Duration::ZERO),
        }
    }

    /// Sets the wall-clock time at [`Instant::ZERO`], as time since
    /// 1970-01-01T00:00:00Z; that date itself unless set.
    pub fn set_epoch(&self, epoch: Duration) {
        self.unix_epoch.set(epoch);
    }

    /// The earliest deadline anybody sleeps until.
    pub fn next_deadline(&self) -> Option<Instant> {
        let sleepers = self.sleepers.borrow();
        let deadlines = sleepers.iter().flatten().map(|sleeper| sleeper.deadline);
        deadlines.chain(self.crowd_deadline.get()).min()
    }

    /// Moves the clock to `to` and wakes whoever is due by then. A time
    /// before [`now`](Time::now) leaves the clock where it is.
    pub fn advance(&self, to: Instant) {
        let now = to.max(self.now.get());
        self.now.set(now);
        while let Some(waker) = self.take_due(now) {
            waker.wake();
        }
        if self.crowd_deadline.get().is_some_and(|deadline| deadline <= now) {
            self.crowd_deadline.set(None);
            self.crowd.wake();
        }
    }

    /// Moves the clock to the next deadline; `false` where nobody sleeps.
    pub fn advance_to_next(&self) -> bool {
        let next = self.next_deadline();
        if let Some(next) = next {
            self.advance(next);
        }
        next.is_some()
    }

    fn take_due(&self, now: Instant) -> Option<Waker> {
        let mut sleepers = self.sleepers.borrow_mut();
        let due = sleepers.iter_mut().filter(|place| place.as_ref().is_some_and(|s| s.deadline <= now));
        // By deadline, then by age: the order does not depend on places.
        let first = due.min_by_key(|place| place.as_ref().map(|s| (s.deadline, s.serial)))?;
        first.take().map(|sleeper| sleeper.waker)
    }

    /// Queues a sleep, or renews the one that has `serial`.
    fn register(&self, serial: Option<u64>, deadline: Instant, waker: &Waker) -> Option<u64> {
        let mut sleepers = self.sleepers.borrow_mut();
        if let Some(kept) = sleepers.iter_mut().flatten().find(|kept| Some(kept.serial) == serial) {
            kept.waker.clone_from(waker);
            return serial;
        }
        let Some(place) = sleepers.iter_mut().find(|place| place.is_none()) else {
            drop(sleepers);
            let crowd = self.crowd_deadline.get();
            self.crowd_deadline.set(Some(crowd.map_or(deadline, |earliest| earliest.min(deadline))));
            self.crowd.register(waker);
            return None;
        };
        let serial = self.serial.get();
        self.serial.set(serial.wrapping_add(1));
        *place = Some(Sleeper { serial, deadline, waker: waker.clone() });
        Some(serial)
    }

    fn release(&self, serial: u64) {
        let mut sleepers = self.sleepers.borrow_mut();
        let place = sleepers.iter_mut().find(|place| place.as_ref().is_some_and(|s| s.serial == serial));
        let released = place.and_then(Option::take);
        drop(sleepers);
        // Dropping a waker may run code of its owner's.
        drop(released);
    }
}

impl<const SLEEPERS: usize> Time for VirtualClock<SLEEPERS> {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        SleepUntil { clock: self, deadline, serial: None }
    }
}

/// The wall-clock time is the epoch that was set plus the virtual time.
impl<const SLEEPERS: usize> Clock for VirtualClock<SLEEPERS> {
    fn time(&self) -> Duration {
        self.unix_epoch.get() + self.now.get().duration_since(Instant::ZERO)
    }
}

/// A sleep of a [`VirtualClock`]. Dropping it gives its place back.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless awaited"]
pub struct SleepUntil<'a, const SLEEPERS: usize> {
    clock: &'a VirtualClock<SLEEPERS>,
    deadline: Instant,
    serial: Option<u64>,
}

impl<const SLEEPERS: usize> Future for SleepUntil<'_, SLEEPERS> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        self.serial = self.clock.register(self.serial, self.deadline, context.waker());
        Poll::Pending
    }
}

impl<const SLEEPERS: usize> Drop for SleepUntil<'_, SLEEPERS> {
    fn drop(&mut self) {
        if let Some(serial) = self.serial {
            self.clock.release(serial);
        }
    }
}
