//! What has arrived out of order.

use core::cmp::Ordering;
use core::marker::PhantomData;

use crate::SeqNum;
use crate::buffer::List;
use crate::wire::{MAX_SACK_BLOCKS, SackBlock, SackBlocks};

/// A range of numbers received beyond RCV.NXT.
pub(crate) type Range = SackBlock;

/// The ranges received beyond RCV.NXT, in order, apart from each other.
///
/// Bounded by the list; a segment that would need one range more is refused.
/// A place is found in O(log n). The bytes themselves lie in the receive
/// queue, which the window bounds.
#[derive(Debug)]
pub(crate) struct Assembler<L> {
    ranges: L,
    /// A number in each of the ranges that changed last, the newest first.
    recent: [SeqNum; MAX_SACK_BLOCKS],
    recent_len: u8,
    /// The FIN that waits came after all of them.
    is_fin_newest: bool,
    /// What came twice, to be reported once (RFC 2883).
    duplicate: Option<Range>,
    item: PhantomData<Range>,
}

impl<L: List<Range>> Default for Assembler<L> {
    fn default() -> Self {
        Self {
            ranges: L::default(),
            recent: [SeqNum::default(); MAX_SACK_BLOCKS],
            recent_len: 0,
            is_fin_newest: false,
            duplicate: None,
            item: PhantomData,
        }
    }
}

/// What came of a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Insertion {
    /// Some of it is new.
    New,
    /// All of it was there.
    Duplicate,
    /// No place for one range more.
    Full,
}

impl<L: List<Range>> Assembler<L> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.as_slice().is_empty()
    }

    /// Adds `start..end`, beyond RCV.NXT and not empty.
    pub(crate) fn insert(&mut self, start: SeqNum, end: SeqNum) -> Insertion {
        // The ranges from `from` to `to` touch the new one.
        let from = self.find(|range| range.end.before(start));
        let to = self.find(|range| range.start.before_eq(end));
        let touched = self.ranges.as_slice().get(from..to).unwrap_or_default();
        let (Some(first), Some(last)) = (touched.first().copied(), touched.last().copied()) else {
            if !self.ranges.insert(from, Range::new(start, end)) {
                return Insertion::Full;
            }
            self.note(start);
            return Insertion::New;
        };
        if first.start.before_eq(start) && first.end.after_eq(end) {
            self.duplicate = Some(Range::new(start, end));
            self.note(start);
            return Insertion::Duplicate;
        }
        // Of an overlap, the part that was there is reported.
        let overlap = Range::new(start.later(first.start), end.earlier(first.end));
        if overlap.start.before(overlap.end) {
            self.duplicate = Some(overlap);
        }
        let joined = Range::new(first.start.earlier(start), last.end.later(end));
        if let Some(range) = self.ranges.as_mut_slice().get_mut(from) {
            *range = joined;
        }
        self.ranges.remove(from + 1, to);
        self.note(start);
        Insertion::New
    }

    /// All before `nxt` has come in order by now: takes note of what of it had
    /// come before, unless there is something to be reported already (as Linux).
    pub(crate) fn report_overlap(&mut self, nxt: SeqNum) {
        if self.duplicate.is_none()
            && let Some(first) = self.ranges.as_slice().first().filter(|first| first.start.before(nxt))
        {
            self.duplicate = Some(Range::new(first.start, first.end.earlier(nxt)));
        }
    }

    /// What follows `nxt` without a hole: removes it and returns its end.
    pub(crate) fn take(&mut self, nxt: SeqNum) -> SeqNum {
        let mut end = nxt;
        let mut count = 0;
        for range in self.ranges.as_slice() {
            if range.start.after(end) {
                break;
            }
            end = end.later(range.end);
            count += 1;
        }
        self.ranges.remove(0, count);
        end
    }

    /// Forgets what lies from `end` on.
    pub(crate) fn truncate(&mut self, end: SeqNum) {
        let from = self.find(|range| range.start.before(end));
        self.ranges.remove(from, self.ranges.as_slice().len());
        if let Some(last) = self.ranges.as_mut_slice().last_mut() {
            last.end = last.end.earlier(end);
        }
    }

    /// Takes note of a FIN with something missing before it, where the stream
    /// ends: what lies behind is forgotten.
    pub(crate) fn note_fin(&mut self, fin: SeqNum) {
        self.truncate(fin);
        self.is_fin_newest = true;
    }

    /// Takes note of a range that came twice.
    pub(crate) fn report_duplicate(&mut self, start: SeqNum, end: SeqNum) {
        self.duplicate = Some(Range::new(start, end));
    }

    /// The blocks to report, at most `max` (RFC 2018 §4, RFC 2883 §4): the
    /// duplicate first, then the ranges that changed last. A FIN that waits for
    /// what is missing before it is reported like a byte of data (as Linux
    /// does): its sender sees by it what was lost, and that the FIN was not.
    pub(crate) fn blocks(&self, max: usize, fin: Option<SeqNum>) -> SackBlocks {
        let mut blocks = SackBlocks::NONE;
        let mut room = max;
        if let Some(duplicate) = self.duplicate
            && room > 0
        {
            blocks.push(duplicate);
            room -= 1;
        }
        let fin = fin.map(|fin| Range::new(fin, fin + 1));
        let joined = |range: Range| match fin {
            Some(fin) if range.end == fin.start => Range::new(range.start, fin.end),
            Some(_) | None => range,
        };
        let alone = fin.filter(|fin| self.ranges.as_slice().last().is_none_or(|last| last.end != fin.start));
        let (first, last) = if self.is_fin_newest { (alone, None) } else { (None, alone) };
        let recent = self.recent.get(..usize::from(self.recent_len)).unwrap_or_default();
        let ranges = recent.iter().filter_map(|&seq| self.containing(seq)).map(joined);
        for range in first.into_iter().chain(ranges).chain(last).take(room) {
            blocks.push(range);
        }
        blocks
    }

    /// Whether there is anything to report.
    pub(crate) fn has_blocks(&self) -> bool {
        self.duplicate.is_some() || !self.is_empty()
    }

    /// The duplicate was reported.
    pub(crate) fn reported(&mut self) {
        self.duplicate = None;
    }

    fn containing(&self, seq: SeqNum) -> Option<Range> {
        let at = self.find(|range| range.end.before_eq(seq));
        self.ranges.as_slice().get(at).copied().filter(|range| range.start.before_eq(seq))
    }

    /// The place of the first range for which `is_before` does not hold.
    fn find(&self, is_before: impl Fn(&Range) -> bool) -> usize {
        let order = |range: &Range| if is_before(range) { Ordering::Less } else { Ordering::Greater };
        self.ranges.as_slice().binary_search_by(order).unwrap_or_else(|at| at)
    }

    /// The range around `seq` is the one that changed last.
    fn note(&mut self, seq: SeqNum) {
        let Some(range) = self.containing(seq) else { return };
        let mut kept = [SeqNum::default(); MAX_SACK_BLOCKS];
        let mut len = 0;
        let old = self.recent.get(..usize::from(self.recent_len)).unwrap_or_default();
        // Others in the same range, or in none any more, are forgotten.
        let others = old
            .iter()
            .copied()
            .filter(|&other| self.containing(other).is_some_and(|of_other| of_other.start != range.start));
        for (place, seq) in kept.iter_mut().zip(core::iter::once(seq).chain(others)) {
            *place = seq;
            len += 1;
        }
        self.recent = kept;
        self.recent_len = len;
        self.is_fin_newest = false;
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use std::collections::BTreeSet;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn seq(n: u32) -> SeqNum {
        SeqNum::new(u32::MAX - 100) + n
    }

    fn blocks<L: List<Range>>(assembler: &Assembler<L>, max: usize) -> Vec<(u32, u32)> {
        let blocks = assembler.blocks(max, None);
        blocks.as_slice().iter().map(|b| (b.start.since(seq(0)), b.end.since(seq(0)))).collect()
    }

    proptest! {
        #[test]
        fn equals_a_set_of_numbers(ranges in proptest::collection::vec((1u32..200, 1u32..20), 0..60)) {
            let mut assembler = Assembler::<Vec<Range>>::default();
            let mut set = BTreeSet::new();
            for (start, len) in ranges {
                let before = set.len();
                set.extend(start..start + len);
                let insertion = assembler.insert(seq(start), seq(start + len));
                prop_assert_eq!(insertion == Insertion::New, set.len() > before);
                let held: Vec<u32> = assembler.ranges.as_slice().iter()
                    .flat_map(|r| r.start.since(seq(0))..r.end.since(seq(0))).collect();
                prop_assert_eq!(held, set.iter().copied().collect::<Vec<_>>());
                assembler.reported();
                let newest = blocks(&assembler, 1);
                prop_assert!(newest[0].0 <= start && start + len <= newest[0].1);
            }
        }

        #[test]
        fn a_full_one_refuses_and_stays_whole(ranges in proptest::collection::vec((1u32..400, 1u32..9), 0..200)) {
            let mut assembler = Assembler::<heapless::Vec<Range, 8>>::default();
            for (start, len) in ranges {
                let _ = assembler.insert(seq(start), seq(start + len));
                let ranges = assembler.ranges.as_slice();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end.before(pair[1].start)));
                prop_assert!(assembler.blocks(4, None).as_slice().len() <= 4);
            }
        }
    }

    #[test]
    fn blocks_come_newest_first() {
        let mut a = Assembler::<Vec<Range>>::default();
        for start in [10, 30, 50, 70, 90] {
            assert_eq!(a.insert(seq(start), seq(start + 5)), Insertion::New);
        }
        assert_eq!(blocks(&a, 3), [(90, 95), (70, 75), (50, 55)]);
        assert_eq!(a.insert(seq(35), seq(40)), Insertion::New);
        assert_eq!(blocks(&a, 3), [(30, 40), (90, 95), (70, 75)]);
        assert_eq!(a.insert(seq(30), seq(35)), Insertion::Duplicate);
        assert_eq!(blocks(&a, 3), [(30, 35), (30, 40), (90, 95)], "D-SACK first, then the block around it");
        a.reported();
        assert_eq!(blocks(&a, 3), [(30, 40), (90, 95), (70, 75)]);
    }

    #[test]
    fn what_lies_behind_the_end_is_forgotten() {
        for (end, kept) in
            [(5, [].as_slice()), (15, &[(10, 15)]), (20, &[(10, 20)]), (50, &[(10, 20), (30, 40)])]
        {
            let mut a = Assembler::<Vec<Range>>::default();
            let _ = a.insert(seq(30), seq(40));
            let _ = a.insert(seq(10), seq(20));
            a.truncate(seq(end));
            assert_eq!(blocks(&a, 3), kept, "{end}");
        }
    }

    #[test]
    fn what_has_no_hole_before_it_is_taken() {
        let mut a = Assembler::<Vec<Range>>::default();
        let _ = a.insert(seq(10), seq(20));
        let _ = a.insert(seq(30), seq(40));
        assert_eq!(a.take(seq(5)), seq(5));
        assert_eq!(a.take(seq(12)), seq(20));
        assert_eq!(a.take(seq(50)), seq(50));
        assert!(a.is_empty() && !a.has_blocks());
    }
}
