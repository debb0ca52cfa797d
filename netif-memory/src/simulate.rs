//! An executor of virtual time.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::future::Future;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};

use traits::{Instant, Time};

use crate::VirtualClock;

/// Runs `future` to its end in virtual time: polls it until nothing is woken
/// any more, then moves `clock` to the earliest deadline, and so on.
///
/// # Errors
///
/// See [`SimulationError`].
pub fn simulate<const N: usize, F: Future>(
    clock: &VirtualClock<N>,
    future: F,
) -> Result<F::Output, SimulationError> {
    Simulator::new(clock).run(future)
}

/// [`simulate`], with limits. After [`Simulator::new`] it allocates nothing.
#[derive(Debug)]
pub struct Simulator<'a, const N: usize> {
    clock: &'a VirtualClock<N>,
    woken: Arc<Woken>,
    waker: Waker,
    until: Instant,
    polls_per_instant: u64,
    polls: u64,
}

impl<'a, const N: usize> Simulator<'a, N> {
    /// Polls that may follow each other while the clock stands, unless
    /// [set](Simulator::with_polls_per_instant): a million.
    pub const POLLS_PER_INSTANT: u64 = 1_000_000;

    /// A simulator that moves `clock`.
    pub fn new(clock: &'a VirtualClock<N>) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        Self { clock, woken, waker, until: Instant::MAX, polls_per_instant: Self::POLLS_PER_INSTANT, polls: 0 }
    }

    /// Gives up when the clock would have to go beyond `until`.
    #[must_use]
    pub fn until(mut self, until: Instant) -> Self {
        self.until = until;
        self
    }

    /// Gives up after so many polls while the clock stands.
    #[must_use]
    pub fn with_polls_per_instant(mut self, polls: u64) -> Self {
        self.polls_per_instant = polls;
        self
    }

    /// Runs `future` to its end.
    ///
    /// # Errors
    ///
    /// See [`SimulationError`].
    pub fn run<F: Future>(&mut self, future: F) -> Result<F::Output, SimulationError> {
        let mut future = pin!(future);
        self.woken.0.store(true, Ordering::Relaxed);
        loop {
            if let Poll::Ready(output) = self.settle(future.as_mut())? {
                return Ok(output);
            }
            let now = self.clock.now();
            match self.clock.next_deadline() {
                None => return Err(SimulationError::Deadlock { now }),
                Some(next) if next > self.until => return Err(SimulationError::OutOfTime { now, next }),
                Some(next) => self.clock.advance(next),
            }
        }
    }

    /// Runs `future` until the clock stands at `until` and nothing is woken
    /// any more, or to its end if that comes first. Call it again to go on.
    ///
    /// # Errors
    ///
    /// [`SimulationError::Livelock`].
    pub fn run_until<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
        until: Instant,
    ) -> Result<Poll<F::Output>, SimulationError> {
        self.woken.0.store(true, Ordering::Relaxed);
        loop {
            if let Poll::Ready(output) = self.settle(future.as_mut())? {
                return Ok(Poll::Ready(output));
            }
            if self.clock.now() >= until {
                return Ok(Poll::Pending);
            }
            self.clock.advance(self.clock.next_deadline().map_or(until, |next| next.min(until)));
        }
    }

    /// Polls `future` until nothing is woken any more; the clock stands.
    fn settle<F: Future>(&mut self, mut future: Pin<&mut F>) -> Result<Poll<F::Output>, SimulationError> {
        let mut polls = 0;
        while self.woken.0.swap(false, Ordering::Relaxed) {
            if polls == self.polls_per_instant {
                return Err(SimulationError::Livelock { now: self.clock.now() });
            }
            polls += 1;
            self.polls += 1;
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                return Ok(Poll::Ready(output));
            }
        }
        Ok(Poll::Pending)
    }

    /// How often the future was polled so far.
    pub fn polls(&self) -> u64 {
        self.polls
    }
}

/// The one flag behind the simulator's waker.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why a simulation did not come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SimulationError {
    /// Every task waits, for nothing that could happen: no sleep and no frame
    /// in flight is left.
    Deadlock {
        /// The virtual time at which it happened.
        now: Instant,
    },
    /// Tasks wake each other for ever while the clock stands.
    Livelock {
        /// The virtual time at which it happened.
        now: Instant,
    },
    /// The end of the time given.
    OutOfTime {
        /// The virtual time reached.
        now: Instant,
        /// The next deadline.
        next: Instant,
    },
}

impl fmt::Display for SimulationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadlock { now } => {
                write!(f, "deadlock at {now:?}: every task waits, and no sleep or frame in flight is left")
            }
            Self::Livelock { now } => write!(f, "livelock at {now:?}: tasks wake each other for ever"),
            Self::OutOfTime { now, next } => {
                write!(f, "out of time at {now:?}: the next deadline would be {next:?}")
            }
        }
    }
}

impl core::error::Error for SimulationError {}
