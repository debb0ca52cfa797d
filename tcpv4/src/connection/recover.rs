//! Loss recovery and congestion control, as acknowledgements come.

use core::time::Duration;

use traits::Instant;

use super::ack::News;
use super::busy::{Busy, Used};
use super::timers::Timer;
use super::{Connection, Flags};
use crate::buffer::{Backing, Side};
use crate::congestion::{Ack, Controller, Cwnd};
use crate::recovery::{Phase, Prior, Prr};

/// Duplicate acknowledgements that tell of a loss (RFC 5681 §3.2).
const DUP_THRESH: u32 = 3;

impl<B: Backing> Connection<B> {
    /// Takes what an acknowledgement told.
    pub(super) fn recover(&mut self, now: Instant, news: &News) {
        self.take_rtt(now, news);
        self.check_path_probe();
        let mss = u32::from(self.mss);
        let has_sack = self.flags.contains(Flags::SACK);
        let srtt = self.rtt.srtt().unwrap_or(Duration::from_secs(1));
        let mut recoverer = Recoverer {
            busy: self.busy.get_or_default(),
            window: &mut self.window,
            una: self.snd.una,
            nxt: self.snd.nxt,
            mss,
            algorithm: self.algorithm,
            rto: self.rtt.rto(),
        };
        if news.acked > 0 {
            recoverer.busy.recovery.stalled_since = None;
        }
        let is_undone = recoverer.check_spurious(news, has_sack);
        recoverer.check_tail_probe(news);
        recoverer.end_phase(has_sack);
        let (lost, next) = if has_sack {
            recoverer.detect_by_time(now, srtt)
        } else {
            (recoverer.detect_by_count(news), None)
        };
        // The sender says CWR whatever it slowed down for (RFC 3168 §6.1.2).
        let mut is_reduced = lost > 0 && recoverer.begin_recovery();
        is_reduced |= news.is_marked && recoverer.reduce();
        recoverer.set_window(now, news, lost, srtt);
        if is_undone {
            self.rtt.reset_backoff();
        }
        if is_reduced {
            self.flags.insert(Flags::CWR_OWED);
        }
        self.arm_reordering(now, next);
    }

    /// Round-trip samples (RFC 6298 §3, RFC 7323 §4.1).
    fn take_rtt(&mut self, now: Instant, news: &News) {
        let by_echo = || {
            let echo = news.echo.filter(|_| news.acked > 0)?;
            let millis = Self::millis(now).wrapping_sub(echo);
            (millis < 1 << 20).then(|| Duration::from_millis(u64::from(millis.max(1))))
        };
        if let Some(rtt) = news.rtt.or_else(by_echo) {
            self.rtt.sample(rtt);
        }
        if let Some(rtt) = news.newest_rtt {
            self.busy.get_or_default().recovery.rack.sample_min_rtt(now, rtt);
        }
    }

    /// Arms the timer by which something that may have been reordered is lost
    /// (RFC 8985 §6.3); it takes the place of the tail loss probe's.
    pub(super) fn arm_reordering(&mut self, now: Instant, next: Option<Instant>) {
        let is_probe = self.busy.get().is_some_and(|busy| busy.scoreboard.sacked() == 0);
        match next {
            Some(next) => self.set_timer(Timer::Recovery, next.max(now + Duration::from_millis(1))),
            None if !is_probe => self.clear_timer(Timer::Recovery),
            None => {}
        }
    }

    /// The reordering timer has fired.
    pub(super) fn reordering_timeout(&mut self, now: Instant) {
        let srtt = self.rtt.srtt().unwrap_or(Duration::from_secs(1));
        let mut recoverer = Recoverer {
            busy: self.busy.get_or_default(),
            window: &mut self.window,
            una: self.snd.una,
            nxt: self.snd.nxt,
            mss: u32::from(self.mss),
            algorithm: self.algorithm,
            rto: self.rtt.rto(),
        };
        let mut is_reduced = false;
        let (lost, next) = recoverer.detect_by_time(now, srtt);
        if lost > 0 {
            is_reduced = recoverer.begin_recovery();
            recoverer.set_window(now, &News::default(), lost, srtt);
        }
        if is_reduced {
            self.flags.insert(Flags::CWR_OWED);
        }
        self.arm_reordering(now, next);
    }

    /// The retransmission timer has fired (RFC 6298 §5.4 to §5.6, RFC 5681
    /// §3.1): what is oldest is deemed lost, and all that has been under way
    /// for longer than it should (RFC 8985 §6.3); without SACK, everything.
    pub(super) fn retransmission_timeout(&mut self, now: Instant) {
        let srtt = self.rtt.srtt().unwrap_or(Duration::from_secs(1));
        let has_sack = self.flags.contains(Flags::SACK);
        let mss = u32::from(self.mss);
        let (una, nxt, outstanding) = (self.snd.una, self.snd.nxt, self.snd.outstanding());
        let busy = self.busy.get_or_default();
        let first = busy.scoreboard.records().first().copied();
        if first.is_some_and(|first| first.mark == crate::send::Mark::Sacked) {
            // The peer has given up what it had told of (RFC 2018 §8).
            busy.scoreboard.unmark_sacked();
        }
        busy.scoreboard.forget_assumed();
        let recovery = &mut busy.recovery;
        recovery.stalled_since = recovery.stalled_since.or(first.map(|first| first.sent_at));
        let is_again = recovery.phase == Phase::Loss && recovery.recover.after(una) && self.retries > 0;
        recovery.watch_timeout = !is_again;
        recovery.tail_probe.reset();
        if !is_again {
            if matches!(recovery.phase, Phase::Open | Phase::Reduced) {
                let prior = Prior { cwnd: self.window.cwnd, ssthresh: self.window.ssthresh };
                recovery.undo.remember(prior, una);
            }
            let window = self.window;
            self.window.ssthresh = busy.control(self.algorithm).congested(&window, outstanding, mss);
        }
        busy.recovery.phase = Phase::Loss;
        busy.recovery.recover = nxt;
        busy.recovery.duplicate_acks = 0;
        let patience = busy.recovery.rack.patience(true, srtt);
        busy.scoreboard.mark_lost(|record| !has_sack || record.sent_at + patience <= now);
        busy.scoreboard.mark_first_lost(mss);
        // One segment, beside what may be under way still.
        self.window.cwnd = mss.saturating_add(busy.scoreboard.pipe(outstanding));
        self.clear_timer(Timer::Recovery);
    }
}

/// What recovery works with, for the time of one acknowledgement.
struct Recoverer<'a, B: Backing> {
    busy: &'a mut Busy<B>,
    window: &'a mut Cwnd,
    una: crate::SeqNum,
    nxt: crate::SeqNum,
    mss: u32,
    algorithm: crate::congestion::Algorithm,
    rto: Duration,
}

impl<B: Backing> Recoverer<'_, B> {
    fn outstanding(&self) -> u32 {
        self.nxt.since(self.una)
    }

    fn pipe(&self) -> u32 {
        self.busy.scoreboard.pipe(self.outstanding())
    }

    /// Undoes a reduction that was not called for.
    fn check_spurious(&mut self, news: &News, has_sack: bool) -> bool {
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
    fn check_tail_probe(&mut self, news: &News) {
        let has_duplicate = news.duplicate.is_some();
        if self.busy.recovery.tail_probe.acknowledged(self.una, has_duplicate, news.is_duplicate_ack) {
            self.reduce();
        }
    }

    /// Shrinks the window once for this window of data (RFC 3168 §6.1.2).
    /// Returns whether it did.
    fn reduce(&mut self) -> bool {
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
    fn end_phase(&mut self, has_sack: bool) {
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
    fn detect_by_time(&mut self, now: Instant, srtt: Duration) -> (u32, Option<Instant>) {
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
    fn detect_by_count(&mut self, news: &News) -> u32 {
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
    fn begin_recovery(&mut self) -> bool {
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

    /// The congestion window after an acknowledgement.
    fn set_window(&mut self, now: Instant, news: &News, lost: u32, srtt: Duration) {
        match self.busy.recovery.phase {
            Phase::Recovery => {
                let pipe = self.pipe();
                let delivered =
                    if news.is_duplicate_ack && news.delivered == 0 { self.mss } else { news.delivered };
                let progress = news.acked > 0 && lost == 0;
                let budget =
                    self.busy.recovery.prr.budget(delivered, pipe, self.window.ssthresh, self.mss, progress);
                self.window.cwnd = pipe.saturating_add(budget);
            }
            Phase::Open | Phase::Loss => self.grow_window(now, news, srtt),
            Phase::Reduced => {}
        }
    }

    /// Grows the window, if it was what limited the sender (RFC 9293 §3.8.2;
    /// in slow start, if half of it was in use).
    fn grow_window(&mut self, now: Instant, news: &News, srtt: Duration) {
        let was_limit = self.busy.limited.is_some_and(|limited| self.una.before_eq(limited));
        let is_used = self.window.is_slow_start() && self.window.cwnd < 2 * news.outstanding;
        if news.acked == 0 {
            return;
        }
        if !(was_limit || is_used) {
            self.decay_window(now, news.outstanding);
            return;
        }
        self.busy.used = None;
        let ack = Ack {
            now,
            acked: news.acked,
            rtt: news.newest_rtt,
            una: self.una,
            nxt: self.nxt,
            mss: self.mss,
            srtt,
        };
        let window = &mut *self.window;
        self.busy.control(self.algorithm).acknowledged(window, &ack);
    }

    /// What a sender that has less to send has not used for a timeout says
    /// little of the path: the window goes half the way to what was in use,
    /// not below the initial one (RFC 2861 §3.1, as in Linux).
    fn decay_window(&mut self, now: Instant, outstanding: u32) {
        let used = self.busy.used.get_or_insert(Used { since: now, most: 0 });
        used.most = used.most.max(outstanding);
        if now.duration_since(used.since) < self.rto {
            return;
        }
        let most = used.most.max(Cwnd::initial(self.mss));
        self.busy.used = None;
        let window = &mut *self.window;
        if self.busy.recovery.phase == Phase::Open && most < window.cwnd {
            window.ssthresh = window.ssthresh.max(window.cwnd / 4 * 3);
            window.cwnd = window.cwnd.midpoint(most);
        }
    }
}
