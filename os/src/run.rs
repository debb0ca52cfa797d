//! The run loop.

use core::cell::Cell;
use core::fmt::Debug;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use traits::{Instant, Time};

use crate::root::Root;
use crate::timers::{Key, Timers};

/// While a thread keeps waking itself, the bottom is asked for news once in
/// this many passes, so that its sources do not starve.
const PASSES_BETWEEN_POLLS: u32 = 8;

/// What an [`Os`] stands on.
///
/// A bottom knows one clock and one way to wait. Descriptors, event channels
/// and the like are its own affair: it offers futures for them in whatever form
/// suits, and wakes them in [`Bottom::deliver`].
pub trait Bottom {
    /// Interrupts [`Bottom::wait`] from elsewhere.
    type Notifier: Notify;

    /// Why it could not wait.
    type Error: Debug;

    /// A fresh reading of the monotonic clock.
    fn now(&self) -> Instant;

    /// A handle to interrupt [`Bottom::wait`] with.
    fn notifier(&self) -> Self::Notifier;

    /// Waits until something has happened outside, a notifier has been used,
    /// or the time given is over. May return early for no reason at all.
    /// Wakes nobody.
    ///
    /// # Errors
    ///
    /// When waiting is impossible.
    fn wait(&self, wait: Wait) -> Result<(), Self::Error>;

    /// Wakes whoever waits for what happened during the last
    /// [`Bottom::wait`].
    fn deliver(&self);
}

/// How long to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Not at all: look for what has happened.
    Poll,
    /// Until a point in time, which may have passed.
    Until(Instant),
    /// For as long as it takes.
    Forever,
}

/// Interrupts a loop that waits.
pub trait Notify: Send + Sync + 'static {
    /// Makes the current or the next [`Bottom::wait`] return at once. Called
    /// from any thread.
    fn notify(&self);
}

/// The run loop: cooperative threads over a [`Bottom`].
///
/// It implements [`Time`], whose `now` is the reading taken before each poll,
/// so that all threads of one pass see the same time and reading it costs
/// nothing.
///
/// A sleep is an entry in a queue ordered by deadline: inserting, cancelling
/// and expiring take O(log n). The queue holds one entry per sleep that is
/// being waited for.
///
/// ```
/// use core::time::Duration;
/// use os::{Os, virtual_time::VirtualTime};
/// use traits::Time;
///
/// let os = Os::new(VirtualTime::new());
/// let slept = os.run(async {
///     let start = os.now();
///     os.sleep(Duration::from_secs(3)).await;
///     os.now().duration_since(start)
/// });
/// assert_eq!(slept, Duration::from_secs(3));
/// ```
#[derive(Debug)]
pub struct Os<B> {
    bottom: B,
    now: Cell<Instant>,
    timers: Timers,
}

impl<B: Bottom> Os<B> {
    /// A run loop over `bottom`.
    pub fn new(bottom: B) -> Self {
        let now = Cell::new(bottom.now());
        Self { bottom, now, timers: Timers::new() }
    }

    /// What it stands on.
    pub fn bottom(&self) -> &B {
        &self.bottom
    }

    /// Drives `thread`, and all that it joins, to its end.
    ///
    /// Each pass reads the clock, wakes the sleeps that are due and polls the
    /// thread if it was woken. When it was woken again meanwhile, the next pass
    /// follows without waiting; else the bottom waits for the next deadline or
    /// the outside world.
    ///
    /// # Panics
    ///
    /// When the bottom cannot wait: see [`Os::try_run`].
    pub fn run<F: Future>(&self, thread: F) -> F::Output {
        match self.drive(pin!(thread)) {
            Ok(output) => output,
            Err(error) => panic!("the run loop cannot go on: {error:?}"),
        }
    }

    /// The same as [`Os::run`], with an error in place of a panic.
    ///
    /// # Errors
    ///
    /// What [`Bottom::wait`] returned. The thread is dropped.
    pub fn try_run<F: Future>(&self, thread: F) -> Result<F::Output, B::Error> {
        self.drive(pin!(thread))
    }

    /// By reference, since a thread with a whole tower in it is large.
    fn drive<F: Future>(&self, mut thread: Pin<&mut F>) -> Result<F::Output, B::Error> {
        let root = Root::new(self.bottom.notifier());
        let waker = root.waker();
        let mut context = Context::from_waker(&waker);
        let mut passes = 0;
        loop {
            self.now.set(self.bottom.now());
            self.timers.expire(self.now.get());
            if root.take_woken()
                && let Poll::Ready(output) = thread.as_mut().poll(&mut context)
            {
                return Ok(output);
            }
            passes += 1;
            self.rest(&root, &mut passes)?;
        }
    }

    /// Waits, unless the thread wants another pass.
    fn rest(&self, root: &Root<B::Notifier>, passes: &mut u32) -> Result<(), B::Error> {
        if root.is_woken() {
            if *passes < PASSES_BETWEEN_POLLS {
                return Ok(());
            }
            self.bottom.wait(Wait::Poll)?;
        } else {
            let wait = self.timers.next().map_or(Wait::Forever, Wait::Until);
            // Woken by another thread this very moment: look, but do not wait.
            let wait = if root.block() { wait } else { Wait::Poll };
            let waited = self.bottom.wait(wait);
            root.unblock();
            waited?;
        }
        *passes = 0;
        self.bottom.deliver();
        Ok(())
    }
}

impl<B: Bottom> Time for Os<B> {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        Sleep { now: &self.now, timers: &self.timers, deadline, key: None }
    }
}

/// A thread that sleeps. Dropping it gives its place in the queue back.
#[derive(Debug)]
struct Sleep<'a> {
    now: &'a Cell<Instant>,
    timers: &'a Timers,
    deadline: Instant,
    key: Option<Key>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.now.get() >= this.deadline {
            this.cancel();
            return Poll::Ready(());
        }
        this.timers.set(&mut this.key, this.deadline, context.waker());
        Poll::Pending
    }
}

impl Sleep<'_> {
    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            self.timers.remove(key);
        }
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.cancel();
    }
}
