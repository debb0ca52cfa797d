//! Tasks that wait for the same thing.

use core::cell::RefCell;
use core::task::Waker;

/// The wakers of up to `N` tasks that wait for the same thing.
///
/// A task that finds no place left pushes out the oldest, which is woken and
/// registers again if it still waits: nobody is forgotten.
#[derive(Debug)]
pub struct WakerSet<const N: usize = 4> {
    wakers: RefCell<[Option<Waker>; N]>,
}

impl<const N: usize> Default for WakerSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> WakerSet<N> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self { wakers: RefCell::new([const { None }; N]) }
    }

    /// Keeps `waker` until the next [`WakerSet::wake`].
    pub fn register(&self, waker: &Waker) {
        let displaced = {
            let mut wakers = self.wakers.borrow_mut();
            if wakers.iter().flatten().any(|kept| kept.will_wake(waker)) {
                return;
            }
            match wakers.iter_mut().find(|place| place.is_none()) {
                Some(place) => place.replace(waker.clone()),
                None => {
                    wakers.rotate_left(1);
                    wakers.last_mut().and_then(|place| place.replace(waker.clone()))
                }
            }
        };
        if let Some(displaced) = displaced {
            displaced.wake();
        }
    }

    /// Wakes all who wait, and forgets them.
    ///
    /// Wakers run after the set's own borrow has ended; they may register
    /// again.
    pub fn wake(&self) {
        if self.is_empty() {
            return;
        }
        let wakers = self.wakers.replace([const { None }; N]);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.wakers.borrow().iter().all(Option::is_none)
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::task::Wake;
    use core::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_each_once_and_forgets() {
        let (a, b) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let set = WakerSet::<2>::new();
        let waker = Waker::from(a.clone());
        set.register(&waker);
        set.register(&waker);
        set.register(&Waker::from(b.clone()));
        set.wake();
        set.wake();
        assert_eq!((a.0.load(Ordering::Relaxed), b.0.load(Ordering::Relaxed)), (1, 1));
        assert!(set.is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let counts: [Arc<Count>; 3] = Default::default();
        let set = WakerSet::<2>::new();
        for count in &counts {
            set.register(&Waker::from(count.clone()));
        }
        assert_eq!(counts[0].0.load(Ordering::Relaxed), 1);
        set.wake();
        assert!(counts.iter().all(|c| c.0.load(Ordering::Relaxed) == 1));
    }
}
