//! Types for sequence numbers, windows, scales and segment sizes, so that
//! none is taken for another.
//!
//! The sequence space is a circle of 2³² (RFC 9293 §3.4): "less than" has a
//! meaning only between numbers less than half a turn apart. So [`SeqNum`] is
//! not `Ord`; it has [`before`](SeqNum::before) and [`after`](SeqNum::after).

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(u32);

impl SeqNum {
    /// The number with this value on the wire.
    #[inline]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value on the wire.
    #[inline]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Whether `self` comes before `other`.
    #[inline]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether `self` comes before `other` or is it.
    #[inline]
    pub const fn before_eq(self, other: Self) -> bool {
        !other.before(self)
    }

    /// Whether `self` comes after `other`.
    #[inline]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Whether `self` comes after `other` or is it.
    #[inline]
    pub const fn after_eq(self, other: Self) -> bool {
        !self.before(other)
    }

    /// How far `self` lies after `earlier`; 0 when it does not.
    #[inline]
    pub const fn since(self, earlier: Self) -> u32 {
        let distance = self.0.wrapping_sub(earlier.0);
        if (distance as i32) < 0 { 0 } else { distance }
    }

    /// The later of the two.
    #[inline]
    #[must_use]
    pub const fn later(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of the two.
    #[inline]
    #[must_use]
    pub const fn earlier(self, other: Self) -> Self {
        if self.before(other) { self } else { other }
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    #[inline]
    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl AddAssign<u32> for SeqNum {
    #[inline]
    fn add_assign(&mut self, count: u32) {
        *self = *self + count;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    #[inline]
    fn sub(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

impl fmt::Debug for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A window as it stands in a header: 16 bits, in units that the sender's
/// [`WindowScale`] gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Window(pub u16);

/// The exponent of a window scale option, 0 to 14.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct WindowScale(u8);

impl WindowScale {
    /// Windows count bytes.
    pub const ZERO: Self = Self(0);
    /// The largest exponent (RFC 7323 §2.3).
    pub const MAX: Self = Self(14);

    /// `shift`, at most 14: a larger one counts as 14 (RFC 7323 §2.3).
    pub const fn new(shift: u8) -> Self {
        Self(if shift > 14 { 14 } else { shift })
    }

    /// The exponent.
    #[inline]
    pub const fn shift(self) -> u8 {
        self.0
    }

    /// The smallest scale by which a window of `limit` bytes can be told.
    pub const fn for_limit(limit: usize) -> Self {
        let mut shift = 0;
        while shift < 14 && limit >> shift > u16::MAX as usize {
            shift += 1;
        }
        Self(shift)
    }

    /// What a window in a header means, in bytes.
    #[inline]
    pub const fn bytes(self, window: Window) -> u32 {
        (window.0 as u32) << self.0
    }

    /// What stands in a header for a window of `bytes`: rounded down,
    /// saturated.
    #[inline]
    pub const fn window(self, bytes: u32) -> Window {
        let scaled = bytes >> self.0;
        Window(if scaled > u16::MAX as u32 { u16::MAX } else { scaled as u16 })
    }
}

/// The largest payload of a segment, in bytes, without counting options
/// (RFC 9293 §3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mss(u16);

impl Mss {
    /// What is assumed where no option is seen (RFC 9293 §3.7.1: 576 − 40).
    pub const DEFAULT: Self = Self(536);
    /// The least that is believed, as Linux has it: a peer that asks for less
    /// would make this host send mostly headers.
    pub const FLOOR: Self = Self(88);

    /// `bytes`, at least [`Mss::FLOOR`].
    pub const fn new(bytes: u16) -> Self {
        Self(if bytes < Self::FLOOR.0 { Self::FLOOR.0 } else { bytes })
    }

    /// What fits into a packet of `mtu` bytes beside headers without options.
    pub const fn for_mtu(mtu: usize) -> Self {
        let room = mtu.saturating_sub(40);
        Self::new(if room > u16::MAX as usize { u16::MAX } else { room as u16 })
    }

    /// In bytes.
    #[inline]
    pub const fn bytes(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_holds_across_the_wrap(start: u32, ahead in 1u32..0x7fff_ffff) {
            let (a, b) = (SeqNum::new(start), SeqNum::new(start) + ahead);
            prop_assert!(a.before(b) && b.after(a) && !b.before(a) && !a.after(b));
            prop_assert_eq!((b.since(a), a.since(b)), (ahead, 0));
            prop_assert_eq!((a.later(b), a.earlier(b)), (b, a));
        }

        #[test]
        fn a_scaled_window_never_grows(shift in 0u8..20, bytes: u32) {
            let scale = WindowScale::new(shift);
            prop_assert!(scale.bytes(scale.window(bytes)) <= bytes);
        }
    }

    #[test]
    fn scales_fit_their_limit() {
        assert_eq!(WindowScale::for_limit(0xffff).shift(), 0);
        assert_eq!(WindowScale::for_limit(0x10000).shift(), 1);
        assert_eq!(WindowScale::for_limit(6 << 20).shift(), 7);
        assert_eq!(WindowScale::for_limit(usize::MAX), WindowScale::MAX);
        assert_eq!(WindowScale::new(255), WindowScale::MAX);
    }

    #[test]
    fn a_tiny_mss_is_not_believed() {
        assert_eq!(Mss::new(0), Mss::FLOOR);
        assert_eq!(Mss::new(48), Mss::FLOOR);
        assert_eq!(Mss::for_mtu(1500).bytes(), 1460);
        assert_eq!(Mss::for_mtu(20), Mss::FLOOR);
    }
}
