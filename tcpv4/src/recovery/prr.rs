//! Proportional rate reduction (RFC 6937): how much may be sent for what
//! arrives, so that the window comes down evenly.

use core::num::NonZeroU32;

/// All in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Prr {
    /// Arrived during the recovery.
    delivered: u32,
    /// Sent during the recovery.
    out: u32,
    /// RecoverFS: under way when it began.
    flight: NonZeroU32,
}

impl Default for Prr {
    fn default() -> Self {
        Self::start(0)
    }
}

impl Prr {
    pub(crate) fn start(flight: u32) -> Self {
        Self { delivered: 0, out: 0, flight: NonZeroU32::new(flight).unwrap_or(NonZeroU32::MIN) }
    }

    pub(crate) fn sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// `delivered` bytes have arrived, `pipe` are under way. Returns how many
    /// may be sent (RFC 6937 §3.1, slow start reduction bound). `progress`:
    /// the acknowledgement moved on and told of no new loss.
    pub(crate) fn budget(&mut self, delivered: u32, pipe: u32, ssthresh: u32, mss: u32, progress: bool) -> u32 {
        self.delivered = self.delivered.saturating_add(delivered);
        let budget = if pipe > ssthresh {
            let share = u64::from(self.delivered) * u64::from(ssthresh);
            let share = share.div_ceil(u64::from(self.flight.get()));
            u32::try_from(share).unwrap_or(u32::MAX).saturating_sub(self.out)
        } else {
            let mut limit = self.delivered.saturating_sub(self.out).max(delivered);
            if progress {
                limit = limit.saturating_add(mss);
            }
            limit.min(ssthresh - pipe)
        };
        // The first retransmission is always sent.
        budget.max(if self.out == 0 { mss } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_comes_down_evenly() {
        // 20 segments under way, one lost, window to be halved: for each two
        // that arrive, one is sent.
        let mut prr = Prr::start(20);
        let mut pipe = 18;
        let mut sent = 0;
        for _ in 0..16 {
            let budget = prr.budget(1, pipe, 10, 1, false);
            prr.sent(budget);
            sent += budget;
            pipe = pipe + budget - 1;
        }
        assert_eq!((sent, pipe), (8, 10));
    }

    /// More may arrive than was under way: what comes of it does not wrap.
    #[test]
    fn a_share_beyond_all_numbers_is_the_largest() {
        let mut prr = Prr::start(1);
        assert_eq!(prr.budget(0x1_0000, u32::MAX, 0x1_0000, 1, false), u32::MAX);
    }

    #[test]
    fn below_the_target_it_grows_back_as_in_slow_start() {
        let mut prr = Prr::start(20);
        assert_eq!(prr.budget(1, 4, 10, 1, true), 2);
        prr.sent(2);
        assert_eq!(prr.budget(1, 5, 10, 1, false), 1);
        prr.sent(1);
        assert_eq!(prr.budget(3, 9, 10, 1, true), 1, "never beyond the target");
    }
}
