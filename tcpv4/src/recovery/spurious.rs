//! Retransmissions that were not needed, and what to undo then (Eifel,
//! RFC 3522 and 4015; D-SACK, RFC 3708).

/// What was before the window was reduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Undo {
    prior: Option<Prior>,
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
    pub(crate) fn remember(&mut self, prior: Prior) {
        *self = Self { prior: Some(prior), first_at: None, unconfirmed: 0 };
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

    /// An acknowledgement has come that echoes the time `echo`: if that is
    /// before the first retransmission, it answers an original (RFC 3522
    /// §3.2). Returns what to go back to.
    pub(crate) fn acknowledged(&mut self, echo: Option<u32>) -> Option<Prior> {
        let (echo, first_at) = (echo?, self.first_at?);
        if (echo.wrapping_sub(first_at) as i32) < 0 { self.take() } else { None }
    }

    /// `bytes` were reported to have arrived twice: if that holds for all that
    /// was retransmitted, none of it was needed.
    pub(crate) fn duplicate_reported(&mut self, bytes: u32) -> Option<Prior> {
        self.first_at?;
        self.unconfirmed = self.unconfirmed.saturating_sub(bytes);
        if self.unconfirmed == 0 { self.take() } else { None }
    }

    /// It is known otherwise that the reduction was wrong.
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

    #[test]
    fn an_echo_from_before_the_retransmission_undoes() {
        let mut undo = Undo::default();
        undo.remember(PRIOR);
        assert_eq!(undo.acknowledged(Some(5)), None, "nothing was retransmitted");
        undo.retransmitted(100, 1);
        undo.retransmitted(200, 1);
        assert_eq!(undo.acknowledged(None), None);
        assert_eq!(undo.acknowledged(Some(100)), None);
        assert_eq!(undo.acknowledged(Some(99)), Some(PRIOR));
        assert_eq!(undo.acknowledged(Some(99)), None, "once");
    }

    #[test]
    fn all_arrived_twice() {
        let mut undo = Undo::default();
        undo.remember(PRIOR);
        undo.retransmitted(0, 300);
        assert_eq!(undo.duplicate_reported(100), None);
        assert_eq!(undo.duplicate_reported(200), Some(PRIOR));
    }
}
