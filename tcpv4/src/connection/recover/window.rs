//! The congestion window after an acknowledgement.

use traits::Instant;

use super::super::ack::News;
use super::super::busy::Used;
use super::{Recoverer, smoothed};
use crate::buffer::Backing;
use crate::congestion::{Ack, Controller, Cwnd};
use crate::recovery::Phase;

impl<B: Backing> Recoverer<'_, B> {
    /// The congestion window after an acknowledgement.
    pub(super) fn set_window(&mut self, now: Instant, news: &News, lost: u32) {
        match self.busy.recovery.phase {
            Phase::Recovery | Phase::Reduced => {
                let pipe = self.pipe();
                let delivered =
                    if news.is_duplicate_ack && news.delivered == 0 { self.mss } else { news.delivered };
                let progress = news.acked > 0 && lost == 0;
                let budget =
                    self.busy.recovery.prr.budget(delivered, pipe, self.window.ssthresh, self.mss, progress);
                // A partial acknowledgement without SACK may be the last word of what
                // it leaves missing, which goes at once (RFC 6582 §3.2, step 3).
                let is_partial = news.acked > 0 && lost > 0 && !self.has_sack;
                let budget = if is_partial { budget.max(self.mss) } else { budget };
                self.window.cwnd = pipe.saturating_add(budget);
            }
            Phase::Open | Phase::Loss => self.grow_window(now, news),
        }
    }

    /// Grows the window by what has arrived, if it was what limited the sender
    /// (RFC 9293 §3.8.2; in slow start, if half of it was in use).
    ///
    /// What is acknowledged may have arrived long before: after a timeout that
    /// would open the window at once over an empty path. So what SACK told of
    /// counts when it does, but before the number moves on only where things are
    /// reordered (as Linux); without SACK it is a segment for an acknowledgement
    /// (RFC 3465 §2.3, L = 1).
    #[inline]
    pub(in super::super) fn grow_window(&mut self, now: Instant, news: &News) {
        let was_limit = self.busy.limited.is_some_and(|limited| self.una.before_eq(limited));
        let is_used = self.window.is_slow_start() && self.window.cwnd < 2 * news.outstanding;
        let recovery = &self.busy.recovery;
        if news.acked == 0 && !(news.delivered > 0 && recovery.rack.reordering_seen()) {
            return;
        }
        let is_blind = self.had_timeout && !self.has_sack;
        let limit = if is_blind { self.mss } else { u32::MAX };
        if !(was_limit || is_used) {
            self.decay_window(now, news.outstanding);
            return;
        }
        self.raise_window(now, news, limit);
    }

    /// Lets the congestion control have the window grow by `limit` bytes at most.
    #[inline(never)]
    fn raise_window(&mut self, now: Instant, news: &News, limit: u32) {
        self.busy.used = None;
        let ack = Ack {
            now,
            acked: news.delivered.min(limit),
            rtt: news.newest.map(|newest| now.duration_since(newest)),
            una: self.una,
            nxt: self.nxt,
            mss: self.mss,
            srtt: smoothed(&self.rtt),
        };
        let window = &mut *self.window;
        self.busy.control(self.algorithm).acknowledged(window, &ack);
    }

    /// What a sender that has less to send has not used for a timeout says
    /// little of the path: the window goes half the way to what was in use,
    /// not below the initial one (RFC 2861 §3.1, as in Linux). One whose writer
    /// waits for room in the send buffer has enough to send; it is the buffer,
    /// or the peer's window, that keeps it back.
    fn decay_window(&mut self, now: Instant, outstanding: u32) {
        let used = self.busy.used.get_or_insert(Used { since: now, most: 0 });
        used.most = used.most.max(outstanding);
        if now.micros_since(used.since) < self.rtt.rto_micros() {
            return;
        }
        let most = used.most.max(Cwnd::initial(self.mss));
        self.busy.used = None;
        let window = &mut *self.window;
        if self.busy.recovery.phase == Phase::Open && !self.is_full && most < window.cwnd {
            window.ssthresh = window.ssthresh.max(window.cwnd / 4 * 3);
            window.cwnd = window.cwnd.midpoint(most);
        }
    }
}
