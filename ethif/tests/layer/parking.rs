//! Packets that wait for a host: bounds, fairness, fillers that write again,
//! a device that is full.

use std::cell::Cell;
use std::task::{Poll, Waker};

use crate::common::*;
use ethif::Ethif;
use traits::{Ethernet, Layer, SendError, To, TxMeta};
use wire::EtherType;

#[test]
fn one_host_has_at_most_half_of_the_places() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for n in 0..8 {
        send(&e, 1, &[n]).unwrap();
    }
    assert_eq!(send(&e, 1, &[8]), Err(SendError::Unresolved));
    assert_eq!(e.statistics().refused_host_bound, 1);
    answer(&e, 1);
    assert_eq!(payloads(&net.take()).len(), 8);
}

#[test]
fn a_dead_host_never_starves_another() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    // Two dead hosts take all there is.
    for n in 0..16 {
        send(&e, 1 + n / 8, &[n]).unwrap();
    }
    // A third gets as much as they have.
    for n in 100..105 {
        send(&e, 3, &[n]).unwrap();
    }
    assert_eq!(e.statistics().parked_displaced, 5);
    assert_eq!(send(&e, 3, &[105]), Err(SendError::Unresolved));
    assert_eq!(e.statistics().refused_no_place, 1);
    net.take();
    answer(&e, 3);
    assert_eq!(payloads(&net.take()), [[100], [101], [102], [103], [104]]);
    // What went was the oldest of those who had most.
    answer(&e, 1);
    assert_eq!(payloads(&net.take()), [[3], [4], [5], [6], [7]]);
    answer(&e, 2);
    assert_eq!(payloads(&net.take()), [[10], [11], [12], [13], [14], [15]]);
}

#[test]
fn among_many_dead_hosts_a_live_one_gets_through() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for n in 1..=30 {
        send(&e, n, &[n]).unwrap();
    }
    send(&e, 99, b"alive").unwrap();
    net.take();
    answer(&e, 99);
    assert_eq!(payloads(&net.take()), [b"alive"]);
    assert_eq!(e.statistics().parked_displaced, 15);
    run(&e, secs(10));
    assert_eq!(payloads(&net.take()), [b""; 0]);
    assert_eq!(e.statistics().parked_unanswered, 15);
}

#[test]
fn floods_of_dead_hosts_leave_what_is_known() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    for n in 0..20_000_u32 {
        let dead = std::net::Ipv4Addr::from_bits(0x0a01_0000 + n % 65_000);
        let _ = send_to(&e, dead, b"dead");
        if n % 16 == 0 {
            net.pass(millis(1));
            poll(&e);
            net.take();
        }
        assert!(n % 100 != 0 || neighbours(&e) <= 33);
    }
    net.take();
    send(&e, 1, b"alive").unwrap();
    assert_eq!(payloads(&net.take()), [b"alive"]);
    // And a live one may join in the midst of it.
    send(&e, 2, b"new").unwrap();
    net.take();
    answer(&e, 2);
    assert_eq!(payloads(&net.take()), [b"new"]);
    assert!(e.statistics().neighbours_evicted > 0);
    run(&e, secs(10));
    let s = e.statistics();
    assert_eq!(s.parked, s.parked_sent + s.parked_unanswered + s.parked_displaced);
}

#[test]
fn a_packet_whose_host_is_pushed_out_is_dropped_and_counted() {
    let net = Mock::new();
    let e = Ethif::<_, 2, 4>::with_capacity(&net);
    send(&e, 1, b"a").unwrap();
    // Half of the two places is for hosts without an answer.
    send(&e, 2, b"b").unwrap();
    assert_eq!(neighbours(&e), 1);
    assert_eq!((e.statistics().neighbours_evicted, e.statistics().parked_unanswered), (1, 1));
    net.take();
    answer(&e, 2);
    assert_eq!(payloads(&net.take()), [b"b"]);
}

#[test]
fn a_host_with_parked_packets_is_the_last_to_be_pushed_out() {
    let net = Mock::new();
    let e = Ethif::<_, 4, 4>::with_capacity(&net);
    send(&e, 1, b"a").unwrap();
    let mut query = Box::pin(e.query_arpv4(ip(2)));
    assert_eq!(once(query.as_mut()), Poll::Pending);
    send(&e, 3, b"c").unwrap();
    assert!(neighbour(&e, 1).is_some() && neighbour(&e, 2).is_none() && neighbour(&e, 3).is_some());
    assert_eq!(once(query.as_mut()), Poll::Ready(Err(traits::Unresolved)));
}

#[test]
fn no_places_at_all() {
    let net = Mock::new();
    let e = Ethif::<_, 4, 0>::with_capacity(&net);
    assert_eq!(send(&e, 1, b"a"), Err(SendError::Unresolved));
    answer(&e, 1);
    assert_eq!(send(&e, 1, b"a"), Ok(()));
}

fn write(e: &Ethif<&Mock, 8, 2>, n: u8, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
    e.write(To::Host(ip(n)), EtherType::IPV4, TxMeta::NONE, 4, fill)
}

#[test]
fn a_filler_that_writes_again_gets_full_when_no_place_is_left() {
    let net = Mock::new();
    let e = Ethif::<_, 8, 2>::with_capacity(&net);
    let deepest = Cell::new(None);
    write(&e, 1, |_| {
        write(&e, 2, |_| {
            deepest.set(Some(write(&e, 3, |_| unreachable!())));
            2
        })
        .unwrap();
        1
    })
    .unwrap();
    assert_eq!(deepest.get(), Some(Err(SendError::Full)));
    net.take();
    answer(&e, 1);
    answer(&e, 2);
    assert_eq!(payloads(&net.take()).iter().map(|p| p.len()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_filler_that_writes_to_its_own_host_gets_a_typed_error() {
    let net = Mock::new();
    let e = Ethif::<_, 8, 2>::with_capacity(&net);
    let inner = Cell::new(None);
    write(&e, 1, |_| {
        inner.set(Some(write(&e, 1, |_| unreachable!())));
        1
    })
    .unwrap();
    assert_eq!(inner.get(), Some(Err(SendError::Unresolved)));
    // Into the device's buffer: the device is in use.
    answer(&e, 1);
    write(&e, 1, |_| {
        inner.set(Some(write(&e, 1, |_| unreachable!())));
        1
    })
    .unwrap();
    assert_eq!(inner.get(), Some(Err(SendError::Full)));
}

#[test]
fn a_question_asked_within_a_filler_is_sent_by_the_next_poll() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    net.take();
    let (count, waker) = Count::new();
    e.poll(e.now(), &waker);
    e.write(To::Host(ip(1)), EtherType::IPV4, TxMeta::NONE, 4, |_| {
        send(&e, 2, b"inner").unwrap();
        4
    })
    .unwrap();
    assert_eq!(arps(&net.take()), []);
    assert_eq!(count.get(), 1);
    poll(&e);
    assert_eq!(arps(&net.take()).len(), 1);
    answer(&e, 2);
    assert_eq!(payloads(&net.take()), [b"inner"]);
}

#[test]
fn a_filler_that_calls_any_other_method_does_no_harm() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let within = || {
        answer(&e, 1);
        poll(&e);
        e.flush();
        e.confirm(ip(1));
        e.add_ipv4(OWN_IP);
        e.remove_ipv4(OWN_IP);
        let _ = e.poll_room(Waker::noop());
        let _ = once(std::pin::pin!(e.query_arpv4(ip(3))));
        let _ = once(std::pin::pin!(e.probe_ipv4(ip(4))));
        e.statistics();
        neighbours(&e);
    };
    for _ in 0..2 {
        e.write(To::Host(ip(1)), EtherType::IPV4, TxMeta::NONE, 4, |buffer| {
            within();
            buffer.copy_from_slice(b"done");
            4
        })
        .unwrap();
    }
    // The first was parked, and its host answered while it was filled.
    assert_eq!(payloads(&net.take()), [b"done", b"done"]);
}

#[test]
fn a_host_may_answer_while_its_packet_is_filled() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.write(To::Host(ip(1)), EtherType::IPV4, TxMeta::NONE, 4, |_| {
        answer(&e, 1);
        4
    })
    .unwrap();
    assert_eq!(payloads(&net.take()).len(), 1);
}

#[test]
fn a_filler_that_uses_nothing_leaves_nothing() {
    let net = Mock::new();
    let e = Ethif::<_, 8, 2>::with_capacity(&net);
    for _ in 0..10 {
        write(&e, 1, |_| 0).unwrap();
    }
    answer(&e, 1);
    assert_eq!(payloads(&net.take()).len(), 0);
    assert_eq!(e.statistics().parked, 0);
}

#[test]
fn a_filler_that_claims_too_much_is_cut() {
    let net = Mock::new();
    let e = Ethif::<_, 8, 2>::with_capacity(&net);
    write(&e, 1, |buffer| {
        assert_eq!(buffer.len(), 4);
        9999
    })
    .unwrap();
    answer(&e, 1);
    assert_eq!(payloads(&net.take())[0].len(), 4);
}

#[test]
fn what_a_full_device_refuses_waits_on() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for n in 0..3 {
        send(&e, 1, &[n]).unwrap();
    }
    let (count, waker) = Count::new();
    e.poll(e.now(), &waker);
    net.take();
    net.set_room(1);
    answer(&e, 1);
    assert_eq!(payloads(&net.take()), [[0]]);
    assert_eq!(count.get(), 1, "there is something to transmit");
    // Full still: the task waits for room, not for a time that has passed.
    let next = e.poll(e.now(), &waker).unwrap();
    assert!(next > e.now());
    assert_eq!(count.get(), 1, "no ping-pong");
    net.set_room(usize::MAX);
    assert_eq!(count.get(), 2);
    e.poll(e.now(), &waker);
    assert_eq!(payloads(&net.take()), [[1], [2]]);
    assert_eq!(e.statistics().parked_sent, 3);
}

#[test]
fn a_question_that_a_full_device_refuses_does_not_count() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    net.set_room(0);
    send(&e, 1, b"x").unwrap();
    run(&e, secs(20));
    assert!(net.take().is_empty());
    net.set_room(usize::MAX);
    run(&e, secs(10));
    assert_eq!(arps(&net.take()).len(), 3, "all of its attempts are left");
}

#[test]
fn a_device_that_says_room_and_is_full_is_tried_again_later() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    net.refuses.set(Some(SendError::Full));
    send(&e, 1, b"x").unwrap();
    let next = poll(&e).unwrap();
    assert_eq!(next, e.now() + millis(10));
}

#[test]
fn a_device_that_is_down_loses_what_waits() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    net.refuses.set(Some(SendError::Down));
    answer(&e, 1);
    assert_eq!(e.statistics().parked_refused, 1);
    send(&e, 2, b"x").unwrap();
    run(&e, secs(5));
    assert_eq!(e.statistics().neighbours_failed, 1);
    assert_eq!(e.statistics().arp_requests, 1, "that of the first");
}

/// A packet of `head` and, where the device takes it from, `payload`.
fn send_gathered(e: &Ethif<&Mock>, head: &[u8], payload: &[u8]) -> Result<(), SendError> {
    e.write_gathered(To::Host(ip(1)), EtherType::IPV4, TxMeta::NONE, head.len(), payload, |buffer| {
        buffer.copy_from_slice(head);
        buffer.len()
    })
}

#[test]
fn a_payload_that_lies_elsewhere_is_copied_only_to_wait() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send_gathered(&e, b"waits ", b"in one piece").unwrap();
    answer(&e, 1);
    assert_eq!(payloads(&net.take()), [b"waits in one piece"]);
    assert_eq!(net.gathered.get(), 0);
    send_gathered(&e, b"goes ", b"at once").unwrap();
    assert_eq!(payloads(&net.take()), [b"goes at once"]);
    assert_eq!(net.gathered.get(), 1);
    // A filler that wants nothing sent.
    e.write_gathered(To::Host(ip(1)), EtherType::IPV4, TxMeta::NONE, 5, &b"lost"[..], |_| 0).unwrap();
    assert!(net.take().is_empty());
    assert_eq!(send_gathered(&e, &[0; 20], &[0; 1481]), Err(SendError::TooLong));
}
