//! Checksums left to the device and large frames, taken as they are, or
//! completed and cut; against an independent parser.

mod common;

use core::cell::RefCell;
use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use common::{All, Received, collect, ms, run_until, send_with};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use netif_memory::{Link, Settings, VirtualClock, segment};
use proptest::prelude::*;
use traits::{
    Capabilities, ChecksumVerdict, Layer, Offload, PartialChecksum, RxMeta, Segmentation, SegmentationKind,
    SendError, TxMeta,
};
use wire::{Checksum, Protocol};

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const TCP_CHECKSUM: PartialChecksum = PartialChecksum { start: 34, offset: 16 };
const UDP_CHECKSUM: PartialChecksum = PartialChecksum { start: 34, offset: 6 };

/// Puts the sum of the pseudo-header where the transport checksum goes.
fn blank(mut frame: Vec<u8>, protocol: Protocol, request: PartialChecksum) -> Vec<u8> {
    let start = usize::from(request.start);
    let sum = Checksum::pseudo(A, B, protocol, frame.len() - start).partial();
    let at = start + usize::from(request.offset);
    frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn tcp(payload: &[u8], options: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(A.octets(), B.octets(), 64);
    let mut header = etherparse::TcpHeader::new(4000, 80, 0xffff_ff00, 1000);
    (header.ack, header.acknowledgment_number, header.psh, header.fin, header.cwr) =
        (true, 7, true, true, true);
    header.set_options_raw(&vec![1; options]).unwrap();
    let mut frame = Vec::new();
    builder.tcp_header(header).write(&mut frame, payload).unwrap();
    blank(frame, Protocol::TCP, TCP_CHECKSUM)
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(A.octets(), B.octets(), 64).udp(53, 5300);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    blank(frame, Protocol::UDP, UDP_CHECKSUM)
}

/// What an independent parser makes of a frame whose checksums all hold.
struct Parsed {
    identification: u16,
    sequence: u32,
    flags: [bool; 3],
    payload: Vec<u8>,
}

fn parse(frame: &[u8]) -> Parsed {
    let sliced = SlicedPacket::from_ethernet(frame).expect("a frame");
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    assert_eq!(usize::from(header.total_len) + 14, frame.len());
    let (sequence, flags, payload) = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(Ok(tcp.checksum()), tcp.calc_checksum_ipv4(A.octets(), B.octets()));
            (tcp.sequence_number(), [tcp.psh(), tcp.fin(), tcp.cwr()], tcp.payload().to_vec())
        }
        Some(TransportSlice::Udp(udp)) => {
            let expected = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
            assert_eq!(Ok(udp.checksum()), expected);
            assert_eq!(usize::from(udp.length()), udp.payload().len() + 8);
            (0, [false; 3], udp.payload().to_vec())
        }
        other => panic!("no transport: {other:?}"),
    };
    Parsed { identification: header.identification, sequence, flags, payload }
}

fn segmentation(kind: SegmentationKind, size: u16, header_len: u16) -> Segmentation {
    Segmentation { kind, size: NonZeroU16::new(size).unwrap(), header_len }
}

fn pieces(frame: &[u8], segmentation: Segmentation) -> Result<Vec<Vec<u8>>, segment::Malformed> {
    let mut pieces = Vec::new();
    let mut frame = frame.to_vec();
    segment::cut(&mut frame, segmentation, |piece| pieces.push(piece.to_vec())).map(|()| pieces)
}

proptest! {
    #[test]
    fn cut_tcp_segments_join_to_the_same_stream(
        payload in proptest::collection::vec(any::<u8>(), 0..20_000),
        size in 1u16..3000,
        options in (0usize..=10).prop_map(|words| words * 4),
    ) {
        // Many tiny pieces say no more than some.
        let size = size.max((payload.len() / 500) as u16);
        let header_len = 14 + 20 + 20 + options as u16;
        let whole = segmentation(SegmentationKind::Tcp4 { cwr: true }, size.max(1), header_len);
        let pieces = pieces(&tcp(&payload, options), whole).unwrap();
        prop_assert_eq!(pieces.len(), payload.len().div_ceil(size.into()).max(1));
        let mut joined = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let parsed = parse(piece);
            let last = index + 1 == pieces.len();
            prop_assert_eq!(parsed.sequence, 0xffff_ff00u32.wrapping_add(joined.len() as u32));
            prop_assert_eq!(usize::from(parsed.identification), index);
            prop_assert_eq!(parsed.flags, [last, last, index == 0]);
            prop_assert!(last || parsed.payload.len() == usize::from(size));
            joined.extend(parsed.payload);
        }
        prop_assert_eq!(joined, payload);
    }

    #[test]
    fn cut_datagrams_keep_their_bounds(
        payload in proptest::collection::vec(any::<u8>(), 1..20_000),
        size in 50u16..3000,
    ) {
        let pieces = pieces(&udp(&payload), segmentation(SegmentationKind::Udp4, size, 42)).unwrap();
        let datagrams: Vec<_> = pieces.iter().map(|piece| parse(piece).payload).collect();
        let expected: Vec<_> = payload.chunks(size.into()).map(<[u8]>::to_vec).collect();
        prop_assert_eq!(datagrams, expected);
    }

    #[test]
    fn completed_checksums_hold(payload: Vec<u8>) {
        for (mut frame, request) in [(tcp(&payload, 0), TCP_CHECKSUM), (udp(&payload), UDP_CHECKSUM)] {
            segment::complete_checksum(&mut frame, request).unwrap();
            prop_assert_eq!(&parse(&frame).payload, &payload);
        }
    }

    #[test]
    fn nonsense_never_panics_and_is_refused_whole(
        mut frame: Vec<u8>, start: u16, offset: u16, size in 1u16.., header_len: u16, is_tcp: bool,
    ) {
        let _ = segment::complete_checksum(&mut frame, PartialChecksum { start, offset });
        let kind = if is_tcp { SegmentationKind::Tcp4 { cwr: false } } else { SegmentationKind::Udp4 };
        prop_assert_eq!(pieces(&frame, segmentation(kind, size, header_len)), Err(segment::Malformed));
    }

    #[test]
    fn damaged_headers_never_panic(at in 0usize..54, value: u8, size in 1u16..500, header_len in 40u16..80) {
        let mut frame = tcp(&[1; 300], 0);
        frame[at] = value;
        let _ = pieces(&frame, segmentation(SegmentationKind::Tcp4 { cwr: false }, size, header_len));
    }
}

#[test]
fn a_sum_of_zero_is_sent_as_ones_by_udp_alone() {
    // A payload that makes the sum of all that is covered 0xffff.
    let zero_sum = |mut frame: Vec<u8>, request: PartialChecksum| {
        let at = frame.len() - 2;
        frame[at..].fill(0);
        let sum = wire::checksum(&frame[usize::from(request.start)..]);
        frame[at..].copy_from_slice(&sum.to_be_bytes());
        segment::complete_checksum(&mut frame, request).unwrap();
        let field = usize::from(request.start + request.offset);
        [frame[field], frame[field + 1]]
    };
    assert_eq!(zero_sum(udp(&[0; 2]), UDP_CHECKSUM), [0xff, 0xff]);
    assert_eq!(zero_sum(tcp(&[0; 2], 0), TCP_CHECKSUM), [0, 0]);
}

/// Sends through a link whose receiving end offers `offload`.
fn through(offload: Offload, meta: TxMeta, frame: &[u8]) -> Vec<Received> {
    let clock = VirtualClock::new();
    let all = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, all);
    link.configure(1, Settings::new().with_capabilities(Capabilities::new(offload, 65_550)));
    let [a, b] = link.ports();
    send_with(a, meta, frame).unwrap();
    let received = RefCell::default();
    run_until(&clock, &mut All(vec![Box::pin(collect(b, &received))]), ms(1));
    assert_eq!(link.dropped(1), 0);
    received.into_inner()
}

#[test]
fn a_blank_checksum_stays_blank_for_who_takes_it() {
    let frame = tcp(&[1, 2, 3], 0);
    let meta = TxMeta::NONE.with_checksum(34, 16);
    let received = through(Offload::RX_CHECKSUM, meta, &frame);
    let blank = RxMeta::NONE.with_checksum(ChecksumVerdict::Blank(TCP_CHECKSUM));
    assert_eq!(received, [(ms(0), frame.clone(), blank)]);

    let received = through(Offload::empty(), meta, &frame);
    assert_eq!(received[0].2, RxMeta::NONE);
    assert_eq!(parse(&received[0].1).payload, [1, 2, 3]);
}

#[test]
fn a_large_frame_arrives_whole_or_cut() {
    let payload: Vec<_> = (0..10_000).map(|n| n as u8).collect();
    let frame = tcp(&payload, 0);
    let size = NonZeroU16::new(1460).unwrap();
    let meta =
        TxMeta::NONE.with_checksum(34, 16).with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 54);

    let whole = through(Offload::LARGE_RECEIVE | Offload::RX_CHECKSUM, meta, &frame);
    let expected =
        RxMeta::NONE.with_checksum(ChecksumVerdict::Blank(TCP_CHECKSUM)).with_segment_size(Some(size));
    assert_eq!(whole, [(ms(0), frame.clone(), expected)]);

    let completed = through(Offload::LARGE_RECEIVE, meta, &frame);
    assert_eq!(completed[0].2, RxMeta::NONE.with_segment_size(Some(size)));
    assert_eq!(parse(&completed[0].1).payload, payload);

    for (offload, verdict) in
        [(Offload::empty(), ChecksumVerdict::Unchecked), (Offload::RX_CHECKSUM, ChecksumVerdict::Verified)]
    {
        let cut = through(offload, meta, &frame);
        assert_eq!(cut.len(), 7);
        assert!(cut.iter().all(|(_, _, meta)| *meta == RxMeta::NONE.with_checksum(verdict)));
        assert_eq!(cut.iter().flat_map(|(_, piece, _)| parse(piece).payload).collect::<Vec<_>>(), payload);
    }

    // One segment's worth was not made of several.
    let small = through(Offload::all(), meta, &tcp(&payload[..1460], 0));
    assert_eq!(small[0].2.segment_size, None);
}

#[test]
fn what_is_not_offered_is_refused_before_it_is_filled() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, _] = link.ports();
    let offer = |offload, max| {
        link.configure(0, Settings::new().with_capabilities(Capabilities::new(offload, max)));
        assert_eq!(a.capabilities(), Capabilities::new(offload, max));
    };
    let size = NonZeroU16::new(1000).unwrap();
    let checksum = TxMeta::NONE.with_checksum(34, 16);
    let large = |kind| checksum.with_segmentation(kind, size, 54);
    let refused = |meta, len, error| {
        assert_eq!(traits::Network::write(&a, meta, len, |_| panic!("filled")), Err(error));
    };
    refused(checksum, 100, SendError::Unsupported);
    offer(Offload::TX_CHECKSUM, 0);
    refused(large(SegmentationKind::Tcp4 { cwr: false }), 100, SendError::Unsupported);
    offer(Offload::TX_CHECKSUM | Offload::TSO4, 9000);
    refused(large(SegmentationKind::Udp4), 100, SendError::Unsupported);
    refused(large(SegmentationKind::Tcp4 { cwr: true }), 100, SendError::Unsupported);
    refused(large(SegmentationKind::Tcp4 { cwr: false }), 9001, SendError::TooLong);
    refused(checksum, 1515, SendError::TooLong);
    let no_checksum = TxMeta::NONE.with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 54);
    refused(no_checksum, 100, SendError::Unsupported);
}

#[test]
fn a_request_that_does_not_fit_its_frame_is_dropped_and_counted() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let all = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    link.configure(0, all);
    let [a, _] = link.ports();
    send_with(a, TxMeta::NONE.with_checksum(200, 16), &[0; 100]).unwrap();
    let size = NonZeroU16::new(10).unwrap();
    let meta = TxMeta::NONE.with_checksum(34, 16).with_segmentation(SegmentationKind::Udp4, size, 42);
    send_with(a, meta, &[0; 100]).unwrap();
    assert_eq!((link.dropped(1), link.in_flight(1)), (2, 0));
}
