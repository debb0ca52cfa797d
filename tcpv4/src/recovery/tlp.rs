//! Tail loss probes (TLP, RFC 8985 §7): what is lost at the end of a flight
//! has nothing behind it that would tell, so something is sent that does.

use crate::SeqNum;

/// Added for a lone segment, whose acknowledgement the peer may delay: in
/// microseconds, as all here.
const PEER_DELAY: u64 = 200_000;
/// Added else, for what delays an acknowledgement without losing it; RFC 8985
/// names none. Linux adds 2 ms and rounds up to ticks of 4 or more; with 2 alone,
/// a peer that is merely scheduled late is often taken for one that lost the tail.
const MARGIN: u64 = 8_000;

/// TLP's state (RFC 8985 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct TailProbe {
    /// TLP.end_seq: SND.NXT after the probe, while one is under way.
    end: Option<SeqNum>,
    /// TLP.is_retrans: the probe was old data.
    is_retransmission: bool,
    /// The timer has fired and the probe was not sent yet.
    pub(crate) is_due: bool,
}

impl TailProbe {
    /// The probe timeout after the last transmission (RFC 8985 §7.2).
    #[inline]
    pub(crate) fn timeout(srtt: Option<u64>, is_lone: bool) -> u64 {
        match srtt {
            None => 1_000_000,
            Some(srtt) => 2 * srtt + if is_lone { PEER_DELAY } else { MARGIN },
        }
    }

    /// Whether one is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        self.end.is_some()
    }

    /// The probe was sent.
    pub(crate) fn sent(&mut self, nxt: SeqNum, is_retransmission: bool) {
        *self = Self { end: Some(nxt), is_retransmission, is_due: false };
    }

    /// Whether it is this one that a report of something that came twice is
    /// about, which ends at `end`.
    pub(crate) fn ends_at(&self, end: SeqNum) -> bool {
        self.end == Some(end)
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// An acknowledgement has come (RFC 8985 §7.4). Returns whether the probe
    /// repaired a loss, which nothing else would tell of.
    pub(crate) fn acknowledged(
        &mut self,
        ack: SeqNum,
        duplicate_reported: bool,
        is_bare_duplicate: bool,
    ) -> bool {
        let Some(end) = self.end else { return false };
        if ack.before(end) {
            return false;
        }
        if !self.is_retransmission || duplicate_reported {
            // It was new, or the original had arrived.
            self.reset();
            return false;
        }
        if ack.after(end) {
            self.reset();
            return true;
        }
        if is_bare_duplicate {
            // The peer has it twice and does not say so by D-SACK.
            self.reset();
        }
        false
    }
}
