//! The TCP header and its options.

use std::net::Ipv4Addr;

use tcpv4::wire::{HEADER_LEN, Options, SackBlocks, parse};
use traits::{ChecksumVerdict, RxMeta};

use crate::wire_check::same_sum;

/// TCP's header: bytes of any content. What options are understood, encoded
/// again, is understood the same; an independent parser agrees about ports,
/// numbers and data.
pub fn tcp_wire(data: &[u8]) {
    let trusted = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
    let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let _ = parse(src, dst, 0, &RxMeta::NONE, data);
    let parsed = parse(src, dst, 0, &trusted, data);
    let Ok((ports, segment)) = parsed else {
        return;
    };
    let other = etherparse::TcpSlice::from_slice(data).expect("the other parser refuses it");
    assert_eq!((ports.src, ports.dst), (other.source_port(), other.destination_port()));
    assert_eq!(segment.seq.value(), other.sequence_number());
    assert_eq!(segment.ack.map(|ack| ack.value()), other.ack().then_some(other.acknowledgment_number()));
    assert_eq!(segment.payload, other.payload());
    check_sums(src, dst, data, &other);
    assert!(segment.options.encoded_len() <= 40 || segment.options.sack.as_slice().len() > 2);
    let _ = (segment.len(), segment.end(), segment.count(), segment.reset());

    let mut options = segment.options;
    // As many blocks as fit beside the others, as a sender would.
    let blocks = options.sack;
    options.sack = SackBlocks::NONE;
    blocks.as_slice().iter().take(2).for_each(|block| options.sack.push(*block));
    let len = options.encoded_len();
    assert!(len <= 40 && len % 4 == 0, "{len} bytes of options");
    let mut encoded = [0xee; 60];
    options.emit(&mut encoded[..len]);
    assert_eq!(encoded[len..], [0xee; 60][len..]);
    assert_eq!(Options::parse(&encoded[..len]), options, "options changed on the wire");
    let _ = Options::parse(data.get(HEADER_LEN..).unwrap_or_default());
}

/// Where the device has not answered for it, a segment is taken with the
/// checksum that an independent parser finds, and with no other.
fn check_sums(src: Ipv4Addr, dst: Ipv4Addr, data: &[u8], other: &etherparse::TcpSlice<'_>) {
    let Ok(sum) = other.calc_checksum_ipv4(src.octets(), dst.octets()) else { return };
    let taken = |data: &[u8]| parse(src, dst, 0, &RxMeta::NONE, data).is_ok();
    assert_eq!(taken(data), same_sum(other.checksum(), sum), "parsers disagree about a checksum");
    let mut data = data.to_vec();
    data[16..18].copy_from_slice(&sum.to_be_bytes());
    assert!(taken(&data), "refuses a right checksum");
    data[16..18].copy_from_slice(&(sum ^ 1).to_be_bytes());
    assert!(!taken(&data), "takes a wrong checksum");
}
