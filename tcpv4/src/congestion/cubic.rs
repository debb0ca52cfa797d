//! CUBIC (RFC 9438).

use core::time::Duration;

use traits::Instant;

use super::hystart::HyStart;
use super::{Ack, Controller, Cwnd};

/// The window as a cubic function of the time since the last congestion, with
/// its plateau where that happened. Windows in bytes, times in milliseconds;
/// C = 0.4, β = 0.7.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cubic {
    /// The last reduction.
    peak: Peak,
    /// What it was before the last congestion, to undo that.
    prior: Peak,
    /// When the present congestion avoidance began.
    epoch: Option<Epoch>,
    hystart: HyStart,
}

#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    /// W_max: the window that is aimed at.
    w_max: u32,
    /// cwnd_prior: the window just before the reduction.
    cwnd: u32,
}

#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// K: until the plateau, in milliseconds.
    k: u32,
    /// The window at the plateau.
    origin: u32,
    /// W_est: what Reno would have.
    w_est: u32,
    /// Bytes acknowledged towards the next growth of `w_est`.
    reno_acked: u32,
    /// The fraction of a byte that the window is owed, times cwnd.
    owed: u64,
}

impl Controller for Cubic {
    fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack) {
        let mut acked = ack.acked;
        if window.is_slow_start() {
            if window.ssthresh == Cwnd::UNKNOWN {
                // HyStart++ serves the initial slow start (RFC 9406 §4.3).
                self.hystart.acknowledged(window, ack);
                return;
            }
            acked = window.slow_start(acked);
            if acked == 0 {
                return;
            }
        }
        self.avoid(window, ack, acked);
    }

    fn congested(&mut self, window: &Cwnd, flight: u32, mss: u32) -> u32 {
        let cwnd = flight.min(window.cwnd);
        self.prior = self.peak;
        // Fast convergence (RFC 9438 §4.7): room for newcomers.
        let w_max = if cwnd < self.peak.w_max { scaled(cwnd, 17, 20) } else { cwnd };
        self.peak = Peak { w_max, cwnd };
        self.epoch = None;
        // Multiplicative decrease (RFC 9438 §4.6).
        scaled(cwnd, 7, 10).max(2 * mss)
    }

    fn undone(&mut self) {
        // RFC 9438 §4.9.
        self.peak = self.prior;
        self.epoch = None;
    }

    fn idled(&mut self, idle: Duration) {
        // Time without data teaches nothing about the path (RFC 9438 §5.8).
        if let Some(epoch) = &mut self.epoch {
            epoch.start += idle;
        }
    }
}

impl Cubic {
    /// Congestion avoidance (RFC 9438 §4.2 to §4.5).
    fn avoid(&mut self, window: &mut Cwnd, ack: &Ack, acked: u32) {
        let peak = self.peak;
        let epoch = self.epoch.get_or_insert_with(|| Epoch::begin(ack.now, window.cwnd, peak.w_max, ack.mss));
        let elapsed = ack.now.duration_since(epoch.start);
        epoch.grow_reno(window.cwnd, peak.cwnd, acked, ack.mss);
        let cwnd = window.cwnd;
        // In the Reno-friendly region (RFC 9438 §4.3).
        if epoch.at(elapsed, ack.mss) < epoch.w_est {
            window.grow(epoch.w_est.saturating_sub(cwnd));
            return;
        }
        // RFC 9438 §4.4, §4.5: towards the window of one round trip from now.
        let target = epoch.at(elapsed + ack.srtt, ack.mss).clamp(cwnd, cwnd.saturating_add(cwnd / 2));
        epoch.owed += u64::from(target - cwnd) * u64::from(acked);
        let grown = epoch.owed / u64::from(cwnd.max(1));
        epoch.owed %= u64::from(cwnd.max(1));
        window.grow(grown.min(u64::from(cwnd)) as u32);
    }
}

impl Epoch {
    fn begin(now: Instant, cwnd: u32, w_max: u32, mss: u32) -> Self {
        // K = ∛((W_max − cwnd) / C), in segments and seconds.
        let below = w_max.saturating_sub(cwnd);
        let k = cube_root(u64::from(below) * 2_500_000_000 / u64::from(mss.max(1)));
        Self { start: now, k, origin: w_max.max(cwnd), w_est: cwnd, reno_acked: 0, owed: 0 }
    }

    /// W_cubic(t) = C · (t − K)³ + W_max (RFC 9438 §4.2).
    fn at(&self, t: Duration, mss: u32) -> u32 {
        let t = (t.as_millis() as u64).min(200_000) as i64;
        let distance = (t - i64::from(self.k)).clamp(-100_000, 100_000);
        let segments = i128::from(distance.pow(3)) * 4 * i128::from(mss) / 10_000_000_000;
        (i128::from(self.origin) + segments).clamp(0, i128::from(Cwnd::MAX)) as u32
    }

    /// W_est (RFC 9438 §4.3): α = 3 · (1 − β) / (1 + β) = 9/17 segments per
    /// window, 1 once it is where the last congestion was, cwnd_prior; W_max is
    /// less where it makes room for newcomers.
    fn grow_reno(&mut self, cwnd: u32, cwnd_prior: u32, acked: u32, mss: u32) {
        self.reno_acked = self.reno_acked.saturating_add(acked);
        if self.reno_acked >= cwnd {
            self.reno_acked -= cwnd;
            let step = if self.w_est < cwnd_prior { scaled(mss, 9, 17) } else { mss };
            self.w_est = self.w_est.saturating_add(step).min(Cwnd::MAX);
        }
    }
}

fn scaled(value: u32, times: u64, over: u64) -> u32 {
    (u64::from(value) * times / over) as u32
}

/// ⌊∛value⌋, bit by bit.
fn cube_root(value: u64) -> u32 {
    let mut root = 0u64;
    for bit in (0..21).rev() {
        let tried = root | 1 << bit;
        if tried * tried * tried <= value {
            root = tried;
        }
    }
    root as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeqNum;

    const MSS: u32 = 1000;

    fn ack(now_ms: u64, acked: u32) -> Ack {
        Ack {
            now: Instant::from_millis(now_ms),
            acked,
            rtt: None,
            una: SeqNum::new(0),
            nxt: SeqNum::new(0),
            mss: MSS,
            srtt: Duration::from_millis(100),
        }
    }

    #[test]
    fn cube_roots() {
        for (value, root) in [(0, 0), (1, 1), (7, 1), (8, 2), (26, 2), (27, 3), (1_000_000_000, 1000)] {
            assert_eq!(cube_root(value), root);
        }
    }

    #[test]
    fn the_plateau_is_reached_after_k() {
        let mut cubic = Cubic::default();
        let mut window = Cwnd { cwnd: 100 * MSS, ssthresh: 50 * MSS };
        let ssthresh = cubic.congested(&window, 100 * MSS, MSS);
        assert_eq!(ssthresh, 70 * MSS);
        (window.cwnd, window.ssthresh) = (ssthresh, ssthresh);
        // K = ∛(30 / 0.4) ≈ 4.217 s.
        let mut at_plateau = 0;
        for round in 0..80 {
            let flight = window.cwnd;
            cubic.acknowledged(&mut window, &ack(round * 100, flight));
            if round == 42 {
                at_plateau = window.cwnd;
            }
        }
        assert!(at_plateau.abs_diff(100 * MSS) < 2 * MSS, "{at_plateau}");
        assert!(window.cwnd > 110 * MSS, "then it probes: {}", window.cwnd);
    }

    #[test]
    fn congestion_below_the_last_makes_room() {
        let mut cubic = Cubic::default();
        let window = Cwnd { cwnd: 100 * MSS, ssthresh: 0 };
        cubic.congested(&window, 100 * MSS, MSS);
        let window = Cwnd { cwnd: 80 * MSS, ssthresh: 0 };
        assert_eq!(cubic.congested(&window, 80 * MSS, MSS), 56 * MSS);
        assert_eq!(cubic.peak.w_max, 68 * MSS);
        cubic.undone();
        assert_eq!(cubic.peak.w_max, 100 * MSS);
    }

    /// Fast convergence lowers W_max, not the window up to which nine
    /// seventeenths of a segment a round trip are Reno's share (RFC 9438 §4.3).
    #[test]
    fn renos_share_is_small_until_the_window_before_the_reduction() {
        let mut cubic = Cubic::default();
        cubic.congested(&Cwnd { cwnd: 20 * MSS, ssthresh: 0 }, 20 * MSS, MSS);
        let ssthresh = cubic.congested(&Cwnd { cwnd: 19 * MSS, ssthresh: 0 }, 19 * MSS, MSS);
        let mut window = Cwnd { cwnd: ssthresh, ssthresh };
        let mut rounds = 0;
        // Round trips so short that the cubic function stands still.
        while window.cwnd < 19 * MSS {
            let before = window.cwnd;
            cubic.acknowledged(&mut window, &Ack { srtt: Duration::from_millis(1), ..ack(rounds, before) });
            assert!(window.cwnd - before <= MSS * 9 / 17, "{before} to {} in round {rounds}", window.cwnd);
            rounds += 1;
        }
        assert!((10..=13).contains(&rounds), "{rounds}");
    }
}
