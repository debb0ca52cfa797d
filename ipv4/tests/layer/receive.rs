//! What is taken and what is dropped: headers, options, addresses.

use crate::common::*;
use ipv4::{Ipv4, listeners};
use traits::*;
use wire::{Cidr, Protocol};

fn udp(src: std::net::Ipv4Addr, dst: std::net::Ipv4Addr) -> Make {
    make(src, dst, 17, b"datagram".to_vec())
}

#[test]
fn a_packet_is_handed_up_as_it_is() {
    let link = Link::default();
    let i = layer(&link);
    let packet = udp(PEER, ME).with(|p| p.tos = 0xb9);
    let bytes = packet.bytes();
    let got = feed(&i, &packet);
    assert_eq!(
        got,
        [Got::Packet {
            label: "udp",
            cast: Cast::Unicast,
            tos: 0xb9,
            ttl: 61,
            header: bytes[..20].to_vec(),
            payload: b"datagram".to_vec(),
            meta: RxMeta::NONE
        }]
    );
    assert_eq!(i.statistics().rx_delivered, 1);
}

#[test]
fn nothing_is_copied() {
    let link = Link::default();
    let i = layer(&link);
    let bytes = udp(PEER, ME).bytes();
    let mut at = None;
    i.input(
        bytes.as_slice().into(),
        listeners().udp(|d| match d {
            Inbound::Packet(p) => at = Some(p.payload.as_ptr()),
            Inbound::Error(_) => {}
        }),
    );
    assert_eq!(at, Some(bytes[20..].as_ptr()));
}

#[test]
fn the_devices_word_moves_up_by_the_header() {
    let link = Link::default();
    let i = layer(&link);
    let blank = |start| ChecksumVerdict::Blank(PartialChecksum { start, offset: 6 });
    let packet = udp(PEER, ME).with(|p| p.options = vec![1, 1, 1, 0]);
    let got = feed_meta(&i, &packet.bytes(), RxMeta::NONE.with_checksum(blank(24)));
    let [Got::Packet { meta, .. }] = &got[..] else { panic!("{got:?}") };
    assert_eq!(meta.checksum, blank(0));
}

#[test]
fn runts_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    let bytes = udp(PEER, ME).bytes();
    for len in 0..20 {
        drops_bytes(&i, &bytes[..len], RxMeta::NONE, |s| s.rx_truncated);
    }
    for len in 20..bytes.len() {
        drops_bytes(&i, &bytes[..len], RxMeta::NONE, |s| s.rx_total_length);
    }
}

#[test]
fn versions_other_than_4_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for version in (0..16).filter(|v| *v != 4) {
        drops(&i, &udp(PEER, ME).with(|p| p.version = version), |s| s.rx_version);
    }
}

#[test]
fn header_lengths_below_5_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for ihl in 0..5 {
        drops(&i, &udp(PEER, ME).with(|p| p.ihl = Some(ihl)), |s| s.rx_header_length);
    }
}

#[test]
fn total_lengths_that_lie_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for total in (0..20).chain([29, 1_000, 65_535]) {
        drops(&i, &udp(PEER, ME).with(|p| p.total = Some(total)), |s| s.rx_total_length);
    }
    // A header that reaches beyond the packet.
    drops(&i, &udp(PEER, ME).with(|p| p.ihl = Some(15)), |s| s.rx_total_length);
}

#[test]
fn padding_is_cut_off() {
    let link = Link::default();
    let i = layer(&link);
    let mut bytes = udp(PEER, ME).bytes();
    bytes.resize(46, 0xee);
    assert_eq!(feed_meta(&i, &bytes, RxMeta::NONE)[0].payload(), b"datagram");
    // Down to no payload at all.
    let mut bytes = make(PEER, ME, 17, vec![]).bytes();
    bytes.resize(46, 0xee);
    assert_eq!(feed_meta(&i, &bytes, RxMeta::NONE)[0].payload(), b"");
}

#[test]
fn wrong_checksums_are_dropped_whatever_the_device_says() {
    let link = Link::default();
    let i = layer(&link);
    let bad = udp(PEER, ME).with(|p| p.sum_off_by = 1);
    drops(&i, &bad, |s| s.rx_checksum);
    let verified = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
    drops_bytes(&i, &bad.bytes(), verified, |s| s.rx_checksum);
    let mut zero = udp(PEER, ME).bytes();
    zero[10..12].fill(0);
    drops_bytes(&i, &zero, RxMeta::NONE, |s| s.rx_checksum);
}

#[test]
fn options_are_walked_within_bounds() {
    let link = Link::default();
    let i = layer(&link);
    let with = |options: &[u8]| udp(PEER, ME).with(|p| p.options = options.to_vec());
    for good in [
        &[0, 0, 0, 0][..],
        &[1, 1, 1, 1],
        &[0x94, 4, 0, 0],
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[0, 99, 0, 1],
        &[1; 40],
        &[68, 40, 5, 0].iter().copied().chain([0; 36]).collect::<Vec<_>>(),
    ] {
        assert_eq!(feed(&i, &with(good)).len(), 1, "{good:?}");
    }
    for bad in
        [&[7, 0, 0, 0][..], &[7, 1, 0, 0], &[7, 5, 0, 0], &[1, 1, 1, 7], &[68, 41, 5, 0], &[0x94, 255, 0, 0]]
    {
        drops(&i, &with(bad), |s| s.rx_options);
    }
}

#[test]
fn source_routes_are_dropped_and_never_forwarded() {
    let link = Link::default();
    let i = layer(&link);
    for kind in [131, 137] {
        let route = vec![kind, 7, 4, 10, 0, 0, 9, 0];
        drops(&i, &udp(PEER, ME).with(|p| p.options = route.clone()), |s| s.rx_source_route);
        let late = [vec![1, 1, 1], route, vec![0]].concat();
        drops(&i, &udp(PEER, ME).with(|p| p.options = late), |s| s.rx_source_route);
    }
}

#[test]
fn packets_for_others_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for dst in [PEER, FAR, NOBODY, [10, 0, 1, 255].into(), [10, 0, 0, 0].into(), [240, 0, 0, 1].into()] {
        drops(&i, &udp(PEER.max(GATEWAY), dst), |s| s.rx_not_local);
    }
    for group in [GROUP, [224, 0, 0, 251].into(), [224, 0, 0, 2].into()] {
        drops(&i, &udp(PEER, group), |s| s.rx_not_local);
    }
}

#[test]
fn loopback_never_comes_by_wire() {
    let link = Link::default();
    let i = layer(&link);
    let loopback = [127, 0, 0, 1].into();
    drops(&i, &udp(loopback, ME), |s| s.rx_loopback);
    drops(&i, &udp(PEER, loopback), |s| s.rx_loopback);
    drops(&i, &udp([127, 255, 255, 255].into(), ALL), |s| s.rx_loopback);
}

#[test]
fn sources_that_no_host_has_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for src in [NOBODY, [0, 1, 2, 3].into(), GROUP, ALL, DIRECTED, [240, 0, 0, 1].into()] {
        // For each protocol alike: neither a reset nor an ICMP error goes to
        // such an address.
        for protocol in [1, 6, 17, 200] {
            drops(&i, &make(src, ME, protocol, icmp(8, 0, [0; 4], &[])), |s| s.rx_source);
        }
    }
    drops(&i, &udp([0, 1, 2, 3].into(), ALL), |s| s.rx_source);
    drops(&i, &udp(NOBODY, DIRECTED), |s| s.rx_source);
}

#[test]
fn the_own_address_as_source_is_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for (protocol, dst) in [(6, ME), (17, ME), (1, ME), (17, ALL), (17, DIRECTED)] {
        drops(&i, &make(ME, dst, protocol, icmp(8, 0, [0; 4], &[])), |s| s.rx_own_source);
    }
}

#[test]
fn broadcasts_and_groups_are_told_apart() {
    let link = Link::default();
    let i = layer(&link);
    i.join_group(GROUP).unwrap();
    let cast = |dst| match &feed(&i, &udp(PEER, dst))[..] {
        [Got::Packet { cast, .. }] => *cast,
        other => panic!("{other:?}"),
    };
    assert_eq!(cast(ME), Cast::Unicast);
    assert_eq!(cast(ALL), Cast::Broadcast);
    assert_eq!(cast(DIRECTED), Cast::Broadcast);
    assert_eq!(cast(GROUP), Cast::Multicast);
    assert_eq!(cast([224, 0, 0, 1].into()), Cast::Multicast);
    // A host that has no address yet may ask everybody.
    assert_eq!(feed(&i, &udp(NOBODY, ALL)).len(), 1);
    i.leave_group(GROUP);
    drops(&i, &udp(PEER, GROUP), |s| s.rx_not_local);
}

#[test]
fn without_an_address_broadcasts_arrive() {
    let link = Link::default();
    let i = Box::new(Ipv4::connect(&link));
    assert_eq!(feed(&i, &udp(PEER, ALL)).len(), 1);
    drops(&i, &udp(PEER, ME), |s| s.rx_not_local);
    drops(&i, &udp(PEER, DIRECTED), |s| s.rx_not_local);
}

#[test]
fn narrow_prefixes_have_no_directed_broadcast() {
    let link = Link::default();
    let i = Box::new(Ipv4::connect(&link));
    i.configure(&config(&[Cidr::new([10, 0, 0, 4].into(), 31)], &[]));
    drops(&i, &udp(PEER, [10, 0, 0, 5].into()), |s| s.rx_not_local);
    assert_eq!(feed(&i, &udp([10, 0, 0, 5].into(), [10, 0, 0, 4].into())).len(), 1);
}

#[test]
fn unicast_packets_in_frames_for_all_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for cast in [LinkCast::Broadcast, LinkCast::Multicast] {
        let meta = RxMeta::NONE.with_link(cast);
        for packet in
            [udp(PEER, ME), make(PEER, ME, 6, vec![0; 20]), make(PEER, ME, 1, icmp(8, 0, [0; 4], &[]))]
        {
            drops_bytes(&i, &packet.bytes(), meta, |s| s.rx_link_broadcast);
        }
        assert_eq!(feed_meta(&i, &udp(PEER, ALL).bytes(), meta).len(), 1);
    }
}

#[test]
fn labels_not_set_ignore() {
    let link = Link::default();
    let i = layer(&link);
    for protocol in [6, 17] {
        let bytes = make(PEER, ME, protocol, vec![0; 20]).bytes();
        i.input(bytes.as_slice().into(), listeners());
    }
    i.input(make(PEER, ME, 1, icmp(0, 0, [0; 4], &[])).bytes().as_slice().into(), listeners());
    assert_eq!(i.statistics().rx_ignored, 3);
    assert_eq!(i.statistics().rx_delivered, 0);
    assert!(link.take().is_empty());
}

#[test]
fn unknown_protocols_go_to_the_default_or_are_unreachable() {
    let link = Link::default();
    let i = layer(&link);
    let packet = make(PEER, ME, 132, b"sctp".to_vec());
    assert_eq!(
        feed(&i, &packet),
        [Got::Default { protocol: 132, src: PEER, dst: ME, payload: b"sctp".to_vec() }]
    );
    assert!(link.take().is_empty());

    i.input(packet.bytes().as_slice().into(), listeners());
    let error = link.one().packet();
    assert_eq!((error.src, error.dst, error.protocol), (ME, PEER, 1));
    assert_eq!(error.payload[..2], [3, 2]);
    assert_eq!(error.payload[8..], packet.bytes());
    assert_eq!(i.statistics().rx_protocol_unknown, 1);
    // Not to a broadcast.
    i.input(packet.with(|p| p.dst = ALL).bytes().as_slice().into(), listeners());
    assert!(link.take().is_empty());
}

#[test]
fn a_label_may_call_back() {
    let link = Link::default();
    let i = layer(&link);
    let bytes = udp(PEER, ME).bytes();
    let mut inner = 0;
    i.input(
        bytes.as_slice().into(),
        listeners().udp(|_| {
            i.set_ipv4([10, 0, 0, 3].into());
            i.join_group(GROUP).unwrap();
            write(&i, Header::new(PEER, Protocol::UDP), TxMeta::NONE, b"answer").unwrap();
            inner = feed(&i, &udp(PEER, [10, 0, 0, 3].into())).len();
        }),
    );
    assert_eq!(inner, 1);
    assert_eq!(link.one().packet().payload, b"answer");
}

/// The labels of the slides, by name.
#[test]
fn the_slides_shape_is_inferred() {
    let link = Link::default();
    let i = layer(&link);
    let mut log = String::new();
    i.input(
        make(PEER, ME, 99, vec![1, 2, 3]).bytes().as_slice().into(),
        listeners()
            .tcp(|s| assert!(matches!(s, Inbound::Packet(_))))
            .udp(|_d| ())
            .default(|proto, src, dst, p| log = format!("{} {src} {dst} {}", proto.0, p.len())),
    );
    assert_eq!(log, "99 10.0.0.7 10.0.0.2 3");
}
