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
    /// The own clock in milliseconds at the first retransmission.
    first_at: Option<u32>,
    /// All that was retransmitted lies in here: nothing else that came twice was
    /// of this sender's making.
    resent: Option<(SeqNum, SeqNum)>,
    /// Bytes retransmitted and not yet reported to have arrived twice.
    unconfirmed: u32,
    /// SND.NXT when the episode ended. Reports come within a round trip; what is
    /// told later is of something else.
    until: Option<SeqNum>,
}

/// The congestion window and threshold before a reduction, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prior {
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    /// They are what a congestion mark left, which is no guess and stands.
    pub(crate) is_marked: bool,
}

/// How far the judgement of a timeout is (F-RTO, RFC 5682).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Watch {
    /// It is judged, or is none to judge.
    #[default]
    Off,
    /// What the next acknowledgement tells counts (§2.1, step 2).
    First,
    /// Something new is sent in place of what is taken for lost, and the
    /// acknowledgement after that counts (step 3).
    NewData,
}

impl Undo {
    /// The window is reduced.
    pub(crate) fn remember(&mut self, prior: Prior) {
        *self = Self { prior: Some(prior), ..Self::default() };
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// A congestion mark calls for the reduction as well: no more than `prior`
    /// comes back.
    pub(crate) fn settle_for(&mut self, prior: Prior) {
        if self.prior.is_some() {
            self.prior = Some(prior);
        }
    }

    /// `start..end` was sent again.
    pub(crate) fn retransmitted(&mut self, now_ms: u32, start: SeqNum, end: SeqNum) {
        if self.prior.is_some() && self.until.is_none() {
            self.first_at.get_or_insert(now_ms);
            self.unconfirmed = self.unconfirmed.saturating_add(end.since(start));
            let (first, last) = self.resent.unwrap_or((start, end));
            self.resent = Some((first.earlier(start), last.later(end)));
        }
    }

    /// The recovery has ended, with what lies before `nxt` sent.
    pub(crate) fn ended(&mut self, nxt: SeqNum) {
        self.until = Some(nxt);
    }

    /// All before `una` is acknowledged.
    #[inline]
    pub(crate) fn acknowledged(&mut self, una: SeqNum) {
        if self.until.is_some_and(|until| una.after(until)) {
            self.forget();
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

    /// `start..end` was reported to have arrived twice: if that holds for all
    /// that was retransmitted, none of it was needed.
    pub(crate) fn duplicate_reported(&mut self, start: SeqNum, end: SeqNum) -> Option<Prior> {
        let (first, last) = self.resent?;
        if start.before(first) || end.after(last) {
            return None;
        }
        self.unconfirmed = self.unconfirmed.saturating_sub(end.since(start));
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

    const PRIOR: Prior = Prior { cwnd: 10, ssthresh: 20, is_marked: false };
    const UNA: SeqNum = SeqNum::new(1000);

    fn remembering() -> Undo {
        let mut undo = Undo::default();
        undo.remember(PRIOR);
        undo
    }

    #[test]
    fn an_echo_from_before_the_retransmission_is_of_an_original() {
        let mut undo = remembering();
        assert!(!undo.is_original(Some(5)), "nothing was retransmitted");
        undo.retransmitted(100, UNA, UNA + 1);
        undo.retransmitted(200, UNA, UNA + 1);
        assert!(!undo.is_original(None));
        assert!(!undo.is_original(Some(100)));
        assert!(undo.is_original(Some(99)));
        assert_eq!(undo.take(), Some(PRIOR));
        assert!(!undo.is_original(Some(99)), "once");
    }

    #[test]
    fn all_arrived_twice() {
        let mut undo = remembering();
        undo.retransmitted(0, UNA, UNA + 300);
        assert_eq!(undo.duplicate_reported(UNA, UNA + 100), None);
        assert_eq!(undo.duplicate_reported(UNA - 200, UNA), None, "sent again before the reduction");
        assert_eq!(undo.duplicate_reported(UNA + 300, UNA + 500), None, "sent once");
        assert_eq!(undo.duplicate_reported(UNA + 100, UNA + 300), Some(PRIOR));
    }

    #[test]
    fn a_round_trip_after_the_end_it_is_forgotten() {
        let mut undo = remembering();
        undo.retransmitted(0, UNA, UNA + 100);
        undo.ended(UNA + 500);
        undo.retransmitted(0, UNA + 400, UNA + 500);
        undo.acknowledged(UNA + 500);
        let mut late = undo;
        assert_eq!(undo.duplicate_reported(UNA, UNA + 100), Some(PRIOR), "what came later is not of it");
        late.acknowledged(UNA + 501);
        assert_eq!(late.duplicate_reported(UNA, UNA + 100), None);
    }
}
