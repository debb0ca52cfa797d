//! The congestion window after an acknowledgement.

use core::time::Duration;

use traits::Instant;

use super::super::ack::News;
use super::super::busy::Used;
use super::Recoverer;
use crate::buffer::Backing;
use crate::congestion::{Ack, Controller, Cwnd};
use crate::recovery::Phase;

impl<B: Backing> Recoverer<'_, B> {
    /// The congestion window after an acknowledgement.
    pub(super) fn set_window(&mut self, now: Instant, news: &News, lost: u32, srtt: Duration) {
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
    /// not below the initial one (RFC 2861 §3.1, as in Linux). One whose writer
    /// waits for room in the send buffer has enough to send; it is the buffer,
    /// or the peer's window, that keeps it back.
    fn decay_window(&mut self, now: Instant, outstanding: u32) {
        let used = self.busy.used.get_or_insert(Used { since: now, most: 0 });
        used.most = used.most.max(outstanding);
        if now.duration_since(used.since) < self.rto {
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
