//! Virtual time with a sleep queue.

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use traits::{Clock, Instant, Time};

use self::crowd::Crowd;

mod crowd;

/// A clock that stands until it is told to [advance](VirtualClock::advance).
///
/// Share it by reference: `&VirtualClock` is the [`Time`] of a tower and of
/// the link below it.
///
/// Up to `SLEEPERS` sleeps have a place in its queue. With the feature `alloc`
/// the heap takes those beyond, any number of them. Without it they share one
/// place: they are woken together at the earliest deadline among them and
/// queue again; no sleep is lost or late, but of more than 8 tasks with wakers
/// of their own in that place, some are polled over and over meanwhile. There,
/// make `SLEEPERS` as large as the program has sleeps.
#[derive(Debug)]
pub struct VirtualClock<const SLEEPERS: usize = 32> {
    now: Cell<Instant>,
    serial: Cell<u64>,
    sleepers: RefCell<[Option<Sleeper>; SLEEPERS]>,
    crowd: Crowd,
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
            crowd: Crowd::new(),
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
        let placed = self.first().map(|(deadline, _)| deadline);
        let crowd = self.crowd.first().map(|(deadline, _)| deadline);
        placed.into_iter().chain(crowd).min()
    }

    /// Moves the clock to `to` and wakes whoever is due by then. A time
    /// before [`now`](Time::now) leaves the clock where it is.
    pub fn advance(&self, to: Instant) {
        let now = to.max(self.now.get());
        self.now.set(now);
        // By deadline, then by age: the order does not depend on places.
        loop {
            match (self.first(), self.crowd.first()) {
                (Some(placed), crowd) if placed.0 <= now && crowd.is_none_or(|crowd| placed < crowd) => {
                    if let Some(waker) = self.take(placed.1) {
                        waker.wake();
                    }
                }
                (_, Some((deadline, _))) if deadline <= now => self.crowd.wake_first(),
                _ => return,
            }
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

    /// The deadline and the serial number of who is woken first of those that
    /// have places.
    fn first(&self) -> Option<(Instant, u64)> {
        let sleepers = self.sleepers.borrow();
        sleepers.iter().flatten().map(|sleeper| (sleeper.deadline, sleeper.serial)).min()
    }

    /// Takes the sleep that has `serial` out of its place.
    fn take(&self, serial: u64) -> Option<Waker> {
        let mut sleepers = self.sleepers.borrow_mut();
        let place = sleepers.iter_mut().find(|place| place.as_ref().is_some_and(|s| s.serial == serial));
        place.and_then(Option::take).map(|sleeper| sleeper.waker)
    }

    /// Queues a sleep, or renews the one that has `serial`.
    fn register(&self, serial: Option<u64>, deadline: Instant, waker: &Waker) -> Option<u64> {
        let mut sleepers = self.sleepers.borrow_mut();
        if let Some(kept) = sleepers.iter_mut().flatten().find(|kept| Some(kept.serial) == serial) {
            kept.waker.clone_from(waker);
            return serial;
        }
        let free = sleepers.iter_mut().find(|place| place.is_none() && serial.is_none());
        let serial = serial.unwrap_or_else(|| self.serial.replace(self.serial.get().wrapping_add(1)));
        if let Some(place) = free {
            *place = Some(Sleeper { serial, deadline, waker: waker.clone() });
            return Some(serial);
        }
        drop(sleepers);
        self.crowd.register(deadline, serial, waker)
    }

    fn release(&self, deadline: Instant, serial: u64) {
        // Dropping a waker may run code of its owner's: after the borrow.
        match self.take(serial) {
            Some(waker) => drop(waker),
            None => self.crowd.release(deadline, serial),
        }
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
            self.clock.release(self.deadline, serial);
        }
    }
}
