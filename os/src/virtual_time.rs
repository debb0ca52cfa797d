//! Virtual time, for tests: the clock jumps to the next deadline.

use core::cell::Cell;
use core::fmt;
use core::pin::pin;
use core::time::Duration;

use traits::Instant;

use crate::run::Wait;
use crate::{Bottom, Notify, Os};

/// A bottom without an outside world. Its clock stands still while threads
/// run; when all of them sleep, it jumps to the earliest deadline.
///
/// When nothing is due and nothing was woken, nothing can ever happen again:
/// [`Os::try_run`] returns [`Deadlock`] then, and [`Os::run`] panics.
#[derive(Debug, Default)]
pub struct VirtualTime {
    now: Cell<Instant>,
}

/// All threads wait, and nothing is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlock;

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadlock: all threads wait, and nothing is due")
    }
}

impl core::error::Error for Deadlock {}

impl VirtualTime {
    /// A clock that begins at its origin.
    pub const fn new() -> Self {
        Self::starting_at(Instant::ZERO)
    }

    /// A clock that begins at `start`.
    pub const fn starting_at(start: Instant) -> Self {
        Self { now: Cell::new(start) }
    }

    /// Moves the clock on: threads see it from the next pass on.
    pub fn advance(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }
}

impl Bottom for VirtualTime {
    type Notifier = Nobody;
    type Error = Deadlock;

    fn now(&self) -> Instant {
        self.now.get()
    }

    fn notifier(&self) -> Nobody {
        Nobody
    }

    fn wait(&self, wait: Wait) -> Result<(), Deadlock> {
        match wait {
            Wait::Poll => Ok(()),
            Wait::Until(deadline) => {
                self.now.set(self.now.get().max(deadline));
                Ok(())
            }
            Wait::Forever => Err(Deadlock),
        }
    }

    fn deliver(&self) {}
}

/// Nobody else is there to interrupt a virtual wait.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

/// Runs `main` in virtual time from the clock's origin.
///
/// # Panics
///
/// On a [`Deadlock`].
pub fn run<T>(main: impl AsyncFnOnce(&Os<VirtualTime>) -> T) -> T {
    let os = Os::new(VirtualTime::new());
    os.run(pin!(main(&os)))
}
