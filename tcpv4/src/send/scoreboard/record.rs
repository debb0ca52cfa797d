//! A range that was sent, and what is known of it.

use traits::Instant;

use crate::SeqNum;

/// What is known of a range that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// Under way.
    Sent,
    /// Arrived, out of order (SACK).
    Sacked,
    /// Deemed lost, to be sent again.
    Lost,
}

/// A range of sequence numbers sent at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// The first number.
    pub(crate) start: SeqNum,
    /// How many.
    pub(crate) len: u32,
    /// In how many segments; a guess where those were of unlike sizes and some
    /// are told apart.
    pub(crate) segments: u32,
    /// When it was sent, the last time.
    pub(crate) sent_at: Instant,
    pub(crate) mark: Mark,
    /// Sent more than once.
    pub(crate) retransmitted: bool,
}

impl Record {
    pub(crate) fn end(&self) -> SeqNum {
        self.start + self.len
    }

    /// How many segments its first `len` numbers are.
    pub(super) fn segments_in(&self, len: u32) -> u32 {
        let share = u64::from(self.segments) * u64::from(len);
        (share.div_ceil(u64::from(self.len.max(1))) as u32).min(self.segments)
    }

    /// Whether both were cut into segments of the same size.
    pub(super) fn is_cut_like(&self, other: &Self) -> bool {
        u64::from(self.len) * u64::from(other.segments) == u64::from(other.len) * u64::from(self.segments)
    }

    /// Whether both tell the same but for the range.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.mark == other.mark
            && (self.mark == Mark::Sacked
                || (self.sent_at == other.sent_at && self.retransmitted == other.retransmitted))
    }
}
