//! Round-trip time and retransmission timeout (RFC 6298).

use core::time::Duration;

use crate::SeqNum;

/// Before there is a sample (RFC 6298 §2.1).
const INITIAL_RTO: u32 = 1_000_000;
/// The least that is added to the smoothed time, as in Linux: below RFC 6298's
/// 1 s, above a delayed acknowledgement of any peer.
const MIN_VARIATION: u32 = 200_000;
/// The most, as in Linux (RFC 6298 §2.5 allows 60 s and more).
const MAX_RTO: u64 = 120_000_000;

/// Estimates the round-trip time; all in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RttEstimator {
    /// SRTT; 0 where there is no sample yet.
    srtt: u32,
    /// RTTVAR.
    rttvar: u32,
    /// How often the timeout was doubled.
    backoff: u8,
}

/// The samples of one round trip. Given back with what only a busy connection
/// has: then the next begins with RTTVAR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Round {
    /// The mean deviation as samples go by.
    mean: u32,
    /// The most that it was in this round.
    most: u32,
    /// The round is over when what comes after this is acknowledged.
    end: SeqNum,
}

impl RttEstimator {
    /// Takes the first sample, or one apart (RFC 6298 §2.2, §2.3), which ends the
    /// back-off.
    pub(crate) fn sample(&mut self, micros: u64) {
        let rtt = micros.clamp(1, MAX_RTO) as u32;
        if self.srtt == 0 {
            (self.srtt, self.rttvar) = (rtt, rtt / 2);
        } else {
            self.rttvar = self.deviation(self.rttvar, rtt);
            self.smooth(rtt);
        }
        self.backoff = 0;
    }

    /// Takes one of many samples of a round trip, with SND.UNA and SND.NXT.
    ///
    /// RFC 6298 §2.3 is made for one sample in a round trip: by a few dozen RTTVAR
    /// would forget, within that, how late one may be. So it is the most that the
    /// mean deviation was in a round, and comes down by a quarter of the
    /// difference in each (as in Linux).
    #[inline]
    pub(crate) fn sample_of_round(&mut self, micros: u64, round: &mut Option<Round>, una: SeqNum, nxt: SeqNum) {
        if self.srtt == 0 {
            return self.sample(micros);
        }
        let rtt = micros.clamp(1, MAX_RTO) as u32;
        let round = round.get_or_insert(Round { mean: self.rttvar, most: 0, end: nxt });
        round.mean = self.deviation(round.mean, rtt);
        round.most = round.most.max(round.mean);
        self.rttvar = self.rttvar.max(round.most);
        self.smooth(rtt);
        if una.after(round.end) {
            self.rttvar -= (self.rttvar - round.most) / 4;
            (round.most, round.end) = (0, nxt);
        }
        self.backoff = 0;
    }

    /// The mean deviation, `before` and then, after a sample.
    #[inline]
    fn deviation(&self, before: u32, rtt: u32) -> u32 {
        let error = self.srtt.abs_diff(rtt);
        // That a round trip is much shorter is no reason to wait longer: it
        // counts for an eighth, as in Linux.
        let divisor = if rtt < self.srtt && error > before { 32 } else { 4 };
        before - before / divisor + error / divisor
    }

    #[inline]
    fn smooth(&mut self, rtt: u32) {
        self.srtt = (self.srtt - self.srtt / 8 + rtt / 8).max(1);
    }

    /// A first guess, worse than a sample.
    pub(crate) fn guess(&mut self, rto: Duration) {
        if self.srtt == 0 {
            self.rttvar = (rto.as_micros() as u32) / 4;
        }
    }

    pub(crate) fn srtt(&self) -> Option<Duration> {
        (self.srtt > 0).then(|| Duration::from_micros(u64::from(self.srtt)))
    }

    pub(crate) fn rttvar(&self) -> Duration {
        Duration::from_micros(u64::from(self.rttvar))
    }

    /// RTO, doubled as often as it had to be.
    pub(crate) fn rto(&self) -> Duration {
        Duration::from_micros(self.rto_micros())
    }

    /// SRTT; none where there is no sample yet.
    #[inline]
    pub(crate) fn srtt_micros(&self) -> Option<u64> {
        (self.srtt > 0).then_some(u64::from(self.srtt))
    }

    /// [`Self::rto`], as it is needed for each segment.
    #[inline]
    pub(crate) fn rto_micros(&self) -> u64 {
        let base = if self.srtt == 0 {
            INITIAL_RTO.max(4 * self.rttvar)
        } else {
            self.srtt.saturating_add(self.rttvar.saturating_mul(4).max(MIN_VARIATION))
        };
        (u64::from(base) << self.backoff.min(16)).min(MAX_RTO)
    }

    /// RFC 6298 §5.5.
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// One doubling less; `false` if there is none.
    pub(crate) fn undo_back_off(&mut self) -> bool {
        let has_backed_off = self.backoff > 0;
        self.backoff = self.backoff.saturating_sub(1);
        has_backed_off
    }

    /// The peer answers again.
    pub(crate) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn before_a_sample_it_is_a_second() {
        assert_eq!(RttEstimator::default().rto(), ms(1000));
    }

    #[test]
    fn the_minimum_is_above_the_smoothed_time() {
        let mut rtt = RttEstimator::default();
        for _ in 0..100 {
            rtt.sample(10_000);
        }
        assert!(rtt.rto() >= ms(209) && rtt.rto() <= ms(211), "{:?}", rtt.rto());
    }

    #[test]
    fn the_first_sample_counts_for_all() {
        let mut rtt = RttEstimator::default();
        rtt.sample(400_000);
        assert_eq!(rtt.rto(), ms(400 + 4 * 200));
    }

    #[test]
    fn a_round_trip_that_falls_does_not_lengthen_the_timeout() {
        let settled = |first: u64, then: u64| {
            let mut rtt = RttEstimator::default();
            for _ in 0..100 {
                rtt.sample(first * 1_000);
            }
            let before = rtt.rto();
            rtt.sample(then * 1_000);
            (before, rtt.rto())
        };
        let (before, after) = settled(2_000, 500);
        assert!(after < before, "{before:?} {after:?}");
        let (before, after) = settled(2_000, 3_500);
        assert!(after > before + ms(1_000), "{before:?} {after:?}");
    }

    /// One sample of a round is late: the timeout minds it for as long as one is
    /// in each round, and forgets it within a few when there is none.
    #[test]
    fn what_is_late_once_in_a_round_is_not_forgotten_within_it() {
        let (mut rtt, mut round) = (RttEstimator::default(), None);
        rtt.sample(100_000);
        let mut una = SeqNum::new(u32::MAX - 5_000);
        let mut run = |last: u64| {
            let mut least = ms(10_000);
            let nxt = una + 40_000;
            for n in 1..=40 {
                una += 1000;
                rtt.sample_of_round(if n == 1 { last } else { 100_000 }, &mut round, una, nxt);
                least = least.min(rtt.rto());
            }
            least
        };
        for _ in 0..10 {
            run(300_000);
        }
        let least = run(300_000);
        assert!(least > ms(300), "{least:?}");
        for _ in 0..20 {
            run(100_000);
        }
        let least = run(100_000);
        assert!(least < ms(305), "{least:?}");
    }

    #[test]
    fn back_off_doubles_up_to_the_limit() {
        let mut rtt = RttEstimator::default();
        for n in 1..8 {
            rtt.back_off();
            assert_eq!(rtt.rto(), ms(1000 << n).min(ms(120_000)));
        }
        for _ in 0..300 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), ms(120_000));
        rtt.sample(10_000);
        assert!(rtt.rto() < ms(300));
    }
}
