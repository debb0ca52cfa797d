//! Against the DHCP client.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Answer, Scene};
use crate::frames::{Ip, OWN, OWN_MAC, PEER_MAC, ping, summed};
use fata::traits::{EtherType, MacAddr, Protocol};
use netif_pcap::Direction;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The transaction, as far as the scene knows.
const XID: u32 = 0x1122_3344;

pub(super) fn scenes() -> Vec<Scene> {
    vec![offers(), naks(), vanishes(), names()]
}

/// The fixed part of a message, with the options after it.
fn message(operation: u8, xid: u32, chaddr: MacAddr, options: &[u8]) -> Vec<u8> {
    let mut message = vec![operation, 1, 6, 0];
    message.extend(xid.to_be_bytes());
    message.extend([0, 0, 0x80, 0]);
    message.extend([0; 4]);
    message.extend(if operation == 2 { OWN.octets() } else { [0; 4] });
    message.extend([0; 8]);
    message.extend(chaddr.0);
    message.extend([0; 10 + 64 + 128]);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

fn datagram(ports: (u16, u16), src: Ipv4Addr, message: &[u8]) -> Ip {
    let mut bytes = Vec::new();
    for word in [ports.0, ports.1, (8 + message.len()) as u16, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes.extend(message);
    summed(Ip::new(Protocol::UDP, &bytes).from(src).to(Ipv4Addr::BROADCAST), 6)
}

/// What a server says, and what else is in it.
fn says(kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let server = [&[53, 1, kind, 54, 4][..], &SERVER.octets()].concat();
    [server, rest.concat()].concat()
}

const LEASE: &[u8] = &[51, 4, 0, 0, 0, 200];
const MASK: &[u8] = &[1, 4, 255, 255, 255, 0];
const END: &[u8] = &[255];

fn reply(options: &[u8]) -> Vec<u8> {
    datagram((67, 68), SERVER, &message(2, XID, OWN_MAC, options)).broadcast()
}

/// The client sends a message of the exchange `xid`; what else is in it is its
/// own.
fn asks(scene: &mut Scene, xid: u32, kind: u8) {
    let src = Ipv4Addr::UNSPECIFIED;
    let mut frame = datagram((68, 67), src, &message(1, xid, OWN_MAC, &[53, 1, kind, 255])).broadcast();
    frame[6..12].copy_from_slice(&OWN_MAC.0);
    scene.push(Direction::Outbound, frame);
}

/// From the server, in the exchange `xid`.
fn tells(scene: &mut Scene, xid: u32, options: &[u8]) {
    scene.get(datagram((67, 68), SERVER, &message(2, xid, OWN_MAC, options)).broadcast());
}

/// The kinds of a client's messages.
const DISCOVERS: Answer = Answer::Dhcp(1);
const REQUESTS: Answer = Answer::Dhcp(3);

/// T1 after 20 s, T2 after 100 s, the end after 200 s.
const TIMES: &[u8] = &[51, 4, 0, 0, 0, 200, 58, 4, 0, 0, 0, 20, 59, 4, 0, 0, 0, 100];

/// An exchange that leads to a lease.
fn leased(scene: &mut Scene, xid: u32) {
    asks(scene, xid, 1);
    scene.wait(Duration::from_millis(50));
    tells(scene, xid, &says(2, &[TIMES, MASK, END]));
    scene.wait(Duration::from_millis(50));
    tells(scene, xid, &says(5, &[TIMES, MASK, END]));
    scene.wait(Duration::from_secs(1));
    binds(scene);
}

/// What an exchange is that leads to a lease: two messages, and the address is
/// looked for and announced (RFC 2131 §4.4.1).
fn binds(scene: &mut Scene) {
    for answer in [DISCOVERS, REQUESTS, Answer::Probes, Answer::Announces] {
        scene.answer(answer);
    }
}

/// Is the address there again?
fn is_back(mut scene: Scene) -> Scene {
    let asks = super::arp(1, (PEER_MAC, super::PEER), OWN);
    scene.get(super::ethernet(MacAddr::BROADCAST, EtherType::ARP, &asks));
    scene.answer(Answer::IsAt);
    scene.alive()
}

/// Refusals while there is a lease: where nothing was asked, and on renewal.
fn naks() -> Scene {
    let mut scene = Scene::empty("dhcp_naks");
    leased(&mut scene, XID);
    // In BOUND.
    for xid in [XID, XID ^ 7] {
        tells(&mut scene, xid, &says(6, &[END]));
    }
    // In RENEWING: of another exchange, of another server, and its own.
    scene.wait(Duration::from_secs(20));
    scene.lasts();
    asks(&mut scene, XID + 1, 3);
    scene.answer(REQUESTS);
    scene.wait(Duration::from_millis(50));
    tells(&mut scene, XID, &says(6, &[END]));
    tells(&mut scene, XID + 1, &[53, 1, 6, 54, 4, 10, 0, 0, 77, 255]);
    tells(&mut scene, XID + 1, &says(6, &[END]));
    scene.wait(Duration::from_millis(50));
    scene.get(ping().frame());
    scene.wait(Duration::from_millis(50));
    leased(&mut scene, XID + 2);
    is_back(scene).expect(&[("dhcp", "bound", 2), ("dhcp", "naks", 1)])
}

/// Names in a search list (option 119) that lead nowhere, or never to an end:
/// with the lease, and with each renewal of it.
fn names() -> Scene {
    let long = [&[63][..], &[b'x'; 63]].concat();
    let mut hops = b"\x01a\0".to_vec();
    let mut last = 0;
    for _ in 0..30 {
        let at = hops.len() as u8;
        hops.extend([1, b'b', 0xc0, last]);
        last = at;
    }
    let lists = [
        // To itself, right after a name that is right.
        b"\x07example\x03org\0\x01a\xc0\x0f".to_vec(),
        // Forward; past the end; neither label nor pointer: more than 63 bytes.
        b"\x01a\xc0\x04\x01b\0".to_vec(),
        b"\x01a\xc0\x40".to_vec(),
        [&[64][..], &[b'x'; 64], &[0]].concat(),
        // More than 255 bytes.
        [&long.repeat(4)[..], &[0]].concat(),
        // Through each name to the one before.
        hops,
    ];
    let mut scene = Scene::empty("dhcp_names");
    asks(&mut scene, XID, 1);
    scene.wait(Duration::from_millis(50));
    tells(&mut scene, XID, &says(2, &[TIMES, MASK, END]));
    binds(&mut scene);
    scene.lasts();
    for (xid, list) in (XID..).zip(lists) {
        // Renewed at T1.
        if xid != XID {
            scene.wait(Duration::from_secs(20));
            asks(&mut scene, xid, 3);
            scene.answer(REQUESTS);
        }
        scene.wait(Duration::from_millis(50));
        // What does not fit into one option stands in several (RFC 3396).
        let options = list.chunks(255).flat_map(|part| [&[119, part.len() as u8], part].concat());
        let options: Vec<_> = options.collect();
        tells(&mut scene, xid, &says(5, &[TIMES, MASK, &options, END]));
        scene.wait(Duration::from_millis(500));
    }
    // One list each was cut, and the lease taken all the same.
    is_back(scene).expect(&[("dhcp", "bound", 1), ("dhcp", "renewed", 5), ("dhcp", "cut", 6)])
}

/// The server is gone until after the lease's end.
fn vanishes() -> Scene {
    let mut scene = Scene::empty("dhcp_vanishes");
    leased(&mut scene, XID);
    scene.lasts();
    // Half of what is left until T2, at 100 s, and until the end, at 200 s, but
    // no less than ten seconds: from 20 s on at 20, 60, 80 and 92.5 s, then at
    // 100, 150, 175 and 187.5 s.
    scene.answers(REQUESTS, 4 + 4);
    for (seconds, xid) in [(20, XID + 1), (80, XID + 2), (100, XID + 3)] {
        scene.wait(Duration::from_secs(seconds));
        asks(&mut scene, xid, 3);
    }
    scene.wait(Duration::from_secs(1));
    // Nobody has the address now.
    scene.get(ping().frame());
    scene.wait(Duration::from_millis(50));
    tells(&mut scene, XID + 3, &says(2, &[TIMES, MASK, END]));
    scene.wait(Duration::from_millis(50));
    tells(&mut scene, XID + 3, &says(5, &[TIMES, MASK, END]));
    scene.wait(Duration::from_secs(1));
    binds(&mut scene);
    is_back(scene).expect(&[("dhcp", "bound", 2), ("dhcp", "expired", 1)])
}

fn offers() -> Scene {
    let mut scene = Scene::empty("dhcp_offers");
    let asks = datagram((68, 67), Ipv4Addr::UNSPECIFIED, &message(1, XID, OWN_MAC, &[53, 1, 1, 255]));
    let mut frame = asks.broadcast();
    frame[6..12].copy_from_slice(&OWN_MAC.0);
    scene.push(Direction::Outbound, frame);
    scene.wait(Duration::from_millis(100));
    // Not for this client, not of this exchange.
    let good = says(2, &[LEASE, MASK, END]);
    scene.get(datagram((67, 68), SERVER, &message(2, XID ^ 1, OWN_MAC, &good)).broadcast());
    scene.get(datagram((67, 68), SERVER, &message(2, XID, PEER_MAC, &good)).broadcast());
    scene.get(datagram((67, 68), SERVER, &message(1, XID, OWN_MAC, &good)).broadcast());
    // Cut short; no cookie; an option past the end.
    let whole = message(2, XID, OWN_MAC, &good);
    for len in [0, 100, 236, 240, 243] {
        scene.get(datagram((67, 68), SERVER, &whole[..len]).broadcast());
    }
    scene.get(reply(&says(2, &[LEASE, &[1, 200, 255]])));
    // Fields that hold options, which hold such an option again.
    scene.get(reply(&says(2, &[&[52, 1, 3], &[52, 1, 3], LEASE, &[52, 255]])));
    // A refusal of what was not asked for; an acknowledgement of it.
    scene.get(reply(&says(6, &[END])));
    scene.get(reply(&says(5, &[LEASE, MASK, END])));
    // No lease time, one of nothing.
    scene.get(reply(&says(2, &[MASK, END])));
    scene.get(reply(&says(2, &[&[51, 4, 0, 0, 0, 0], MASK, END])));
    // Times the wrong way round, no mask, no END, fifty name servers: of use.
    let servers = [&[6, 200][..], &[8; 200]].concat();
    let odd = [LEASE, &[58, 4, 0, 0, 1, 200], &[59, 4, 0, 0, 0, 5], &servers];
    scene.get(reply(&says(2, &odd)));
    scene.wait(Duration::from_millis(50));
    scene.get(reply(&says(5, &odd)));
    binds(&mut scene);
    scene.lasts();
    // Times of no use: the lease is asked for again after T1, and of all
    // servers after T2.
    scene.answers(REQUESTS, 2);
    scene.wait(Duration::from_secs(5));
    let frame =
        super::ethernet(MacAddr::BROADCAST, EtherType::ARP, &super::arp(1, (PEER_MAC, super::PEER), OWN));
    scene.get(frame);
    scene.answer(Answer::IsAt);
    scene.get(ping().frame());
    scene.answer(Answer::Echoes);
    scene.expect(&[
        ("dhcp", "bound", 1),
        ("dhcp", "cut", 46),
        ("dhcp", "rx_invalid", 1),
        ("dhcp", "rx_malformed", 6),
        ("dhcp", "rx_other_client", 2),
        ("dhcp", "rx_other_exchange", 1),
        ("dhcp", "rx_unexpected", 4),
    ])
}
