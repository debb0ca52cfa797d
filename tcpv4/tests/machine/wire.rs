//! Headers and options that are not what they should be.

use std::net::Ipv4Addr;

use tcpv4::segment::{Control, Marks};
use tcpv4::wire::{HeaderError, Options, parse};
use tcpv4::{Mss, WindowScale};
use traits::{ChecksumVerdict, RxMeta};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// A segment of 24 bytes with these flags and four bytes of options.
fn bytes(flags: u8) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..4].copy_from_slice(&[0, 80, 4, 0]);
    bytes[12] = 6 << 4;
    bytes[13] = flags;
    let sum = wire::Checksum::pseudo(A, B, wire::Protocol::TCP, 24).bytes(&bytes).finish();
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn error(bytes: &[u8]) -> Option<HeaderError> {
    parse(A, B, 0, &RxMeta::NONE, bytes).err()
}

#[test]
fn short_ones() {
    let whole = bytes(0x10);
    for len in 0..24 {
        assert_eq!(error(&whole[..len]), Some(HeaderError::Truncated), "{len}");
    }
    assert_eq!(error(&whole), None);
    for words in [0, 1, 4, 7, 15] {
        let mut bytes = whole;
        bytes[12] = words << 4;
        assert_eq!(error(&bytes), Some(HeaderError::Truncated), "{words}");
    }
}

#[test]
fn a_wrong_checksum() {
    let mut bytes = bytes(0x10);
    bytes[4] ^= 1;
    assert_eq!(error(&bytes), Some(HeaderError::Checksum));
    bytes[16..18].copy_from_slice(&[0, 0]);
    assert_eq!(error(&bytes), Some(HeaderError::Checksum), "none at all is wrong too");
    let verified = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
    assert!(parse(A, B, 0, &verified, &bytes).is_ok(), "the device's word counts");
    assert!(parse(B, A, 0, &RxMeta::NONE, &self::bytes(2)).is_ok());
    assert!(parse(A, A, 0, &RxMeta::NONE, &self::bytes(2)).is_err(), "addresses are part of it");
}

#[test]
fn mixed_flags() {
    let control = |flags| parse(A, B, 0, &RxMeta::NONE, &bytes(flags)).map(|(_, segment)| segment.control);
    assert_eq!(control(0x02), Ok(Some(Control::Syn)));
    assert_eq!(control(0x12), Ok(Some(Control::Syn)));
    assert_eq!(control(0x11), Ok(Some(Control::Fin)));
    assert_eq!(control(0x00), Ok(None));
    assert_eq!(control(0x03), Err(HeaderError::Flags), "SYN and FIN");
    assert_eq!(control(0x06), Ok(Some(Control::Rst)), "SYN and RST");
    assert_eq!(control(0xff), Ok(Some(Control::Rst)), "all");
    let marked = bytes(0xf8);
    let (ports, segment) = parse(A, B, 3, &RxMeta::NONE, &marked).unwrap();
    assert_eq!((ports.src, ports.dst), (80, 1024));
    assert_eq!(segment.marks, Marks::all());
    assert_eq!(segment.ecn, tcpv4::segment::Ecn::Congested);
}

#[test]
fn options_of_impossible_length_end_the_reading() {
    for bad in [&[8, 0, 1, 1][..], &[8, 1, 1, 1], &[8, 11, 0, 0], &[2], &[254, 0], &[3, 3]] {
        let bytes = [&[2, 4, 5, 180], bad].concat();
        let options = Options::parse(&bytes);
        assert_eq!(options, Options { mss: Some(Mss::new(1460)), ..Options::NONE }, "{bad:?}");
    }
}

#[test]
fn options_of_the_wrong_length_are_skipped() {
    for bad in [
        &[2, 3, 1][..],
        &[2, 5, 1, 1, 1],
        &[3, 2],
        &[3, 4, 1, 1],
        &[4, 3, 0],
        &[8, 9, 0, 0, 0, 0, 0, 0, 0],
        &[5, 9, 0, 0, 0, 0, 0, 0, 0],
        &[5, 2],
        &[253, 6, 1, 2, 3, 4],
    ] {
        let bytes = [bad, &[3, 3, 7]].concat();
        let options = Options::parse(&bytes);
        assert_eq!(options, Options { window_scale: Some(WindowScale::new(7)), ..Options::NONE }, "{bad:?}");
    }
}

#[test]
fn values_have_their_floor_and_ceiling() {
    for mss in [0u16, 1, 48, 87] {
        let [high, low] = mss.to_be_bytes();
        assert_eq!(Options::parse(&[2, 4, high, low]).mss, Some(Mss::FLOOR));
    }
    for shift in [14, 15, 200, 255] {
        assert_eq!(Options::parse(&[3, 3, shift]).window_scale, Some(WindowScale::MAX));
    }
}

#[test]
fn what_follows_the_end_is_not_read() {
    assert_eq!(Options::parse(&[1, 1, 0, 3, 3, 7]), Options::NONE);
}

#[test]
fn five_sack_blocks_are_four() {
    let mut bytes = vec![5, 42];
    bytes.extend([1; 40]);
    assert_eq!(Options::parse(&bytes).sack.as_slice().len(), 4);
}
