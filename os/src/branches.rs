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
        if self.current.as_ref().is_some_and(|current| current.parent != parent) {
            // Polled by another task now: all branches have to register their
            // wakers anew.
            self.current = None;
        }
        let current = self.current.get_or_insert_with(|| Current::new(self.count, waker, parent));
        let mut pass = Pass { current, turn: 1, due: 0, later: 0, rounds: 0 };
        pass.take_woken(0);
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
    /// The flag of the branch whose turn it is.
    turn: usize,
    /// Branches that were woken and have not been polled since.
    due: usize,
    /// Branches that woke themselves: they yielded, and wait for the next pass.
    later: usize,
    rounds: u32,
}

impl Pass<'_> {
    /// Takes the flags of branches that were woken, the last one by the branch
    /// `polled`: all at once, since that costs the same as one.
    #[inline]
    fn take_woken(&mut self, polled: usize) {
        let flags = &self.current.shared.flags;
        if flags.load(Ordering::Acquire) != IN_PASS {
            let woken = flags.swap(IN_PASS, Ordering::AcqRel) & !IN_PASS;
            self.later |= woken & polled;
            self.due |= woken & !self.later;
        }
    }

    /// The flag of the next branch, if that is due.
    #[inline]
    fn next(&mut self) -> Option<usize> {
        let flag = self.turn;
        self.turn <<= 1;
        let is_due = self.due & flag != 0;
        self.due &= !flag;
        is_due.then_some(flag)
    }

    /// Polls a branch that is due. What that wakes is known right after it: a
    /// branch that is not due costs no look at the flags.
    #[inline]
    fn poll<F: Future>(&mut self, flag: usize, future: Pin<&mut F>) -> Poll<F::Output> {
        let Some(waker) = self.current.wakers.get(flag.trailing_zeros() as usize) else { return Poll::Pending };
        let polled = future.poll(&mut Context::from_waker(waker));
        self.take_woken(flag);
        polled
    }

    /// After the last branch: whether there is another round. If not, the pass
    /// is over, and the parent is woken if branches are left that want a poll.
    pub fn again(&mut self) -> bool {
        self.turn = 1;
        self.rounds += 1;
        self.take_woken(0);
        if self.due != 0 && self.rounds < MAX_ROUNDS {
            return true;
        }
        let flags = &self.current.shared.flags;
        let left = self.due | self.later | flags.swap(0, Ordering::AcqRel) & !IN_PASS;
        if left != 0 {
            flags.fetch_or(left, Ordering::AcqRel);
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
    #[inline]
    pub fn step(&mut self, pass: &mut Pass<'_>) -> bool {
        let Some(flag) = pass.next() else { return false };
        let Some(future) = self.future.as_mut().as_pin_mut() else { return false };
        match pass.poll(flag, future) {
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
