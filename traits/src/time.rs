//! TIME and CLOCK.

use core::future::Future;
use core::time::Duration;

use crate::Instant;

/// Monotonic time that a task can sleep by.
///
/// Within one tower, this is the clock of [`Layer::now`](crate::Layer::now).
/// A run loop reads the hardware once per pass; `now` is that reading and
/// does not move while tasks run.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no clock to sleep by",
    note = "on Unix and Xen, the run loop of `os` is one; an in-memory link has one of virtual time"
)]
pub trait Time {
    /// The time of this pass of the run loop.
    fn now(&self) -> Instant;

    /// Completes at `deadline`, at once if that has passed.
    ///
    /// Dropping the future gives its place in the sleep queue back.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()>;

    /// Completes `duration` from now.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.sleep_until(self.now() + duration)
    }
}

/// Wall-clock time.
pub trait Clock {
    /// Time since 1970-01-01T00:00:00Z, leap seconds left out.
    fn time(&self) -> Duration;

    /// The same as a civil date and time in UTC.
    fn gmtime(&self) -> DateTime {
        DateTime::from_unix(self.time())
    }
}

/// A civil date and time in UTC, proleptic Gregorian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DateTime {
    /// The year, 1970 and later.
    pub year: u32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl DateTime {
    /// The civil time `since_epoch` after 1970-01-01T00:00:00Z.
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs();
        let of_day = seconds % 86_400;
        // Days are counted from 0000-03-01, so that the leap day is the last
        // of its year, in eras of 400 years (146,097 days).
        let days = seconds / 86_400 + 719_468;
        let of_era = days % 146_097;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = days / 146_097 * 400 + year_of_era + u64::from(month <= 2);
        Self {
            year: year as u32,
            month: month as u8,
            day: (of_year - (153 * shifted + 2) / 5 + 1) as u8,
            hour: (of_day / 3_600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn civil_dates() {
        let at = |secs| {
            let d = DateTime::from_unix(Duration::from_secs(secs));
            (d.year, d.month, d.day, d.hour, d.minute, d.second)
        };
        assert_eq!(at(0), (1970, 1, 1, 0, 0, 0));
        assert_eq!(at(951_782_399), (2000, 2, 28, 23, 59, 59));
        assert_eq!(at(951_782_400), (2000, 2, 29, 0, 0, 0));
        assert_eq!(at(4_107_542_400), (2100, 3, 1, 0, 0, 0));
        assert_eq!(at(1_795_503_600), (2026, 11, 24, 7, 0, 0));
    }
}
