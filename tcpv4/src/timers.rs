//! What is due next among many: a heap of deadlines by slot.

use core::ops::DerefMut;

use traits::Instant;

use crate::table::{Arena, Slab, UNNOTED};

/// An array that grows at its end.
pub trait Array<T>: Default + DerefMut<Target = [T]> {
    /// `false` when there is no room.
    fn push(&mut self, value: T) -> bool;
    /// Takes the last one.
    fn pop(&mut self) -> Option<T>;
}

#[cfg(feature = "alloc")]
impl<T> Array<T> for alloc::vec::Vec<T> {
    fn push(&mut self, value: T) -> bool {
        self.push(value);
        true
    }

    /// Gives memory back when little of it is used.
    fn pop(&mut self) -> Option<T> {
        if self.capacity() > 1024 && self.len() < self.capacity() / 8 {
            self.shrink_to(self.capacity() / 2);
        }
        self.pop()
    }
}

impl<T, const N: usize> Array<T> for heapless::Vec<T, N> {
    fn push(&mut self, value: T) -> bool {
        self.push(value).is_ok()
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }
}

/// A binary heap with at most one deadline for each slot: O(log n) to set and
/// to fire, O(1) to ask. A deadline that moves back is not moved here: the
/// slot fires early, finds nothing due and sets it anew, so that an
/// acknowledgement which restarts a timer costs nothing. Where a slot stands
/// in the heap is the note of that slot.
///
/// Bound: one entry for each slot.
#[derive(Default, Debug)]
pub(crate) struct Timers<H> {
    heap: H,
}

impl<H: Array<(Instant, u32)>> Timers<H> {
    /// When the first slot is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.first().map(|(deadline, _)| *deadline)
    }

    /// Makes sure that `slot` fires by `deadline`; earlier is possible.
    #[inline]
    pub(crate) fn fire_by<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, slot: u32, deadline: Instant) {
        let place = slots.note(slot);
        if self.heap.get(place as usize).is_none_or(|(armed, _)| *armed > deadline) {
            self.move_up(slots, slot, place, deadline);
        }
    }

    #[inline(never)]
    fn move_up<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, slot: u32, place: u32, deadline: Instant) {
        match self.heap.get_mut(place as usize) {
            Some((armed, _)) => {
                *armed = deadline;
                self.up(slots, place as usize);
            }
            None => {
                let end = self.heap.len();
                if self.heap.push((deadline, slot)) {
                    self.settle(slots, end, (deadline, slot));
                    self.up(slots, end);
                }
            }
        }
    }

    /// Forgets the deadline of `slot`.
    pub(crate) fn cancel<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, slot: u32) {
        let place = slots.note(slot);
        if place != UNNOTED {
            self.remove(slots, place as usize);
        }
    }

    /// Takes a slot that is due at `now`.
    pub(crate) fn pop_due<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, now: Instant) -> Option<u32> {
        let &(deadline, slot) = self.heap.first()?;
        if deadline > now {
            return None;
        }
        self.remove(slots, 0);
        Some(slot)
    }

    fn remove<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, at: usize) {
        if let Some((_, slot)) = self.heap.get(at).copied() {
            slots.set_note(slot, UNNOTED);
        }
        let Some(last) = self.heap.pop() else { return };
        if at < self.heap.len() {
            self.settle(slots, at, last);
            self.down(slots, at);
            self.up(slots, at);
        }
    }

    fn up<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.swap_if_later(slots, parent, at) {
                break;
            }
            at = parent;
        }
    }

    fn down<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, mut at: usize) {
        loop {
            let key = |i: usize| self.heap.get(i).map_or(Instant::MAX, |(deadline, _)| *deadline);
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let child = if key(right) < key(left) { right } else { left };
            if !self.swap_if_later(slots, at, child) {
                break;
            }
            at = child;
        }
    }

    /// Swaps parent and child when the parent is later.
    fn swap_if_later<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, parent: usize, child: usize) -> bool {
        match (self.heap.get(parent).copied(), self.heap.get(child).copied()) {
            (Some(above), Some(below)) if above.0 > below.0 => {
                #[cfg(all(test, feature = "alloc"))]
                crate::table::count(0, 0, 1);
                self.settle(slots, parent, below);
                self.settle(slots, child, above);
                true
            }
            _ => false,
        }
    }

    /// Puts an entry at a place, and notes the place.
    fn settle<T, A: Arena<T>>(&mut self, slots: &mut Slab<A>, at: usize, entry: (Instant, u32)) {
        if let Some(place) = self.heap.get_mut(at) {
            *place = entry;
        }
        slots.set_note(entry.1, at as u32);
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use crate::table::Slot;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    type Growing = Timers<Vec<(Instant, u32)>>;

    #[derive(Clone, Debug)]
    enum Step {
        FireBy(u32, u64),
        Cancel(u32),
        Advance(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u32..20, 0u64..100).prop_map(|(slot, ahead)| Step::FireBy(slot, ahead)),
            (0u32..20).prop_map(Step::Cancel),
            (0u64..30).prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn fires_in_order_and_none_late(steps in proptest::collection::vec(step(), 0..300)) {
            let (mut timers, mut model, mut now) = (Growing::default(), BTreeMap::<u32, u64>::new(), 0);
            let mut slots = Slab::<heapless::Vec<Slot<()>, 20>>::new(20);
            for _ in 0..20 {
                prop_assert!(slots.insert(|| Some(())).is_some());
            }
            for step in steps {
                match step {
                    Step::FireBy(slot, ahead) => {
                        timers.fire_by(&mut slots, slot, Instant::from_nanos(now + ahead));
                        let armed = model.entry(slot).or_insert(u64::MAX);
                        *armed = (*armed).min(now + ahead);
                    }
                    Step::Cancel(slot) => {
                        timers.cancel(&mut slots, slot);
                        model.remove(&slot);
                    }
                    Step::Advance(by) => {
                        now += by;
                        let mut last = 0;
                        while let Some(slot) = timers.pop_due(&mut slots, Instant::from_nanos(now)) {
                            let deadline = model.remove(&slot).unwrap();
                            prop_assert!(deadline <= now && deadline >= last);
                            last = deadline;
                        }
                        prop_assert!(model.values().all(|deadline| *deadline > now));
                    }
                }
                let first = model.values().min().map(|nanos| Instant::from_nanos(*nanos));
                prop_assert_eq!(timers.next(), first);
            }
        }
    }
}
