//! The Internet checksum (RFC 1071).

use core::net::Ipv4Addr;

use crate::Protocol;

/// The Internet checksum of `bytes` alone, as it goes into a header field.
///
/// Over bytes that already contain a correct checksum, the result is 0.
pub fn checksum(bytes: &[u8]) -> u16 {
    Checksum::new().bytes(bytes).finish()
}

/// The same for a header whose length is known, without a loop.
#[inline]
pub fn header_checksum<const N: usize>(header: &[u8; N]) -> u16 {
    const { assert!(N.is_multiple_of(4), "headers are made of words of 32 bits") };
    let (words, _) = header.as_chunks::<4>();
    let sum = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    !u16::from_be_bytes(fold(sum).to_ne_bytes())
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
    #[inline]
    pub fn pseudo(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol, len: usize) -> Self {
        // Folding adds the halves of an address up.
        let [src, dst] = [src, dst].map(|address| u64::from(address.to_bits()));
        Self(src + dst + u64::from(protocol.0) + (len as u64 & 0xffff))
    }

    /// Adds a 16-bit field.
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds `bytes`, an odd last byte padded with zero.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Summed as native 64-bit words: the one's complement sum does not
        // depend on the byte order (RFC 1071 §2B) but for the one swap at the
        // end. Two sums of 128 bits keep the carries, each an addition and an
        // addition with carry, without waiting for one another.
        let (blocks, rest) = bytes.as_chunks::<32>();
        let (mut even, mut odd) = (0u128, 0u128);
        for block in blocks {
            let (words, _) = block.as_chunks::<8>();
            for [one, other] in words.as_chunks::<2>().0 {
                even += u128::from(u64::from_ne_bytes(*one));
                odd += u128::from(u64::from_ne_bytes(*other));
            }
        }
        let (words, tail) = rest.as_chunks::<8>();
        for word in words {
            even += u128::from(u64::from_ne_bytes(*word));
        }
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        odd += u128::from(u64::from_ne_bytes(last));
        let sum = even + odd;
        let (low, high) = (sum as u64, (sum >> 64) as u64);
        let sum = (low & 0xffff_ffff) + (low >> 32) + high;
        Self(self.0 + u64::from(u16::from_be_bytes(fold(sum).to_ne_bytes())))
    }

    /// The sum itself, folded to 16 bits and not complemented: what a device
    /// expects in the checksum field when it is to complete it.
    #[inline]
    pub fn partial(self) -> u16 {
        fold(self.0)
    }

    /// The checksum: the complement of the sum.
    #[inline]
    pub fn finish(self) -> u16 {
        !fold(self.0)
    }
}

/// Folds the carries back in.
#[inline]
const fn fold(sum: u64) -> u16 {
    let (sum, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    let sum = sum + carry as u32;
    let (sum, carry) = (sum as u16).overflowing_add((sum >> 16) as u16);
    sum + carry as u16
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
        fn of_a_header_equals_the_definition(header: [u8; 20]) {
            prop_assert_eq!(header_checksum(&header), naive(&header));
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
