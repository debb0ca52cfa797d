//! What most acknowledgements are about: nothing is missing, and nothing was
//! sent twice.

use traits::Instant;

use super::{Record, Resent, Scoreboard};
use crate::SeqNum;
use crate::buffer::List;

impl<L: List<Record>, A: List<Resent>> Scoreboard<L, A> {
    /// [`Self::acknowledged`], where nothing under way is known to have arrived
    /// or to be lost, and all of it before `una` was sent once: `each` gets the
    /// end of a range, and when that was sent. `false`, with nothing changed, if
    /// it is not so.
    #[inline]
    pub(crate) fn acknowledged_in_order(&mut self, una: SeqNum, mut each: impl FnMut(SeqNum, Instant)) -> bool {
        if (self.sacked | self.lost | self.assumed) != 0 || !self.resent.is_empty() {
            return false;
        }
        let mut records = self.records().iter().take_while(|record| record.start.before(una));
        if records.any(|record| record.retransmitted) {
            return false;
        }
        let mut head = self.head;
        while let Some(record) = self.list.as_mut_slice().get_mut(head)
            && record.start.before(una)
        {
            if una.before(record.end()) {
                let len = una.since(record.start);
                record.segments -= record.segments_in(len);
                (record.start, record.len) = (una, record.len - len);
                each(una, record.sent_at);
                break;
            }
            each(record.end(), record.sent_at);
            head += 1;
        }
        (self.once_from, self.lost_from) = (self.once_from.later(una), self.lost_from.later(una));
        self.head = head;
        if head >= self.list.as_slice().len() {
            self.list.clear();
            self.head = 0;
        }
        true
    }
}
