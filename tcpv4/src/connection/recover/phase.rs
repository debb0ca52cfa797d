//! Whether something is lost, and what that begins and ends.

use core::time::Duration;

use traits::Instant;

use super::super::ack::News;
use super::Recoverer;
use crate::buffer::Backing;
use crate::congestion::Controller;
use crate::recovery::{Phase, Prior, Prr};

/// Duplicate acknowledgements that tell of a loss (RFC 5681 §3.2).
const DUP_THRESH: u32 = 3;

impl<B: Backing> Recoverer<'_, B> {
    pub(super) fn outstanding(&self) -> u32 {
        self.nxt.since(self.una)
    }

    pub(super) fn pipe(&self) -> u32 {
        self.busy.scoreboard.pipe(self.outstanding())
    }

    /// Undoes a reduction that was not called for.
    pub(super) fn check_spurious(&mut self, news: &News, has_sack: bool) -> bool {
        let (una, nxt) = (self.una, self.nxt);
        let recovery = &mut self.busy.recovery;
        let mut prior = None;
        if let Some((end, bytes)) = news.duplicate {
            recovery.rack.duplicate_reported(una, nxt);
            prior = recovery.undo.duplicate_reported(end, bytes);
        }
        if news.acked > 0 {
            recovery.rack.end_round(una);
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
        // F-RTO (RFC 5682 §2.1, step 3b): something arrived of what the timer
        // took for lost and what was never sent again, but not all.
        let is_partial = una.before(recovery.recover);
        if recovery.phase == Phase::Loss
            && recovery.watch_timeout
            && has_sack
            && news.echo.is_none()
            && news.has_original
            && is_partial
        {
            prior = prior.or_else(|| recovery.undo.take());
        }
        if news.delivered > 0 {
            recovery.watch_timeout = false;
        }
        let Some(prior) = prior else { return false };
        self.window.cwnd = self.window.cwnd.max(prior.cwnd);
        self.window.ssthresh = self.window.ssthresh.max(prior.ssthresh);
        self.busy.recovery.phase = Phase::Open;
        self.busy.scoreboard.unmark_lost();
        self.busy.control(self.algorithm).undone();
        true
    }

    /// A tail loss probe has repaired a loss that nothing else told of: that
    /// is congestion all the same (RFC 8985 §7.4.2).
    pub(super) fn check_tail_probe(&mut self, news: &News) {
        let has_duplicate = news.duplicate.is_some();
        if self.busy.recovery.tail_probe.acknowledged(self.una, has_duplicate, news.is_duplicate_ack) {
            self.reduce();
        }
    }

    /// Shrinks the window once for this window of data (RFC 3168 §6.1.2).
    /// Returns whether it did.
    pub(super) fn reduce(&mut self) -> bool {
        if self.busy.recovery.phase != Phase::Open {
            return false;
        }
        self.remember_and_congest();
        self.window.cwnd = self.window.ssthresh.min(self.window.cwnd);
        self.busy.recovery.phase = Phase::Reduced;
        true
    }

    fn remember_and_congest(&mut self) {
        let outstanding = self.outstanding();
        let window = *self.window;
        let prior = Prior { cwnd: window.cwnd, ssthresh: window.ssthresh };
        self.busy.recovery.undo.remember(prior, self.una);
        self.window.ssthresh = self.busy.control(self.algorithm).congested(&window, outstanding, self.mss);
        self.busy.recovery.recover = self.nxt;
    }

    /// A phase ends when all that was under way at its beginning is
    /// acknowledged.
    pub(super) fn end_phase(&mut self, has_sack: bool) {
        let recovery = &mut self.busy.recovery;
        if recovery.phase == Phase::Open || self.una.before(recovery.recover) {
            return;
        }
        match recovery.phase {
            Phase::Recovery => {
                self.window.cwnd = self.window.ssthresh.max(2 * self.mss);
                recovery.rack.recovered();
            }
            Phase::Loss => recovery.rack.recovered(),
            Phase::Open | Phase::Reduced => {}
        }
        if !has_sack && recovery.phase != Phase::Reduced {
            self.busy.barrier = Some(recovery.recover);
        }
        let recovery = &mut self.busy.recovery;
        recovery.phase = Phase::Open;
        recovery.duplicate_acks = 0;
        self.busy.scoreboard.forget_assumed();
    }

    /// RACK (RFC 8985 §6.2).
    pub(super) fn detect_by_time(&mut self, now: Instant, srtt: Duration) -> (u32, Option<Instant>) {
        let scoreboard = &mut self.busy.scoreboard;
        let recovery = &self.busy.recovery;
        if scoreboard.is_empty() || (scoreboard.sacked() == 0 && recovery.phase == Phase::Open) {
            // What arrived in order leaves nothing older behind.
            return (0, None);
        }
        let is_recovering = match recovery.phase {
            Phase::Recovery | Phase::Loss => true,
            Phase::Open | Phase::Reduced => false,
        };
        let eager = is_recovering || scoreboard.sacked() >= DUP_THRESH * self.mss;
        recovery.rack.detect(now, scoreboard, eager, srtt)
    }

    /// Duplicate acknowledgements, for a peer without SACK (RFC 5681 §3.2,
    /// RFC 6582 §3.2). Returns how much is lost.
    pub(super) fn detect_by_count(&mut self, news: &News) -> u32 {
        let outstanding = self.outstanding();
        let mss = self.mss;
        if news.acked > 0 {
            let recovery = &mut self.busy.recovery;
            recovery.duplicate_acks = 0;
            self.busy.scoreboard.settle(news.acked, mss, outstanding);
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
            Phase::Loss => 0,
            Phase::Recovery => {
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
        match self.busy.recovery.phase {
            Phase::Recovery | Phase::Loss => return false,
            Phase::Open if self.busy.is_only_probe_lost() => return false,
            Phase::Open => self.remember_and_congest(),
            // The window was reduced for this window of data already.
            Phase::Reduced => self.busy.recovery.recover = self.nxt,
        }
        let outstanding = self.outstanding();
        let recovery = &mut self.busy.recovery;
        recovery.phase = Phase::Recovery;
        recovery.prr = Prr::start(outstanding);
        recovery.tail_probe.reset();
        is_open
    }
}
