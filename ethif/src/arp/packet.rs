//! ARP on the wire (RFC 826), for Ethernet and IPv4.

use core::net::Ipv4Addr;

use wire::{EtherType, MacAddr};
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of an ARP packet.
pub(crate) const LEN: usize = 28;

/// `ares_hrd$Ethernet`.
const HARDWARE_ETHERNET: u16 = 1;

/// An ARP packet that makes sense in itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet {
    pub(crate) operation: Operation,
    pub(crate) sender_mac: MacAddr,
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: MacAddr,
    pub(crate) target: Ipv4Addr,
}

/// What the sender wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Request,
    Reply,
}

/// The packet as it stands on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    hardware: U16,
    protocol: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender: [u8; 4],
    target_mac: MacAddr,
    target: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == LEN);

impl Packet {
    /// Reads a packet; bytes behind it are padding of the frame. `None` where
    /// a type, length or operation is not the one of Ethernet and IPv4.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (raw, _padding) = Raw::ref_from_prefix(bytes).ok()?;
        // RFC 826, "Packet Reception": each a "?Do I ..." of the algorithm.
        if raw.hardware.get() != HARDWARE_ETHERNET
            || raw.hardware_len != 6
            || raw.protocol.get() != EtherType::IPV4.0
            || raw.protocol_len != 4
        {
            return None;
        }
        let operation = match raw.operation.get() {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return None,
        };
        Some(Self {
            operation,
            sender_mac: raw.sender_mac,
            sender: raw.sender.into(),
            target_mac: raw.target_mac,
            target: raw.target.into(),
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; LEN] {
        let raw = Raw {
            hardware: U16::new(HARDWARE_ETHERNET),
            protocol: U16::new(EtherType::IPV4.0),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(match self.operation {
                Operation::Request => 1,
                Operation::Reply => 2,
            }),
            sender_mac: self.sender_mac,
            sender: self.sender.octets(),
            target_mac: self.target_mac,
            target: self.target.octets(),
        };
        zerocopy::transmute!(raw)
    }

    /// Who has `target`?
    pub(crate) const fn request(sender_mac: MacAddr, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self { operation: Operation::Request, sender_mac, sender, target_mac: MacAddr::ZERO, target }
    }

    /// Does anybody have `target`? (RFC 5227 §1.1, ARP Probe)
    pub(crate) const fn probe(sender_mac: MacAddr, target: Ipv4Addr) -> Self {
        Self::request(sender_mac, Ipv4Addr::UNSPECIFIED, target)
    }

    /// `address` is mine. (RFC 5227 §1.1, ARP Announcement)
    pub(crate) const fn announcement(sender_mac: MacAddr, address: Ipv4Addr) -> Self {
        Self::request(sender_mac, address, address)
    }

    /// The answer to this request: `mac` has the target.
    pub(crate) const fn answer(self, mac: MacAddr) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// Whether the sender has no address yet and only asks
    /// (RFC 5227 §1.1, ARP Probe).
    pub(crate) const fn is_probe(self) -> bool {
        self.sender.is_unspecified()
    }
}

/// Whether one host on the link can have `address`: no group, no broadcast,
/// not 0.0.0.0/8 or 127/8 (RFC 1122 §3.2.1.3).
pub(crate) const fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets(), [0 | 127 | 224..=239, ..] | [255, 255, 255, 255])
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(request: bool, a: [u8; 6], b: [u8; 4], c: [u8; 6], d: [u8; 4], padding: Vec<u8>) {
            let packet = Packet {
                operation: if request { Operation::Request } else { Operation::Reply },
                sender_mac: MacAddr(a),
                sender: b.into(),
                target_mac: MacAddr(c),
                target: d.into(),
            };
            let mut bytes = packet.to_bytes().to_vec();
            bytes.extend(padding);
            prop_assert_eq!(Packet::parse(&bytes), Some(packet));
        }

        #[test]
        fn what_parses_is_written_the_same(bytes: [u8; LEN], header in any::<bool>()) {
            let mut bytes = bytes;
            if header {
                bytes[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
            }
            if let Some(packet) = Packet::parse(&bytes) {
                prop_assert_eq!(packet.to_bytes(), bytes);
            }
        }

        #[test]
        fn a_truncated_packet_is_none(len in 0..LEN) {
            let bytes = Packet::probe(MacAddr([2; 6]), Ipv4Addr::new(10, 0, 0, 1)).to_bytes();
            prop_assert_eq!(Packet::parse(&bytes[..len]), None);
        }
    }

    #[test]
    fn types_lengths_and_operation_must_be_right() {
        let good = Packet::probe(MacAddr([2; 6]), Ipv4Addr::new(10, 0, 0, 1)).to_bytes();
        assert!(Packet::parse(&good).is_some());
        for (at, value) in [(1, 6), (2, 0x86), (4, 8), (4, 0), (5, 16), (5, 0), (7, 0), (7, 3), (6, 1)] {
            let mut bad = good;
            bad[at] = value;
            assert_eq!(Packet::parse(&bad), None, "byte {at} = {value}");
        }
    }

    #[test]
    fn hosts() {
        for (address, host) in [
            ([10, 0, 0, 1], true),
            ([0, 0, 0, 0], false),
            ([127, 0, 0, 1], false),
            ([224, 0, 0, 1], false),
            ([255, 255, 255, 255], false),
            ([240, 0, 0, 1], true),
        ] {
            assert_eq!(is_host(address.into()), host, "{address:?}");
        }
    }
}
