//! From a 4-tuple to what is known of it.
//!
//! Open addressing with linear probing in one flat array; an entry carries
//! its whole 32-bit hash, so that neither growing nor removing looks at a
//! key, and a probe looks at one only when 32 bits agree. The hash is keyed:
//! whoever chooses ports can't choose where they land.

/// Where a tuple is known. Slots are less than 2³⁰.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    /// A connection with state and buffers.
    Connection(u32),
    /// A SYN that was answered.
    HalfOpen(u32),
    /// A connection that is over.
    TimeWait(u32),
}

const SLOT_BITS: u32 = 30;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

impl Entry {
    /// Never 0, which is a free cell.
    const fn encode(self) -> u32 {
        let (kind, slot) = match self {
            Self::Connection(slot) => (1, slot),
            Self::HalfOpen(slot) => (2, slot),
            Self::TimeWait(slot) => (3, slot),
        };
        kind << SLOT_BITS | (slot & SLOT_MASK)
    }

    const fn decode(code: u32) -> Self {
        let slot = code & SLOT_MASK;
        match code >> SLOT_BITS {
            1 => Self::Connection(slot),
            2 => Self::HalfOpen(slot),
            _ => Self::TimeWait(slot),
        }
    }
}

/// A cell: the hash above, the entry below; 0 is free.
pub(crate) type Cell = u64;

const fn cell(hash: u32, entry: Entry) -> Cell {
    (hash as u64) << 32 | entry.encode() as u64
}

const fn hash_of(cell: Cell) -> u32 {
    (cell >> 32) as u32
}

/// The index. Bound: three quarters of its cells, to which a growing list
/// adds an eighth; where it can't, [`Index::insert`] says so.
#[derive(Default, Debug)]
pub(crate) struct Index<C> {
    cells: C,
    len: usize,
}

/// The array below an index.
pub trait Cells: Default {
    /// All of them.
    fn cells(&self) -> &[Cell];
    /// All of them.
    fn cells_mut(&mut self) -> &mut [Cell];
    /// A larger array, or none.
    fn grown(&self) -> Option<Self>;
}

impl<const N: usize> Cells for heapless::Vec<[Cell; 4], N> {
    fn cells(&self) -> &[Cell] {
        self.as_flattened()
    }

    fn cells_mut(&mut self) -> &mut [Cell] {
        self.as_flattened_mut()
    }

    fn grown(&self) -> Option<Self> {
        // From nothing to all at once: four cells for each slot, of which the
        // three kinds of entries take three at most.
        let mut cells = Self::new();
        while self.is_empty() && !cells.is_full() {
            cells.push([0; 4]).ok()?;
        }
        (!cells.is_empty()).then_some(cells)
    }
}

#[cfg(feature = "alloc")]
impl Cells for alloc::vec::Vec<Cell> {
    fn cells(&self) -> &[Cell] {
        self
    }

    fn cells_mut(&mut self) -> &mut [Cell] {
        self
    }

    fn grown(&self) -> Option<Self> {
        // Two thirds are in use after that: memory counts more than the few
        // moves that doubling would save.
        Some(alloc::vec![0; self.len() + (self.len() / 8).max(16)])
    }
}

impl<C: Cells> Index<C> {
    /// The entry with this hash of which `is` says that it is the one.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is: impl Fn(Entry) -> bool) -> Option<Entry> {
        let cells = self.cells.cells();
        let mut at = home(hash, cells.len());
        for _ in 0..cells.len() {
            #[cfg(all(test, feature = "alloc"))]
            super::count(0, 1, 0);
            let cell = *cells.get(at)?;
            if cell == 0 {
                return None;
            }
            let entry = Entry::decode(cell as u32);
            if hash_of(cell) == hash && is(entry) {
                return Some(entry);
            }
            at = next(at, cells.len());
        }
        None
    }

    /// Adds an entry whose tuple is not there yet; `false` when the array is
    /// full and can't grow.
    pub(crate) fn insert(&mut self, hash: u32, entry: Entry) -> bool {
        if (self.len + 1) * 4 > self.cells.cells().len() * 3 && !self.grow() {
            return false;
        }
        self.len += 1;
        put(self.cells.cells_mut(), cell(hash, entry))
    }

    /// Puts `to` where `from` stands.
    pub(crate) fn replace(&mut self, hash: u32, from: Entry, to: Entry) -> bool {
        match self.position(hash, from).and_then(|at| self.cells.cells_mut().get_mut(at)) {
            Some(place) => {
                *place = cell(hash, to);
                true
            }
            None => false,
        }
    }

    /// Removes an entry; the ones behind it move up.
    pub(crate) fn remove(&mut self, hash: u32, entry: Entry) -> bool {
        let Some(mut hole) = self.position(hash, entry) else { return false };
        self.len -= 1;
        let cells = self.cells.cells_mut();
        let size = cells.len();
        let distance = |from: usize, to: usize| if to >= from { to - from } else { to + size - from };
        let mut at = hole;
        for _ in 0..size {
            at = next(at, size);
            let moved = cells.get(at).copied().unwrap_or(0);
            if moved == 0 {
                break;
            }
            let home = home(hash_of(moved), size);
            if distance(home, at) >= distance(hole, at) {
                if let Some(place) = cells.get_mut(hole) {
                    *place = moved;
                }
                hole = at;
            }
        }
        if let Some(place) = cells.get_mut(hole) {
            *place = 0;
        }
        true
    }

    fn position(&self, hash: u32, entry: Entry) -> Option<usize> {
        let cells = self.cells.cells();
        let wanted = cell(hash, entry);
        let mut at = home(hash, cells.len());
        for _ in 0..cells.len() {
            match *cells.get(at)? {
                0 => return None,
                found if found == wanted => return Some(at),
                _ => at = next(at, cells.len()),
            }
        }
        None
    }

    fn grow(&mut self) -> bool {
        let Some(mut grown) = self.cells.grown() else {
            // No more than full: a free cell ends every probe.
            return self.len + 1 < self.cells.cells().len();
        };
        for &cell in self.cells.cells().iter().filter(|cell| **cell != 0) {
            put(grown.cells_mut(), cell);
        }
        self.cells = grown;
        true
    }
}

fn put(cells: &mut [Cell], cell: Cell) -> bool {
    let size = cells.len();
    let mut at = home(hash_of(cell), size);
    for _ in 0..size {
        match cells.get_mut(at) {
            Some(place) if *place == 0 => {
                *place = cell;
                return true;
            }
            _ => at = next(at, size),
        }
    }
    false
}

/// Where a hash wants to be: its share of the array, of any size.
#[inline]
const fn home(hash: u32, size: usize) -> usize {
    ((hash as u64 * size as u64) >> 32) as usize
}

#[inline]
const fn next(at: usize, size: usize) -> usize {
    if at + 1 < size { at + 1 } else { 0 }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::vec::Vec;

    /// Few distinct hashes, so that chains are long and wrap around.
    fn operations() -> impl Strategy<Value = Vec<(bool, u32, u32)>> {
        let hash = prop_oneof![0u32..3, (u32::MAX - 2)..=u32::MAX, any::<u32>()];
        proptest::collection::vec((any::<bool>(), hash, 0u32..24), 0..200)
    }

    proptest! {
        #[test]
        fn behaves_like_a_map(operations in operations()) {
            let mut index = Index::<Vec<Cell>>::default();
            let mut model = HashMap::new();
            for (insert, hash, slot) in operations {
                if insert && !model.contains_key(&slot) {
                    prop_assert!(index.insert(hash, Entry::HalfOpen(slot)));
                    model.insert(slot, hash);
                } else if let Some(hash) = model.remove(&slot) {
                    prop_assert!(index.remove(hash, Entry::HalfOpen(slot)));
                    prop_assert!(!index.remove(hash, Entry::HalfOpen(slot)));
                }
                for (slot, hash) in &model {
                    let entry = Entry::HalfOpen(*slot);
                    prop_assert_eq!(index.find(*hash, |e| e == entry), Some(entry));
                }
                prop_assert_eq!(index.len, model.len());
            }
        }
    }

    #[test]
    fn a_fixed_index_takes_three_entries_a_slot() {
        let mut index = Index::<heapless::Vec<[Cell; 4], 2>>::default();
        for slot in 0..6 {
            assert!(index.insert(slot << 29, Entry::TimeWait(slot)));
        }
        assert!(index.replace(5 << 29, Entry::TimeWait(5), Entry::Connection(0)));
        assert_eq!(index.find(5 << 29, |_| true), Some(Entry::Connection(0)));
        assert!(index.insert(1, Entry::TimeWait(6)));
        assert!(!index.insert(1, Entry::TimeWait(7)), "one cell stays free");
        assert_eq!(index.find(1, |e| e == Entry::TimeWait(7)), None);
    }
}
