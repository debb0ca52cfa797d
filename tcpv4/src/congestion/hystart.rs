//! HyStart++ (RFC 9406): leaves slow start when round trips grow longer,
//! before anything is lost. Beside that, as HyStart does (S. Ha, I. Rhee,
//! "Taming the elephants: New TCP slow start", Computer Networks 55, 2011,
//! §4), and Linux by default, when acknowledgements come in a train so long
//! that the path is full.
//!
//! RFC 9406 leaves the train out, as pacing breaks it; here nothing is paced,
//! and the least delay of a round stays low until the queue overflows, since
//! the first of a flight find it empty.

use core::time::Duration;

use traits::Instant;

use super::{Ack, Cwnd};
use crate::SeqNum;

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u8 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

/// Acknowledgements further apart than this are of no train any more (as
/// Linux's `hystart_ack_delta_us`).
const TRAIN_GAP: Duration = Duration::from_millis(2);
/// What hosts take to send and to answer in large pieces is no part of the
/// path: the time of four of the largest at the rate of slow start, twice the
/// window in a round trip, but no more than [`MAX_SLACK`] (as in Linux).
const SLACK_BYTES: u32 = 4 << 16;
const MAX_SLACK: Duration = Duration::from_millis(1);
/// The window from which trains count, in segments (as Linux's
/// `hystart_low_window`).
const TRAIN_WINDOW: u32 = 16;

/// The state of RFC 9406 §4.2.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HyStart {
    /// windowEnd: the round ends with what is acknowledged beyond it, so that a
    /// train begins with the first of its flight.
    window_end: Option<SeqNum>,
    last_round_min: Option<Duration>,
    current_round_min: Option<Duration>,
    samples: u8,
    /// The least round trip of all rounds.
    min_rtt: Option<Duration>,
    /// The first and the last acknowledgement of the round's train, until it
    /// breaks off.
    train: Option<(Instant, Instant)>,
    /// Conservative slow start: cssBaselineMinRtt, and rounds spent in it.
    conservative: Option<(Duration, u8)>,
}

impl HyStart {
    pub(crate) fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack) {
        if self.window_end.is_none_or(|end| ack.una.after(end)) {
            self.begin_round(window, ack);
        }
        if let Some(rtt) = ack.rtt {
            self.min_rtt = Some(self.min_rtt.map_or(rtt, |min| min.min(rtt)));
            self.current_round_min = Some(self.current_round_min.map_or(rtt, |min| min.min(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        match self.conservative {
            // Without a limit per acknowledgement (RFC 9406 §4.2's L), as
            // Linux: receivers that take batches acknowledge much at once.
            None => {
                window.grow(ack.acked);
                self.look_for_delay();
            }
            Some((baseline, _)) => {
                window.grow(ack.acked / CSS_GROWTH_DIVISOR);
                // The delay was a passing one.
                if self.samples >= N_RTT_SAMPLE && self.current_round_min.is_some_and(|min| min < baseline) {
                    self.conservative = None;
                }
            }
        }
        self.look_for_train(window, ack);
    }

    fn begin_round(&mut self, window: &mut Cwnd, ack: &Ack) {
        self.window_end = Some(ack.nxt);
        self.train = Some((ack.now, ack.now));
        self.last_round_min = self.current_round_min;
        self.current_round_min = None;
        self.samples = 0;
        if let Some((_, rounds)) = &mut self.conservative {
            *rounds += 1;
            if *rounds >= CSS_ROUNDS {
                window.ssthresh = window.cwnd;
            }
        }
    }

    /// A train of acknowledgements is as long as the flight took to pass the
    /// bottleneck. When that is half a round trip, the window, twice what has
    /// passed, fills the path: slow start ends.
    fn look_for_train(&mut self, window: &mut Cwnd, ack: &Ack) {
        self.train = self.train.filter(|(_, last)| ack.now.duration_since(*last) <= TRAIN_GAP);
        let (Some((first, last)), Some(min_rtt)) = (&mut self.train, self.min_rtt) else { return };
        *last = ack.now;
        let slack = (ack.srtt * (SLACK_BYTES / 2) / window.cwnd.max(1)).min(MAX_SLACK);
        let is_long = ack.now.duration_since(*first) > (min_rtt + slack) / 2;
        if is_long && window.cwnd >= TRAIN_WINDOW * ack.mss {
            window.ssthresh = window.cwnd;
        }
    }

    fn look_for_delay(&mut self) {
        let (Some(last), Some(current)) = (self.last_round_min, self.current_round_min) else { return };
        let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
        if self.samples >= N_RTT_SAMPLE && current >= last + threshold {
            self.conservative = Some((current, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of ten acknowledgements of a segment each, with round trips of
    /// `rtts` milliseconds.
    fn run(rtts: &[u64]) -> (Cwnd, HyStart) {
        let mut hystart = HyStart::default();
        let mut window = Cwnd { cwnd: 10_000, ssthresh: Cwnd::UNKNOWN };
        let mut una = SeqNum::new(0);
        for &rtt in rtts {
            let nxt = una + 10_000;
            for _ in 0..10 {
                una += 1_000;
                let (now, rtt) = (Instant::ZERO, Duration::from_millis(rtt));
                // What is sent in answer counts for the next round.
                let ack =
                    Ack { now, acked: 1_000, rtt: Some(rtt), una, nxt: nxt + 1_000, mss: 1_000, srtt: rtt };
                hystart.acknowledged(&mut window, &ack);
            }
        }
        (window, hystart)
    }

    #[test]
    fn steady_round_trips_change_nothing() {
        let (window, hystart) = run(&[50; 6]);
        assert_eq!((window.cwnd, window.ssthresh), (70_000, Cwnd::UNKNOWN));
        assert!(hystart.conservative.is_none());
    }

    #[test]
    fn growing_ones_slow_it_down_then_end_it() {
        let (window, hystart) = run(&[50, 50, 60]);
        assert!(hystart.conservative.is_some() && window.ssthresh == Cwnd::UNKNOWN);
        let (window, _) = run(&[50, 50, 60, 60, 60, 60, 60, 60, 60]);
        assert!(window.ssthresh < Cwnd::UNKNOWN);
    }

    #[test]
    fn a_passing_delay_is_forgiven() {
        let (_, hystart) = run(&[50, 50, 60, 50]);
        assert!(hystart.conservative.is_none());
    }

    /// A round of `count` acknowledgements, each `gap` after the one before,
    /// over a path of 50 ms.
    fn train(count: u32, gap: Duration) -> Cwnd {
        let mut hystart = HyStart::default();
        let mut window = Cwnd { cwnd: 16_000, ssthresh: Cwnd::UNKNOWN };
        let (rtt, nxt) = (Duration::from_millis(50), SeqNum::new(1_000_000));
        for n in 0..count {
            let una = SeqNum::new(1_000 * n);
            let now = Instant::ZERO + gap * n;
            let ack = Ack { now, acked: 1_000, rtt: Some(rtt), una, nxt, mss: 1_000, srtt: rtt };
            hystart.acknowledged(&mut window, &ack);
        }
        window
    }

    #[test]
    fn a_train_of_half_a_round_trip_ends_it() {
        let millisecond = Duration::from_millis(1);
        // (50 ms + 1 ms) / 2.
        assert_eq!(train(26, millisecond).ssthresh, Cwnd::UNKNOWN);
        assert_eq!(train(27, millisecond).ssthresh, 43_000);
    }

    /// At 10 Gbit/s and 100 µs, a millisecond would be ten round trips.
    #[test]
    fn the_slack_is_no_longer_than_large_pieces_take() {
        let mut hystart = HyStart::default();
        let mut window = Cwnd { cwnd: 250_000, ssthresh: Cwnd::UNKNOWN };
        let (rtt, nxt) = (Duration::from_micros(100), SeqNum::new(1_000_000));
        let mut trained = |micros| {
            let ack = Ack {
                now: Instant::from_micros(micros),
                acked: 0,
                rtt: Some(rtt),
                una: SeqNum::new(1),
                nxt,
                mss: 1_000,
                srtt: rtt,
            };
            hystart.acknowledged(&mut window, &ack);
            window.ssthresh
        };
        // 4 · 64 KiB at 500 kB in 100 µs: 52 µs.
        for micros in [0, 40, 76] {
            assert_eq!(trained(micros), Cwnd::UNKNOWN);
        }
        assert_eq!(trained(77), 250_000);
    }

    #[test]
    fn acknowledgements_far_apart_are_no_train() {
        assert_eq!(train(200, TRAIN_GAP + Duration::from_micros(1)).ssthresh, Cwnd::UNKNOWN);
    }
}
