//! Time: Xen's monotonic clock, computed from the time stamp counter, and the
//! time of day.

use core::mem::offset_of;
use core::time::Duration;

use super::window::Window;

/// The time fields of the first processor, in the shared page.
const TIME: usize = offset_of!(xen_sys::shared_info, vcpu_info) + offset_of!(xen_sys::vcpu_info, time);

/// How the counter relates to time, as Xen has it at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Scale {
    stamp: u64,
    nanos: u64,
    multiplier: u32,
    shift: i8,
}

impl Scale {
    /// Nanoseconds at a reading of the counter.
    fn at(&self, counter: u64) -> u64 {
        let delta = counter.saturating_sub(self.stamp);
        let delta = match self.shift {
            shift @ 0.. => delta.checked_shl(shift.unsigned_abs().into()),
            shift => delta.checked_shr(shift.unsigned_abs().into()),
        };
        let scaled = (u128::from(delta.unwrap_or_default()) * u128::from(self.multiplier)) >> 32;
        self.nanos.saturating_add(scaled as u64)
    }
}

/// A version is odd while Xen writes: what was read is good if it was even and
/// is the same afterwards.
fn consistent<T>(shared: Window, version: usize, read: impl Fn() -> T) -> T {
    loop {
        let before = shared.load(version);
        let value = read();
        core::sync::atomic::fence(core::sync::atomic::Ordering::Acquire);
        if before.is_multiple_of(2) && shared.load(version) == before {
            return value;
        }
        core::hint::spin_loop();
    }
}

fn scale(shared: Window) -> Scale {
    use xen_sys::vcpu_time_info as Info;
    consistent(shared, TIME + offset_of!(Info, version), || Scale {
        stamp: shared.load64(TIME + offset_of!(Info, tsc_timestamp)),
        nanos: shared.load64(TIME + offset_of!(Info, system_time)),
        multiplier: shared.load(TIME + offset_of!(Info, tsc_to_system_mul)),
        shift: shared.load(TIME + offset_of!(Info, tsc_shift)) as i8,
    })
}

/// Reads the time stamp counter.
pub(super) fn counter() -> u64 {
    // SAFETY: every x86-64 processor has it, and Xen lets guests read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Nanoseconds of Xen's monotonic clock: since the host has started.
pub(super) fn monotonic(shared: Window) -> u64 {
    scale(shared).at(counter())
}

/// Time since 1970-01-01T00:00:00Z.
pub(super) fn wall(shared: Window) -> Duration {
    use xen_sys::shared_info as Info;
    let (seconds, nanos) = consistent(shared, offset_of!(Info, wc_version), || {
        let high = u64::from(shared.load(offset_of!(Info, wc_sec_hi)));
        let low = u64::from(shared.load(offset_of!(Info, wc_sec)));
        (high << 32 | low, shared.load(offset_of!(Info, wc_nsec)))
    });
    // The page has the time of day at which Xen's clock began.
    let began = Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into()));
    began.saturating_add(Duration::from_nanos(monotonic(shared)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::window;

    #[test]
    fn the_counter_is_scaled_either_way() {
        let scale = Scale { stamp: 1_000, nanos: 5, multiplier: 1 << 31, shift: 1 };
        assert_eq!((scale.at(1_000), scale.at(4_000)), (5, 3_005));
        let slower = Scale { shift: -1, ..scale };
        assert_eq!(slower.at(5_000), 1_005);
        assert_eq!(scale.at(10), 5, "a counter behind the stamp does not go back");
        let absurd = Scale { shift: 127, multiplier: u32::MAX, ..scale };
        assert_eq!(absurd.at(u64::MAX), 5);
    }

    #[test]
    fn the_time_of_day_is_the_beginning_and_what_has_passed() {
        let page = window::tests::page();
        page.store64(TIME + 16, 7_000_000_000);
        page.store64(TIME + 8, u64::MAX);
        page.store(offset_of!(xen_sys::shared_info, wc_sec), 100);
        page.store(offset_of!(xen_sys::shared_info, wc_nsec), 5);
        page.store(offset_of!(xen_sys::shared_info, wc_sec_hi), 1);
        assert_eq!(wall(page), Duration::new((1 << 32) + 107, 5));
    }
}
