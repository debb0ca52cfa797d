//! Loss by time: what was sent well before something that has arrived
//! (RACK, RFC 8985).

use core::time::Duration;

use traits::Instant;

use crate::SeqNum;
use crate::buffer::List;
use crate::send::{Record, Resent, Scoreboard};

/// Recoveries after which a wider reordering window is narrowed again
/// (RFC 8985 §6.2, step 4).
const PERSIST: u8 = 16;

/// RACK's state (RFC 8985 §5.2).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rack {
    /// RACK.xmit_ts: when the latest sent of what has arrived was sent.
    sent_at: Instant,
    /// RACK.end_seq: its end.
    end: SeqNum,
    /// RACK.rtt: its round trip, in nanoseconds.
    rtt: u64,
    /// RACK.min_RTT, in nanoseconds; 0 before the first sample.
    min_rtt: u64,
    min_rtt_at: Instant,
    /// RACK.fack: the highest number that has arrived.
    fack: SeqNum,
    /// RACK.reordering_seen.
    reordering_seen: bool,
    /// RACK.reo_wnd_mult, less one.
    widened: u8,
    /// RACK.reo_wnd_persist.
    persist: u8,
    /// RACK.dsack_round: until this is acknowledged, one D-SACK has counted.
    dsack_round: Option<SeqNum>,
    started: bool,
}

/// The minimum round trip is one of the last five minutes, in nanoseconds.
const MIN_RTT_WINDOW: u64 = 300_000_000_000;

impl Rack {
    /// A round trip of something sent once, at `sent_at`.
    #[inline]
    pub(crate) fn sample_min_rtt(&mut self, now: Instant, sent_at: Instant) {
        let rtt = now.nanos_since(sent_at);
        if self.min_rtt == 0 || rtt <= self.min_rtt || now.nanos_since(self.min_rtt_at) > MIN_RTT_WINDOW {
            (self.min_rtt, self.min_rtt_at) = (rtt, now);
        }
    }

    /// Something has arrived (RFC 8985 §6.2, steps 1 to 3). `echo`: the time
    /// in milliseconds that the acknowledgement echoes.
    pub(crate) fn delivered(&mut self, now: Instant, record: &Record, echo: Option<u32>) {
        let end = record.end();
        if !record.retransmitted {
            return self.delivered_once(now, end, record.sent_at);
        }
        self.fack = if self.started { self.fack.later(end) } else { end };
        // Step 2: the acknowledgement may be for an earlier transmission.
        let sent_ms = record.sent_at.as_millis() as u32;
        let is_earlier = echo.is_some_and(|echo| (echo.wrapping_sub(sent_ms) as i32) < 0);
        if is_earlier || now.nanos_since(record.sent_at) < self.min_rtt {
            self.started = true;
            return;
        }
        self.note_newest(now, end, record.sent_at);
    }

    /// The same for what was sent once, at `sent_at`, and ends at `end`.
    #[inline]
    pub(crate) fn delivered_once(&mut self, now: Instant, end: SeqNum, sent_at: Instant) {
        // Step 3: something older than what has arrived arrives after it.
        self.reordering_seen |= self.started && end.before(self.fack);
        self.fack = if self.started { self.fack.later(end) } else { end };
        self.note_newest(now, end, sent_at);
    }

    #[inline]
    fn note_newest(&mut self, now: Instant, end: SeqNum, sent_at: Instant) {
        if !self.started
            || is_sent_after((sent_at, end), (self.sent_at, self.end))
            || self.sent_at == Instant::ZERO
        {
            (self.sent_at, self.end, self.rtt) = (sent_at, end, now.nanos_since(sent_at));
        }
        self.started = true;
    }

    /// Whether something was seen to overtake.
    pub(crate) fn reordering_seen(&self) -> bool {
        self.reordering_seen
    }

    /// What was sent again as lost had arrived: the reordering window was too
    /// small (RFC 8985 §6.2, step 4). Where nothing was seen to be reordered it
    /// is not widened, as in Linux: there was something else amiss.
    pub(crate) fn duplicate_reported(&mut self, una: SeqNum, nxt: SeqNum) {
        self.end_round(una);
        if self.reordering_seen && self.dsack_round.is_none() {
            self.dsack_round = Some(nxt);
            self.widened = self.widened.saturating_add(1).min(63);
            self.persist = PERSIST;
        }
    }

    /// The cumulative acknowledgement has moved.
    #[inline]
    pub(crate) fn end_round(&mut self, una: SeqNum) {
        if self.dsack_round.is_some_and(|round| una.after_eq(round)) {
            self.dsack_round = None;
        }
    }

    /// A recovery has ended.
    pub(crate) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.widened = 0;
        }
    }

    /// The reordering window. `eager`: in recovery, or as much has arrived out
    /// of order as three duplicate acknowledgements tell.
    fn reordering_window(&self, eager: bool, srtt: Duration) -> Duration {
        if !self.reordering_seen && eager {
            return Duration::ZERO;
        }
        (Duration::from_nanos(self.min_rtt) / 4 * (u32::from(self.widened) + 1)).min(srtt)
    }

    /// How long after it was sent something older than what has arrived is
    /// lost.
    pub(crate) fn patience(&self, eager: bool, srtt: Duration) -> Duration {
        // Before anything has arrived, as the handshake went.
        let rtt = if self.started { Duration::from_nanos(self.rtt) } else { srtt };
        rtt + self.reordering_window(eager, srtt)
    }

    /// Marks what is lost (RFC 8985 §6.2, step 5). Returns how much, and when
    /// more may be.
    ///
    /// That is when the next one is due, where RFC 8985 waits for all that are
    /// older: each is lost in its own time, and those later need not be looked
    /// at.
    pub(crate) fn detect<L: List<Record>, A: List<Resent>>(
        &self,
        now: Instant,
        scoreboard: &mut Scoreboard<L, A>,
        eager: bool,
        srtt: Duration,
    ) -> (u32, Option<Instant>) {
        if !self.started {
            return (0, None);
        }
        let newest = (self.sent_at, self.end);
        let is_older = |sent_at, end| is_sent_after(newest, (sent_at, end));
        scoreboard.mark_late(now, self.patience(eager, srtt), is_older)
    }
}

/// Whether `a` was sent after `b` (RFC 8985 §6.2, RACK_sent_after).
fn is_sent_after(a: (Instant, SeqNum), b: (Instant, SeqNum)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1.after(b.1))
}
