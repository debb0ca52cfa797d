//! How many errors may be sent.

use core::cell::Cell;

use traits::Instant;

/// ICMP errors sent per second in the long run, as Linux limits them.
pub const ERRORS_PER_SECOND: u64 = 1_000;
/// ICMP errors sent at once after a pause, as Linux limits them.
pub const ERRORS_BURST: u64 = 50;

/// Nanoseconds that one error costs.
const COST: u64 = 1_000_000_000 / ERRORS_PER_SECOND;

/// A bucket of time: each error takes some of it, it fills as time passes.
///
/// What an error takes is random, from nothing to twice its share: with a
/// fixed cost, a stranger who spends the bucket learns from what is left
/// whether forged packets had answers (CVE-2020-25705).
#[derive(Debug)]
pub(crate) struct Limit {
    /// Nanoseconds saved up.
    saved: Cell<u64>,
    filled: Cell<Instant>,
}

impl Limit {
    pub(crate) const fn new() -> Self {
        Self { saved: Cell::new(ERRORS_BURST * COST), filled: Cell::new(Instant::ZERO) }
    }

    /// Whether an error may be sent `now`; `share` is random, 0 to 2.
    pub(crate) fn take(&self, now: Instant, share: u64) -> bool {
        let passed = now.as_nanos().saturating_sub(self.filled.get().as_nanos());
        self.filled.set(now);
        let saved = self.saved.get().saturating_add(passed).min(ERRORS_BURST * COST);
        let allowed = saved >= COST;
        self.saved.set(if allowed { saved.saturating_sub(share * COST) } else { saved });
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let limit = Limit::new();
        let at = |millis: u64| Instant::from_millis(1_000 + millis);
        assert_eq!((0..1_000).filter(|_| limit.take(at(0), 1)).count(), 50);
        assert_eq!((0..1_000).filter(|i| limit.take(at(*i), 1)).count(), 999);
        assert_eq!((0..1_000).filter(|_| limit.take(at(60_000), 1)).count(), 50);
    }
}
