//! Randomness for the delays of RFC 5227, which need to differ between hosts
//! and need not be secret.

use core::time::Duration;

/// The xorshift64* generator of Marsaglia and Vigna.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        // Zero is the one state that it never leaves.
        Self(if seed == 0 { 0x9e37_79b9_7f4a_7c15 } else { seed })
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A duration of at most `limit`, and less than 4.29 s.
    pub(crate) fn below(&mut self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).min(u64::from(u32::MAX));
        // The upper half of the product is uniform enough, without division.
        Duration::from_nanos(((self.next() >> 32) * nanos) >> 32)
    }
}
