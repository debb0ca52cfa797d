//! Retransmissions that were not needed, and what to undo then (Eifel,
//! RFC 3522 and 4015; D-SACK, RFC 3708).
//!
//! As in Linux a reduction is undone only where every retransmission of its
//! episode is known to have been needless: one segment may be late and another
//! lost at the same time.

use crate::SeqNum;

/// What was before the window was reduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Undo {
    prior: Option<Prior>,
    /// SND.UNA at the reduction: what lies before it was sent again for
    /// another reason, if it was.
    una: SeqNum,
    /// The own clock in milliseconds at the first retransmission.
    first_at: Option<u32>,
    /// Bytes retransmitted and not yet reported to have arrived twice.
    unconfirmed: u32,
}

/// The congestion window and threshold before a reduction, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prior {
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
}

impl Undo {
    /// The window is reduced.
    pub(crate) fn remember(&mut self, prior: Prior, una: SeqNum) {
        *self = Self { prior: Some(prior), una, first_at: None, unconfirmed: 0 };
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// `bytes` were sent again.
    pub(crate) fn retransmitted(&mut self, now_ms: u32, bytes: u32) {
        if self.prior.is_some() {
            self.first_at.get_or_insert(now_ms);
            self.unconfirmed = self.unconfirmed.saturating_add(bytes);
        }
    }

    /// An acknowledgement has moved on that echoes the time `echo`: if that is
    /// before the first retransmission, it answers originals alone (RFC 3522
    /// §3.2). No later one does so once a retransmission has filled a hole,
    /// since the peer then echoes that one's time.
    pub(crate) fn is_original(&self, echo: Option<u32>) -> bool {
        let (Some(echo), Some(first_at)) = (echo, self.first_at) else { return false };
        (echo.wrapping_sub(first_at) as i32) < 0
    }

    /// `bytes` up to `end` were reported to have arrived twice: if that holds
    /// for all that was retransmitted, none of it was needed.
    pub(crate) fn duplicate_reported(&mut self, end: SeqNum, bytes: u32) -> Option<Prior> {
        self.first_at?;
        if !end.after(self.una) {
            return None;
        }
        self.unconfirmed = self.unconfirmed.saturating_sub(bytes);
        if self.unconfirmed == 0 { self.take() } else { None }
    }

    /// The reduction was wrong: returns what to go back to.
    pub(crate) fn take(&mut self) -> Option<Prior> {
        let prior = self.prior;
        self.forget();
        prior
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: Prior = Prior { cwnd: 10, ssthresh: 20 };
    const UNA: SeqNum = SeqNum::new(1000);

    #[test]
    fn an_echo_from_before_the_retransmission_is_of_an_original() {
        let mut undo = Undo::default();
        undo.remember(PRIOR, UNA);
        assert!(!undo.is_original(Some(5)), "nothing was retransmitted");
        undo.retransmitted(100, 1);
        undo.retransmitted(200, 1);
        assert!(!undo.is_original(None));
        assert!(!undo.is_original(Some(100)));
        assert!(undo.is_original(Some(99)));
        assert_eq!(undo.take(), Some(PRIOR));
        assert!(!undo.is_original(Some(99)), "once");
    }

    #[test]
    fn all_arrived_twice() {
        let mut undo = Undo::default();
        undo.remember(PRIOR, UNA);
        undo.retransmitted(0, 300);
        assert_eq!(undo.duplicate_reported(UNA + 100, 100), None);
        assert_eq!(undo.duplicate_reported(UNA, 200), None, "sent again before the reduction");
        assert_eq!(undo.duplicate_reported(UNA + 300, 200), Some(PRIOR));
    }
}
