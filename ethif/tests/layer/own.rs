//! Own addresses: answered for, announced, defended, given up.

use std::pin::pin;
use std::task::Poll;

use crate::common::*;
use ethif::{Ethif, NeighbourState};
use traits::{Conflict, Ethernet};
use wire::MacAddr;

fn announcement() -> Arp {
    Arp { op: 1, sender: (OWN, OWN_IP), target: (MacAddr::ZERO, OWN_IP) }
}

/// Host 9 says that it has this host's address.
fn claim(op: u16) -> Arp {
    Arp { op, sender: (mac(9), OWN_IP), target: (MacAddr::ZERO, OWN_IP) }
}

#[test]
fn an_address_is_announced_twice_two_seconds_apart() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    assert!(e.add_ipv4(OWN_IP));
    run(&e, secs(20));
    let all = MacAddr::BROADCAST;
    assert_eq!(arps(&net.take()), [(0, all, announcement()), (2000, all, announcement())]);
}

#[test]
fn an_address_that_is_there_already_is_not_announced_again() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    assert!(e.add_ipv4(OWN_IP) && e.add_ipv4(OWN_IP));
    run(&e, secs(20));
    assert_eq!(net.take().len(), 2);
    // Unless it was given up.
    e.remove_ipv4(OWN_IP);
    assert!(e.add_ipv4(OWN_IP));
    assert_eq!(net.take().len(), 1);
}

/// A host looks for an address, takes it, gives it up and looks again, all
/// within the second between two requests: the second look asks as the first
/// did, and nothing of the first is repeated.
#[test]
fn what_was_known_of_an_address_is_forgotten_when_it_is_taken() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let asked = Arp { op: 1, sender: (OWN, std::net::Ipv4Addr::UNSPECIFIED), target: (MacAddr::ZERO, OWN_IP) };
    for _ in 0..2 {
        let mut query = pin!(e.query_arpv4(OWN_IP));
        assert!(once(query.as_mut()).is_pending());
        assert_eq!(arps(&net.take()), [(0, MacAddr::BROADCAST, asked)]);
        assert!(e.add_ipv4(OWN_IP));
        assert_eq!(once(query.as_mut()), Poll::Ready(Ok(OWN)));
        assert_eq!(arps(&net.take()), [(0, MacAddr::BROADCAST, announcement())]);
        e.remove_ipv4(OWN_IP);
    }
    run(&e, secs(20));
    assert_eq!(net.take().len(), 0);
}

#[test]
fn an_announcement_waits_for_room() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    net.set_room(0);
    e.add_ipv4(OWN_IP);
    run(&e, secs(5));
    net.set_room(9);
    run(&e, secs(5));
    assert_eq!(arps(&net.take()).len(), 2);
}

#[test]
fn questions_are_answered_to_the_asker() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.add_ipv4(OWN_IP);
    net.take();
    for to in [MacAddr::BROADCAST, OWN] {
        input(&e, &request(1, OWN_IP).frame(to));
        let sent = net.take().remove(0);
        assert_eq!(destination(&sent), mac(1));
        assert_eq!(Arp::of(&sent), Some(Arp { op: 2, sender: (OWN, OWN_IP), target: (mac(1), ip(1)) }));
        assert!(sent.meta.more(), "within a batch of the driver");
    }
    assert_eq!(e.statistics().arp_answered, 2);
}

#[test]
fn questions_for_others_are_not_answered() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    input(&e, &request(1, OWN_IP).frame(MacAddr::BROADCAST));
    e.add_ipv4(OWN_IP);
    e.remove_ipv4(OWN_IP);
    net.take();
    for target in [OWN_IP, ip(1), ip(7), [0, 0, 0, 0].into(), [255, 255, 255, 255].into()] {
        input(&e, &request(1, target).frame(MacAddr::BROADCAST));
    }
    // Replies are no questions.
    e.add_ipv4(OWN_IP);
    net.take();
    input(&e, &reply(1).frame(OWN));
    assert!(net.take().is_empty());
}

#[test]
fn an_answer_that_the_device_has_no_room_for_is_counted() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.add_ipv4(OWN_IP);
    net.set_room(0);
    input(&e, &request(1, OWN_IP).frame(OWN));
    assert_eq!((e.statistics().arp_answered, e.statistics().arp_answer_lost), (0, 1));
}

#[test]
fn eight_addresses_at_most() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for n in 1..=8 {
        assert!(e.add_ipv4(ip(n)));
    }
    assert!(!e.add_ipv4(ip(9)));
    assert!(e.add_ipv4(ip(8)));
    e.remove_ipv4(ip(3));
    assert!(e.add_ipv4(ip(9)));
    net.take();
    for (n, answers) in [(3, 0), (8, 1), (9, 1)] {
        input(&e, &request(100, ip(n)).frame(MacAddr::BROADCAST));
        assert_eq!(net.take().len(), answers, "{n}");
    }
}

#[test]
fn what_no_host_can_have_is_not_taken() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255]] {
        assert!(!e.add_ipv4(address.into()));
    }
    assert!(net.take().is_empty());
}

#[test]
fn an_address_is_defended_once_in_ten_seconds() {
    for op in [1, 2] {
        let net = Mock::new();
        let e = Ethif::connect(&net);
        e.add_ipv4(OWN_IP);
        run(&e, secs(5));
        net.take();
        for _ in 0..5 {
            input(&e, &claim(op).frame(MacAddr::BROADCAST));
            let defence = arps(&net.take());
            assert_eq!(defence.len(), 1);
            assert_eq!((defence[0].1, defence[0].2), (MacAddr::BROADCAST, announcement()));
            run(&e, secs(10));
            assert!(net.take().is_empty());
        }
        assert_eq!((e.statistics().conflicts, e.statistics().addresses_lost), (5, 0));
        assert_eq!(once(pin!(e.conflict())), Poll::Pending);
        assert_eq!(neighbours(&e), 0, "a claim is not learnt");
    }
}

#[test]
fn a_second_claim_within_ten_seconds_takes_the_address() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.add_ipv4(OWN_IP);
    run(&e, secs(5));
    let mut conflict = pin!(e.conflict());
    let (count, waker) = Count::new();
    let mut context = std::task::Context::from_waker(&waker);
    assert_eq!(conflict.as_mut().poll(&mut context), Poll::Pending);
    input(&e, &claim(1).frame(MacAddr::BROADCAST));
    net.pass(millis(9_999));
    assert_eq!(count.get(), 0);
    net.take();
    input(&e, &claim(1).frame(MacAddr::BROADCAST));
    assert_eq!(count.get(), 1);
    let expected = Conflict { address: OWN_IP, other: mac(9) };
    assert_eq!(conflict.as_mut().poll(&mut context), Poll::Ready(expected));
    // It is in use no more.
    assert!(net.take().is_empty());
    input(&e, &request(1, OWN_IP).frame(MacAddr::BROADCAST));
    run(&e, secs(20));
    assert!(net.take().is_empty());
    assert_eq!(e.statistics().addresses_lost, 1);
    // Told once.
    assert_eq!(once(pin!(e.conflict())), Poll::Pending);
    // Its new holder is a neighbour like any other.
    send_to(&e, OWN_IP, b"x").unwrap();
    input(&e, &claim(1).frame(MacAddr::BROADCAST));
    assert_eq!(payloads(&net.take()), [b"x"]);
    assert_eq!(state(&e, 254), Some(NeighbourState::Delay));
}

/// Whoever waits no more is as if he had never waited.
#[test]
fn an_address_is_kept_where_nobody_would_find_another() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    assert_eq!(once(pin!(e.conflict())), Poll::Pending);
    e.add_ipv4(OWN_IP);
    run(&e, secs(5));
    net.take();
    for second in 0..30 {
        input(&e, &claim(1).frame(MacAddr::BROADCAST));
        // One word in ten seconds, however often it is claimed.
        let said = arps(&net.take());
        assert_eq!(said.len(), usize::from(second % 10 == 0), "second {second}");
        assert!(said.iter().all(|(_, _, arp)| *arp == announcement()));
        run(&e, secs(1));
    }
    input(&e, &request(1, OWN_IP).frame(MacAddr::BROADCAST));
    assert_eq!(net.take().len(), 1, "it is still answered for");
    assert_eq!((e.statistics().conflicts, e.statistics().addresses_lost), (30, 0));
}

#[test]
fn a_conflict_waits_to_be_told() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut waiting = pin!(e.conflict());
    assert_eq!(once(waiting.as_mut()), Poll::Pending);
    for n in 1..=9 {
        e.add_ipv4(ip(n));
        for _ in 0..2 {
            let arp = Arp { op: 1, sender: (mac(200), ip(n)), target: (MacAddr::ZERO, ip(n)) };
            input(&e, &arp.frame(MacAddr::BROADCAST));
        }
    }
    assert_eq!(e.statistics().conflicts_forgotten, 1);
    let expected = |n| Conflict { address: ip(n), other: mac(200) };
    assert_eq!(once(waiting), Poll::Ready(expected(2)));
    for n in 3..=9 {
        assert_eq!(once(pin!(e.conflict())), Poll::Ready(expected(n)));
    }
    assert_eq!(once(pin!(e.conflict())), Poll::Pending);
}

#[test]
fn a_defence_that_a_full_device_refuses_comes_later() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.add_ipv4(OWN_IP);
    run(&e, secs(5));
    net.take();
    net.set_room(0);
    input(&e, &claim(1).frame(MacAddr::BROADCAST));
    net.set_room(9);
    poll(&e);
    assert_eq!(arps(&net.take()).len(), 1);
}
