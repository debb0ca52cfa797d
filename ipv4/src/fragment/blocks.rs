//! Which parts of a packet have arrived.

use core::ops::Range;

/// Words of the map: a bit for each 8 bytes of 65,535.
const WORDS: usize = 128;

/// A set of blocks of 8 bytes each. All work is in proportion to the range
/// asked about, a 64th of its blocks: no list of fragments, however many, has
/// to be walked.
#[derive(Clone, Debug)]
pub(crate) struct Blocks([u64; WORDS]);

impl Blocks {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    /// The words that hold the blocks of a range of bytes, each with the mask
    /// of its bits. The end is rounded up: only the last fragment is ragged.
    fn words(bytes: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let (first, end) = (bytes.start / 8, bytes.end.div_ceil(8));
        (first / 64..end.div_ceil(64)).map(move |word| {
            let from = first.saturating_sub(word * 64);
            let to = (end - word * 64).min(64);
            let below = |bits: usize| if bits >= 64 { u64::MAX } else { (1 << bits) - 1 };
            (word, below(to) & !below(from))
        })
    }

    pub(crate) fn insert(&mut self, bytes: Range<usize>) {
        for (word, mask) in Self::words(bytes) {
            if let Some(bits) = self.0.get_mut(word) {
                *bits |= mask;
            }
        }
    }

    /// Whether any part of the range is there.
    pub(crate) fn overlaps(&self, bytes: Range<usize>) -> bool {
        Self::words(bytes).any(|(word, mask)| self.0.get(word).is_some_and(|bits| bits & mask != 0))
    }

    /// Whether all of the range is there.
    pub(crate) fn contains(&self, bytes: Range<usize>) -> bool {
        Self::words(bytes).all(|(word, mask)| self.0.get(word).is_some_and(|bits| bits & mask == mask))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_a_set_of_blocks(
            ranges in proptest::collection::vec(any::<(u16, u16)>(), 0..6),
            asked: (u16, u16),
        ) {
            let range = |(a, b): (u16, u16)| {
                let start = usize::from(a.min(b)) / 8 * 8;
                start..usize::from(a.max(b)).max(start + 1)
            };
            let blocks = |bytes: Range<usize>| bytes.start / 8..bytes.end.div_ceil(8);
            let (mut map, mut model) = (Blocks::NONE, BTreeSet::new());
            for bytes in ranges.into_iter().map(range) {
                map.insert(bytes.clone());
                model.extend(blocks(bytes));
            }
            let asked = range(asked);
            prop_assert_eq!(map.overlaps(asked.clone()), blocks(asked.clone()).any(|b| model.contains(&b)));
            prop_assert_eq!(map.contains(asked.clone()), blocks(asked).all(|b| model.contains(&b)));
        }
    }
}
