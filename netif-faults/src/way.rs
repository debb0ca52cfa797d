//! One direction.

use core::cell::{Cell, RefCell};

use traits::Instant;

use crate::fate::Fate;
use crate::held::{Held, HeldQueue};
use crate::{Counts, Impairments};

/// What one direction is set to, holds and counts.
#[derive(Debug)]
pub(crate) struct Way<M> {
    pub(crate) set: Cell<Impairments>,
    pub(crate) held: RefCell<HeldQueue<M>>,
    pub(crate) counts: Cell<Counts>,
}

impl<M> Way<M> {
    pub(crate) const fn new(set: Impairments) -> Self {
        Self {
            set: Cell::new(set),
            held: RefCell::new(HeldQueue::new(1024, 4 << 20)),
            counts: Cell::new(Counts {
                frames: 0,
                lost: 0,
                duplicated: 0,
                reordered: 0,
                bit_errors: 0,
                truncated: 0,
                marked: 0,
                full: 0,
                overflow: 0,
            }),
        }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    pub(crate) fn count_mark(&self, marked: bool) {
        self.count(|counts| counts.marked = counts.marked.wrapping_add(marked.into()));
    }

    pub(crate) fn count_overflow(&self) {
        self.count(|counts| counts.overflow = counts.overflow.wrapping_add(1));
    }

    /// Holds a frame; whether it is the next to leave now.
    pub(crate) fn hold(&self, due: Instant, meta: M, bytes: &[u8]) -> bool {
        let mut held = self.held.borrow_mut();
        let first = held.first_due().is_none_or(|first| due < first);
        let kept = held.hold(Held { due, meta, bytes: bytes.to_vec() });
        drop(held);
        if !kept {
            self.count_overflow();
        }
        kept && first
    }

    /// Until when a frame is held; `None`: it passes at once.
    pub(crate) fn due(&self, now: Instant, fate: &Fate) -> Option<Instant> {
        let due = now + fate.hold;
        if fate.reordered {
            return Some(due);
        }
        // Not to overtake what was delayed before.
        let due = self.held.borrow_mut().in_order(due);
        (due > now).then_some(due)
    }
}
