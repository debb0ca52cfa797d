//! Hardware addresses and IPv4 prefixes.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A 48-bit Ethernet address.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`, which is nobody's.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether the address names a group (broadcast included).
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether the address is the broadcast address.
    pub const fn is_broadcast(self) -> bool {
        matches!(self.0, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    }

    /// Whether one host can have the address: no group, not all zeros.
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && !matches!(self.0, [0, 0, 0, 0, 0, 0])
    }

    /// The group address of an IPv4 multicast group (RFC 1112 §6.4).
    pub const fn of_multicast_group(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An IPv4 address with the length of its prefix: `10.0.0.2/24`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

impl Cidr {
    /// `address/prefix`; a prefix beyond 32 counts as 32.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = if prefix > 32 { 32 } else { prefix };
        Self { address, prefix }
    }

    /// `address` under a netmask; `None` when the mask's ones are not
    /// contiguous.
    pub const fn with_netmask(address: Ipv4Addr, netmask: Ipv4Addr) -> Option<Self> {
        let bits = netmask.to_bits();
        if bits.leading_ones() + bits.trailing_zeros() < 32 {
            return None;
        }
        Some(Self::new(address, bits.leading_ones() as u8))
    }

    /// The address, host part included.
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The length of the prefix in bits, 0 to 32.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The netmask: `255.255.255.0` for a prefix of 24.
    pub const fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask())
    }

    /// The address with its host part zero.
    pub const fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The directed broadcast address, where the prefix leaves room for one
    /// (RFC 3021: a /31 and a /32 have none).
    pub const fn broadcast(self) -> Option<Ipv4Addr> {
        if self.prefix > 30 {
            return None;
        }
        Some(Ipv4Addr::from_bits(self.address.to_bits() | !self.mask()))
    }

    /// Whether `address` lies within the prefix.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & self.mask() == 0
    }

    const fn mask(self) -> u32 {
        match self.prefix {
            0 => 0,
            n => u32::MAX << (32 - n),
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is no `ADDRESS/PREFIX`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseCidrError;

impl fmt::Display for ParseCidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an address and a prefix length, as in 10.0.0.2/24")
    }
}

impl core::error::Error for ParseCidrError {}

impl FromStr for Cidr {
    type Err = ParseCidrError;

    fn from_str(text: &str) -> Result<Self, ParseCidrError> {
        let (address, prefix) = text.split_once('/').ok_or(ParseCidrError)?;
        let address = address.parse().map_err(|_| ParseCidrError)?;
        match prefix.parse() {
            Ok(prefix @ 0..=32) => Ok(Self::new(address, prefix)),
            _ => Err(ParseCidrError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let c: Cidr = "10.0.0.2/24".parse().unwrap();
        assert_eq!(c.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(c.network(), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(c.broadcast(), Some(Ipv4Addr::new(10, 0, 0, 255)));
        assert!(c.contains(Ipv4Addr::new(10, 0, 0, 77)));
        assert!(!c.contains(Ipv4Addr::new(10, 0, 1, 77)));
        assert!(Cidr::new(Ipv4Addr::UNSPECIFIED, 0).contains(Ipv4Addr::new(8, 8, 8, 8)));
        assert_eq!("10.0.0.1/33".parse::<Cidr>(), Err(ParseCidrError));
        assert_eq!("10.0.0.1/31".parse::<Cidr>().unwrap().broadcast(), None);
    }

    #[test]
    fn netmasks_must_be_contiguous() {
        let a = Ipv4Addr::new(10, 0, 0, 2);
        let mask = |a, b, c, d| Cidr::with_netmask(Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(a, b, c, d));
        assert_eq!(mask(255, 255, 240, 0), Some(Cidr::new(a, 20)));
        assert_eq!(mask(0, 0, 0, 0), Some(Cidr::new(a, 0)));
        assert_eq!(mask(255, 255, 255, 255), Some(Cidr::new(a, 32)));
        assert_eq!(mask(255, 0, 255, 0), None);
    }

    #[test]
    fn groups_map_to_their_low_23_bits() {
        let mac = MacAddr::of_multicast_group(Ipv4Addr::new(224, 128, 0, 251));
        assert_eq!(mac, MacAddr([0x01, 0, 0x5e, 0, 0, 251]));
        assert!(mac.is_multicast() && !mac.is_broadcast() && !mac.is_unicast());
    }
}
