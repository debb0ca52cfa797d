//! What is under way, and what became of it.

use core::cmp::Ordering;
use core::marker::PhantomData;

use traits::Instant;

mod again;
mod in_order;
mod late;
mod record;

use crate::SeqNum;
use crate::buffer::List;
pub(crate) use late::Resent;
use late::ResentQueue;
pub(crate) use record::{Mark, Record};

/// Records of all that is under way from SND.UNA to SND.NXT, in order and
/// without gaps.
///
/// Bounded by the list. Near the bound, neighbours are told apart less well:
/// what is sent joins the record before it, and a SACK block that would cut a
/// record counts only for the whole records within. That costs a needless
/// retransmission at worst. Finding a place takes O(log n); marking and
/// removing move at most the list.
#[derive(Debug)]
pub(crate) struct Scoreboard<L, A> {
    list: L,
    resent: ResentQueue<A>,
    /// No record before this number is under way that was sent but once.
    once_from: SeqNum,
    /// No record before this number is lost.
    lost_from: SeqNum,
    /// Records before this one are gone. They are removed together, so that
    /// an acknowledgement does not move the whole list.
    head: usize,
    /// Numbers marked [`Mark::Sacked`].
    sacked: u32,
    /// Segments of them.
    sacked_segments: u32,
    /// Numbers marked [`Mark::Lost`].
    lost: u32,
    /// Numbers that duplicate acknowledgements without SACK say have arrived.
    assumed: u32,
    item: PhantomData<Record>,
    /// How many records [`Scoreboard::mark_late`] has looked at.
    #[cfg(all(test, feature = "alloc"))]
    looked_at: core::cell::Cell<usize>,
}

impl<L: List<Record>, A: List<Resent>> Default for Scoreboard<L, A> {
    fn default() -> Self {
        Self {
            list: L::default(),
            resent: ResentQueue::default(),
            once_from: SeqNum::default(),
            lost_from: SeqNum::default(),
            head: 0,
            sacked: 0,
            sacked_segments: 0,
            lost: 0,
            assumed: 0,
            item: PhantomData,
            #[cfg(all(test, feature = "alloc"))]
            looked_at: core::cell::Cell::default(),
        }
    }
}

/// Entries kept free for the splits that retransmitting needs.
const RESERVE: usize = 8;

impl<L: List<Record>, A: List<Resent>> Scoreboard<L, A> {
    pub(crate) fn records(&self) -> &[Record] {
        self.list.as_slice().get(self.head..).unwrap_or_default()
    }

    fn records_mut(&mut self) -> &mut [Record] {
        let head = self.head;
        self.list.as_mut_slice().get_mut(head..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records().is_empty()
    }

    /// Numbers that have arrived out of order, by what is known.
    #[inline]
    pub(crate) fn sacked(&self) -> u32 {
        self.sacked + self.assumed
    }

    /// The segments of what has been SACKed.
    #[inline]
    pub(crate) fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// Whether the first number under way has arrived, as far as SACK tells: then
    /// it ought to be acknowledged.
    #[inline]
    pub(crate) fn is_first_sacked(&self) -> bool {
        self.sacked != 0 && self.records().first().is_some_and(|first| first.mark == Mark::Sacked)
    }

    #[inline]
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Numbers in the network, of `outstanding` (RFC 6675 §4, `pipe`).
    #[inline]
    pub(crate) fn pipe(&self, outstanding: u32) -> u32 {
        outstanding.saturating_sub(self.sacked + self.lost + self.assumed)
    }

    /// One more segment has arrived, somewhere (a duplicate acknowledgement
    /// without SACK).
    pub(crate) fn assume(&mut self, bytes: u32, outstanding: u32) {
        // The first one is still missing.
        let most = outstanding.saturating_sub(self.lost).saturating_sub(bytes.min(outstanding));
        self.assumed = (self.assumed + bytes).min(most);
    }

    /// What was assumed to have arrived was part of `acked` but for the
    /// segment that was missing. Returns how much that is.
    pub(crate) fn settle(&mut self, acked: u32, mss: u32, outstanding: u32) -> u32 {
        let before = self.assumed;
        self.assumed = self.assumed.saturating_sub(acked.saturating_sub(mss));
        self.assumed = self.assumed.min(outstanding.saturating_sub(self.lost));
        before - self.assumed
    }

    pub(crate) fn forget_assumed(&mut self) {
        self.assumed = 0;
    }

    /// Takes note of numbers sent for the first time, in `segments`.
    pub(crate) fn sent(&mut self, now: Instant, start: SeqNum, len: u32, segments: u32) {
        let new = Record { start, len, segments, sent_at: now, mark: Mark::Sent, retransmitted: false };
        if self.is_empty() {
            (self.once_from, self.lost_from) = (start, start);
            if self.list.as_slice().is_empty() && self.list.push(new) {
                return;
            }
        }
        self.compact();
        let full = self.list.as_slice().len() + RESERVE >= L::LIMIT;
        if let Some(last) = self.records_mut().last_mut()
            && last.mark == Mark::Sent
            && (full || last.is_like(&new) && last.is_cut_like(&new))
        {
            last.len += len;
            last.segments += segments;
            last.sent_at = now;
            return;
        }
        let at = self.list.as_slice().len();
        if !self.list.insert(at, new)
            && let Some(last) = self.records_mut().last_mut()
        {
            // No place at all: one record with what came before, of which less
            // is known then. What has not arrived never counts as arrived.
            let before = Record { ..*last };
            last.len += len;
            last.segments += segments;
            match before.mark {
                Mark::Sent => {}
                Mark::Sacked => {
                    last.mark = Mark::Sent;
                    self.sacked -= before.len;
                    self.sacked_segments -= before.segments;
                }
                Mark::Lost => self.lost += len,
            }
        }
    }

    /// Removes what lies before `una`, and calls `each` for what had not been
    /// SACKed.
    pub(crate) fn acknowledged(&mut self, una: SeqNum, mut each: impl FnMut(&Record)) {
        let mut done = 0;
        let (mut sacked, mut sacked_segments, mut lost) = (0, 0, 0);
        for record in self.records_mut() {
            if !record.start.before(una) {
                break;
            }
            let len = una.since(record.start).min(record.len);
            let segments = record.segments_in(len);
            match record.mark {
                Mark::Sent => {}
                Mark::Sacked => {
                    sacked += len;
                    sacked_segments += segments;
                }
                Mark::Lost => lost += len,
            }
            if record.mark != Mark::Sacked {
                each(&Record { len, segments, ..*record });
            }
            if len < record.len {
                record.start += len;
                record.len -= len;
                record.segments -= segments;
                break;
            }
            done += 1;
        }
        self.sacked -= sacked;
        self.sacked_segments -= sacked_segments;
        self.lost -= lost;
        self.head += done;
        // Numbers far behind would be taken for ones ahead.
        (self.once_from, self.lost_from) = (self.once_from.later(una), self.lost_from.later(una));
        if self.is_empty() {
            self.list.clear();
            self.resent.clear();
            (self.head, self.sacked, self.lost, self.assumed) = (0, 0, 0, 0);
            self.sacked_segments = 0;
        }
    }

    /// Marks what lies within a SACK block, and calls `each` for what is new.
    pub(crate) fn sack(&mut self, start: SeqNum, end: SeqNum, mut each: impl FnMut(&Record)) {
        let mut at = self.find(start);
        while let Some(record) = self.records().get(at).copied() {
            if !record.start.before(end) {
                break;
            }
            if record.mark == Mark::Sacked {
                at += 1;
                continue;
            }
            // Cut to the block, where there is room for one record more.
            if record.start.before(start) {
                at += 1;
                if !self.split(at - 1, start, RESERVE) {
                    continue;
                }
            } else if record.end().after(end) && !self.split(at, end, RESERVE) {
                break;
            } else {
                self.mark(at, Mark::Sacked, &mut each);
                at = self.join(at) + 1;
            }
        }
    }

    /// Marks as lost what `is_lost` says of what is under way, and returns how
    /// many numbers those are.
    pub(crate) fn mark_lost(&mut self, mut is_lost: impl FnMut(&Record) -> bool) -> u32 {
        let mut newly = 0;
        for record in self.records_mut() {
            if record.mark == Mark::Sent && is_lost(record) {
                record.mark = Mark::Lost;
                newly += record.len;
            }
        }
        self.lost += newly;
        self.lost_from = self.start_of(0);
        newly
    }

    /// Marks the first `len` numbers as lost, if they are under way.
    pub(crate) fn mark_first_lost(&mut self, len: u32) -> u32 {
        let Some(first) = self.records().first().copied() else { return 0 };
        if first.mark != Mark::Sent {
            return 0;
        }
        if first.len > len {
            self.split(0, first.start + len, 0);
        }
        self.mark(0, Mark::Lost, &mut |_| {});
        self.records().first().map_or(0, |record| record.len)
    }

    /// What was lost is taken to be under way still (an undone recovery).
    pub(crate) fn unmark_lost(&mut self) {
        for record in self.records_mut() {
            if record.mark == Mark::Lost {
                record.mark = Mark::Sent;
            }
        }
        self.lost = 0;
        self.once_from = self.start_of(0);
        self.rebuild_resent();
    }

    /// Nothing counts as SACKed any more: the peer may have given data up
    /// (RFC 2018 §8).
    pub(crate) fn unmark_sacked(&mut self) {
        for record in self.records_mut() {
            if record.mark == Mark::Sacked {
                record.mark = Mark::Sent;
            }
        }
        (self.sacked, self.sacked_segments) = (0, 0);
        self.once_from = self.start_of(0);
        self.rebuild_resent();
    }

    /// The number that the record at `at` begins with, or the one after all.
    fn start_of(&self, at: usize) -> SeqNum {
        let end = || self.records().last().map(Record::end);
        self.records().get(at).map(|record| record.start).or_else(end).unwrap_or_default()
    }

    /// The place of the record that contains `seq`, or of the first after it.
    fn find(&self, seq: SeqNum) -> usize {
        let order = |record: &Record| if record.end().after(seq) { Ordering::Greater } else { Ordering::Less };
        self.records().binary_search_by(order).unwrap_or_else(|at| at)
    }

    fn mark(&mut self, at: usize, mark: Mark, each: &mut impl FnMut(&Record)) {
        let Some(record) = self.records_mut().get_mut(at) else { return };
        let (before, len, segments) = (record.mark, record.len, record.segments);
        each(record);
        record.mark = mark;
        match before {
            Mark::Sent => {}
            Mark::Sacked => {
                self.sacked -= len;
                self.sacked_segments -= segments;
            }
            Mark::Lost => self.lost -= len,
        }
        match mark {
            Mark::Sent => {}
            Mark::Sacked => {
                self.sacked += len;
                self.sacked_segments += segments;
            }
            Mark::Lost => {
                self.lost += len;
                self.lost_from = self.lost_from.earlier(self.start_of(at));
            }
        }
    }

    /// Cuts the record at `at` before `seq`, if `reserve` places stay free.
    fn split(&mut self, at: usize, seq: SeqNum, reserve: usize) -> bool {
        let Some(record) = self.records().get(at).copied() else { return false };
        let head = seq.since(record.start);
        if head == 0 || head >= record.len || self.list.as_slice().len() + reserve >= L::LIMIT {
            return false;
        }
        let segments = record.segments_in(head);
        let tail =
            Record { start: seq, len: record.len - head, segments: record.segments - segments, ..record };
        if !self.list.insert(self.head + at + 1, tail) {
            return false;
        }
        if let Some(record) = self.records_mut().get_mut(at) {
            (record.len, record.segments) = (head, segments);
        }
        true
    }

    /// Joins the record at `at` with neighbours that tell the same, and
    /// returns where it is now.
    fn join(&mut self, mut at: usize) -> usize {
        for next in [at + 1, at] {
            let Some(before) = next.checked_sub(1) else { continue };
            let (Some(&a), Some(&b)) = (self.records().get(before), self.records().get(next)) else { continue };
            if a.is_like(&b) {
                if let Some(record) = self.records_mut().get_mut(before) {
                    record.len += b.len;
                    record.segments += b.segments;
                    record.sent_at = a.sent_at.max(b.sent_at);
                    record.retransmitted |= b.retransmitted;
                }
                self.list.remove(self.head + next, self.head + next + 1);
                at = before;
            }
        }
        at
    }

    /// Removes the records that are gone, once they are many.
    fn compact(&mut self) {
        if self.head > 0 && (self.head >= 64 || self.head * 2 >= self.list.as_slice().len()) {
            self.list.remove(0, self.head);
            self.head = 0;
        }
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
