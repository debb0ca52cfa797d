//! The bottom on Linux: `epoll`, edge-triggered, with an `eventfd` for wakes
//! from other threads. Linux 5.11 or later.

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{self, Poll};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use traits::{Instant, WakerSet};

use super::Reactor;
use super::busy_poll::BusyPoll;
use crate::run::Wait;
use crate::{Bottom, Notify, Os};

/// Events taken from the system in one go.
const EVENTS: usize = 64;

/// Sources up to which a loop that spins has whoever waits for one try it
/// again in each pass. With more, one question to `epoll` is cheaper.
const TRIED_AGAIN: usize = 4;

/// Marks the event of the notifier; no source has this key.
const NOTIFIED: u64 = u64::MAX;

/// `epoll` and what comes with it.
pub struct Unix {
    shared: Rc<Shared>,
    notifier: Notifier,
    /// What the last wait brought.
    events: RefCell<Vec<epoll::Event>>,
    spinning: Cell<bool>,
    busy_poll: BusyPoll,
    /// When the last wait that might have slept ended.
    awake_since: Cell<Instant>,
    random: RefCell<ChaCha20Rng>,
}

impl fmt::Debug for Unix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unix").field("spinning", &self.spinning).finish_non_exhaustive()
    }
}

struct Shared {
    epoll: OwnedFd,
    sources: RefCell<Sources>,
}

#[derive(Default)]
struct Sources {
    places: Vec<Place>,
    free: Vec<usize>,
}

/// Where a source is; its generation tells an event of an earlier source in
/// the same place.
struct Place {
    generation: u32,
    waiting: Option<Rc<Waiting>>,
}

/// Who waits for a source.
#[derive(Default)]
struct Waiting {
    readable: WakerSet<4>,
    writable: WakerSet<4>,
}

/// A descriptor that the run loop watches.
pub struct Source {
    fd: OwnedFd,
    place: usize,
    waiting: Rc<Waiting>,
    shared: Rc<Shared>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.fd).finish()
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // A descriptor that was duplicated would be watched on otherwise.
        let _ = epoll::delete(&self.shared.epoll, &self.fd);
        let mut sources = self.shared.sources.borrow_mut();
        if let Some(place) = sources.places.get_mut(self.place) {
            place.waiting = None;
            place.generation = place.generation.wrapping_add(1);
            sources.free.push(self.place);
        }
    }
}

/// Interrupts the wait from any thread.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<OwnedFd>);

impl Notify for Notifier {
    fn notify(&self) {
        // Fails only when the counter is full, and then it is readable anyway.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

impl Unix {
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let notifier = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &notifier, epoll::EventData::new_u64(NOTIFIED), flags)?;
        Ok(Self {
            shared: Rc::new(Shared { epoll, sources: RefCell::default() }),
            notifier: Notifier(Arc::new(notifier)),
            events: RefCell::new(Vec::with_capacity(EVENTS)),
            spinning: Cell::new(false),
            busy_poll: BusyPoll::new(),
            awake_since: Cell::new(Instant::ZERO),
            random: RefCell::new(super::seeded()?),
        })
    }

    pub(super) fn fork_random(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.random.borrow_mut().fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    pub(super) fn set_spinning(&self, spinning: bool) {
        self.spinning.set(spinning);
    }

    pub(super) fn set_busy_poll(&self, limit: Duration) {
        self.busy_poll.set_limit(limit);
    }

    /// Whether to try a source again is quicker than to ask for news of it.
    fn tries_again(&self) -> bool {
        self.spinning.get() && {
            let sources = self.shared.sources.borrow();
            sources.places.len() - sources.free.len() <= TRIED_AGAIN
        }
    }

    fn register(&self, fd: OwnedFd) -> io::Result<Source> {
        let mut sources = self.shared.sources.borrow_mut();
        let place = sources.free.last().copied().unwrap_or(sources.places.len());
        let generation = sources.places.get(place).map_or(0, |place| place.generation);
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        let key = u64::from(generation) << 32 | place as u64;
        epoll::add(&self.shared.epoll, &fd, epoll::EventData::new_u64(key), flags)?;
        let waiting = Rc::new(Waiting::default());
        let filled = Place { generation, waiting: Some(waiting.clone()) };
        match sources.places.get_mut(place) {
            Some(free) => {
                *free = filled;
                sources.free.pop();
            }
            None => sources.places.push(filled),
        }
        drop(sources);
        Ok(Source { fd, place, waiting, shared: self.shared.clone() })
    }

    /// One `epoll_pwait2`: in nanoseconds, as timers are.
    fn collect(&self, timeout: Option<Timespec>) -> rustix::io::Result<()> {
        let mut events = self.events.borrow_mut();
        events.clear();
        events.reserve(EVENTS);
        epoll::wait(&self.shared.epoll, spare_capacity(&mut events), timeout.as_ref()).map(drop)
    }

    /// Looks for news until something has happened, or for `most`; whether
    /// something has.
    fn look(&self, since: Instant, most: Duration) -> rustix::io::Result<bool> {
        loop {
            self.collect(Some(Timespec::default()))?;
            if !self.events.borrow().is_empty() {
                return Ok(true);
            }
            if self.now().duration_since(since) >= most {
                return Ok(false);
            }
        }
    }

    /// Waits, asleep unless something comes soon.
    fn sleep(&self, wait: Wait) -> rustix::io::Result<()> {
        let since = self.now();
        let done = self.look_and_sleep(wait, since);
        self.awake_since.set(self.now());
        done
    }

    fn look_and_sleep(&self, wait: Wait, since: Instant) -> rustix::io::Result<()> {
        let deadline = match wait {
            Wait::Until(deadline) => deadline,
            Wait::Poll | Wait::Forever => Instant::MAX,
        };
        // What is due within the limit anyhow is slept for.
        let looks_for = self.busy_poll.looks_for(since.duration_since(self.awake_since.get()));
        if let Some(most) = looks_for.filter(|most| deadline.duration_since(since) > *most) {
            if self.look(since, most)? {
                self.busy_poll.found();
                return Ok(());
            }
            self.busy_poll.missed();
        }
        // From now on: looking may have taken longer than it was to, where the
        // processor was taken away. Longer than the system's range is as good as for ever.
        let left = deadline.duration_since(self.now());
        self.collect(Timespec::try_from(left).ok().filter(|_| deadline != Instant::MAX))?;
        // Of a deadline that has passed there was no news to see.
        let after = self.now().duration_since(since);
        self.busy_poll.slept(if self.events.borrow().is_empty() { Duration::MAX } else { after });
        Ok(())
    }

    fn waiting(&self, key: u64) -> Option<Rc<Waiting>> {
        let sources = self.shared.sources.borrow();
        let place = sources.places.get(key as u32 as usize)?;
        if u64::from(place.generation) != key >> 32 {
            return None;
        }
        place.waiting.clone()
    }
}

impl Bottom for Unix {
    type Notifier = Notifier;
    type Error = io::Error;

    fn now(&self) -> Instant {
        let now = clock_gettime(ClockId::Monotonic);
        Instant::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    fn wait(&self, wait: Wait) -> io::Result<()> {
        let done = match wait {
            Wait::Until(_) | Wait::Forever if !self.spinning.get() => self.sleep(wait),
            Wait::Poll | Wait::Until(_) | Wait::Forever => self.collect(Some(Timespec::default())),
        };
        match done {
            // A signal: as good as any other reason to return early.
            Ok(()) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn deliver(&self) {
        let events = self.events.take();
        for event in &events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == NOTIFIED {
                let _ = rustix::io::read(&*self.notifier.0, &mut [0; 8]);
                continue;
            }
            let Some(waiting) = self.waiting(key) else { continue };
            let ended = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::RDHUP | ended) {
                waiting.readable.wake();
            }
            if flags.intersects(epoll::EventFlags::OUT | ended) {
                waiting.writable.wake();
            }
        }
        // The same buffer for the next wait.
        self.events.replace(events);
    }
}

impl Reactor for Os<Unix> {
    type Source = Source;

    fn register(&self, fd: OwnedFd) -> io::Result<Source> {
        self.bottom().register(fd)
    }

    fn poll_readable(&self, source: &Source, waker: &task::Waker) -> Poll<io::Result<()>> {
        // Edge-triggered: what came since the descriptor said `WouldBlock` is
        // an edge that the next wait brings.
        source.waiting.readable.register(waker);
        // A loop that spins looks right at it in the next pass, and at the
        // others whenever the passes between polls are over.
        if self.bottom().tries_again() {
            waker.wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_writable(&self, source: &Source, waker: &task::Waker) -> Poll<io::Result<()>> {
        source.waiting.writable.register(waker);
        Poll::Pending
    }
}
