//! Wakers for the branches of a join.
//!
//! A branch is polled only when it was woken. What one branch does to wake
//! another is served within the same poll of the whole: so one batch of packets
//! that feeds an application, which in turn gives the tower something to send,
//! costs one pass of the run loop and no second, idle one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};

use crate::root::stable;

/// The join is being polled: it will see the flags, so nobody need wake it.
const IN_PASS: usize = 1 << (usize::BITS - 1);

/// Rounds within one poll. Two branches that keep waking each other give way
/// to the rest of the program after these.
const MAX_ROUNDS: u32 = 16;

/// The wakers of a join's branches, made at its first poll.
#[derive(Debug)]
pub struct Branches {
    count: usize,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    shared: Arc<Shared>,
    wakers: Box<[Waker]>,
    /// Which waker the parent came with: address of its data and its table.
    parent: (usize, usize),
}

#[derive(Debug)]
struct Shared {
    /// One bit for each branch that wants to be polled, and [`IN_PASS`].
    flags: AtomicUsize,
    parent: Waker,
}

struct Branch {
    shared: Arc<Shared>,
    flag: usize,
}

impl Wake for Branch {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let before = self.shared.flags.fetch_or(self.flag, Ordering::AcqRel);
        if before & (self.flag | IN_PASS) == 0 {
            self.shared.parent.wake_by_ref();
        }
    }
}

impl Branches {
    /// For `count` branches, fewer than the bits of a `usize`.
    pub const fn new(count: usize) -> Self {
        Self { count, current: None }
    }

    /// Begins a poll of the whole.
    pub fn pass(&mut self, context: &Context<'_>) -> Pass<'_> {
        let waker = context.waker();
        let parent = (waker.data().addr(), (&raw const *waker.vtable()).addr());
        // The clone that `Shared` holds keeps these addresses from being used
        // again for another task.
        let current = match self.current.take() {
            Some(current) if current.parent == parent => self.current.insert(current),
            // First poll, or polled by another task now: all branches have to
            // register their wakers anew.
            _ => self.current.insert(Current::new(self.count, waker, parent)),
        };
        let mut pass = Pass { current, index: 0, wanted: 0, yielded: 0, rounds: 0 };
        pass.take_woken();
        pass
    }
}

impl Current {
    fn new(count: usize, waker: &Waker, parent: (usize, usize)) -> Self {
        let all = (1 << count) - 1;
        let shared = Arc::new(Shared { flags: AtomicUsize::new(all), parent: waker.clone() });
        let branch = |index: usize| Arc::new(Branch { shared: shared.clone(), flag: 1_usize << index });
        let wakers = (0..count).map(|index| stable(Waker::from(branch(index)))).collect();
        Self { shared, wakers, parent }
    }
}

/// One poll of the whole: rounds over the branches in the order of writing,
/// until none is left that another one woke.
#[derive(Debug)]
pub struct Pass<'a> {
    current: &'a Current,
    /// The branch whose turn it is.
    index: usize,
    /// Branches that were woken and have not been polled since.
    wanted: usize,
    /// Branches that woke themselves: they yielded, and wait for the next pass.
    yielded: usize,
    rounds: u32,
}

impl Pass<'_> {
    /// Takes the flags of branches that were woken: all at once, since that
    /// costs the same as one.
    #[inline]
    fn take_woken(&mut self) {
        self.wanted |= self.current.shared.flags.swap(IN_PASS, Ordering::AcqRel) & !IN_PASS;
    }

    /// The flag of the next branch, and whether that was woken.
    #[inline]
    fn next(&mut self) -> (usize, bool) {
        let flag = 1_usize << self.index;
        self.index += 1;
        if self.current.shared.flags.load(Ordering::Acquire) != IN_PASS {
            self.take_woken();
        }
        (flag, self.wanted & flag != 0)
    }

    /// Polls the next branch, if it was woken.
    #[inline]
    fn step<F: Future>(&mut self, future: Pin<&mut F>) -> Poll<F::Output> {
        let index = self.index;
        let (flag, wants) = self.next();
        if !wants || self.yielded & flag != 0 {
            return Poll::Pending;
        }
        let Some(waker) = self.current.wakers.get(index) else { return Poll::Pending };
        self.wanted &= !flag;
        let polled = future.poll(&mut Context::from_waker(waker));
        if self.current.shared.flags.load(Ordering::Acquire) & flag != 0 {
            self.yielded |= flag;
        }
        polled
    }

    /// Passes over a branch that has completed.
    fn skip(&mut self) {
        let (flag, _) = self.next();
        self.wanted &= !flag;
    }

    /// After the last branch: whether there is another round. If not, the pass
    /// is over, and the parent is woken if branches are left that want a poll.
    pub fn again(&mut self) -> bool {
        let flags = &self.current.shared.flags;
        self.index = 0;
        self.rounds += 1;
        let woken = (flags.load(Ordering::Acquire) & !IN_PASS | self.wanted) & !self.yielded;
        if woken != 0 && self.rounds < MAX_ROUNDS {
            return true;
        }
        self.wanted |= flags.swap(0, Ordering::AcqRel) & !IN_PASS;
        if self.wanted != 0 {
            flags.fetch_or(self.wanted, Ordering::AcqRel);
            self.current.shared.parent.wake_by_ref();
        }
        false
    }
}

/// A branch and, once it has completed, what it returned. The future is
/// dropped as soon as it completes.
#[derive(Debug)]
pub struct Slot<'a, F: Future> {
    future: Pin<&'a mut Option<F>>,
    output: Option<F::Output>,
}

impl<'a, F: Future> Slot<'a, F> {
    /// A branch that has not been polled yet.
    pub const fn new(future: Pin<&'a mut Option<F>>) -> Self {
        Self { future, output: None }
    }

    /// Polls the branch if it was woken. Whether it has completed just now.
    pub fn step(&mut self, pass: &mut Pass<'_>) -> bool {
        let Some(future) = self.future.as_mut().as_pin_mut() else {
            pass.skip();
            return false;
        };
        match pass.step(future) {
            Poll::Ready(output) => {
                self.future.set(None);
                self.output = Some(output);
                true
            }
            Poll::Pending => false,
        }
    }

    /// What the branch returned.
    pub fn take(&mut self) -> Option<F::Output> {
        self.output.take()
    }
}
