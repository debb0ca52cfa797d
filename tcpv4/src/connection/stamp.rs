//! Points in time, kept in few bytes.

use core::time::Duration;

use traits::Instant;

/// A past point in time in four bytes, in steps of 2¹⁶ ns (65.5 µs): right for
/// what lies less than 78 hours back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp(u32);

const STEP_BITS: u32 = 16;

impl Stamp {
    pub(super) const fn of(at: Instant) -> Self {
        Self((at.as_nanos() >> STEP_BITS) as u32)
    }

    /// How long ago it was, give or take a step.
    pub(super) fn elapsed(self, now: Instant) -> Duration {
        Duration::from_nanos(u64::from(Self::of(now).0.wrapping_sub(self.0)) << STEP_BITS)
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
        let step = Duration::from_nanos(1 << STEP_BITS);
        for start in [0, 1_000_000_007, (1 << 48) - 5_000_000, u64::MAX / 2] {
            let start = Instant::from_nanos(start);
            for ago in [0, 1, 999, 40_000_000, 280_000_000_000].map(Duration::from_micros) {
                let found = Stamp::of(start).elapsed(start + ago);
                assert!(found.abs_diff(ago) <= step, "{ago:?} is {found:?}");
            }
        }
    }
}
