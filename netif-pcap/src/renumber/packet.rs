//! Where the fields stand, and changing them without touching whether the
//! checksum holds.

use std::net::Ipv4Addr;
use std::ops::Range;

use wire::{EtherType, Protocol};

/// The Ethernet header, in bytes.
const ETHERNET_HEADER: usize = 14;

pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;

pub(crate) fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied()
}

pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    get(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    get(bytes, at).map(u32::from_be_bytes)
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..at + N) {
        field.copy_from_slice(&value);
    }
}

pub(crate) fn put_word(bytes: &mut [u8], at: usize, value: u16) {
    put(bytes, at, value.to_be_bytes());
}

pub(super) fn put_long(bytes: &mut [u8], at: usize, value: u32) {
    put(bytes, at, value.to_be_bytes());
}

/// An IPv4 packet in a frame: whose, and where its payload starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) protocol: Protocol,
    pub(super) payload: usize,
}

/// Finds the IPv4 packet in a frame; fragments don't count.
pub(super) fn packet(frame: &[u8]) -> Option<Packet> {
    if word(frame, 12).map(EtherType) != Some(EtherType::IPV4) {
        return None;
    }
    packet_at(frame, ETHERNET_HEADER)
}

/// The same for one that starts at `at`.
pub(super) fn packet_at(bytes: &[u8], at: usize) -> Option<Packet> {
    let [first] = get(bytes, at)?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 || word(bytes, at + 6)? & 0x3fff != 0 {
        return None;
    }
    let address = |offset| get::<4>(bytes, at + offset).map(Ipv4Addr::from);
    let [protocol] = get(bytes, at + 9)?;
    let (src, dst) = (address(12)?, address(16)?);
    Some(Packet { src, dst, protocol: Protocol(protocol), payload: at + header })
}

/// Where the TCP header that starts at `at` stands, if all of it is there.
pub(super) fn tcp_header(frame: &[u8], at: usize) -> Option<Range<usize>> {
    let [offset] = get(frame, at + 12)?;
    let end = at + usize::from(offset >> 4) * 4;
    (end >= at + 20 && end <= frame.len()).then_some(at..end)
}

/// The value of an option in a TCP header: where it starts in the header, and
/// its length.
pub(super) fn tcp_option(header: &[u8], wanted: u8) -> Option<Range<usize>> {
    let mut at = 20;
    loop {
        let [kind] = get(header, at)?;
        match kind {
            0 => return None,
            1 => at += 1,
            _ => {
                let [len] = get(header, at + 1)?;
                let end = at + usize::from(len);
                if len < 2 || end > header.len() {
                    return None;
                }
                if kind == wanted {
                    return Some(at + 2..end);
                }
                at = end;
            }
        }
    }
}

/// Lets `change` change the bytes in `range`, and corrects the checksum that
/// stands `checksum` bytes into it by as much (RFC 1624): what was wrong stays
/// wrong. `None` leaves the checksum alone.
pub(crate) fn change(
    frame: &mut [u8],
    range: Range<usize>,
    checksum: Option<usize>,
    change: impl FnOnce(&mut [u8]),
) {
    let Some(bytes) = frame.get_mut(range) else {
        return;
    };
    let before = sum(bytes);
    change(bytes);
    let after = sum(bytes);
    let Some(at) = checksum else {
        return;
    };
    if let Some(old) = word(bytes, at) {
        // Of the complements: -~m = -(0xffff - m), and 0xffff is 0.
        let mut sum = u64::from(!old) + after + (u64::from(u32::MAX) * 0xffff - before);
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        put_word(bytes, at, !(sum as u16));
    }
}

/// The sum of 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<2>();
    let last = rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    words.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + last
}
