//! The Internet checksum beside its definition: every length, every
//! alignment, every way to put a sum together.
#![allow(missing_docs)]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use wire::{Checksum, Protocol, checksum, header_checksum};

/// RFC 1071 §1: the sum of the 16-bit words, carries added back, an odd byte
/// padded with zero.
fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u32, pair| {
        let sum = sum + u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        (sum & 0xffff) + (sum >> 16)
    }) as u16
}

/// RFC 1624 §3: the checksum after a word has changed from `old` to `new`.
fn adjusted(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

/// Two sums that mean the same: there are two zeros.
fn same(a: u16, b: u16) -> bool {
    a == b || (a.is_multiple_of(0xffff) && b.is_multiple_of(0xffff))
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn every_length_at_every_alignment() {
    let bytes = noise(700, 7);
    let ones = [0xff; 700];
    for start in 0..33 {
        for len in 0..600 {
            for bytes in [&bytes[start..start + len], &ones[start..start + len]] {
                assert_eq!(checksum(bytes), !sum(bytes), "{len} bytes from {start}");
                assert_eq!(Checksum::new().bytes(bytes).partial(), sum(bytes), "{len} bytes from {start}");
            }
        }
    }
}

#[test]
fn every_length_of_a_header() {
    fn check<const N: usize>() {
        for seed in 0..200 {
            let header: [u8; N] = noise(N, seed).try_into().unwrap();
            assert_eq!(header_checksum(&header), !sum(&header));
        }
        for byte in [0, 0xff] {
            assert_eq!(header_checksum(&[byte; N]), !sum(&[byte; N]));
        }
    }
    check::<4>();
    check::<8>();
    check::<12>();
    check::<20>();
    check::<24>();
    check::<40>();
    check::<60>();
}

proptest! {
    #[test]
    fn large_packets(len in 0usize..=65_535, seed: u32, start in 0usize..16) {
        let bytes = noise(len + start, seed);
        prop_assert_eq!(checksum(&bytes[start..]), !sum(&bytes[start..]));
    }

    /// However many pieces, each but the last of an even length.
    #[test]
    fn pieces_make_a_whole(pieces in prop::collection::vec(prop::collection::vec(any::<[u8; 2]>(), 0..80), 0..8), last: Vec<u8>) {
        let pieces: Vec<Vec<u8>> = pieces.into_iter().map(|piece| piece.concat()).collect();
        let whole = [pieces.concat(), last.clone()].concat();
        let summed = pieces.iter().fold(Checksum::new(), |sum, piece| sum.bytes(piece)).bytes(&last);
        prop_assert_eq!(summed.finish(), !sum(&whole));
    }

    #[test]
    fn words_and_bytes_are_the_same(words: Vec<u16>) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let by_word = words.iter().fold(Checksum::new(), |sum, word| sum.word(*word));
        prop_assert_eq!(by_word.finish(), checksum(&bytes));
    }

    #[test]
    fn the_pseudo_header_is_twelve_bytes(src: [u8; 4], dst: [u8; 4], protocol: u8, data in prop::collection::vec(any::<u8>(), 0..2000)) {
        let len = (data.len() as u16).to_be_bytes();
        let whole = [&src[..], &dst, &[0, protocol], &len, &data].concat();
        let pseudo = Checksum::pseudo(Ipv4Addr::from(src), Ipv4Addr::from(dst), Protocol(protocol), data.len());
        prop_assert_eq!(pseudo.bytes(&data).finish(), !sum(&whole));
    }

    /// What a device does with the partial sum in the field: the whole is as
    /// though this host had summed it.
    #[test]
    fn a_device_completes_it(src: [u8; 4], dst: [u8; 4], mut data in prop::collection::vec(any::<u8>(), 8..300)) {
        let pseudo = Checksum::pseudo(src.into(), dst.into(), Protocol::UDP, data.len());
        data[6..8].fill(0);
        let whole = pseudo.bytes(&data).finish();
        data[6..8].copy_from_slice(&pseudo.partial().to_be_bytes());
        prop_assert_eq!(checksum(&data), whole);
        data[6..8].copy_from_slice(&whole.to_be_bytes());
        prop_assert_eq!(pseudo.bytes(&data).finish(), 0, "what verifies is zero");
    }

    /// A word changed, the checksum follows as RFC 1624 says.
    #[test]
    fn a_changed_word_changes_it_as_it_should(mut data in prop::collection::vec(any::<u8>(), 2..200), at: prop::sample::Index, new: u16) {
        let at = at.index(data.len() / 2) * 2;
        let before = checksum(&data);
        let old = u16::from_be_bytes([data[at], data[at + 1]]);
        data[at..at + 2].copy_from_slice(&new.to_be_bytes());
        prop_assert!(same(checksum(&data), adjusted(before, old, new)));
    }
}
