//! Sequence numbers, windows and scales beside whole numbers.

use proptest::prelude::*;
use tcpv4::{Mss, SeqNum, Window, WindowScale};

/// The place in an endless sequence that a number means to somebody at
/// `near`: the closest of those that look the same.
fn place(near: i64, number: SeqNum) -> i64 {
    near + i64::from(number.value().wrapping_sub(near as u32) as i32)
}

fn number(place: i64) -> SeqNum {
    SeqNum::new(place as u32)
}

proptest! {
    #[test]
    fn order_is_that_of_places(at in -(1i64 << 40)..1 << 40, ahead in -0x7fff_ffffi64..0x7fff_ffff) {
        let (a, b) = (number(at), number(at + ahead));
        prop_assert_eq!(place(at, b), at + ahead);
        prop_assert_eq!(b.after(a), ahead > 0);
        prop_assert_eq!(b.before(a), ahead < 0);
        prop_assert_eq!(b.after_eq(a), ahead >= 0);
        prop_assert_eq!(b.before_eq(a), ahead <= 0);
        prop_assert_eq!(i64::from(b.since(a)), ahead.max(0));
        prop_assert_eq!(b.later(a), number(at + ahead.max(0)));
        prop_assert_eq!(b.earlier(a), number(at + ahead.min(0)));
    }

    #[test]
    fn sums_wrap(start: u32, counts in prop::collection::vec(any::<u32>(), 0..20)) {
        let mut sum = SeqNum::new(start);
        counts.iter().for_each(|count| sum += *count);
        let whole = counts.iter().map(|count| u64::from(*count)).sum::<u64>() + u64::from(start);
        prop_assert_eq!(sum, SeqNum::new(whole as u32));
        prop_assert_eq!(counts.iter().fold(sum, |sum, count| sum - *count), SeqNum::new(start));
    }

    /// Three numbers within half a turn stand in one order.
    #[test]
    fn order_is_transitive(start: u32, steps in [0u32..0x3fff_ffff, 0u32..0x3fff_ffff]) {
        let a = SeqNum::new(start);
        let b = a + steps[0];
        let c = b + steps[1];
        prop_assert!(a.before_eq(b) && b.before_eq(c) && a.before_eq(c));
        prop_assert_eq!(c.since(a), steps[0] + steps[1]);
    }

    #[test]
    fn a_window_is_told_as_closely_as_its_scale_can(shift in 0u8..=255, bytes: u32) {
        let scale = WindowScale::new(shift);
        prop_assert!(scale.shift() <= 14);
        let told = scale.bytes(scale.window(bytes));
        let largest = u64::from(u16::MAX) << scale.shift();
        let exact = u64::from(bytes).min(largest) >> scale.shift() << scale.shift();
        prop_assert_eq!(u64::from(told), exact);
        prop_assert_eq!(scale.window(told), scale.window(bytes));
    }

    #[test]
    fn a_scale_is_the_smallest_that_reaches(limit in 0usize..1 << 34) {
        let scale = WindowScale::for_limit(limit);
        let reaches = |shift: u8| limit >> shift <= usize::from(u16::MAX);
        prop_assert!(reaches(scale.shift()) || scale == WindowScale::MAX);
        prop_assert!(scale.shift() == 0 || !reaches(scale.shift() - 1));
        prop_assert_eq!(scale.bytes(Window(0)), 0);
    }

    #[test]
    fn an_mss_is_what_fits_and_never_tiny(mtu in 0usize..200_000, bytes: u16) {
        prop_assert_eq!(usize::from(Mss::for_mtu(mtu).bytes()), mtu.saturating_sub(40).clamp(88, 65_535));
        prop_assert_eq!(Mss::new(bytes).bytes(), bytes.max(88));
    }
}
