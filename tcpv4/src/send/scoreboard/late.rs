//! What is late: sent well before something that has arrived.

use core::time::Duration;

use traits::Instant;

use super::{Mark, Record, Scoreboard};
use crate::SeqNum;
use crate::buffer::List;

/// A range that was sent again, at one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resent {
    start: SeqNum,
    len: u32,
    sent_at: Instant,
}

/// What was sent again, in the order of sending (RFC 8985 §6.2 keeps all in
/// such a list; what was sent once is in that order already).
///
/// Entries may be out of date, and are dropped when they are seen. Bounded by
/// the list: what finds no place comes in when those that have one are gone.
#[derive(Debug)]
pub(super) struct ResentQueue<A> {
    list: A,
    /// Entries before this one are gone.
    head: usize,
    /// Not all found a place.
    is_cut: bool,
}

impl<A: List<Resent>> Default for ResentQueue<A> {
    fn default() -> Self {
        Self { list: A::default(), head: 0, is_cut: false }
    }
}

impl<A: List<Resent>> ResentQueue<A> {
    fn first(&self) -> Option<Resent> {
        self.list.as_slice().get(self.head).copied()
    }

    fn drop_first(&mut self) {
        self.head += 1;
        let len = self.list.as_slice().len();
        if self.head >= len {
            self.drop_all();
        } else if self.head * 2 >= len {
            self.list.remove(0, self.head);
            self.head = 0;
        }
    }

    /// Whether nothing was sent again of what is under way.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.list.as_slice().is_empty() && !self.is_cut
    }

    /// The first entry does not count up to `end`.
    fn pass(&mut self, end: SeqNum) {
        let Some(first) = self.list.as_mut_slice().get_mut(self.head) else { return };
        let passed = end.since(first.start);
        if passed < first.len {
            first.start = end;
            first.len -= passed;
        } else {
            self.drop_first();
        }
    }

    pub(super) fn clear(&mut self) {
        self.drop_all();
        self.is_cut = false;
    }

    fn drop_all(&mut self) {
        self.list.clear();
        self.head = 0;
    }

    fn push(&mut self, new: Resent) -> bool {
        let at = self.list.as_slice().len();
        if at > self.head
            && let Some(last) = self.list.as_mut_slice().last_mut()
            && last.sent_at == new.sent_at
            && last.start + last.len == new.start
        {
            last.len += new.len;
            return true;
        }
        self.list.insert(at, new)
    }
}

impl<L: List<Record>, A: List<Resent>> Scoreboard<L, A> {
    /// Marks as lost what is under way, `is_older` than what has arrived, and
    /// was sent `patience` ago. Returns how many numbers those are, and when
    /// the next of the older ones is due.
    ///
    /// Looks at what is marked, and at one or two records more.
    pub(crate) fn mark_late(
        &mut self,
        now: Instant,
        patience: Duration,
        is_older: impl Fn(Instant, SeqNum) -> bool,
    ) -> (u32, Option<Instant>) {
        let before = self.lost;
        let is_due = |sent_at: Instant| sent_at + patience <= now;
        let mut next: Option<Instant> = None;
        // Sent once: older ones have lower numbers.
        let mut at = self.find(self.once_from);
        while let Some(record) = self.records().get(at).copied() {
            self.look();
            if record.mark == Mark::Sent && !record.retransmitted {
                if !is_older(record.sent_at, record.end()) {
                    break;
                }
                if !is_due(record.sent_at) {
                    next = Some(record.sent_at + patience);
                    break;
                }
                self.mark(at, Mark::Lost, &mut |_| {});
            }
            at += 1;
        }
        self.once_from = self.start_of(at);
        while let Some(at) = self.first_resent() {
            let Some(record) = self.records().get(at).copied() else { break };
            if !is_older(record.sent_at, record.end()) {
                break;
            }
            if !is_due(record.sent_at) {
                let due = record.sent_at + patience;
                next = Some(next.map_or(due, |next| next.min(due)));
                break;
            }
            self.mark(at, Mark::Lost, &mut |_| {});
        }
        (self.lost - before, next)
    }

    /// Whether anything that was sent again is under way.
    pub(crate) fn has_resent(&mut self) -> bool {
        self.first_resent().is_some()
    }

    /// The place of the record under way that was sent again first. What is
    /// passed over on the way is dropped, and not looked at again.
    fn first_resent(&mut self) -> Option<usize> {
        loop {
            let Some(first) = self.resent.first() else {
                if !self.resent.is_cut {
                    return None;
                }
                // There were more than had a place.
                self.rebuild_resent();
                continue;
            };
            self.look();
            let at = self.find(first.start);
            match self.records().get(at).filter(|record| record.start.before(first.start + first.len)) {
                None => self.resent.drop_first(),
                Some(record) if Self::is_current(record, &first) => return Some(at),
                Some(record) => {
                    let end = record.end();
                    self.resent.pass(end);
                }
            }
        }
    }

    /// Takes note of numbers that were sent again.
    pub(super) fn note_resent(&mut self, now: Instant, start: SeqNum, end: SeqNum) {
        let new = Resent { start, len: end.since(start), sent_at: now };
        if !self.resent.push(new) {
            // The records know of it.
            self.rebuild_resent();
        }
    }

    /// Makes the list of what was sent again anew from the records.
    pub(super) fn rebuild_resent(&mut self) {
        self.resent.clear();
        let records = self.list.as_slice().get(self.head..).unwrap_or_default();
        for record in records.iter().filter(|record| record.mark == Mark::Sent && record.retransmitted) {
            let Record { start, len, sent_at, .. } = *record;
            // Mostly in order already; a sort of the library's is 4 KB of code.
            let at = self.resent.list.as_slice().partition_point(|resent| resent.sent_at <= sent_at);
            if !self.resent.list.insert(at, Resent { start, len, sent_at }) {
                self.resent.is_cut = true;
                break;
            }
        }
    }

    /// Whether a record is what the list says of it still.
    fn is_current(record: &Record, resent: &Resent) -> bool {
        record.mark == Mark::Sent && record.retransmitted && record.sent_at == resent.sent_at
    }

    #[cfg(all(test, feature = "alloc"))]
    fn look(&self) {
        self.looked_at.set(self.looked_at.get() + 1);
    }

    #[cfg(not(all(test, feature = "alloc")))]
    #[inline]
    fn look(&self) {}
}
