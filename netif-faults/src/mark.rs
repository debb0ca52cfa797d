//! The mark of congestion in an IPv4 header.

use wire::{Checksum, EtherType};

/// Where the IPv4 header begins and its fixed part ends in an Ethernet frame.
const HEADER: core::ops::Range<usize> = 14..34;

/// Congestion experienced, the field's two bits.
const CE: u8 = 0b11;

/// Marks the IPv4 packet in an Ethernet frame as a router does that is congested
/// (RFC 3168 §5); whether it was one that can be marked and was not yet. A checksum
/// that was wrong stays so.
pub(crate) fn mark(frame: &mut [u8]) -> bool {
    let is_ipv4 = frame.get(12..14) == Some(&EtherType::IPV4.0.to_be_bytes());
    let Some(header) = frame.get_mut(HEADER).filter(|header| is_ipv4 && header[0] >> 4 == 4) else {
        return false;
    };
    if matches!(header[1] & CE, 0 | CE) {
        return false;
    }
    let word = |header: &[u8], at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (old, sum) = (word(header, 0), word(header, 10));
    header[1] |= CE;
    // RFC 1624 §3, equation 3.
    let sum = Checksum::new().word(!sum).word(!old).word(word(header, 0)).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    true
}
