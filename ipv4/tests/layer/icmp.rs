//! ICMP: echo, errors sent and their rate, errors received.

use std::time::Duration;

use crate::common::*;
use ipv4::{Ipv4, listeners};
use traits::*;
use wire::{Cidr, Protocol};

fn echo(data: &[u8]) -> Make {
    make(PEER, ME, 1, icmp(8, 0, [0xab, 0xcd, 0, 7], data))
}

/// A packet that `ME` sent, as it is quoted.
fn own(protocol: u8, payload: &[u8]) -> Make {
    make(ME, FAR, protocol, payload).with(|p| p.ttl = 1)
}

fn error(kind: u8, code: u8, quote: &[u8]) -> Make {
    make(GATEWAY, ME, 1, icmp(kind, code, [0; 4], quote))
}

#[test]
fn pings_are_answered() {
    let link = Link::default();
    let i = layer(&link);
    for len in [0, 1, 56, 57, 1_472] {
        let ping = echo(&pattern(len)).with(|p| p.tos = 0x2c);
        assert_eq!(feed(&i, &ping), []);
        let sent = link.one();
        let pong = sent.packet();
        assert_eq!((sent.to, sent.meta.more()), (To::Host(PEER), true));
        assert_eq!((pong.src, pong.dst, pong.protocol, pong.ttl, pong.tos), (ME, PEER, 1, 64, 0x2c));
        assert_eq!(pong.payload, icmp(0, 0, [0xab, 0xcd, 0, 7], &pattern(len)));
    }
    assert_eq!(i.statistics().icmp_echo_answered, 5);
}

#[test]
fn pings_of_every_size_in_fragments() {
    let link = Link::default();
    let i = layer(&link);
    for len in [1_473, 8_000, 65_507] {
        let message = icmp(8, 0, [0; 4], &pattern(len));
        for start in (0..message.len()).step_by(1_480) {
            let end = message.len().min(start + 1_480);
            let more = if end < message.len() { MF } else { 0 };
            let part = make(PEER, ME, 1, &message[start..end]);
            assert_eq!(feed(&i, &part.with(|p| p.fragment = (start / 8) as u16 | more)), []);
        }
        let pong: Vec<u8> = link.take().iter().flat_map(|frame| frame.packet().payload).collect();
        assert_eq!(pong, icmp(0, 0, [0; 4], &pattern(len)));
    }
}

#[test]
fn pings_to_an_alias_are_answered_from_it() {
    let link = Link::default();
    let i = layer(&link);
    let alias = [10, 0, 0, 3].into();
    i.configure(&config(&[Cidr::new(ME, 24), Cidr::new(alias, 24)], &[]));
    feed(&i, &echo(b"").with(|p| p.dst = alias));
    assert_eq!(link.one().packet().src, alias);
}

#[test]
fn pings_to_all_are_not_answered() {
    let link = Link::default();
    let i = layer(&link);
    i.join_group(GROUP).unwrap();
    for dst in [ALL, DIRECTED, GROUP] {
        drops(&i, &echo(b"smurf").with(|p| p.dst = dst), |s| s.icmp_echo_ignored);
    }
}

#[test]
fn answers_that_do_not_get_out_are_counted() {
    let link = Link::default();
    let i = layer(&link);
    link.full.set(true);
    drops(&i, &echo(b"x"), |s| s.icmp_tx_failed);
    link.full.set(false);
    i.set_ipv4_gateways(&[]);
    drops(&i, &echo(b"x").with(|p| p.src = FAR), |s| s.icmp_tx_failed);
}

#[test]
fn damaged_messages_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    for len in 0..8 {
        drops(&i, &make(PEER, ME, 1, vec![0; len]), |s| s.icmp_truncated);
    }
    let mut message = icmp(8, 0, [0; 4], b"data");
    message[9] ^= 1;
    drops(&i, &make(PEER, ME, 1, message.clone()), |s| s.icmp_checksum);
    // Whatever the device says: its word is on TCP and UDP.
    let verified = RxMeta::NONE.with_checksum(ChecksumVerdict::Verified);
    drops_bytes(&i, &make(PEER, ME, 1, message).bytes(), verified, |s| s.icmp_checksum);
}

#[test]
fn other_messages_go_to_their_label() {
    let link = Link::default();
    let i = layer(&link);
    for kind in [0, 9, 13, 14, 17, 99] {
        let message = icmp(kind, 0, [1, 2, 3, 4], b"x");
        let got = feed(&i, &make(PEER, ME, 1, message.clone()));
        assert!(matches!(&got[..], [Got::Packet { label: "icmp", payload, .. }] if *payload == message));
    }
    assert!(link.take().is_empty());
}

#[test]
fn redirects_and_quenches_are_ignored() {
    let link = Link::default();
    let i = layer(&link);
    let quote = own(17, &[0; 8]).bytes();
    for code in 0..4 {
        drops(&i, &error(5, code, &quote), |s| s.icmp_ignored);
    }
    drops(&i, &error(4, 0, &quote), |s| s.icmp_ignored);
    drops(&i, &error(3, 16, &quote), |s| s.icmp_ignored);
    assert_eq!(i.route(FAR, None).map(|p| p.mtu), Ok(1_500));
}

#[test]
fn errors_are_handed_up_with_their_quote() {
    use IcmpErrorKind::*;
    let link = Link::default();
    let i = layer(&link);
    let codes = [
        (0, UnreachableCode::Network),
        (1, UnreachableCode::Host),
        (2, UnreachableCode::Protocol),
        (3, UnreachableCode::Port),
        (5, UnreachableCode::SourceRoute),
        (6, UnreachableCode::Network),
        (7, UnreachableCode::Host),
        (8, UnreachableCode::Network),
        (9, UnreachableCode::Prohibited(Prohibited::Network)),
        (10, UnreachableCode::Prohibited(Prohibited::Host)),
        (11, UnreachableCode::Network),
        (12, UnreachableCode::Host),
        (13, UnreachableCode::Prohibited(Prohibited::Communication)),
        (15, UnreachableCode::Prohibited(Prohibited::Communication)),
    ];
    let kinds = codes.into_iter().map(|(code, meaning)| (3, code, Unreachable(meaning)));
    let others = [(11, 0, TimeExceeded), (11, 1, TimeExceeded), (12, 0, ParameterProblem)];
    for (kind, code, meaning) in kinds.chain(others) {
        for (protocol, label) in [(6, "tcp"), (17, "udp"), (1, "icmp")] {
            let payload = pattern(12);
            let got = feed(&i, &error(kind, code, &own(protocol, &payload).bytes()));
            let expected =
                Got::Error { label, kind: meaning, reporter: GATEWAY, src: ME, dst: FAR, quote: payload };
            assert_eq!(got, [expected]);
        }
    }
    assert!(link.take().is_empty());
    assert_eq!(i.statistics().icmp_errors_rx, 51);
}

#[test]
fn quotes_cut_short_have_eight_bytes_at_least() {
    let link = Link::default();
    let i = layer(&link);
    // The quoted length tells of 1,000 bytes; what is there may be less.
    let quote = |len: usize| {
        let whole = own(17, &pattern(1_000)).with(|p| p.options = vec![1, 1, 1, 0]).bytes();
        whole[..24 + len].to_vec()
    };
    for len in 0..8 {
        drops(&i, &error(3, 3, &quote(len)), |s| s.icmp_truncated);
    }
    assert_eq!(feed(&i, &error(3, 3, &quote(8)))[0].payload(), &pattern(8)[..]);
    drops(&i, &error(3, 3, &quote(8)[..19]), |s| s.icmp_truncated);
    drops(&i, &error(3, 3, &[]), |s| s.icmp_truncated);
    // What stands behind the quoted packet is none of it (RFC 4884).
    let mut extended = own(17, &pattern(8)).bytes();
    extended.resize(160, 0xee);
    assert_eq!(feed(&i, &error(3, 3, &extended))[0].payload(), &pattern(8)[..]);
}

#[test]
fn forged_quotes_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    let bad = |change: fn(&mut Make)| own(17, &[0; 8]).with(change).bytes();
    for quote in [
        bad(|p| p.src = PEER),
        bad(|p| p.dst = ME),
        bad(|p| p.dst = ALL),
        bad(|p| p.dst = GROUP),
        bad(|p| p.dst = NOBODY),
        bad(|p| p.fragment = 8),
    ] {
        drops(&i, &error(3, 3, &quote), |s| s.icmp_bad_quote);
    }
    for quote in [bad(|p| p.version = 6), bad(|p| p.ihl = Some(4)), bad(|p| p.ihl = Some(15))] {
        drops(&i, &error(3, 3, &quote), |s| s.icmp_truncated);
    }
    let shared = error(3, 3, &own(17, &[0; 8]).bytes()).with(|p| p.dst = ALL);
    drops(&i, &shared, |s| s.icmp_ignored);
}

#[test]
fn errors_about_protocols_without_a_label_are_counted() {
    let link = Link::default();
    let i = layer(&link);
    drops(&i, &error(3, 2, &own(132, &[0; 8]).bytes()), |s| s.rx_ignored);
}

/// Hands `packet` to its label and answers it with port unreachable.
fn refuse(i: &Ipv4<&Link>, packet: &Make, meta: RxMeta) {
    i.input(
        Frame::new(&packet.bytes(), meta),
        listeners()
            .udp(|d| match d {
                Inbound::Packet(p) => i.unreachable(&p, UnreachableCode::Port),
                Inbound::Error(_) => panic!(),
            })
            .icmp(|m| match m {
                Inbound::Packet(p) => i.unreachable(&p, UnreachableCode::Port),
                Inbound::Error(_) => panic!(),
            }),
    );
}

#[test]
fn unreachable_quotes_what_fits_into_576_bytes() {
    let link = Link::default();
    let i = layer(&link);
    for (len, options) in [(0, 0), (8, 0), (547, 0), (548, 0), (549, 0), (1_400, 0), (1_400, 40)] {
        let packet = make(PEER, ME, 17, pattern(len)).with(|p| p.options = vec![1; options]);
        refuse(&i, &packet, RxMeta::NONE);
        let error = link.one().packet();
        assert_eq!((error.src, error.dst, error.tos, error.ttl), (ME, PEER, 0xc0, 64));
        assert_eq!((error.payload[..2].to_vec(), sum(&error.payload)), (vec![3, 3], 0));
        let quote = packet.bytes();
        assert_eq!(error.payload[8..], quote[..quote.len().min(548)]);
    }
    assert_eq!(i.statistics().icmp_errors_tx, 7);
}

#[test]
fn a_packet_without_its_header_is_quoted_with_one_made_up() {
    let link = Link::default();
    let i = layer(&link);
    i.unreachable(&Packet::new(PEER, ME, Protocol::UDP, b"12345678"), UnreachableCode::Host);
    let error = link.one().packet();
    assert_eq!(error.payload[..2], [3, 1]);
    let quoted = Seen::read(&error.payload[8..]);
    assert_eq!((quoted.src, quoted.dst, quoted.payload), (PEER, ME, b"12345678".to_vec()));
}

#[test]
fn codes_of_unreachable() {
    let link = Link::default();
    let i = layer(&link);
    let packet = Packet::new(PEER, ME, Protocol::UDP, b"12345678");
    for (code, byte) in [
        (UnreachableCode::Network, 0),
        (UnreachableCode::Host, 1),
        (UnreachableCode::Protocol, 2),
        (UnreachableCode::Port, 3),
        (UnreachableCode::SourceRoute, 5),
        (UnreachableCode::Prohibited(Prohibited::Network), 9),
        (UnreachableCode::Prohibited(Prohibited::Host), 10),
        (UnreachableCode::Prohibited(Prohibited::Communication), 13),
    ] {
        i.unreachable(&packet, code);
        assert_eq!(link.one().packet().payload[1], byte);
    }
}

#[test]
fn no_errors_about_errors_or_to_many() {
    let link = Link::default();
    let i = layer(&link);
    i.join_group(GROUP).unwrap();
    let udp = |dst| make(PEER, dst, 17, vec![0; 8]);
    for dst in [ALL, DIRECTED, GROUP] {
        refuse(&i, &udp(dst), RxMeta::NONE);
    }
    refuse(&i, &udp(ALL).with(|p| p.src = NOBODY), RxMeta::NONE);
    // ICMP errors, however they came to the caller, truncated or not.
    for kind in [3, 4, 5, 11, 12] {
        let packet = [kind, 0, 0, 0, 0, 0, 0, 0];
        i.unreachable(&Packet::new(PEER, ME, Protocol::ICMP, &packet), UnreachableCode::Port);
    }
    i.unreachable(&Packet::new(PEER, ME, Protocol::ICMP, &[]), UnreachableCode::Port);
    for src in [NOBODY, ALL, GROUP, [127, 0, 0, 1].into()] {
        i.unreachable(&Packet::new(src, ME, Protocol::UDP, &[0; 8]), UnreachableCode::Port);
    }
    let mut by_link = Packet::new(PEER, ME, Protocol::UDP, &[0; 8]);
    by_link.meta = RxMeta::NONE.with_link(LinkCast::Broadcast);
    i.unreachable(&by_link, UnreachableCode::Port);
    assert!(link.take().is_empty());
    assert_eq!(i.statistics().icmp_suppressed, 4 + 6 + 4 + 1);
    // Of other messages there may be.
    refuse(&i, &make(PEER, ME, 1, icmp(13, 0, [0; 4], &[])), RxMeta::NONE);
    assert_eq!(link.take().len(), 1);
}

#[test]
fn errors_are_limited_and_echo_is_not() {
    let link = Link::default();
    let i = layer(&link);
    let packet = Packet::new(PEER, ME, Protocol::UDP, &[0; 8]);
    let flood = |n: usize| {
        (0..n).for_each(|_| i.unreachable(&packet, UnreachableCode::Port));
        link.take().len()
    };
    // The burst, give or take what is random in it.
    let burst = flood(10_000);
    assert!((25..=150).contains(&burst), "{burst}");
    assert_eq!(i.statistics().icmp_limited as usize, 10_000 - burst);
    assert_eq!(flood(100), 0);
    // The rate, in the long run.
    let sent: usize = (0..1_000)
        .map(|_| {
            link.pass(Duration::from_millis(1));
            flood(10)
        })
        .sum();
    assert!((900..=1_600).contains(&sent), "{sent}");
    (0..1_000).for_each(|_| assert_eq!(feed(&i, &echo(b"x")), []));
    assert_eq!(link.take().len(), 1_000);
}
