//! What is to be sent again, and that it was.

use traits::Instant;

use super::{Mark, Record, Resent, Scoreboard};
use crate::SeqNum;
use crate::buffer::List;

impl<L: List<Record>, A: List<Resent>> Scoreboard<L, A> {
    /// Whether something is lost.
    #[inline]
    pub(crate) fn has_lost(&self) -> bool {
        self.lost != 0
    }

    /// The first range that is lost.
    pub(crate) fn first_lost(&self) -> Option<Record> {
        if self.lost == 0 {
            return None;
        }
        let from = self.records().get(self.find(self.lost_from)..)?;
        from.iter().find(|record| record.mark == Mark::Lost).copied()
    }

    /// Whether what begins at `start` is known to have been sent again.
    pub(crate) fn is_resent(&self, start: SeqNum) -> bool {
        self.records().get(self.find(start)).is_some_and(|record| record.retransmitted)
    }

    /// Takes note that `start..end` was sent again.
    pub(crate) fn retransmitted(&mut self, now: Instant, start: SeqNum, end: SeqNum) {
        self.compact();
        let is_first_lost = self.first_lost().is_some_and(|lost| lost.start == start);
        let mut at = self.find(start);
        if let Some(record) = self.records().get(at)
            && record.start.before(start)
            && self.split(at, start, 0)
        {
            at += 1;
        }
        while let Some(record) = self.records().get(at).copied() {
            if !record.start.before(end) {
                break;
            }
            if record.end().after(end) {
                // Without room, the rest of the record counts as sent too:
                // it is found lost again later.
                self.split(at, end, 0);
            }
            if record.mark != Mark::Sacked {
                self.mark(at, Mark::Sent, &mut |_| {});
                if let Some(record) = self.records_mut().get_mut(at) {
                    record.sent_at = now;
                    record.retransmitted = true;
                }
                at = self.join(at);
            }
            at += 1;
        }
        if is_first_lost {
            self.lost_from = end;
        }
        self.note_resent(now, start, end);
    }
}
