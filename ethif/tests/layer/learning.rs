//! What the cache learns from whom, and what it forgets for whom.

use crate::common::*;
use ethif::{Ethif, NeighbourState};
use traits::{Ethernet, LinkCast};
use wire::MacAddr;

fn with_address(net: &Mock) -> Ethif<&Mock> {
    let e = Ethif::connect(net);
    e.add_ipv4(OWN_IP);
    run(&e, secs(3));
    net.take();
    e
}

/// A layer that knows host 1, used a while ago.
fn knowing(net: &Mock) -> Ethif<&Mock> {
    let e = with_address(net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    net.pass(secs(2));
    net.take();
    e
}

#[test]
fn malformed_packets_are_dropped() {
    let net = Mock::new();
    let e = with_address(&net);
    let good = request(1, OWN_IP).frame(OWN);
    // Hardware type, protocol type, hardware length, protocol length,
    // operation.
    for (at, value) in [
        (15, 6),
        (14, 1),
        (16, 0x86),
        (17, 6),
        (18, 0),
        (18, 8),
        (18, 255),
        (19, 0),
        (19, 16),
        (21, 0),
        (21, 3),
        (20, 1),
    ] {
        let mut bad = good.clone();
        bad[at] = value;
        input(&e, &bad);
    }
    assert_eq!(e.statistics().arp_malformed, 12);
    for len in 14..42 {
        input(&e, &good[..len]);
    }
    assert_eq!(e.statistics().arp_malformed, 12 + 28);
    assert_eq!(neighbours(&e), 0);
    assert!(net.take().is_empty());
}

#[test]
fn senders_that_no_host_can_be_are_dropped() {
    let net = Mock::new();
    let e = with_address(&net);
    let bad = [
        (MacAddr::BROADCAST, ip(1)),
        (MacAddr::ZERO, ip(1)),
        (MacAddr([1, 0, 0x5e, 0, 0, 1]), ip(1)),
        (mac(1), [127, 0, 0, 1].into()),
        (mac(1), [224, 0, 0, 1].into()),
        (mac(1), [255, 255, 255, 255].into()),
        (mac(1), [0, 0, 0, 1].into()),
    ];
    for sender in bad {
        let mut bytes = Arp { sender, ..request(1, OWN_IP) }.frame(OWN);
        bytes[6..12].copy_from_slice(&mac(1).0);
        input(&e, &bytes);
    }
    assert_eq!(e.statistics().arp_bad_sender, bad.len() as u64);
    assert_eq!(neighbours(&e), 0);
    assert!(net.take().is_empty());
}

#[test]
fn own_packets_that_come_back_are_dropped() {
    let net = Mock::new();
    let e = with_address(&net);
    for ip in [OWN_IP, ip(1)] {
        let arp = Arp { op: 1, sender: (OWN, ip), target: (MacAddr::ZERO, OWN_IP) };
        input(&e, &arp.frame(MacAddr::BROADCAST));
    }
    assert_eq!(e.statistics().arp_own_mac, 2);
    assert_eq!((e.statistics().conflicts, neighbours(&e)), (0, 0));
    assert!(net.take().is_empty());
}

#[test]
fn what_nobody_asked_for_is_not_learnt() {
    let net = Mock::new();
    let e = with_address(&net);
    input(&e, &reply(1).frame(OWN));
    input(&e, &request(1, ip(1)).frame(MacAddr::BROADCAST));
    input(&e, &request(1, ip(7)).frame(MacAddr::BROADCAST));
    input(&e, &Arp { op: 2, ..request(1, ip(1)) }.frame(MacAddr::BROADCAST));
    assert_eq!((e.statistics().arp_unsolicited, neighbours(&e)), (4, 0));
}

#[test]
fn a_question_to_this_host_is_learnt_from() {
    let net = Mock::new();
    let e = with_address(&net);
    input(&e, &request(1, OWN_IP).frame(MacAddr::BROADCAST));
    assert_eq!(state(&e, 1), Some(NeighbourState::Stale));
    net.take();
    // So a ping is answered without asking.
    send(&e, 1, b"pong").unwrap();
    assert_eq!(payloads(&net.take()), [b"pong"]);
    // But it has not been seen to answer yet.
    run(&e, secs(5));
    assert_eq!(arps(&net.take()).len(), 1);
}

#[test]
fn a_probe_teaches_nothing() {
    let net = Mock::new();
    let e = with_address(&net);
    let probe = Arp { op: 1, sender: (mac(1), [0, 0, 0, 0].into()), target: (MacAddr::ZERO, OWN_IP) };
    input(&e, &probe.frame(MacAddr::BROADCAST));
    assert_eq!(neighbours(&e), 0);
    assert_eq!(arps(&net.take())[0].2.op, 2, "it is answered");
}

#[test]
fn gratuitous_arp_updates_an_entry() {
    let net = Mock::new();
    let e = knowing(&net);
    let moved = Arp { op: 1, sender: (mac(9), ip(1)), target: (MacAddr::ZERO, ip(1)) };
    input(&e, &moved.frame(MacAddr::BROADCAST));
    assert_eq!(neighbour(&e, 1).unwrap().mac, Some(mac(9)));
    send(&e, 1, b"x").unwrap();
    assert_eq!(destination(&net.take()[0]), mac(9));
    // Anybody can say so: it is asked whether it is there.
    run(&e, secs(5));
    assert_eq!(arps(&net.take())[0].1, mac(9));
}

#[test]
fn the_same_address_again_changes_nothing() {
    let net = Mock::new();
    let e = knowing(&net);
    for op in [1, 2] {
        input(&e, &Arp { op, ..request(1, ip(1)) }.frame(MacAddr::BROADCAST));
        input(&e, &Arp { op, ..request(1, OWN_IP) }.frame(OWN));
        assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    }
}

#[test]
fn of_two_who_claim_an_address_the_first_holds_it_for_a_second() {
    let net = Mock::new();
    let e = with_address(&net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    let second = Arp { sender: (mac(9), ip(1)), ..reply(1) };
    input(&e, &second.frame(OWN));
    net.pass(millis(999));
    input(&e, &second.frame(OWN));
    assert_eq!(e.statistics().arp_contested, 2);
    assert_eq!(neighbour(&e, 1).unwrap().mac, Some(mac(1)));
    net.pass(millis(1));
    input(&e, &second.frame(OWN));
    assert_eq!(neighbour(&e, 1).unwrap().mac, Some(mac(9)));
    assert_eq!(state(&e, 1), Some(NeighbourState::Stale), "to be looked at");
}

#[test]
fn an_unsolicited_reply_does_not_keep_an_entry_reachable() {
    let net = Mock::new();
    let e = knowing(&net);
    for _ in 0..10 {
        net.pass(secs(5));
        input(&e, &Arp { op: 2, ..request(1, ip(1)) }.frame(MacAddr::BROADCAST));
    }
    assert_eq!(state(&e, 1), Some(NeighbourState::Stale));
}

/// Distinct hosts, each with an address of its own.
fn stranger(n: u32, target: std::net::Ipv4Addr) -> Arp {
    let [_, b, c, d] = n.to_be_bytes();
    Arp {
        op: 1,
        sender: (MacAddr([2, 1, 1, b, c, d]), [10, 0x80 | b, c, d].into()),
        target: (MacAddr::ZERO, target),
    }
}

#[test]
fn a_full_cache_does_not_learn_from_questions() {
    let net = Mock::new();
    let e = Ethif::<_, 4, 4>::with_capacity(&net);
    e.add_ipv4(OWN_IP);
    for n in 1..=4 {
        input(&e, &request(n, OWN_IP).frame(OWN));
        send(&e, n, b"in use").unwrap();
    }
    input(&e, &request(5, OWN_IP).frame(OWN));
    assert_eq!(e.statistics().arp_cache_full, 1);
    assert_eq!(state(&e, 5), None);
    // But it is answered, and may be asked for.
    assert_eq!(e.statistics().arp_answered, 5);
    net.pass(secs(1));
    send(&e, 5, b"x").unwrap();
    assert!(state(&e, 5).is_some());
    assert_eq!(state(&e, 1), None, "the one not used for longest made room");
    assert_eq!(e.statistics().neighbours_evicted, 1);
}

#[test]
fn a_flood_of_questions_leaves_what_is_in_use() {
    let net = Mock::new();
    let e = knowing(&net);
    for n in 2..30 {
        send(&e, n, b"x").unwrap();
        answer(&e, n);
    }
    // And one that is being resolved.
    send(&e, 200, b"waiting").unwrap();
    for n in 0..100_000 {
        input(&e, &stranger(n, OWN_IP).frame(MacAddr::BROADCAST));
        assert!(n % 100 != 0 || neighbours(&e) <= 64);
    }
    for n in 1..30 {
        assert_eq!(state(&e, n), Some(NeighbourState::Reachable));
    }
    net.take();
    answer(&e, 200);
    assert_eq!(payloads(&net.take()), [b"waiting"]);
}

#[test]
fn a_flood_of_random_arp_is_bounded() {
    let net = Mock::new();
    let e = knowing(&net);
    let mut seed = 1_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u32
    };
    for n in 0..100_000 {
        let target = if random() % 2 == 0 { OWN_IP } else { ip(random() as u8) };
        let mut arp = stranger(random(), target);
        arp.op = if random() % 2 == 0 { 1 } else { 2 };
        arp.target.0 = if random() % 2 == 0 { OWN } else { MacAddr::ZERO };
        input(&e, &arp.frame(if random() % 2 == 0 { OWN } else { MacAddr::BROADCAST }));
        if n % 64 == 0 {
            assert!(neighbours(&e) <= 64);
            net.pass(millis(1));
            poll(&e);
            net.take();
        }
    }
    assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    send(&e, 1, b"alive").unwrap();
    assert_eq!(payloads(&net.take()), [b"alive"]);
}

#[test]
fn arp_is_never_handed_up() {
    let net = Mock::new();
    let e = with_address(&net);
    let bytes = request(1, OWN_IP).frame(OWN);
    let labels = ethif::listeners()
        .ipv4(|_| panic!("ipv4"))
        .ipv6(|_| panic!("ipv6"))
        .other(|_, p| panic!("other {:?}", p.meta.link == LinkCast::Host));
    e.input(bytes.as_slice().into(), labels);
}

#[test]
fn the_neighbour_not_used_for_longest_makes_room() {
    let net = Mock::new();
    let e = Ethif::<_, 4, 4>::with_capacity(&net);
    for n in 1..=4 {
        send(&e, n, b"x").unwrap();
        answer(&e, n);
        net.pass(millis(1));
    }
    // The same neighbour again and again, and the first of all before it.
    for n in [1, 4, 4, 4] {
        send(&e, n, b"x").unwrap();
        net.pass(millis(1));
    }
    for n in [2, 3, 1] {
        send(&e, 100 + n, b"x").unwrap();
        answer(&e, 100 + n);
        net.pass(millis(1));
        send(&e, 4, b"x").unwrap();
        assert_eq!(state(&e, n), None);
        assert_eq!(state(&e, 4), Some(NeighbourState::Reachable));
    }
}

#[test]
fn a_host_that_is_asked_for_does_not_make_room_for_another() {
    let net = Mock::new();
    let e = Ethif::<_, 4, 4>::with_capacity(&net);
    let mut query = std::pin::pin!(e.query_arpv4(ip(9)));
    assert!(once(query.as_mut()).is_pending());
    for n in 1..=3 {
        net.pass(millis(1));
        send(&e, n, b"x").unwrap();
        answer(&e, n);
    }
    send(&e, 4, b"x").unwrap();
    assert_eq!(state(&e, 9), Some(NeighbourState::Incomplete));
    assert_eq!(state(&e, 1), None);
}

#[test]
fn an_answer_to_another_does_not_prove_that_the_host_hears_us() {
    let net = Mock::new();
    let e = with_address(&net);
    send(&e, 1, b"x").unwrap();
    input(&e, &Arp { op: 2, sender: (mac(1), ip(1)), target: (mac(7), ip(7)) }.frame(MacAddr::BROADCAST));
    assert_eq!(payloads(&net.take()), [b"x"]);
    assert_eq!(state(&e, 1), Some(NeighbourState::Delay));
}
