//! What comes in: every line of bad input on UDP, and what is made of the
//! good.

use std::num::NonZeroU16;

use crate::common::*;
use proptest::prelude::*;
use traits::*;
use udpv4::{Udp, callback};

fn feed(udp: &Udp<&MockIp>, packet: Packet<'_>, keep: &Keep) {
    udp.input(Inbound::Packet(packet), |port| match port {
        7 => Some(keep as &dyn Receive),
        _ => None,
    });
}

#[test]
fn a_datagram_reaches_its_port() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    feed(&udp, packet(&datagram(1000, 7, b"hello")), &keep);
    let got = keep.datagrams.borrow();
    assert_eq!(got[0].0, "10.0.0.1:1000".parse().unwrap());
    assert_eq!(got[0].1, b"hello");
    assert_eq!(udp.statistics().rx_datagrams, 1);
}

#[test]
fn length_below_8_is_dropped() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    for length in 0u16..8 {
        let mut bytes = datagram(1000, 7, b"hello");
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes[6..8].copy_from_slice(&[0, 0]);
        feed(&udp, packet(&bytes), &keep);
    }
    assert_eq!(udp.statistics().rx_malformed, 8);
    assert!(keep.datagrams.borrow().is_empty());
}

#[test]
fn length_beyond_the_packet_is_dropped() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let whole = datagram(1000, 7, b"hello");
    feed(&udp, packet(&whole[..whole.len() - 1]), &keep);
    assert_eq!(udp.statistics().rx_malformed, 1);
    assert!(keep.datagrams.borrow().is_empty());
}

#[test]
fn runts_are_dropped() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let whole = datagram(1000, 7, b"");
    for len in 0..8 {
        feed(&udp, packet(&whole[..len]), &keep);
    }
    assert_eq!(udp.statistics().rx_malformed, 8);
}

#[test]
fn what_follows_the_length_is_cut_off() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let mut bytes = datagram(1000, 7, b"hello");
    bytes.extend(b"padding");
    feed(&udp, packet(&bytes), &keep);
    assert_eq!(keep.datagrams.borrow()[0].1, b"hello");
}

#[test]
fn a_wrong_checksum_is_dropped() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let mut bytes = datagram(1000, 7, b"hello");
    bytes[8] ^= 1;
    feed(&udp, packet(&bytes), &keep);
    assert_eq!(udp.statistics().rx_checksum, 1);
    assert!(keep.datagrams.borrow().is_empty());
    // A checksum that holds between other hosts.
    let mut stray = datagram(1000, 7, b"hello");
    stray[6..8].copy_from_slice(&[0x12, 0x34]);
    feed(&udp, packet(&stray), &keep);
    assert_eq!(udp.statistics().rx_checksum, 2);
}

#[test]
fn a_trusted_verdict_is_believed() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let mut bytes = datagram(1000, 7, b"hello");
    bytes[6..8].copy_from_slice(&[0x12, 0x34]);
    let blank = ChecksumVerdict::Blank(PartialChecksum { start: 0, offset: 6 });
    for verdict in [ChecksumVerdict::Verified, blank] {
        let mut p = packet(&bytes);
        p.meta = RxMeta::NONE.with_checksum(verdict);
        feed(&udp, p, &keep);
    }
    assert_eq!(udp.statistics().rx_datagrams, 2);
}

#[test]
fn checksum_zero_means_none() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let mut bytes = datagram(1000, 7, b"hello");
    bytes[6..8].copy_from_slice(&[0, 0]);
    feed(&udp, packet(&bytes), &keep);
    assert_eq!(keep.datagrams.borrow()[0].1, b"hello");
}

#[test]
fn a_closed_port_is_answered_for_unicast_only() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let mut bytes = datagram(1000, 9, b"hello");
    bytes[6..8].copy_from_slice(&[0, 0]);
    feed(&udp, packet(&bytes), &keep);
    assert_eq!(*ip.unreachable.borrow(), [UnreachableCode::Port]);
    for cast in [Cast::Broadcast, Cast::Multicast] {
        let mut p = packet(&bytes);
        p.cast = cast;
        feed(&udp, p, &keep);
    }
    for link in [LinkCast::Broadcast, LinkCast::Multicast] {
        let mut p = packet(&bytes);
        p.meta = p.meta.with_link(link);
        feed(&udp, p, &keep);
    }
    assert_eq!(ip.unreachable.borrow().len(), 1);
    assert_eq!(udp.statistics().rx_no_port, 5);
}

#[test]
fn broadcasts_and_groups_reach_the_port() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let bytes = datagram(1000, 7, b"hello");
    let mut p = packet(&bytes);
    p.cast = Cast::Broadcast;
    feed(&udp, p, &keep);
    p.cast = Cast::Multicast;
    feed(&udp, p, &keep);
    let casts: Vec<_> = keep.datagrams.borrow().iter().map(|d| d.2).collect();
    assert_eq!(casts, [Cast::Broadcast, Cast::Multicast]);
}

#[test]
fn a_large_receive_tells_its_segment_size() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let bytes = datagram(1000, 7, &[1; 100]);
    for size in [40, 100, 200] {
        let mut p = packet(&bytes);
        p.meta = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified).with_segment_size(NonZeroU16::new(size));
        feed(&udp, p, &keep);
    }
    let sizes: Vec<_> = keep.datagrams.borrow().iter().map(|d| d.3).collect();
    assert_eq!(sizes, [Some(40), None, None]);
}

#[test]
fn icmp_errors_reach_the_port_they_were_sent_from() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    let quote = datagram(7, 53, b"question");
    let kind = IcmpErrorKind::Unreachable(UnreachableCode::Port);
    let feed = |quote: &[u8]| {
        let error = IcmpError::new(kind, THERE, HERE, THERE, Protocol::UDP, quote);
        udp.input(Inbound::Error(error), |port| (port == 7).then_some(&keep as &dyn Receive));
    };
    feed(&quote);
    let expected = DatagramError::new(kind, 7, "10.0.0.1:53".parse().unwrap());
    assert_eq!(*keep.errors.borrow(), [expected]);
    feed(&quote[..7]);
    feed(&datagram(8, 53, b"not ours"));
    assert_eq!(udp.statistics().rx_errors, 1);
    assert_eq!(udp.statistics().rx_errors_dropped, 2);
    assert!(ip.unreachable.borrow().is_empty());
}

#[test]
fn a_callback_answers_within_input() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    let echo = callback(|d| udp.send(d.dst.port(), d.src, d.payload).unwrap());
    udp.input(Inbound::Packet(packet(&datagram(1000, 7, b"hello"))), |_| Some(&echo));
    let sent = ip.sent.borrow();
    assert_eq!(sent[0].data(), b"hello");
    assert_eq!(sent[0].payload[..4], [0, 7, 3, 0xe8]);
}

#[test]
fn counters_reset() {
    let (ip, keep) = (MockIp::new(), Keep::default());
    let udp = Udp::connect(&ip);
    feed(&udp, packet(&[]), &keep);
    udp.reset_statistics();
    assert_eq!(udp.statistics(), udpv4::Statistics::default());
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_counted(bytes: Vec<u8>, trusted: bool, cast in 0..3) {
        let (ip, keep) = (MockIp::new(), Keep::default());
        let udp = Udp::connect(&ip);
        let mut p = packet(&bytes);
        p.cast = [Cast::Unicast, Cast::Broadcast, Cast::Multicast][cast as usize];
        if trusted {
            p.meta = p.meta.with_checksum(ChecksumVerdict::Verified);
        }
        feed(&udp, p, &keep);
        let s = udp.statistics();
        prop_assert_eq!(s.rx_datagrams + s.rx_malformed + s.rx_checksum + s.rx_no_port, 1);
        let error = IcmpError::new(IcmpErrorKind::TimeExceeded, THERE, HERE, THERE, Protocol::UDP, &bytes);
        udp.input(Inbound::Error(error), |_| Some(&keep));
        let s = udp.statistics();
        prop_assert_eq!(s.rx_errors + s.rx_errors_dropped, 1);
    }

    #[test]
    fn what_is_sent_is_received(source: u16, port in 1u16.., payload: Vec<u8>) {
        let (ip, keep) = (MockIp::new(), Keep::default());
        let udp = Udp::connect(&ip);
        udp.send(source, std::net::SocketAddrV4::new(THERE, port), &payload).unwrap();
        let sent = ip.sent.borrow()[0].clone();
        let p = Packet::new(HERE, THERE, Protocol::UDP, &sent.payload);
        udp.input(Inbound::Packet(p), |to| (to == port).then_some(&keep as &dyn Receive));
        let got = keep.datagrams.borrow();
        prop_assert_eq!(&got[0].1, &payload);
        prop_assert_eq!(got[0].0, std::net::SocketAddrV4::new(HERE, source));
    }
}
