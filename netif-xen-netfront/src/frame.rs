//! What the driver has to know of a frame that the ring does not tell.

use traits::PartialChecksum;
use wire::{EtherType, Protocol};

/// Bytes of an Ethernet header, without which a frame is none.
pub(crate) const ETHERNET_HEADER: usize = 14;

const VLAN_TAG: usize = 4;
const IPV4_FRAGMENT: u16 = 0x3fff;

/// A transport header within a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Transport {
    ip: usize,
    start: usize,
    protocol: Protocol,
}

/// Where the transport checksum of a frame stands: that of TCP or UDP over
/// IPv4 or IPv6, of a packet that is no fragment. `None` for all else.
///
/// Both ends of a ring find it so, since the ring does not tell.
pub(crate) fn transport_checksum(frame: &[u8]) -> Option<PartialChecksum> {
    let transport = transport(frame)?;
    let offset = match transport.protocol {
        Protocol::TCP => 16,
        Protocol::UDP => 6,
        _ => return None,
    };
    let end = transport.start + usize::from(offset) + 2;
    (end <= frame.len()).then_some(PartialChecksum { start: transport.start as u16, offset })
}

/// A number that is the same for all frames of a connection: of addresses and
/// ports of IPv4, 0 for all else.
pub(crate) fn flow_hash(frame: &[u8]) -> u32 {
    let Some(Transport { ip, start, protocol }) = transport(frame) else { return 0 };
    let addresses = (word(frame, ip + 12), word(frame, ip + 16));
    let ports = match protocol {
        Protocol::TCP | Protocol::UDP => word(frame, start),
        _ => Some(0),
    };
    let (Some(source), Some(destination), Some(ports)) = (addresses.0, addresses.1, ports) else { return 0 };
    let mixed = source ^ destination.rotate_left(16) ^ ports;
    // High bits count as much as low ones.
    (mixed ^ mixed >> 16).wrapping_mul(0x9e37_79b1) >> 16
}

fn transport(frame: &[u8]) -> Option<Transport> {
    let mut at = ETHERNET_HEADER - 2;
    let mut ethertype = half(frame, at)?;
    for _ in 0..2 {
        if ethertype == 0x8100 || ethertype == 0x88a8 {
            at += VLAN_TAG;
            ethertype = half(frame, at)?;
        }
    }
    let ip = at + 2;
    let version_ihl = *frame.get(ip)?;
    match EtherType(ethertype) {
        EtherType::IPV4 if version_ihl >> 4 == 4 && half(frame, ip + 6)? & IPV4_FRAGMENT == 0 => {
            let header = usize::from(version_ihl & 0x0f) * 4;
            let protocol = Protocol(*frame.get(ip + 9)?);
            (header >= 20).then_some(Transport { ip, start: ip + header, protocol })
        }
        EtherType::IPV6 if version_ihl >> 4 == 6 => {
            let protocol = Protocol(*frame.get(ip + 6)?);
            Some(Transport { ip, start: ip + 40, protocol })
        }
        _ => None,
    }
}

fn half(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn word(frame: &[u8], at: usize) -> Option<u32> {
    frame.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}
