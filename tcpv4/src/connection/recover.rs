//! Loss recovery and congestion control, as acknowledgements come.

mod phase;
mod window;

use core::time::Duration;

use traits::Instant;

use super::ack::News;
use super::busy::Busy;
use super::timers::Timer;
use super::{Connection, Flags};
use crate::buffer::{Backing, Side};
use crate::congestion::{Controller, Cwnd};
use crate::recovery::{Phase, Prior, RttEstimator, Watch};

impl<B: Backing> Connection<B> {
    /// Takes what an acknowledgement told.
    #[inline(never)]
    pub(super) fn recover(&mut self, now: Instant, news: &News) {
        self.take_rtt(now, news);
        self.check_path_probe();
        let mut news = *news;
        let mut recoverer = self.recoverer();
        if news.acked > 0 {
            recoverer.busy.recovery.stalled_since = None;
        }
        recoverer.settle(&mut news);
        let is_undone = recoverer.check_spurious(&news);
        let mut is_reduced = recoverer.check_tail_probe(&news);
        recoverer.end_phase();
        // Whether what lies before something that has arrived is lost is open where
        // it is that the peer may have given up.
        let is_doubtful = news.acked > 0 && recoverer.busy.scoreboard.is_first_sacked();
        let (lost, next) = if is_doubtful {
            (0, None)
        } else if recoverer.has_sack {
            recoverer.detect_by_time(now)
        } else {
            (recoverer.detect_by_count(&news), None)
        };
        // The sender says CWR whatever it slowed down for (RFC 3168 §6.1.2).
        is_reduced |= lost > 0 && recoverer.begin_recovery();
        is_reduced |= recoverer.check_mark(&news);
        recoverer.set_window(now, &news, lost);
        if is_undone {
            self.rtt.reset_backoff();
        }
        if is_reduced {
            self.flags.insert(Flags::CWR_OWED);
        }
        self.arm_reordering(now, next);
    }

    #[inline]
    pub(super) fn recoverer(&mut self) -> Recoverer<'_, B> {
        let busy = self.busy.get_or_default();
        let had_timeout = busy.recovery.phase == Phase::Loss;
        Recoverer {
            busy,
            window: &mut self.window,
            una: self.snd.una,
            nxt: self.snd.nxt,
            mss: u32::from(self.mss),
            algorithm: self.algorithm,
            rtt: self.rtt,
            is_full: self.flags.contains(Flags::FULL),
            has_sack: self.flags.contains(Flags::SACK),
            had_timeout,
        }
    }

    /// Round-trip samples (RFC 6298 §3, RFC 7323 §4.1).
    fn take_rtt(&mut self, now: Instant, news: &News) {
        let by_echo = || {
            let echo = news.echo.filter(|_| news.acked > 0)?;
            let millis = Self::millis(now).wrapping_sub(echo);
            (millis < 1 << 20).then(|| u64::from(millis.max(1)) * 1_000)
        };
        if let Some(micros) = news.oldest.map(|oldest| now.micros_since(oldest)).or_else(by_echo) {
            let (una, nxt) = (self.snd.una, self.snd.nxt);
            let round = &mut self.busy.get_or_default().recovery.round;
            self.rtt.sample_of_round(micros, round, una, nxt);
        }
        if let Some(newest) = news.newest {
            self.busy.get_or_default().recovery.rack.sample_min_rtt(now, newest);
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
        let mut recoverer = self.recoverer();
        let mut is_reduced = false;
        let (lost, next) = recoverer.detect_by_time(now);
        if lost > 0 {
            is_reduced = recoverer.begin_recovery();
            recoverer.set_window(now, &News::default(), lost);
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
        let srtt = smoothed(&self.rtt);
        let has_sack = self.flags.contains(Flags::SACK);
        let mss = u32::from(self.mss);
        let (una, nxt, outstanding) = (self.snd.una, self.snd.nxt, self.snd.outstanding());
        let busy = self.busy.get_or_default();
        let first = busy.scoreboard.records().first().copied();
        // The peer has given up what it had told of (RFC 2018 §8).
        let has_reneged = busy.scoreboard.is_first_sacked();
        if has_reneged {
            busy.scoreboard.unmark_sacked();
        }
        busy.scoreboard.forget_assumed();
        let recovery = &mut busy.recovery;
        // Not the number of retries, of which RFC 6069 takes some back.
        let was_stalled = recovery.stalled_since.is_some();
        recovery.stalled_since = recovery.stalled_since.or(first.map(|first| first.sent_at));
        // What it has kept comes with the rest, though never sent again.
        recovery.watch = if has_reneged { Watch::Off } else { recovery.watch_of_timeout() };
        recovery.tail_probe.reset();
        // What is under way has slowed the sender down already, whether by the
        // timer, by acknowledgements or by a mark: as Linux, once for a window of
        // data. (By the letter of RFC 5681 §3.1, equation 4, a timeout after a fast
        // retransmit would count again.)
        let is_reduced = match recovery.phase {
            Phase::Open => false,
            Phase::Loss => was_stalled,
            Phase::Recovery | Phase::Reduced => true,
        };
        let Cwnd { cwnd, ssthresh } = self.window;
        if !(is_reduced && recovery.recover.after(una)) {
            recovery.undo.remember(Prior { cwnd, ssthresh, is_marked: false });
            let window = self.window;
            self.window.ssthresh = busy.control(self.algorithm).congested(&window, outstanding, mss);
        } else if recovery.phase == Phase::Reduced {
            recovery.undo.remember(Prior { cwnd: ssthresh, ssthresh, is_marked: true });
        }
        self.flags.insert(Flags::CWR_OWED);
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
pub(super) struct Recoverer<'a, B: Backing> {
    busy: &'a mut Busy<B>,
    window: &'a mut Cwnd,
    una: crate::SeqNum,
    nxt: crate::SeqNum,
    mss: u32,
    algorithm: crate::congestion::Algorithm,
    rtt: RttEstimator,
    /// A writer waits for room in the send buffer.
    is_full: bool,
    has_sack: bool,
    /// Before the acknowledgement came, what the timer took for lost was being
    /// repeated.
    had_timeout: bool,
}

/// SRTT, or a guess before there is a sample.
fn smoothed(rtt: &RttEstimator) -> Duration {
    rtt.srtt().unwrap_or(Duration::from_secs(1))
}
