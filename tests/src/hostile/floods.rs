//! Floods: each goes beyond a bound of the stack's, which counts what it drops
//! there and goes on to serve who means well.

use std::net::Ipv4Addr;
use std::time::Duration;

use fata::traits::{EtherType, MacAddr, Protocol};
use netif_pcap::Direction;

use super::{Answer, IRS, ISS, Scene, USUAL};
use crate::frames::{ACK, Ip, OWN, OWN_MAC, PSH, SYN, Tcp, arp, ethernet, icmp, ping, udp};

pub(super) fn scenes() -> Vec<Scene> {
    vec![arp_flood(), dead_hosts(), fragment_flood(), udp_flood(), syn_flood(), tiny_segments()]
}

/// A host of the attacker's, and its hardware address.
fn host(n: u8) -> (MacAddr, Ipv4Addr) {
    (MacAddr([2, 0, 0, 0, 1, n]), [10, 0, 0, n].into())
}

/// A frame from a host of the attacker's.
fn from((mac, _): (MacAddr, Ipv4Addr), mut frame: Vec<u8>) -> Vec<u8> {
    frame[6..12].copy_from_slice(&mac.0);
    frame
}

fn asks(n: u8) -> Vec<u8> {
    from(host(n), ethernet(MacAddr::BROADCAST, EtherType::ARP, &arp(1, host(n), OWN)))
}

/// More neighbours than have a place, which is 64: those that are talked to
/// stay, who only asks is answered and not kept.
fn arp_flood() -> Scene {
    let mut scene = Scene::new("arp_flood");
    scene.get(ping().frame());
    scene.answer(Answer::Echoes);
    for n in 100..163 {
        scene.get(asks(n));
        scene.answer(Answer::IsAt);
        scene.answer(Answer::Echoes);
        scene.get_too(from(host(n), ping().from(host(n).1).frame()));
    }
    for n in 163..193 {
        scene.get(asks(n));
        scene.answer(Answer::IsAt);
    }
    scene.served().expect(&[("ethernet", "arp_answered", 95), ("ethernet", "arp_cache_full", 31)])
}

/// Packets are owed to hosts that do not answer ARP: one has half of the 16
/// places for them at most, and one that answers gets its own all the same.
fn dead_hosts() -> Scene {
    let mut scene = Scene::new("dead_hosts");
    let ask = |scene: &mut Scene, n| {
        let asked = arp(1, (OWN_MAC, OWN), host(n).1);
        let mut frame = ethernet(MacAddr::BROADCAST, EtherType::ARP, &asked);
        frame[6..12].copy_from_slice(&OWN_MAC.0);
        scene.push(Direction::Outbound, frame);
    };
    for (n, packets) in [(66, 12), (67, 8)] {
        for _ in 0..packets {
            scene.get(from(host(n), ping().from(host(n).1).frame()));
        }
        ask(&mut scene, n);
        // A second apart, three times.
        scene.answers(Answer::Asks, 3);
    }
    scene.get(from(host(68), ping().from(host(68).1).frame()));
    ask(&mut scene, 68);
    scene.answer(Answer::Asks);
    scene.get(from(host(68), ethernet(OWN_MAC, EtherType::ARP, &arp(2, host(68), OWN))));
    scene.answer(Answer::Echoes);
    scene.wait(Duration::from_millis(3500));
    scene.lasts();
    // Whoever has just failed is not asked again at once.
    scene.get(from(host(66), ping().from(host(66).1).frame()));
    scene.served().expect(&[
        ("ethernet", "neighbours_failed", 2),
        ("ethernet", "parked", 17),
        ("ethernet", "parked_displaced", 1),
        ("ethernet", "parked_sent", 1),
        ("ethernet", "parked_unanswered", 15),
        ("ethernet", "refused_failed", 1),
        ("ethernet", "refused_host_bound", 4),
        ("ipv4", "icmp_tx_failed", 5),
    ])
}

/// Beginnings of packets from twenty sources, beyond the four that there is
/// room for, and more from each than its half: a packet whose fragments keep
/// coming is made whole all the same.
fn fragment_flood() -> Scene {
    let mut scene = Scene::new("fragment_flood");
    let good = icmp(8, 0, &[9; 100]);
    let begin = |n: u8, id| Ip::new(Protocol::ICMP, &[0x5a; 64]).from(host(n).1).fragment(id, 0, true).frame();
    for round in 0..13 {
        let (at, len) = (8 * round, 8.min(good.payload.len() - 8 * round));
        let part = Ip { payload: good.payload[at..at + len].to_vec(), ..good.clone() };
        scene.get(part.fragment(500, at, round < 12).frame());
        for n in [0, 1] {
            scene.get(begin(20 + 2 * round as u8 + n, 1));
        }
    }
    scene.answer(Answer::Echoes);
    for id in 2..8 {
        scene.get(begin(60, id));
    }
    scene.served().expect(&[
        ("ipv4", "icmp_echo_answered", 2),
        ("ipv4", "rx_fragment_evicted", 24),
        ("ipv4", "rx_fragment_source_bound", 4),
        ("ipv4", "rx_reassembled", 1),
    ])
}

/// Datagrams to a closed port at once: more than the 50 that may be answered
/// in a burst. What each answer takes of that is random, from nothing to
/// twice its share: the figures are four deviations to either side.
fn udp_flood() -> Scene {
    let mut scene = Scene::new("udp_flood");
    scene.wait(Duration::from_millis(1));
    for _ in 0..120 {
        scene.get_too(udp(4711, b"anybody?").frame());
    }
    scene.answers_about(Answer::Unreachable(3), 27, 73);
    scene.served().expect(&[("udp", "rx_no_port", 120)])
}

/// SYNs from everywhere, beyond the half-open entries that there are: cookies
/// take their place.
fn syn_flood() -> Scene {
    let mut scene = Scene::new("syn_flood");
    scene.options.limits.half_open = 16;
    for n in 0..60u16 {
        let src = [10, 0, 0, 20 + n as u8].into();
        let syn = Tcp::new(1000 + 7 * n, SYN, u32::from(n) * 7919, 0);
        scene.get(syn.in_ip(Ip::new(Protocol::TCP, &[]).from(src)).frame());
        scene.answer(Answer::Accepts);
    }
    // A cookie that was never given.
    let forged = Tcp::new(1500, ACK, IRS, 12_345);
    scene.get(forged.in_ip(Ip::new(Protocol::TCP, &[]).from([10, 0, 0, 20].into())).frame());
    scene.answer(Answer::Resets);
    // The one who means well gets a cookie too.
    scene.served().expect(&[
        ("tcp", "accepted", 1),
        ("tcp", "cookies_accepted", 1),
        ("tcp", "cookies_refused", 1),
        ("tcp", "cookies_sent", 45),
    ])
}

/// Tiny segments out of order, beyond the 1024 holes that have a place. They
/// come at once, in batches of the replay's, each of which is acknowledged.
fn tiny_segments() -> Scene {
    let mut scene = Scene::new("tiny_segments");
    scene.connect(5000, &USUAL);
    scene.wait(Duration::from_millis(1));
    const SEGMENTS: u32 = 1032;
    for n in 0..SEGMENTS {
        scene.get_too(Tcp::new(5000, ACK, IRS + 3 + 2 * n, ISS + 1).data(b"x").frame());
    }
    scene.answers(Answer::Acknowledges, SEGMENTS.div_ceil(64) as usize);
    for at in [0, 1400] {
        let data = Tcp::new(5000, ACK | PSH, IRS + 1 + at, ISS + 1).data(&[b'x'; 1400]);
        scene.get(data.frame());
        scene.answer(Answer::Acknowledges);
    }
    scene.served().expect(&[("tcp", "accepted", 2), ("tcp", "beyond_window", 8)])
}
