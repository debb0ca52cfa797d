//! The waker of a thread that [`Os::run`](crate::Os::run) drives.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::Waker;

use crate::Notify;

/// Nobody has woken the thread, and the loop is awake.
const IDLE: u8 = 0;
/// The thread wants to be polled.
const WOKEN: u8 = 1;
/// The loop is blocked, or about to be.
const BLOCKED: u8 = 2;

/// The state of the loop as wakers see it.
///
/// A wake costs one atomic exchange. The notifier, a system call as a rule, is
/// called only when the loop is blocked, which it never is when the wake comes
/// from its own thread.
pub(crate) struct Root<N> {
    state: AtomicU8,
    notifier: N,
}

impl<N: Notify> Root<N> {
    /// A thread that wants to be polled a first time.
    pub(crate) fn new(notifier: N) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(WOKEN), notifier })
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        stable(Waker::from(self.clone()))
    }

    /// Whether the thread wants to be polled; forgets it.
    pub(crate) fn take_woken(&self) -> bool {
        self.state.swap(IDLE, Ordering::AcqRel) == WOKEN
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.state.load(Ordering::Acquire) == WOKEN
    }

    /// Announces that the loop is about to block; from now on wakers notify.
    /// `false` when the thread has been woken, and blocking would be wrong.
    pub(crate) fn block(&self) -> bool {
        self.state.compare_exchange(IDLE, BLOCKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The loop is awake again.
    pub(crate) fn unblock(&self) {
        // Fails when a waker was faster: then the thread is woken, as it must be.
        let _ = self.state.compare_exchange(BLOCKED, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl<N: Notify> Wake for Root<N> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == BLOCKED {
            self.notifier.notify();
        }
    }
}

/// A waker that equals its clones by [`Waker::will_wake`].
///
/// The table of a waker just made from an `Arc` may be another copy than the
/// one that its clones get; those of a clone are all the same.
pub(crate) fn stable(waker: Waker) -> Waker {
    #[expect(clippy::redundant_clone, reason = "the clone's table is the point")]
    waker.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicUsize>);

    impl Notify for Count {
        fn notify(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn notifies_only_a_blocked_loop_and_once() {
        let count = Count::default();
        let notified = || count.0.load(Ordering::Relaxed);
        let root = Root::new(count.clone());
        let waker = root.waker();
        assert!(root.take_woken() && !root.take_woken());

        waker.wake_by_ref();
        assert!(root.is_woken() && notified() == 0);
        assert!(!root.block(), "woken: must not block");
        assert!(root.take_woken());

        assert!(root.block());
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(notified(), 1);
        root.unblock();
        assert!(root.take_woken());

        assert!(root.block());
        root.unblock();
        waker.wake_by_ref();
        assert_eq!(notified(), 1);
        assert!(root.take_woken());
    }

    #[test]
    fn equals_its_clones() {
        let waker = Root::new(Count::default()).waker();
        assert!(waker.will_wake(&waker.clone()));
        assert!(waker.clone().will_wake(&waker.clone()));
    }
}
