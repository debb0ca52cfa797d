//! Which way packets go, and from which address.

use crate::common::*;
use ipv4::{DEAD_GATEWAY, Ipv4};
use std::net::Ipv4Addr;
use traits::*;
use wire::{Cidr, MacAddr, Protocol};

const UDP: Protocol = Protocol::UDP;

fn send(i: &Ipv4<&Link>, header: Header) -> Result<(), SendError> {
    write(i, header, TxMeta::NONE, b"x")
}

fn way(i: &Ipv4<&Link>, dst: impl Into<Ipv4Addr>) -> (To, Ipv4Addr) {
    let dst = dst.into();
    send(i, Header::new(dst, UDP)).unwrap();
    let sent = i.ethernet().one();
    let packet = sent.packet();
    assert_eq!(packet.dst, dst);
    assert_eq!(i.route(dst, None).unwrap().src, packet.src, "route and write agree");
    (sent.to, packet.src)
}

fn host(address: impl Into<Ipv4Addr>) -> To {
    To::Host(address.into())
}

#[test]
fn neighbours_gateways_broadcasts_groups() {
    let link = Link::default();
    let i = layer(&link);
    assert_eq!(way(&i, PEER), (host(PEER), ME));
    assert_eq!(way(&i, FAR), (host(GATEWAY), ME));
    assert_eq!(way(&i, ALL), (To::Broadcast, ME));
    assert_eq!(way(&i, DIRECTED), (To::Broadcast, ME));
    assert_eq!(way(&i, GROUP), (To::Mac(MacAddr([1, 0, 0x5e, 1, 2, 3])), ME));
}

#[test]
fn defaults_of_the_header() {
    let link = Link::default();
    let i = layer(&link);
    let ttl = |header| {
        send(&i, header).unwrap();
        let p = link.one().packet();
        (p.ttl, p.tos, p.df)
    };
    assert_eq!(ttl(Header::new(PEER, UDP)), (64, 0, false));
    assert_eq!(ttl(Header::new(GROUP, UDP)), (1, 0, false));
    assert_eq!(ttl(Header::new(PEER, UDP).with_ttl(3).with_tos(0xb9).with_dont_fragment()), (3, 0xb9, true));
}

#[test]
fn the_longest_prefix_wins() {
    let link = Link::default();
    let i = layer(&link);
    let route = |destination: &str, gateway: Option<[u8; 4]>| RouteEntry {
        destination: destination.parse().unwrap(),
        gateway: gateway.map(Into::into),
    };
    let routes = [
        route("192.0.0.0/8", Some([10, 0, 0, 8])),
        route("192.0.2.0/24", Some([10, 0, 0, 9])),
        route("192.0.2.0/24", Some([10, 0, 0, 10])),
        route("10.0.0.128/25", Some([10, 0, 0, 11])),
        route("172.16.0.0/12", None),
    ];
    let addresses = [Cidr::new(ME, 24)];
    i.configure(&Config { addresses: &addresses, gateways: &[GATEWAY], routes: &routes, ..Config::default() });
    assert_eq!(way(&i, FAR).0, host([10, 0, 0, 9]));
    assert_eq!(way(&i, [192, 1, 1, 1]).0, host([10, 0, 0, 8]));
    assert_eq!(way(&i, [8, 8, 8, 8]).0, host(GATEWAY));
    assert_eq!(way(&i, [10, 0, 0, 200]).0, host([10, 0, 0, 11]));
    assert_eq!(way(&i, [10, 0, 0, 100]).0, host([10, 0, 0, 100]));
    assert_eq!(way(&i, [172, 20, 0, 1]), (host([172, 20, 0, 1]), ME));
}

#[test]
fn the_source_is_of_the_next_hops_network() {
    let link = Link::default();
    let i = layer(&link);
    let (b, c): (Ipv4Addr, Ipv4Addr) = ([172, 16, 0, 2].into(), [172, 16, 5, 2].into());
    let addresses = [Cidr::new(ME, 24), Cidr::new(b, 16), Cidr::new(c, 24)];
    i.configure(&config(&addresses, &[[172, 16, 0, 1].into()]));
    assert_eq!(way(&i, PEER), (host(PEER), ME));
    assert_eq!(way(&i, [172, 16, 9, 9]), (host([172, 16, 9, 9]), b));
    assert_eq!(way(&i, [172, 16, 5, 9]), (host([172, 16, 5, 9]), c));
    assert_eq!(way(&i, FAR), (host([172, 16, 0, 1]), b));
    assert_eq!(way(&i, [172, 16, 255, 255]), (To::Broadcast, b));
    assert_eq!(way(&i, ALL), (To::Broadcast, ME));
    // Unless asked for.
    send(&i, Header::new(PEER, UDP).from(c)).unwrap();
    assert_eq!(link.one().packet().src, c);
    assert_eq!(i.route(PEER, Some(c)).unwrap().src, c);
}

#[test]
fn what_cannot_be_sent_to() {
    let link = Link::default();
    let i = layer(&link);
    for dst in [ME, NOBODY, [127, 0, 0, 1].into(), [0, 0, 0, 9].into(), [240, 0, 0, 1].into()] {
        assert_eq!(send(&i, Header::new(dst, UDP)), Err(SendError::Unsupported), "{dst}");
        assert_eq!(i.route(dst, None), Err(SendError::Unsupported));
    }
    for src in [PEER, NOBODY, ALL, GROUP] {
        assert_eq!(send(&i, Header::new(PEER, UDP).from(src)), Err(SendError::NoAddress), "{src}");
        assert_eq!(i.route(PEER, Some(src)), Err(SendError::NoAddress));
    }
    i.set_ipv4_gateways(&[]);
    assert_eq!(send(&i, Header::new(FAR, UDP)), Err(SendError::NoRoute));
    i.set_ipv4(NOBODY);
    assert_eq!(send(&i, Header::new(PEER, UDP)), Err(SendError::NoAddress));
    assert!(link.take().is_empty());
}

#[test]
fn errors_leave_the_filler_alone() {
    let link = Link::default();
    let i = layer(&link);
    let try_to = |dst, len| i.write(Header::new(dst, UDP), TxMeta::NONE, len, |_| panic!("called"));
    assert_eq!(try_to(ME, 1), Err(SendError::Unsupported));
    assert_eq!(try_to(PEER, 65_516), Err(SendError::TooLong));
    assert_eq!(try_to(PEER, usize::MAX), Err(SendError::TooLong));
    link.full.set(true);
    for len in [1, 1_480, 1_481, 65_515] {
        assert_eq!(try_to(PEER, len), Err(SendError::Full), "{len}");
    }
    link.full.set(false);
    link.dead.borrow_mut().extend([PEER, GATEWAY]);
    for len in [1, 5_000] {
        assert_eq!(try_to(PEER, len), Err(SendError::Unresolved));
        assert_eq!(try_to(FAR, len), Err(SendError::Unresolved));
    }
}

#[test]
fn from_nowhere_to_everybody() {
    let link = Link::default();
    let i = Box::new(Ipv4::connect(&link));
    assert_eq!(send(&i, Header::new(ALL, UDP)), Err(SendError::NoAddress));
    for configured in [false, true] {
        if configured {
            i.set_ipv4(ME);
        }
        send(&i, Header::new(ALL, UDP).from(NOBODY)).unwrap();
        let sent = link.one();
        assert_eq!((sent.to, sent.packet().src, sent.packet().dst), (To::Broadcast, NOBODY, ALL));
        assert_eq!(i.route(ALL, Some(NOBODY)).unwrap().src, NOBODY);
    }
    assert_eq!(send(&i, Header::new(DIRECTED, UDP).from(NOBODY)), Err(SendError::NoAddress));
}

#[test]
fn a_filler_may_use_less() {
    let link = Link::default();
    let i = layer(&link);
    i.write(Header::new(PEER, UDP), TxMeta::NONE, 100, |buffer| {
        assert_eq!(buffer.len(), 100);
        buffer[..3].copy_from_slice(b"abc");
        3
    })
    .unwrap();
    assert_eq!(link.one().packet().payload, b"abc");
    // More than there is counts as all.
    i.write(Header::new(PEER, UDP), TxMeta::NONE, 4, |_| 9).unwrap();
    assert_eq!(link.one().packet().payload.len(), 4);
    i.write(Header::new(PEER, UDP), TxMeta::NONE, 0, |_| 0).unwrap();
    assert_eq!(link.one().packet().payload, b"");
}

/// Not an empty packet: TCP withholds data that went away meanwhile.
#[test]
fn a_filler_that_writes_nothing_has_nothing_sent() {
    let link = Link::default();
    let i = layer(&link);
    // The second goes where the first did, the third would be cut.
    for len in [4, 4, 5_000] {
        i.write(Header::new(PEER, UDP), TxMeta::NONE, len, |_| 0).unwrap();
        assert_eq!(link.take().len(), 0, "{len}");
    }
}

#[test]
fn a_filler_that_writes_gets_full() {
    let link = Link::default();
    let i = layer(&link);
    for len in [10, 4_000] {
        let mut inner = vec![];
        i.write(Header::new(PEER, UDP), TxMeta::NONE, len, |_| {
            for inner_len in [1, 3_000] {
                inner.push(i.write(Header::new(PEER, UDP), TxMeta::NONE, inner_len, |_| panic!("called")));
            }
            len
        })
        .unwrap();
        assert_eq!(inner, [Err(SendError::Full); 2], "{len}");
    }
}

#[test]
fn a_dead_gateway_is_passed_over_for_a_while() {
    let link = Link::default();
    let i = layer(&link);
    let second = Ipv4Addr::new(10, 0, 0, 254);
    i.set_ipv4_gateways(&[GATEWAY, second]);
    assert_eq!(way(&i, FAR).0, host(GATEWAY));
    link.dead.borrow_mut().insert(GATEWAY);
    assert_eq!(way(&i, FAR).0, host(second));
    assert_eq!(i.statistics().tx_gateway_dead, 1);
    // Alive again, it is still not tried…
    link.dead.take();
    assert_eq!(way(&i, FAR).0, host(second));
    // …until later.
    link.pass(DEAD_GATEWAY);
    assert_eq!(way(&i, FAR).0, host(GATEWAY));
    assert_eq!(i.statistics().tx_gateway_dead, 1);
}

#[test]
fn with_all_gateways_dead_the_first_is_tried() {
    let link = Link::default();
    let i = layer(&link);
    let second = Ipv4Addr::new(10, 0, 0, 254);
    i.set_ipv4_gateways(&[GATEWAY, second]);
    link.dead.borrow_mut().extend([GATEWAY, second]);
    assert_eq!(send(&i, Header::new(FAR, UDP)), Err(SendError::Unresolved));
    assert_eq!(i.statistics().tx_gateway_dead, 2);
    link.dead.take();
    assert_eq!(way(&i, FAR).0, host(GATEWAY));
}

#[test]
fn a_dead_neighbour_is_no_dead_gateway() {
    let link = Link::default();
    let i = layer(&link);
    i.set_ipv4_gateways(&[GATEWAY, [10, 0, 0, 254].into()]);
    link.dead.borrow_mut().insert(PEER);
    assert_eq!(send(&i, Header::new(PEER, UDP)), Err(SendError::Unresolved));
    assert_eq!(i.statistics().tx_gateway_dead, 0);
}

#[test]
fn confirming_reaches_the_next_hop() {
    let link = Link::default();
    let i = layer(&link);
    for dst in [PEER, FAR, ALL, GROUP, ME] {
        i.confirm(dst);
    }
    assert_eq!(link.confirmed.take(), [PEER, GATEWAY]);
}

#[test]
fn offloads_pass_through() {
    let link = Link::default();
    let i = layer(&link);
    link.capabilities.set(Capabilities::new(Offload::TX_CHECKSUM | Offload::TSO4, 65_521));
    let path = i.route(PEER, None).unwrap();
    assert_eq!((path.mtu, path.capabilities.gso_max_size), (1_500, 65_501));
    let mss = 1_460.try_into().unwrap();
    let meta = TxMeta::NONE
        .with_checksum(0, 16)
        .with_segmentation(SegmentationKind::Tcp4 { cwr: false }, mss, 20)
        .with_more(true);
    let header = Header::new(PEER, Protocol::TCP).with_dont_fragment();
    write(&i, header, meta, &pattern(20 + 10 * 1_460)).unwrap();
    let sent = link.one();
    assert_eq!(sent.meta, meta.below(20));
    assert_eq!(sent.packet().payload, pattern(14_620));
    assert!(sent.packet().df);
    // Segments that the path does not take.
    let long =
        TxMeta::NONE.with_segmentation(SegmentationKind::Tcp4 { cwr: false }, 1_461.try_into().unwrap(), 20);
    assert_eq!(write(&i, header, long, &pattern(14_620)), Err(SendError::TooLong));
    assert_eq!(write(&i, header, meta, &pattern(65_516)), Err(SendError::TooLong));
}
