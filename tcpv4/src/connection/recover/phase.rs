//! Whether something is lost, and what that begins and ends.

use traits::Instant;

use super::super::ack::{Duplicate, News};
use super::{Recoverer, smoothed};
use crate::buffer::Backing;
use crate::congestion::{Controller, Cwnd};
use crate::recovery::{Phase, Prior, Prr, Watch};

/// Duplicate acknowledgements that tell of a loss (RFC 5681 §3.2).
const DUP_THRESH: u32 = 3;

impl<B: Backing> Recoverer<'_, B> {
    pub(super) fn outstanding(&self) -> u32 {
        self.nxt.since(self.una)
    }

    pub(super) fn pipe(&self) -> u32 {
        self.busy.scoreboard.pipe(self.outstanding())
    }

    /// Without SACK, duplicate acknowledgements have told already of part of
    /// what is acknowledged now.
    pub(super) fn settle(&mut self, news: &mut News) {
        if news.acked > 0 && !self.has_sack {
            let outstanding = self.outstanding();
            if self.busy.recovery.phase == Phase::Loss {
                self.busy.scoreboard.forget_assumed();
            }
            let told = self.busy.scoreboard.settle(news.acked, self.mss, outstanding);
            news.delivered = news.delivered.saturating_sub(told).max(1);
        }
    }

    /// Undoes a reduction that was not called for.
    pub(super) fn check_spurious(&mut self, news: &News) -> bool {
        let (una, nxt) = (self.una, self.nxt);
        let recovery = &mut self.busy.recovery;
        let mut prior = None;
        if let Some(Duplicate { start, end, is_resent: true }) = news.duplicate {
            if !recovery.tail_probe.ends_at(end) {
                recovery.rack.duplicate_reported(una, nxt);
            }
            prior = recovery.undo.duplicate_reported(start, end);
        }
        if news.acked > 0 {
            recovery.rack.end_round(una);
            recovery.undo.acknowledged(una);
            match recovery.phase {
                // While something that was sent again is under way, that may
                // have been lost in truth.
                Phase::Recovery | Phase::Loss
                    if recovery.undo.is_original(news.echo) && !self.busy.scoreboard.has_resent() =>
                {
                    prior = prior.or_else(|| recovery.undo.take())
                }
                Phase::Recovery | Phase::Loss | Phase::Open | Phase::Reduced => {}
            }
        }
        if self.judge_timeout(news) {
            prior = prior.or_else(|| self.busy.recovery.undo.take());
        }
        let Some(prior) = prior else { return false };
        self.window.cwnd = self.window.cwnd.max(prior.cwnd);
        self.window.ssthresh = self.window.ssthresh.max(prior.ssthresh);
        self.busy.scoreboard.unmark_lost();
        if prior.is_marked {
            // What a timer took for lost was sent again without a reckoning.
            if self.busy.recovery.phase != Phase::Recovery {
                self.busy.recovery.prr = Prr::start(news.outstanding);
            }
            self.busy.recovery.phase = Phase::Reduced;
        } else {
            self.busy.recovery.phase = Phase::Open;
            self.busy.control(self.algorithm).undone();
        }
        true
    }

    /// F-RTO: whether something arrived of what the timer took for lost and what
    /// was never sent again, so that the timeout was spurious. Timestamps tell
    /// better, where there are some.
    fn judge_timeout(&mut self, news: &News) -> bool {
        let is_advance = news.acked > 0 && !self.busy.scoreboard.has_resent();
        let is_partial = self.una.before(self.busy.recovery.recover);
        let recovery = &mut self.busy.recovery;
        let watch = recovery.watch;
        let is_answer = news.acked > 0 || news.delivered > 0 || news.is_duplicate_ack;
        if watch == Watch::Off || recovery.phase != Phase::Loss || !is_answer {
            return false;
        }
        recovery.watch = Watch::Off;
        if news.echo.is_some() {
            return false;
        }
        // Without SACK, what follows a hole that is filled came long before
        // perhaps.
        let has_original = news.has_original && (self.has_sack || !news.has_resent);
        match watch {
            // RFC 5682 §3.1, step 3b.
            Watch::First if has_original && self.has_sack => return is_partial,
            // §2.1, step 2b: what was sent again is there, or the original is;
            // something new will tell.
            Watch::First if is_advance && is_partial => recovery.watch = Watch::NewData,
            Watch::Off | Watch::First => {}
            // Step 3b.
            Watch::NewData => return has_original,
        }
        false
    }

    /// A tail loss probe has repaired a loss that nothing else told of: that
    /// is congestion all the same (RFC 8985 §7.4.2). Returns whether the window
    /// was reduced.
    pub(super) fn check_tail_probe(&mut self, news: &News) -> bool {
        let tail_probe = &mut self.busy.recovery.tail_probe;
        let is_needless = news.duplicate.is_some_and(|duplicate| tail_probe.ends_at(duplicate.end));
        tail_probe.acknowledged(self.una, is_needless, news.is_duplicate_ack) && self.reduce(news.outstanding)
    }

    /// Congestion marks are echoed: the window shrinks once for a window of data
    /// (RFC 3168 §6.1.2). Returns whether it did.
    ///
    /// The peer goes on until CWR reaches it, which what comes after
    /// [`recover`](crate::recovery::Recovery::recover) says.
    pub(super) fn check_mark(&mut self, news: &News) -> bool {
        if !news.is_marked || self.una == self.busy.recovery.recover {
            return false;
        }
        let ssthresh = self.window.ssthresh;
        match self.busy.recovery.phase {
            Phase::Open => {
                self.reduce(news.outstanding);
                return true;
            }
            Phase::Recovery | Phase::Loss => {
                self.busy.recovery.undo.settle_for(Prior { cwnd: ssthresh, ssthresh, is_marked: true })
            }
            Phase::Reduced => {}
        }
        false
    }

    /// Shrinks the window, though nothing is missing. What calls for that is
    /// certain, so that there is nothing to undo. `flight`: what was under way.
    fn reduce(&mut self, flight: u32) -> bool {
        if self.busy.recovery.phase != Phase::Open {
            return false;
        }
        self.congest(flight);
        self.busy.recovery.undo.forget();
        self.busy.recovery.phase = Phase::Reduced;
        self.busy.recovery.prr = Prr::start(flight);
        true
    }

    fn congest(&mut self, flight: u32) {
        let window = *self.window;
        self.window.ssthresh = self.busy.control(self.algorithm).congested(&window, flight, self.mss);
        self.busy.recovery.recover = self.nxt;
    }

    /// A phase ends when all that was under way at its beginning is
    /// acknowledged.
    pub(super) fn end_phase(&mut self) {
        let recovery = &mut self.busy.recovery;
        if recovery.phase == Phase::Open || self.una.before(recovery.recover) {
            return;
        }
        match recovery.phase {
            Phase::Recovery => {
                self.window.cwnd = self.window.ssthresh.max(2 * self.mss);
                recovery.rack.recovered();
            }
            Phase::Reduced => self.window.cwnd = self.window.ssthresh,
            Phase::Loss => recovery.rack.recovered(),
            Phase::Open => {}
        }
        recovery.undo.ended(self.nxt);
        if !self.has_sack && recovery.phase != Phase::Reduced {
            self.busy.barrier = Some(recovery.recover);
        }
        let recovery = &mut self.busy.recovery;
        recovery.phase = Phase::Open;
        recovery.duplicate_acks = 0;
        self.busy.scoreboard.forget_assumed();
    }

    /// RACK (RFC 8985 §6.2).
    pub(super) fn detect_by_time(&mut self, now: Instant) -> (u32, Option<Instant>) {
        let scoreboard = &mut self.busy.scoreboard;
        let recovery = &self.busy.recovery;
        let is_recovering = match recovery.phase {
            Phase::Recovery | Phase::Loss => true,
            Phase::Open | Phase::Reduced => false,
        };
        if scoreboard.is_empty() || (scoreboard.sacked() == 0 && !is_recovering) {
            // What arrived in order leaves nothing older behind.
            return (0, None);
        }
        let eager = is_recovering || scoreboard.sacked_segments() >= DUP_THRESH;
        recovery.rack.detect(now, scoreboard, eager, smoothed(&self.rtt))
    }

    /// Duplicate acknowledgements, for a peer without SACK (RFC 5681 §3.2,
    /// RFC 6582 §3.2). Returns how much is lost.
    pub(super) fn detect_by_count(&mut self, news: &News) -> u32 {
        let outstanding = self.outstanding();
        let mss = self.mss;
        if news.acked > 0 {
            let recovery = &mut self.busy.recovery;
            recovery.duplicate_acks = 0;
            if self.busy.barrier.is_some_and(|barrier| self.una.after(barrier)) {
                self.busy.barrier = None;
            }
            return match self.busy.recovery.phase {
                // A partial acknowledgement: what follows is missing too.
                Phase::Recovery => self.busy.scoreboard.mark_first_lost(mss),
                Phase::Open | Phase::Loss | Phase::Reduced => 0,
            };
        }
        if !news.is_duplicate_ack || self.busy.barrier == Some(self.una) {
            return 0;
        }
        let recovery = &mut self.busy.recovery;
        recovery.duplicate_acks += 1;
        match recovery.phase {
            // Of what was sent after the timeout, something is there.
            Phase::Loss if !self.nxt.after(recovery.recover) => 0,
            Phase::Loss | Phase::Recovery => {
                self.busy.scoreboard.assume(mss, outstanding);
                0
            }
            Phase::Open | Phase::Reduced => {
                let is_third = recovery.duplicate_acks == DUP_THRESH;
                self.busy.scoreboard.assume(mss, outstanding);
                if is_third { self.busy.scoreboard.mark_first_lost(mss) } else { 0 }
            }
        }
    }

    /// Something is lost: fast recovery, unless that or worse is on already.
    /// Returns whether the window was reduced.
    pub(super) fn begin_recovery(&mut self) -> bool {
        let is_open = self.busy.recovery.phase == Phase::Open;
        let Cwnd { cwnd, ssthresh } = *self.window;
        match self.busy.recovery.phase {
            Phase::Recovery | Phase::Loss => return false,
            Phase::Open | Phase::Reduced if self.busy.is_only_probe_lost() => return false,
            Phase::Open => {
                let flight = self.outstanding();
                self.busy.recovery.undo.remember(Prior { cwnd, ssthresh, is_marked: false });
                self.congest(flight);
                self.busy.recovery.prr = Prr::start(flight);
            }
            // The window comes down for this window of data already.
            Phase::Reduced => {
                self.busy.recovery.undo.remember(Prior { cwnd: ssthresh, ssthresh, is_marked: true });
                self.busy.recovery.recover = self.nxt;
            }
        }
        let recovery = &mut self.busy.recovery;
        recovery.phase = Phase::Recovery;
        recovery.tail_probe.reset();
        is_open
    }
}
