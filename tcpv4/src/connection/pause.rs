//! The congestion window after a pause.

use core::time::Duration;

use traits::Instant;

use super::stamp::Stamp;
use super::{Connection, Flags};
use crate::buffer::{Backing, Side};
use crate::congestion::{Controller, Cwnd};

const DAY: Duration = Duration::from_secs(86_400);

impl<B: Backing> Connection<B> {
    /// Whether nothing was sent for longer than a retransmission timeout; asked
    /// while nothing is under way.
    ///
    /// What was sent last was answered since, so a day without a word of the
    /// peer's is a pause, too: by then [`Self::sent_at`] may have come round.
    #[inline]
    pub(super) fn has_paused(&self, now: Instant) -> bool {
        self.sent_at.elapsed_nanos(now) > self.rtt.rto_micros() * 1_000
            || (self.heard_at.elapsed_nanos(now) > DAY.as_nanos() as u64
                && !self.flags.contains(Flags::PAUSE_COUNTED))
    }

    /// Keeps the time of what was sent last from coming round on a side that
    /// only acknowledges, for days.
    #[inline]
    pub(super) fn age_sent_at(&mut self, now: Instant) {
        if self.sent_at.elapsed_nanos(now) > 2 * DAY.as_nanos() as u64 {
            self.sent_at = Stamp::of(now - DAY);
        }
    }

    /// After a pause, what the window was says little of what the path takes
    /// now (RFC 5681 §4.1): it halves with every timeout passed, down to the
    /// initial one, as in Linux (RFC 2861 §3).
    pub(super) fn restart_after_idle(&mut self, now: Instant) {
        if self.snd.outstanding() > 0 || !self.has_paused(now) {
            return;
        }
        let (rto, silent) = (self.rtt.rto(), self.heard_at.elapsed(now));
        let idle = if silent > DAY { silent } else { self.sent_at.elapsed(now) };
        let restart = Cwnd::initial(u32::from(self.mss)).min(self.window.cwnd);
        if self.window.ssthresh != Cwnd::UNKNOWN {
            self.window.ssthresh = self.window.ssthresh.max(self.window.cwnd / 4 * 3);
        }
        let mut left = idle.saturating_sub(rto);
        while self.window.cwnd > restart {
            self.window.cwnd = (self.window.cwnd / 2).max(restart);
            if left <= rto {
                break;
            }
            left -= rto;
        }
        let algorithm = self.algorithm;
        let busy = self.busy.get_or_default();
        busy.used = None;
        busy.control(algorithm).idled(idle);
        // The pause counts once.
        self.sent_at = Stamp::of(now);
        self.flags.insert(Flags::PAUSE_COUNTED);
    }
}
