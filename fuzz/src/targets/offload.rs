//! Checksums completed and frames cut in software.

use std::num::NonZeroU16;

use netif_memory::segment;
use traits::{PartialChecksum, Segmentation, SegmentationKind};

use crate::Bytes;
use crate::packet::{Ipv4, Tcp};
use crate::wire_check::check_sent;

/// Software segmentation: requests of any content over frames of any content;
/// where the frame is a real segment, an independent parser looks at every
/// piece, and the pieces join to what was cut.
pub fn offload(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let size = NonZeroU16::new(bytes.u16()).unwrap_or(NonZeroU16::MIN);
    let udp = bytes.u8() & 1 == 1;
    let kind = if udp { SegmentationKind::Udp4 } else { SegmentationKind::Tcp4 { cwr: false } };
    if bytes.u8() & 1 == 0 {
        let checksum = PartialChecksum { start: bytes.u16(), offset: bytes.u16() };
        let request = Segmentation { kind, size, header_len: bytes.u16() };
        let mut frame = bytes.rest().to_vec();
        let _ = segment::describe(&frame, size);
        let _ = segment::complete_checksum(&mut frame, checksum);
        let _ = segment::cut(&mut frame, request, |piece| assert!(piece.len() <= data.len()));
        return;
    }
    let header = Ipv4 {
        protocol: if udp { wire::Protocol::UDP } else { wire::Protocol::TCP },
        options: bytes.short(),
        ..Ipv4::default()
    };
    let options = bytes.short();
    let flags = bytes.u8() & !0x06;
    let seq = bytes.u32();
    let payload = bytes.rest();
    let body = if udp {
        header.udp(1, 2, payload)
    } else {
        let sound = etherparse::TcpOptions::try_from_slice(options).is_ok()
            && etherparse::TcpOptionsIterator::from_slice(options).all(|option| option.is_ok());
        let options = if sound { options } else { &[] };
        header.tcp(&Tcp { src: 1, dst: 2, seq, flags, options, data: payload, ..Tcp::default() })
    };
    let mut frame = header.frame(&body);
    let request = segment::describe(&frame, size).expect("a frame of its own");
    let mut joined = Vec::new();
    segment::cut(&mut frame, request, |piece| {
        check_sent(piece);
        joined.extend_from_slice(&piece[usize::from(request.header_len)..]);
    })
    .expect("a frame of its own");
    assert_eq!(joined, payload);
}
