//! HyStart++ (RFC 9406): leaves slow start when round trips grow longer,
//! before anything is lost.

use core::time::Duration;

use super::{Ack, Cwnd};
use crate::SeqNum;

const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u8 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;

/// The state of RFC 9406 §4.2.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HyStart {
    /// windowEnd: the round ends when this is acknowledged.
    window_end: Option<SeqNum>,
    last_round_min: Option<Duration>,
    current_round_min: Option<Duration>,
    samples: u8,
    /// Conservative slow start: cssBaselineMinRtt, and rounds spent in it.
    conservative: Option<(Duration, u8)>,
}

impl HyStart {
    pub(crate) fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack) {
        if self.window_end.is_none_or(|end| ack.una.after_eq(end)) {
            self.begin_round(window, ack.nxt);
        }
        if let Some(rtt) = ack.rtt {
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
    }

    fn begin_round(&mut self, window: &mut Cwnd, nxt: SeqNum) {
        self.window_end = Some(nxt);
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
    use traits::Instant;

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
}
