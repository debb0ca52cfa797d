//! The Unix backend: `epoll`, the system's clocks, standard output.
//!
//! ```
//! use traits::Console as _;
//!
//! os::unix::run(async |os| {
//!     os.console().log("hello");
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod busy_poll;
mod console;
mod epoll;
mod reactor;

use alloc::boxed::Box;
use core::pin::Pin;
use std::io;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};
use rustix::time::{ClockId, clock_gettime};
use traits::Clock;

pub use console::Console;
pub use epoll::{Notifier, Source, Unix};
pub use reactor::Reactor;

use crate::Os;

/// Runs `main` with a run loop of its own, to its end.
///
/// # Errors
///
/// When the system has no descriptors or no randomness to give: see
/// [`Os::new_unix`].
pub fn run<T>(main: impl AsyncFnOnce(&Os<Unix>) -> T) -> io::Result<T> {
    let os = Os::new_unix()?;
    Ok(os.run(on_heap(|| main(&os))))
}

/// A thread with a whole tower in it may take more than the stack of a
/// system's thread has beside it. What making it takes of the stack is given
/// back here.
#[inline(never)]
fn on_heap<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}

impl Os<Unix> {
    /// A run loop on this system.
    ///
    /// # Errors
    ///
    /// When the system has no descriptor left, or no randomness to give.
    pub fn new_unix() -> io::Result<Self> {
        Ok(Self::new(Unix::new()?))
    }

    /// Standard output as a console.
    pub fn console(&self) -> Console {
        Console::stdout()
    }

    /// A cryptographic generator of its own seed, which is the system's.
    pub fn random(&self) -> impl CryptoRng + use<> {
        self.bottom().fork_random()
    }

    /// Never blocks any more, or does so again: the loop asks for news over
    /// and over, which answers sooner and keeps one core busy.
    ///
    /// While it spins and watches up to 4 descriptors, each is read again in
    /// every pass rather than asked about, and the rest (wakes from other
    /// threads, room to write) is asked about in every eighth.
    pub fn set_spinning(&self, spinning: bool) {
        self.bottom().set_spinning(spinning);
    }

    /// How long a wait looks for news before the loop sleeps: 100 µs unless
    /// told, 0 for never.
    ///
    /// To fall asleep and be woken takes longer than many an answer, above all
    /// on a virtual machine. A wait looks only after one that was over within
    /// this time, and seldom where looking was in vain; so a loop with nothing to
    /// do, or with one thing every millisecond, takes no more of its processor. With
    /// several in a burst, looking after the last of them may be in vain.
    pub fn set_busy_poll(&self, limit: Duration) {
        self.bottom().set_busy_poll(limit);
    }
}

impl Clock for Os<Unix> {
    fn time(&self) -> Duration {
        let now = clock_gettime(ClockId::Realtime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
        Duration::new(seconds, nanos)
    }
}

/// The generator that all others come from.
fn seeded() -> io::Result<ChaCha20Rng> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(ChaCha20Rng::from_seed(seed))
}
