//! The Internet checksum (RFC 1071).

use core::net::Ipv4Addr;

use crate::Protocol;

/// The Internet checksum of `bytes` alone, as it goes into a header field.
///
/// Over bytes that already contain a correct checksum, the result is 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    Checksum::new().bytes(bytes).finish()
}

/// A one's complement sum under way.
///
/// Pieces are added in the order in which they stand on the wire; each piece
/// but the last has an even length.
///
/// ```
/// use wire::{Checksum, Protocol};
/// use core::net::Ipv4Addr;
///
/// let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
/// let datagram = [0, 7, 0, 7, 0, 8, 0, 0];
/// let sum = Checksum::pseudo(a, b, Protocol::UDP, datagram.len()).bytes(&datagram);
/// assert_eq!(sum.finish(), !(0x0a00 + 1 + 0x0a00 + 2 + 17 + 8 + 7 + 7 + 8));
/// ```
#[derive(Clone, Copy, Default, Debug)]
#[must_use]
pub struct Checksum(u64);

impl Checksum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The sum of the pseudo-header of TCP and UDP (RFC 9293 §3.1, RFC 768);
    /// `len` is the length of header and payload in bytes.
    pub fn pseudo(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, len: usize) -> Self {
        let halves = |a: Ipv4Addr| u64::from(a.to_bits() >> 16) + u64::from(a.to_bits() & 0xffff);
        Self(halves(src) + halves(dst) + u64::from(protocol.0) + (len as u64 & 0xffff))
    }

    /// Adds a 16-bit field.
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds `bytes`, an odd last byte padded with zero.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Summed as native 32-bit words, which the compiler vectorises; the
        // one's complement sum does not depend on the byte order
        // (RFC 1071 §2B) but for the one swap at the end.
        let mut sum = 0u64;
        let (words, tail) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_ne_bytes(*word));
        }
        let mut last = [0; 4];
        last[..tail.len()].copy_from_slice(tail);
        sum += u64::from(u32::from_ne_bytes(last));
        Self(self.0 + u64::from(u16::from_be_bytes(fold(sum).to_ne_bytes())))
    }

    /// The sum itself, folded to 16 bits and not complemented: what a device
    /// expects in the checksum field when it is to complete it.
    pub fn partial(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the complement of the sum.
    pub fn finish(self) -> u16 {
        !fold(self.0)
    }
}

/// Folds the carries back in.
fn fold(mut sum: u64) -> u16 {
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 32) + (sum & 0xffff_ffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    /// The definition, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn equals_the_definition(bytes: Vec<u8>) {
            prop_assert_eq!(checksum(&bytes), naive(&bytes));
        }

        #[test]
        fn pieces_add_up(head: Vec<[u8; 2]>, tail: Vec<u8>) {
            let head = head.concat();
            let whole = [head.clone(), tail.clone()].concat();
            prop_assert_eq!(Checksum::new().bytes(&head).bytes(&tail).finish(), naive(&whole));
        }

        #[test]
        fn verifies_to_zero(mut bytes: Vec<u8>) {
            bytes.truncate(bytes.len() & !1);
            let sum = checksum(&bytes);
            bytes.extend(sum.to_be_bytes());
            prop_assert_eq!(checksum(&bytes), 0);
        }
    }

    #[test]
    fn carries_of_the_largest_packet() {
        assert_eq!(checksum(&[0xff; 65_535]), naive(&[0xff; 65_535]));
    }
}
