//! Against Ethernet, ARP, IPv4, ICMP and UDP.

use std::net::Ipv4Addr;
use std::time::Duration;

use fata::traits::{EtherType, MacAddr, Protocol};

use super::{Answer, IRS, ISS, Scene};
use crate::frames::{
    ACK, Ip, OWN, OWN_MAC, PEER, PEER_MAC, PSH, RST, SYN, Tcp, arp, ethernet, icmp, ping, renew, summed, udp,
};

pub(super) fn scenes() -> Vec<Scene> {
    vec![lengths(), ip_options(), checksums(), fragments(), sources(), icmp_errors(), arp_lies(), udp_lies()]
}

/// A frame whose IPv4 header was tampered with, its checksum right again.
fn tampered(tamper: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut frame = ping().frame();
    tamper(&mut frame[14..]);
    renew(&mut frame[14..]);
    frame
}

fn lengths() -> Scene {
    let mut scene = Scene::new("lengths");
    let whole = ping().frame();
    for len in [1, 13, 14, 24, 33] {
        scene.get(whole[..len].to_vec());
    }
    scene.get(tampered(|ip| ip[0] = 0x65));
    scene.get(tampered(|ip| ip[0] = 0x44));
    // An IHL beyond the packet; a total length beyond the frame, and one that
    // has no room for the header.
    scene.get(tampered(|ip| ip[0] = 0x4f));
    scene.get(tampered(|ip| ip[2..4].copy_from_slice(&1500u16.to_be_bytes())));
    scene.get(tampered(|ip| ip[2..4].copy_from_slice(&19u16.to_be_bytes())));
    // Padding is no part of the packet, nor of the answer.
    scene.get([&whole[..], &[0xee; 18]].concat());
    scene.answer(Answer::Echoes);
    scene.alive().expect(&[
        ("ethernet", "runt", 2),
        ("ipv4", "rx_header_length", 1),
        ("ipv4", "rx_total_length", 3),
        ("ipv4", "rx_truncated", 3),
        ("ipv4", "rx_version", 1),
    ])
}

fn ip_options() -> Scene {
    let mut scene = Scene::new("ip_options");
    for options in [&[7, 0, 0, 0][..], &[7, 1, 0, 0], &[7, 200, 4, 0], &[1, 1, 1, 7]] {
        scene.get(ping().options(options).frame());
    }
    let hop = [10, 0, 0, 77];
    for route in [131, 137] {
        scene.get(ping().options(&[&[route, 7, 4], &hop[..]].concat()).frame());
    }
    // No harm in these.
    scene.get(ping().options(&[1, 1, 1, 0]).frame());
    scene.answer(Answer::Echoes);
    scene.alive().expect(&[("ipv4", "rx_options", 4), ("ipv4", "rx_source_route", 2)])
}

fn checksums() -> Scene {
    let mut scene = Scene::new("checksums");
    let syn = Tcp::new(5000, SYN, IRS, 0);
    for (frame, at) in
        [(ping().frame(), 24), (ping().frame(), 36), (udp(7, b"data").frame(), 40), (syn.frame(), 50)]
    {
        let mut frame = frame;
        frame[at] ^= 0x40;
        scene.get(frame);
    }
    // None at all is allowed of UDP alone.
    for (ip, at) in [(udp(7, b"data"), 6), (syn.ip(), 16)] {
        let mut ip = ip;
        ip.payload[at..at + 2].fill(0);
        scene.get(ip.frame());
    }
    scene.alive().expect(&[
        ("ipv4", "icmp_checksum", 1),
        ("ipv4", "rx_checksum", 1),
        ("tcp", "bad_checksum", 2),
        ("udp", "rx_checksum", 1),
    ])
}

fn fragments() -> Scene {
    let mut scene = Scene::new("fragments");
    let part = |id, offset, more, len: usize| {
        Ip::new(Protocol::ICMP, &vec![0x5a; len]).fragment(id, offset, more).frame()
    };
    // Beginnings, each of which takes the place of one of the same source.
    for id in 0..40 {
        scene.get(part(id, 0, true, 64));
    }
    // Teardrop: the second lies within the first. Overlap by a little.
    for (id, second) in [(100, (8, 8)), (101, (56, 64))] {
        scene.get(part(id, 0, true, 64));
        scene.get(part(id, second.0, false, second.1));
    }
    // Beyond 65,535 bytes.
    scene.get(part(102, 65_528, false, 64));
    // Not a multiple of eight, and nothing at all.
    scene.get(part(103, 0, true, 63));
    scene.get(part(103, 64, true, 0));
    // Two ends.
    scene.get(part(104, 128, false, 64));
    scene.get(part(104, 256, false, 64));
    // The same again, byte for byte, harms nothing.
    let whole = icmp(8, 0, &[9; 100]);
    for (offset, more, len) in [(0, true, 48), (0, true, 48), (48, false, 56)] {
        let ip = Ip { payload: whole.payload[offset..offset + len].to_vec(), ..whole.clone() };
        scene.get(ip.fragment(105, offset, more).frame());
    }
    scene.answer(Answer::Echoes);
    // Half of one, until it is given up.
    scene.get(part(106, 0, true, 64));
    scene.wait(Duration::from_secs(31));
    scene.lasts();
    // Said of those whose beginning is there, which are this one and the last
    // of the forty: the others were displaced or dropped (RFC 1122 §3.3.2).
    scene.answers(Answer::TimeExceeded, 2);
    scene.alive().expect(&[
        ("ipv4", "icmp_errors_tx", 2),
        ("ipv4", "rx_fragment_duplicate", 1),
        ("ipv4", "rx_fragment_length", 2),
        ("ipv4", "rx_fragment_mismatch", 2),
        ("ipv4", "rx_fragment_overlap", 1),
        ("ipv4", "rx_fragment_source_bound", 39),
        ("ipv4", "rx_fragment_timeout", 2),
        ("ipv4", "rx_fragment_too_long", 1),
        ("ipv4", "rx_fragments", 53),
        ("ipv4", "rx_reassembled", 1),
    ])
}

fn sources() -> Scene {
    let mut scene = Scene::new("sources");
    let [all, group, subnet, loopback] =
        [[255; 4], [224, 0, 0, 1], [10, 0, 0, 255], [127, 0, 0, 1]].map(Ipv4Addr::from);
    let syn = Tcp::new(5000, SYN, IRS, 0);
    for src in [Ipv4Addr::UNSPECIFIED, all, group, subnet, loopback, OWN] {
        scene.get(syn.in_ip(syn.ip().from(src)).frame());
        scene.get(ping().from(src).frame());
        scene.get(summed(udp(4711, b"?").from(src), 6).frame());
    }
    // LAND: from the very port.
    let land = Tcp { ports: (80, 80), ..syn.clone() };
    scene.get(land.in_ip(land.ip().from(OWN)).frame());
    for dst in [all, group, subnet] {
        scene.get(syn.in_ip(syn.ip().to(dst)).broadcast());
        scene.get(summed(udp(4711, b"?").to(dst), 6).broadcast());
    }
    // An own address in a frame to all.
    scene.get(syn.ip().broadcast());
    scene.get(ping().broadcast());
    // From a hardware address that no host has; to another host.
    let mut frame = ping().frame();
    frame[6] |= 1;
    scene.get(frame);
    scene.get(ethernet(MacAddr([2, 0, 0, 0, 0, 77]), EtherType::IPV4, &ping().bytes()));
    scene.get(ping().to(Ipv4Addr::new(10, 0, 0, 77)).frame());
    scene.alive().expect(&[
        ("ethernet", "bad_source", 1),
        ("ethernet", "other_host", 1),
        ("ipv4", "rx_link_broadcast", 2),
        ("ipv4", "rx_loopback", 3),
        ("ipv4", "rx_not_local", 1),
        ("ipv4", "rx_own_source", 4),
        ("ipv4", "rx_source", 12),
        ("tcp", "not_unicast", 3),
        ("udp", "rx_no_port", 3),
    ])
}

fn icmp_errors() -> Scene {
    let mut scene = Scene::new("icmp_errors");
    scene.connect(5000, &[2, 4, 5, 0xb4]);
    let data = Tcp::new(5000, ACK | PSH, ISS + 1, IRS + 1).data(&[7; 1400]);
    scene.sends(&data);
    scene.answer(Answer::Data);
    // What a router would quote of that: so many bytes from there.
    let quote = |seq: u32, mtu: u16| {
        let mut segment = Tcp { seq, ..data.clone() };
        segment.ports = (80, 5000);
        let ip = Ip { fragment: 0x4000, ..Ip::new(Protocol::TCP, &[]).from(OWN).to(PEER) };
        let sent = segment.in_ip(ip).bytes();
        [&[0, 0][..], &mtu.to_be_bytes(), &sent[..28]].concat()
    };
    // Forged: no such sequence number is under way, no such connection.
    scene.get(icmp(3, 4, &quote(ISS + 900_000, 600)).frame());
    let mut other = quote(ISS + 1, 600);
    other[25] ^= 1;
    scene.get(icmp(3, 4, &other).frame());
    for mtu in [0, 10, 68] {
        scene.get(icmp(3, 4, &quote(ISS + 1, mtu)).frame());
    }
    // Of no MTU, the next plateau below (RFC 1191 §7): 1006 bytes, which is 966
    // of data. Then the floor of 576, which is 536, and nothing below it.
    scene.answers(Answer::Again, 1400usize.div_ceil(966) + 1400usize.div_ceil(536));
    // Port unreachable does not end an open connection.
    scene.get(icmp(3, 3, &quote(ISS + 1, 0)).frame());
    // Cut short; about an error; a source quench; a redirect.
    scene.get(icmp(3, 4, &quote(ISS + 1, 600)[..10]).frame());
    let error = icmp(3, 1, &[0; 32]).from(OWN).to(PEER).bytes();
    scene.get(icmp(3, 1, &[&[0; 4], &error[..28]].concat()).frame());
    scene.get(icmp(4, 0, &quote(ISS + 1, 0)).frame());
    scene.get(icmp(5, 1, &quote(ISS + 1, 0)).frame());
    // To all: nothing that is to be answered.
    for dst in [[255; 4], [10, 0, 0, 255], [224, 0, 0, 1]] {
        scene.get(ping().to(dst.into()).broadcast());
    }
    scene.get(icmp(8, 0, &[]).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1401).frame());
    scene.alive().expect(&[
        ("ipv4", "icmp_echo_ignored", 3),
        ("ipv4", "icmp_errors_rx", 7),
        ("ipv4", "icmp_ignored", 2),
        ("ipv4", "icmp_truncated", 2),
        ("ipv4", "path_mtu_lowered", 2),
        ("tcp", "accepted", 1),
        ("tcp", "icmp_ignored", 2),
        ("tcp", "icmp_soft", 1),
        ("tcp", "icmp_too_long", 3),
    ])
}

fn arp_lies() -> Scene {
    let mut scene = Scene::new("arp_lies");
    let all = |packet: &[u8]| ethernet(MacAddr::BROADCAST, EtherType::ARP, packet);
    let right = arp(1, (PEER_MAC, PEER), OWN);
    for (at, value) in [(1, 6), (2, 9), (4, 8), (5, 16), (7, 3), (7, 0)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        scene.get(all(&wrong));
    }
    scene.get(all(&right[..27]));
    // Nobody asked.
    let stranger = Ipv4Addr::new(10, 0, 0, 50);
    let spoofed = MacAddr([2, 0, 0, 0, 0, 66]);
    scene.get(ethernet(OWN_MAC, EtherType::ARP, &arp(2, (spoofed, stranger), OWN)));
    // Another answer for a neighbour that is known, at once.
    scene.get(ethernet(OWN_MAC, EtherType::ARP, &arp(2, (spoofed, PEER), OWN)));
    // From groups, from all, from this host.
    scene.get(all(&arp(1, (MacAddr::BROADCAST, PEER), OWN)));
    scene.get(all(&arp(1, (PEER_MAC, Ipv4Addr::BROADCAST), OWN)));
    scene.get(all(&arp(1, (OWN_MAC, PEER), OWN)));
    // Somebody looks whether the address is free: it is defended.
    scene.get(all(&arp(1, (PEER_MAC, Ipv4Addr::UNSPECIFIED), OWN)));
    scene.answer(Answer::IsAt);
    // Somebody has it: it is claimed once more.
    scene.get(all(&arp(2, (spoofed, OWN), OWN)));
    scene.answer(Answer::Announces);
    scene.wait(Duration::from_millis(100));
    scene.alive().expect(&[
        ("ethernet", "arp_bad_sender", 2),
        ("ethernet", "arp_contested", 1),
        ("ethernet", "arp_malformed", 7),
        ("ethernet", "arp_own_mac", 1),
        ("ethernet", "arp_unsolicited", 1),
        ("ethernet", "conflicts", 1),
    ])
}

fn udp_lies() -> Scene {
    let mut scene = Scene::new("udp_lies");
    let with_len = |len: u16| {
        let mut ip = udp(7, b"data");
        ip.payload[4..6].copy_from_slice(&len.to_be_bytes());
        summed(ip, 6).frame()
    };
    for len in [0, 7, 13, 65_535] {
        scene.get(with_len(len));
    }
    // A length below the packet's: the rest is padding.
    scene.get(with_len(10));
    scene.get(Ip::new(Protocol::UDP, &[0; 7]).frame());
    // Closed: told.
    scene.get(udp(4711, b"anybody?").frame());
    scene.answer(Answer::Unreachable(3));
    scene.get(summed(udp(4711, b"?").to([10, 0, 0, 255].into()), 6).broadcast());
    // Nobody takes this protocol; nothing is said to a group of it.
    scene.get(Ip::new(Protocol(99), &[0; 8]).frame());
    scene.answer(Answer::Unreachable(2));
    scene.get(Ip::new(Protocol(99), &[0; 8]).to([224, 0, 0, 1].into()).broadcast());
    // A reset that belongs to nothing.
    scene.get(Tcp::new(5000, RST, 1, 0).frame());
    scene.alive().expect(&[
        ("ipv4", "icmp_errors_tx", 2),
        ("ipv4", "icmp_suppressed", 1),
        ("ipv4", "rx_protocol_unknown", 2),
        ("tcp", "stray", 1),
        ("udp", "rx_checksum", 1),
        ("udp", "rx_malformed", 5),
        ("udp", "rx_no_port", 2),
    ])
}
