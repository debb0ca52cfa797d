//! Slots that are taken and given back, and lists through them.

/// A growing array of slots that never moves them while it need not.
pub trait Arena<T>: Default {
    /// How many there are.
    fn len(&self) -> usize;
    /// One of them; one that there is not yet may be there all the same, and holds
    /// nothing.
    fn get(&self, at: usize) -> Option<&Slot<T>>;
    /// One of them.
    fn get_mut(&mut self, at: usize) -> Option<&mut Slot<T>>;
    /// One more; `false` when there is no room.
    fn grow(&mut self) -> bool;
}

impl<T, const N: usize> Arena<T> for heapless::Vec<Slot<T>, N> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn get(&self, at: usize) -> Option<&Slot<T>> {
        self.as_slice().get(at)
    }

    fn get_mut(&mut self, at: usize) -> Option<&mut Slot<T>> {
        self.as_mut_slice().get_mut(at)
    }

    fn grow(&mut self) -> bool {
        self.push(Slot::default()).is_ok()
    }
}

/// Pages of [`PAGE`] slots each: growing copies none, and wastes no more than a
/// page. All slots of a page are there from the beginning, so that to find one
/// takes a look at the list of pages and none at how long a page is.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Pages<T> {
    pages: alloc::vec::Vec<alloc::boxed::Box<[Slot<T>; PAGE]>>,
    len: usize,
}

#[cfg(feature = "alloc")]
const PAGE: usize = 16;

#[cfg(feature = "alloc")]
impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: alloc::vec::Vec::new(), len: 0 }
    }
}

#[cfg(feature = "alloc")]
impl<T> Arena<T> for Pages<T> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn get(&self, at: usize) -> Option<&Slot<T>> {
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> Option<&mut Slot<T>> {
        self.pages.get_mut(at / PAGE)?.get_mut(at % PAGE)
    }

    fn grow(&mut self) -> bool {
        if self.len == self.pages.len() * PAGE {
            // In its place at once: a page would be large on the stack.
            let page: alloc::boxed::Box<[Slot<T>]> = (0..PAGE).map(|_| Slot::default()).collect();
            let Ok(page) = page.try_into() else { return false };
            self.pages.push(page);
        }
        self.len += 1;
        true
    }
}

/// The end of a list.
const END: u32 = u32::MAX;
/// The note of a slot that has none.
pub(crate) const UNNOTED: u32 = u32::MAX;
/// In no list.
const APART: u32 = u32::MAX - 1;

/// A slot: what it holds, how often it was given back, its neighbours in the
/// one list it may stand in.
#[derive(Debug)]
pub struct Slot<T> {
    generation: u32,
    prev: u32,
    next: u32,
    /// A note of whoever uses the slab.
    note: u32,
    value: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { generation: 0, prev: APART, next: END, note: UNNOTED, value: None }
    }
}

/// Slots of one kind. Bound: `limit`, set by [`Slab::new`].
#[derive(Debug)]
pub(crate) struct Slab<A> {
    slots: A,
    free: u32,
    len: usize,
    limit: usize,
}

/// A list through the slots of one slab, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self { head: END, tail: END };

    pub(crate) const fn front(&self) -> Option<u32> {
        if self.head == END { None } else { Some(self.head) }
    }
}

impl<A> Slab<A> {
    /// An empty slab of at most `limit` slots.
    pub(crate) fn new(limit: usize) -> Self
    where
        A: Default,
    {
        Self { slots: A::default(), free: END, len: 0, limit: limit.min(1 << 30) }
    }

    /// Slots taken.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Takes a slot for what `make` makes in its place, which is not asked when all
    /// are taken.
    #[inline]
    pub(crate) fn insert<T>(&mut self, make: impl FnOnce() -> Option<T>) -> Option<u32>
    where
        A: Arena<T>,
    {
        let at = self.free()?;
        let slot = self.slots.get_mut(at as usize)?;
        slot.value = make();
        slot.value.as_ref()?;
        self.free = slot.next;
        slot.prev = APART;
        self.len += 1;
        Some(at)
    }

    /// A slot that is free, made now if there was none.
    fn free<T>(&mut self) -> Option<u32>
    where
        A: Arena<T>,
    {
        if self.len >= self.limit {
            return None;
        }
        if self.free == END {
            let fresh = self.slots.len() as u32;
            if !self.slots.grow() {
                return None;
            }
            self.free = fresh;
        }
        Some(self.free)
    }

    /// Gives a slot back, taken out of `list` if it stands in it; what it held is
    /// dropped where it is. `false` when it held nothing.
    pub(crate) fn remove<T>(&mut self, at: u32, list: &mut List) -> bool
    where
        A: Arena<T>,
    {
        self.unlink(list, at);
        let Some(slot) = self.slots.get_mut(at as usize).filter(|slot| slot.value.is_some()) else {
            return false;
        };
        slot.value = None;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = at;
        self.len -= 1;
        true
    }

    /// The value in a slot that is taken.
    #[inline]
    pub(crate) fn get<T>(&self, at: u32) -> Option<&T>
    where
        A: Arena<T>,
    {
        #[cfg(all(test, feature = "alloc"))]
        super::count(1, 0, 0);
        self.slots.get(at as usize)?.value.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut<T>(&mut self, at: u32) -> Option<&mut T>
    where
        A: Arena<T>,
    {
        #[cfg(all(test, feature = "alloc"))]
        super::count(1, 0, 0);
        self.slots.get_mut(at as usize)?.value.as_mut()
    }

    /// The value in a slot that stands in a list.
    #[inline]
    pub(crate) fn get_listed<T>(&mut self, at: u32) -> Option<&mut T>
    where
        A: Arena<T>,
    {
        #[cfg(all(test, feature = "alloc"))]
        super::count(1, 0, 0);
        self.slots.get_mut(at as usize).filter(|slot| slot.prev != APART)?.value.as_mut()
    }

    /// The value in a slot, if that was given back so many times.
    #[inline]
    pub(crate) fn get_if<T>(&mut self, at: u32, generation: u32) -> Option<&mut T>
    where
        A: Arena<T>,
    {
        #[cfg(all(test, feature = "alloc"))]
        super::count(1, 0, 0);
        self.slots.get_mut(at as usize).filter(|slot| slot.generation == generation)?.value.as_mut()
    }

    /// How often the slot was given back: the same number means the same
    /// value.
    #[inline]
    pub(crate) fn generation<T>(&self, at: u32) -> u32
    where
        A: Arena<T>,
    {
        self.slots.get(at as usize).map_or(0, |slot| slot.generation)
    }

    /// Puts a slot that stands in no list at the end of `list`; `false` when
    /// it stands in one.
    pub(crate) fn push_back<T>(&mut self, list: &mut List, at: u32) -> bool
    where
        A: Arena<T>,
    {
        let Some(slot) = self.slots.get_mut(at as usize) else { return false };
        if slot.prev != APART || slot.value.is_none() {
            return false;
        }
        (slot.prev, slot.next) = (list.tail, END);
        match self.slots.get_mut(list.tail as usize) {
            Some(last) => last.next = at,
            None => list.head = at,
        }
        list.tail = at;
        true
    }

    /// Takes a slot out of `list`, in which it stands or else in none.
    pub(crate) fn unlink<T>(&mut self, list: &mut List, at: u32) -> bool
    where
        A: Arena<T>,
    {
        let Some(slot) = self.slots.get_mut(at as usize) else { return false };
        if slot.prev == APART {
            return false;
        }
        let (prev, next) = (slot.prev, slot.next);
        slot.prev = APART;
        match self.slots.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => list.head = next,
        }
        match self.slots.get_mut(next as usize) {
            Some(after) => after.prev = prev,
            None => list.tail = prev,
        }
        true
    }

    /// The note of a slot, which outlives what the slot holds.
    #[inline]
    pub(crate) fn note<T>(&self, at: u32) -> u32
    where
        A: Arena<T>,
    {
        self.slots.get(at as usize).map_or(UNNOTED, |slot| slot.note)
    }

    #[inline]
    pub(crate) fn set_note<T>(&mut self, at: u32, note: u32)
    where
        A: Arena<T>,
    {
        if let Some(slot) = self.slots.get_mut(at as usize) {
            slot.note = note;
        }
    }

    /// One more than the highest slot ever taken.
    pub(crate) fn end<T>(&self) -> u32
    where
        A: Arena<T>,
    {
        self.slots.len() as u32
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Fixed = heapless::Vec<Slot<u8>, 3>;

    #[test]
    fn slots_are_bounded_and_used_again() {
        let mut slab = Slab::<Fixed>::new(100);
        let mut list = List::EMPTY;
        assert_eq!([7, 8, 9].map(|n| slab.insert(|| Some(n))), [Some(0), Some(1), Some(2)]);
        assert_eq!(slab.insert(|| Some(10)), None);
        assert_eq!(slab.generation(1), 0);
        assert_eq!((slab.remove(1, &mut list), slab.remove(1, &mut list)), (true, false));
        assert_eq!((slab.insert(|| None), slab.len()), (None, 2));
        assert_eq!((slab.insert(|| Some(11)), slab.generation(1), slab.len()), (Some(1), 1, 3));
        assert_eq!(slab.get(1), Some(&11));
    }

    #[test]
    fn lists_keep_their_order() {
        let mut slab = Slab::<Pages<u32>>::new(1000);
        let mut list = List::EMPTY;
        for n in 0..200 {
            assert_eq!(slab.insert(|| Some(n)), Some(n));
            assert!(slab.push_back(&mut list, n));
            assert!(!slab.push_back(&mut list, n), "once");
        }
        for n in (0..200).filter(|n| n % 3 != 0) {
            assert!(slab.unlink(&mut list, n));
            assert!(!slab.unlink(&mut list, n));
        }
        assert!(slab.remove(0, &mut list));
        let mut seen = Vec::new();
        while let Some(n) = list.front() {
            slab.unlink(&mut list, n);
            seen.push(n);
        }
        assert_eq!(seen, (1..67).map(|n| n * 3).collect::<Vec<_>>());
    }
}
