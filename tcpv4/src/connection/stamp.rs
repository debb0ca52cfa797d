//! Points in time, kept in few bytes.

use core::time::Duration;

use traits::Instant;

/// A past point in time in four bytes, in steps of 2^`STEP_BITS` ns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp<const STEP_BITS: u32>(u32);

/// Steps of 65.5 µs, for the round trip of a handshake: right for what lies less
/// than 78 hours back.
pub(super) const SENT_BITS: u32 = 16;

/// Steps of 1.05 ms: right for what lies less than 52 days back, which is
/// longer than timestamps are good for.
pub(super) const HEARD_BITS: u32 = 20;

impl<const STEP_BITS: u32> Stamp<STEP_BITS> {
    pub(super) const fn of(at: Instant) -> Self {
        Self((at.as_nanos() >> STEP_BITS) as u32)
    }

    /// How long ago it was, give or take a step.
    pub(super) fn elapsed(self, now: Instant) -> Duration {
        Duration::from_nanos(self.elapsed_nanos(now))
    }

    /// The same, in nanoseconds.
    #[inline]
    pub(super) fn elapsed_nanos(self, now: Instant) -> u64 {
        u64::from(Self::of(now).0.wrapping_sub(self.0)) << STEP_BITS
    }

    /// The point itself, give or take a step.
    pub(super) fn instant(self, now: Instant) -> Instant {
        now - self.elapsed(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_right_to_a_step_also_where_it_wraps() {
        let step = Duration::from_nanos(1 << SENT_BITS);
        for start in [0, 1_000_000_007, (1 << 48) - 5_000_000, u64::MAX / 2] {
            let start = Instant::from_nanos(start);
            for ago in [0, 1, 999, 40_000_000, 280_000_000_000].map(Duration::from_micros) {
                let found = Stamp::<SENT_BITS>::of(start).elapsed(start + ago);
                assert!(found.abs_diff(ago) <= step, "{ago:?} is {found:?}");
                let found = Stamp::<HEARD_BITS>::of(start).elapsed(start + ago * 16);
                assert!(found.abs_diff(ago * 16) <= step * 16, "{ago:?} is {found:?}");
            }
        }
    }
}
