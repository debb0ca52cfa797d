//! Who takes what arrives.

use core::net::Ipv4Addr;

use traits::Inbound;
use wire::Protocol;

/// A set of labels for [`Ipv4::input`](crate::Ipv4::input), none of them set.
///
/// ```
/// # use traits::{Ethernet, Frame, Inbound};
/// # fn example<E: Ethernet>(i: &ipv4::Ipv4<E>, frame: Frame<'_>) {
/// i.input(
///     frame,
///     ipv4::listeners()
///         .tcp(|inbound| drop(inbound))
///         .udp(|inbound| match inbound {
///             Inbound::Packet(packet) => assert!(packet.payload.len() < 65_536),
///             Inbound::Error(error) => assert_eq!(error.protocol, wire::Protocol::UDP),
///         })
///         .default(|protocol, src, dst, payload| {}),
/// );
/// # }
/// ```
pub const fn listeners() -> Listeners<Unset, Unset, Unset, Unset> {
    Listeners { tcp: Unset, udp: Unset, icmp: Unset, default: Unset }
}

/// The labels of [`Ipv4::input`](crate::Ipv4::input); see [`listeners`].
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Listeners<T, U, I, D> {
    pub(crate) tcp: T,
    pub(crate) udp: U,
    pub(crate) icmp: I,
    pub(crate) default: D,
}

/// A label that is not set.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A label that is set.
#[derive(Clone, Copy, Debug)]
pub struct Set<F>(F);

impl<T, U, I, D> Listeners<T, U, I, D> {
    /// TCP segments, and ICMP errors about own ones. Not set: dropped and
    /// counted.
    pub fn tcp<F: FnMut(Inbound<'_>)>(self, take: F) -> Listeners<Set<F>, U, I, D> {
        Listeners { tcp: Set(take), udp: self.udp, icmp: self.icmp, default: self.default }
    }

    /// UDP datagrams, and ICMP errors about own ones. Not set: dropped and
    /// counted.
    pub fn udp<F: FnMut(Inbound<'_>)>(self, take: F) -> Listeners<T, Set<F>, I, D> {
        Listeners { tcp: self.tcp, udp: Set(take), icmp: self.icmp, default: self.default }
    }

    /// ICMP messages that the layer does not deal with itself, checksum
    /// verified and at least 8 bytes (echo replies, for one), and ICMP errors
    /// about own ICMP messages. Not set: dropped and counted.
    pub fn icmp<F: FnMut(Inbound<'_>)>(self, take: F) -> Listeners<T, U, Set<F>, D> {
        Listeners { tcp: self.tcp, udp: self.udp, icmp: Set(take), default: self.default }
    }

    /// All other protocols: protocol, source, destination and payload. Not
    /// set: answered with an ICMP protocol unreachable and counted.
    pub fn default<F: FnMut(Protocol, Ipv4Addr, Ipv4Addr, &[u8])>(self, take: F) -> Listeners<T, U, I, Set<F>> {
        Listeners { tcp: self.tcp, udp: self.udp, icmp: self.icmp, default: Set(take) }
    }
}

/// A label for packets and errors, set or not.
pub trait Label: sealed::Label {}
impl<L: sealed::Label> Label for L {}

/// The label for all other protocols, set or not.
pub trait DefaultLabel: sealed::DefaultLabel {}
impl<L: sealed::DefaultLabel> DefaultLabel for L {}

pub(crate) mod sealed {
    use super::*;

    pub trait Label {
        /// Whether somebody took it.
        fn take(&mut self, inbound: Inbound<'_>) -> bool;
    }

    impl Label for Unset {
        #[inline]
        fn take(&mut self, _: Inbound<'_>) -> bool {
            false
        }
    }

    impl<F: FnMut(Inbound<'_>)> Label for Set<F> {
        #[inline]
        fn take(&mut self, inbound: Inbound<'_>) -> bool {
            (self.0)(inbound);
            true
        }
    }

    pub trait DefaultLabel {
        /// Whether somebody took it.
        fn take(&mut self, protocol: Protocol, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> bool;
    }

    impl DefaultLabel for Unset {
        #[inline]
        fn take(&mut self, _: Protocol, _: Ipv4Addr, _: Ipv4Addr, _: &[u8]) -> bool {
            false
        }
    }

    impl<F: FnMut(Protocol, Ipv4Addr, Ipv4Addr, &[u8])> DefaultLabel for Set<F> {
        #[inline]
        fn take(&mut self, protocol: Protocol, src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> bool {
            (self.0)(protocol, src, dst, payload);
            true
        }
    }
}
