//! Tasks that wait for the same thing.

use core::cell::{Cell, RefCell};
use core::task::Waker;

/// The wakers of up to `N` tasks (32 at most) that wait for the same thing.
///
/// A task that finds no place left pushes another one out, which is woken and
/// registers again if it still waits: nobody is forgotten.
///
/// A waker stays when it was woken, until its place is needed: a task that
/// waits over and over is cloned once.
#[derive(Debug)]
pub struct WakerSet<const N: usize = 4> {
    wakers: RefCell<[Option<Waker>; N]>,
    /// One bit for each place whose task waits.
    waiting: Cell<u32>,
    /// Who is pushed out next.
    hand: Cell<u8>,
}

impl<const N: usize> Default for WakerSet<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> WakerSet<N> {
    /// Nobody waits.
    pub const fn new() -> Self {
        const { assert!(0 < N && N <= 32) };
        Self { wakers: RefCell::new([const { None }; N]), waiting: Cell::new(0), hand: Cell::new(0) }
    }

    /// Keeps `waker` until the next [`WakerSet::wake`].
    #[inline]
    pub fn register(&self, waker: &Waker) {
        // Nearly always there is one.
        let is_first = {
            let wakers = self.wakers.borrow();
            wakers.first().is_some_and(|kept| is_of(kept, waker))
        };
        if is_first {
            self.waiting.set(self.waiting.get() | 1);
        } else {
            self.register_other(waker);
        }
    }

    #[inline(never)]
    fn register_other(&self, waker: &Waker) {
        let known = self.wakers.borrow().iter().position(|kept| is_of(kept, waker));
        match known {
            Some(place) => self.waiting.set(self.waiting.get() | 1 << place),
            None => self.insert(waker),
        }
    }

    fn insert(&self, waker: &Waker) {
        let waiting = self.waiting.get();
        let free = waiting.trailing_ones() as usize;
        let place = if free < N {
            free
        } else {
            let hand = usize::from(self.hand.get());
            self.hand.set(((hand + 1) % N) as u8);
            hand
        };
        let displaced = match self.wakers.try_borrow_mut() {
            Ok(mut wakers) => wakers.get_mut(place).and_then(|kept| kept.replace(waker.clone())),
            // From within a waker that is being woken: comes again at once.
            Err(_) => return waker.wake_by_ref(),
        };
        self.waiting.set(waiting | 1 << place);
        if let Some(displaced) = displaced
            && waiting & 1 << place != 0
        {
            displaced.wake();
        }
    }

    /// Wakes all who wait.
    ///
    /// Wakers may register again; one that is not known yet and does so from
    /// within a wake is woken instead.
    #[inline]
    pub fn wake(&self) {
        if !self.is_empty() {
            self.wake_waiting();
        }
    }

    #[inline(never)]
    fn wake_waiting(&self) {
        let wakers = self.wakers.borrow();
        let mut left = self.waiting.replace(0);
        while left != 0 {
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            if let Some(Some(waker)) = wakers.get(place) {
                waker.wake_by_ref();
            }
        }
    }

    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.get() == 0
    }
}

/// Whether a waker that is kept would wake the same task.
#[inline]
fn is_of(kept: &Option<Waker>, waker: &Waker) -> bool {
    kept.as_ref().is_some_and(|kept| kept.will_wake(waker))
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    extern crate std;

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
    fn a_task_that_waits_again_is_not_cloned_again() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let set = WakerSet::<2>::new();
        for round in 1..=3 {
            set.register(&waker);
            assert!(!set.is_empty());
            set.wake();
            assert_eq!((count.0.load(Ordering::Relaxed), Arc::strong_count(&count)), (round, 3));
        }
        // One that is kept but does not wait makes room without being woken.
        let others: [Arc<Count>; 2] = Default::default();
        others.iter().for_each(|other| set.register(&Waker::from(other.clone())));
        assert_eq!((count.0.load(Ordering::Relaxed), Arc::strong_count(&count)), (3, 2));
        set.wake();
        assert!(others.iter().all(|other| other.0.load(Ordering::Relaxed) == 1));
    }

    std::thread_local! {
        static SET: WakerSet<2> = const { WakerSet::new() };
    }

    /// Brings another waker along when it is woken.
    struct Brings(Arc<Count>);

    impl Wake for Brings {
        fn wake(self: Arc<Self>) {
            SET.with(|set| set.register(&Waker::from(self.0.clone())));
        }
    }

    #[test]
    fn who_comes_while_others_are_woken_is_not_forgotten() {
        let count = Arc::new(Count::default());
        SET.with(|set| {
            set.register(&Waker::from(Arc::new(Brings(count.clone()))));
            set.wake();
            set.wake();
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_makes_room() {
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
