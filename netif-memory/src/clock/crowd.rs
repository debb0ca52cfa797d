//! The sleeps beyond a clock's places.

pub(super) use storage::Crowd;

/// With a heap each sleep is queued by itself.
#[cfg(feature = "alloc")]
mod storage {
    use alloc::collections::BTreeMap;
    use core::cell::RefCell;
    use core::task::Waker;

    use traits::Instant;

    /// Sleeps by deadline, then by age.
    #[derive(Debug)]
    pub(in crate::clock) struct Crowd(RefCell<BTreeMap<(Instant, u64), Waker>>);

    impl Crowd {
        pub(in crate::clock) const fn new() -> Self {
            Self(RefCell::new(BTreeMap::new()))
        }

        /// The deadline and the serial number of who is woken first.
        pub(in crate::clock) fn first(&self) -> Option<(Instant, u64)> {
            self.0.borrow().first_key_value().map(|(key, _)| *key)
        }

        /// Queues a sleep, or renews its waker; its serial number, which it
        /// comes with again and gives back.
        pub(in crate::clock) fn register(&self, deadline: Instant, serial: u64, waker: &Waker) -> Option<u64> {
            let replaced = self.0.borrow_mut().insert((deadline, serial), waker.clone());
            // Dropping a waker may run code of its owner's.
            drop(replaced);
            Some(serial)
        }

        /// Wakes the first.
        pub(in crate::clock) fn wake_first(&self) {
            let first = self.0.borrow_mut().pop_first();
            if let Some((_, waker)) = first {
                waker.wake();
            }
        }

        pub(in crate::clock) fn release(&self, deadline: Instant, serial: u64) {
            let released = self.0.borrow_mut().remove(&(deadline, serial));
            drop(released);
        }
    }
}

/// Without one they share one deadline, and are woken together.
#[cfg(not(feature = "alloc"))]
mod storage {
    use core::cell::Cell;
    use core::task::Waker;

    use traits::{Instant, WakerSet};

    /// The tasks that sleep, and the earliest of their deadlines.
    #[derive(Debug)]
    pub(in crate::clock) struct Crowd {
        tasks: WakerSet<8>,
        deadline: Cell<Option<Instant>>,
    }

    impl Crowd {
        pub(in crate::clock) const fn new() -> Self {
            Self { tasks: WakerSet::new(), deadline: Cell::new(None) }
        }

        /// The earliest deadline; who has a place comes before at the same.
        pub(in crate::clock) fn first(&self) -> Option<(Instant, u64)> {
            self.deadline.get().map(|deadline| (deadline, u64::MAX))
        }

        /// Queues a sleep, which has no number: it comes anew each time.
        pub(in crate::clock) fn register(&self, deadline: Instant, _serial: u64, waker: &Waker) -> Option<u64> {
            let earliest = self.deadline.get().map_or(deadline, |earliest| earliest.min(deadline));
            self.deadline.set(Some(earliest));
            self.tasks.register(waker);
            None
        }

        /// Wakes all.
        pub(in crate::clock) fn wake_first(&self) {
            self.deadline.set(None);
            self.tasks.wake();
        }

        /// Nobody has a place to give back.
        pub(in crate::clock) fn release(&self, _deadline: Instant, _serial: u64) {}
    }
}
