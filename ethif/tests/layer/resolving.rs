//! Finding a neighbour's hardware address, and keeping it fresh.

use std::pin::pin;
use std::task::Poll;

use crate::common::*;
use ethif::{Ethif, NeighbourState};
use traits::{Ethernet, Layer, SendError, To, TxMeta, Unresolved};
use wire::{EtherType, MacAddr};

/// A layer with an address, its announcements done.
fn settled(net: &Mock) -> Ethif<&Mock> {
    let e = Ethif::connect(net);
    e.add_ipv4(OWN_IP);
    run(&e, secs(3));
    net.now.set(traits::Instant::from_secs(100));
    net.take();
    e
}

/// What this interface asks, to find host `n`.
fn question(n: u8) -> Arp {
    Arp { op: 1, sender: (OWN, OWN_IP), target: (MacAddr::ZERO, ip(n)) }
}

#[test]
fn the_first_packet_is_not_lost() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    assert_eq!(arps(&net.take()), [(0, MacAddr::BROADCAST, question(1))]);
    assert_eq!(state(&e, 1), Some(NeighbourState::Incomplete));
    answer(&e, 1);
    let sent = net.take();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].bytes, frame(mac(1), OWN, 0x0800, b"ping"));
    assert!(sent[0].meta.more(), "within a batch of the driver");
    assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    send(&e, 1, b"next").unwrap();
    assert_eq!(net.take()[0].bytes, frame(mac(1), OWN, 0x0800, b"next"));
}

#[test]
fn without_an_address_the_question_is_unspecified() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"ping").unwrap();
    let (_, _, arp) = arps(&net.take())[0];
    assert_eq!(arp.sender.1, std::net::Ipv4Addr::UNSPECIFIED);
    // Its answer is to that.
    let answer = Arp { target: (OWN, std::net::Ipv4Addr::UNSPECIFIED), ..reply(1) };
    input(&e, &answer.frame(OWN));
    assert_eq!(payloads(&net.take()), [b"ping"]);
}

#[test]
fn the_question_comes_from_the_address_nearest_to_the_target() {
    let net = Mock::new();
    let e = settled(&net);
    e.add_ipv4([192, 168, 1, 2].into());
    net.take();
    send_to(&e, [192, 168, 1, 77].into(), b"x").unwrap();
    send(&e, 1, b"x").unwrap();
    let senders: Vec<_> = arps(&net.take()).iter().map(|(_, _, arp)| arp.sender.1).collect();
    assert_eq!(senders, [[192, 168, 1, 2].into(), OWN_IP]);
}

#[test]
fn packets_leave_in_the_order_in_which_they_came() {
    let net = Mock::new();
    let e = settled(&net);
    for n in 0..8 {
        send(&e, 1, &[n]).unwrap();
    }
    assert_eq!(arps(&net.take()).len(), 1, "asked once");
    answer(&e, 1);
    assert_eq!(payloads(&net.take()), (0..8).map(|n| vec![n]).collect::<Vec<_>>());
    assert_eq!((e.statistics().parked, e.statistics().parked_sent), (8, 8));
}

#[test]
fn a_parked_packet_keeps_its_request() {
    let net = Mock::new();
    let e = settled(&net);
    let meta = TxMeta::NONE.with_checksum(20, 16);
    e.write(To::Host(ip(1)), EtherType::IPV4, meta, 100, |_| 99).unwrap();
    net.take();
    answer(&e, 1);
    let sent = net.take().remove(0);
    assert_eq!(sent.meta, TxMeta::NONE.with_checksum(34, 16).with_more(true));
    assert_eq!(sent.bytes.len(), 14 + 99);
}

#[test]
fn a_silent_host_is_asked_three_times_a_second_apart_then_fails() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    run(&e, secs(10));
    let asked: Vec<_> = arps(&net.take()).iter().map(|(at, _, _)| *at).collect();
    assert_eq!(asked, [0, 1000, 2000]);
    assert_eq!(e.statistics().parked_unanswered, 1);
    assert_eq!(e.statistics().neighbours_failed, 1);
    assert_eq!(neighbours(&e), 0);
}

#[test]
fn a_failed_host_is_left_alone_for_a_second_then_asked_again() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    run(&e, secs(3));
    assert_eq!(state(&e, 1), Some(NeighbourState::Failed));
    net.take();
    assert_eq!(send(&e, 1, b"ping"), Err(SendError::Unresolved));
    net.pass(millis(999));
    assert_eq!(send(&e, 1, b"ping"), Err(SendError::Unresolved));
    assert_eq!(e.statistics().refused_failed, 2);
    assert!(net.take().is_empty());
    net.pass(millis(1));
    assert_eq!(send(&e, 1, b"ping"), Ok(()));
    assert_eq!(arps(&net.take()).len(), 1);
    answer(&e, 1);
    assert_eq!(payloads(&net.take()), [b"ping"]);
}

/// Packets that waited are gone without a word: so whoever sends again learns it,
/// however the timers fall, but no later than seconds after.
#[test]
fn who_sends_next_is_told_once_that_nobody_answered() {
    for (later, told) in [(0, true), (999, true), (1000, true), (2999, true), (3000, false)] {
        let net = Mock::new();
        let e = settled(&net);
        send(&e, 1, b"syn").unwrap();
        run(&e, secs(3));
        net.take();
        net.pass(millis(later));
        assert_eq!(send(&e, 1, b"syn").is_err(), told, "{later} ms");
        // A layer above may look for another way, and ask again.
        assert_eq!(send(&e, 1, b"syn").is_err(), told, "{later} ms");
        // Once, and the second that it is left alone.
        net.pass(millis(1000));
        assert_eq!(send(&e, 1, b"syn"), Ok(()));
        assert_eq!(arps(&net.take()).len(), 1);
    }
}

/// That holds for ten milliseconds after the first was told, whoever asks again
/// meanwhile, and no shorter than the second that the host is left alone.
#[test]
fn the_others_are_told_for_ten_milliseconds() {
    for (later, end) in [(0, 1000), (990, 1000), (991, 1001), (999, 1009), (1500, 1510), (2999, 3009)] {
        let net = Mock::new();
        let e = settled(&net);
        send(&e, 1, b"syn").unwrap();
        run(&e, secs(3));
        net.take();
        net.pass(millis(later));
        assert_eq!(send(&e, 1, b"syn"), Err(SendError::Unresolved), "{later} ms");
        net.pass(millis(end - later - 1));
        assert_eq!(send(&e, 1, b"syn"), Err(SendError::Unresolved), "{later} ms");
        net.pass(millis(1));
        assert_eq!(send(&e, 1, b"syn"), Ok(()), "{later} ms");
        assert_eq!(arps(&net.take()).len(), 1);
    }
}

/// What is due by the time of day is over, also where the task comes later.
#[test]
fn the_last_question_is_over_with_its_time() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"syn").unwrap();
    run(&e, millis(2500));
    net.take();
    net.pass(millis(499));
    assert_eq!(send(&e, 1, b"syn"), Ok(()));
    net.pass(millis(1));
    assert_eq!(send(&e, 1, b"syn"), Err(SendError::Unresolved));
    run(&e, millis(1));
    // It was told.
    net.pass(secs(1));
    assert_eq!(send(&e, 1, b"syn"), Ok(()));
    assert_eq!(arps(&net.take()).len(), 1);
}

/// Whoever asks and does not send has the host asked again.
#[test]
fn a_query_of_a_failed_host_asks_it_after_a_second() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"syn").unwrap();
    run(&e, secs(3));
    net.take();
    let query = || {
        let mut query = std::pin::pin!(e.query_arpv4(ip(1)));
        query.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending()
    };
    assert!(!query());
    net.pass(secs(1));
    assert!(query());
    assert_eq!(arps(&net.take()).len(), 1);
}

#[test]
fn a_failed_host_that_announces_itself_is_known_at_once() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    run(&e, secs(3));
    input(&e, &request(1, ip(1)).frame(MacAddr::BROADCAST));
    net.take();
    send(&e, 1, b"ping").unwrap();
    assert_eq!(payloads(&net.take()), [b"ping"]);
}

#[test]
fn any_word_of_the_host_sends_what_waits_for_it() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    net.take();
    // It asks for somebody else (RFC 826, merge).
    input(&e, &request(1, ip(77)).frame(MacAddr::BROADCAST));
    assert_eq!(payloads(&net.take()), [b"ping"]);
    // Not an answer to this host: to be looked at again soon.
    assert_eq!(state(&e, 1), Some(NeighbourState::Delay));
}

/// Resolves host 1 and lets its entry go stale.
fn stale(net: &Mock) -> Ethif<&Mock> {
    let e = settled(net);
    send(&e, 1, b"ping").unwrap();
    answer(&e, 1);
    run(&e, millis(29_999));
    assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    run(&e, millis(1));
    assert_eq!(state(&e, 1), Some(NeighbourState::Stale));
    net.take();
    e
}

#[test]
fn a_stale_entry_is_used_while_it_is_refreshed_by_unicast() {
    let net = Mock::new();
    let e = stale(&net);
    send(&e, 1, b"ping").unwrap();
    assert_eq!(payloads(&net.take()), [b"ping"]);
    assert_eq!(state(&e, 1), Some(NeighbourState::Delay));
    run(&e, secs(5));
    assert_eq!(arps(&net.take()), [(35_000, mac(1), question(1))]);
    assert_eq!(state(&e, 1), Some(NeighbourState::Probe));
    send(&e, 1, b"pong").unwrap();
    assert_eq!(payloads(&net.take()), [b"pong"]);
    answer(&e, 1);
    assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    run(&e, secs(20));
    assert!(net.take().is_empty());
}

#[test]
fn a_neighbour_gone_silent_is_asked_three_times_then_forgotten() {
    let net = Mock::new();
    let e = stale(&net);
    send(&e, 1, b"ping").unwrap();
    run(&e, secs(10));
    let asked: Vec<_> = arps(&net.take()).iter().map(|(at, to, _)| (*at, *to)).collect();
    assert_eq!(asked, [(35_000, mac(1)), (36_000, mac(1)), (37_000, mac(1))]);
    assert_eq!(neighbours(&e), 0);
    // The next packet asks everybody.
    send(&e, 1, b"ping").unwrap();
    assert_eq!(arps(&net.take()), [(40_000, MacAddr::BROADCAST, question(1))]);
}

#[test]
fn a_confirmed_neighbour_is_never_asked() {
    let net = Mock::new();
    let e = stale(&net);
    for _ in 0..100 {
        send(&e, 1, b"ping").unwrap();
        e.confirm(ip(1));
        run(&e, secs(4));
    }
    assert_eq!(arps(&net.take()), []);
    assert_eq!(state(&e, 1), Some(NeighbourState::Reachable));
    e.confirm(ip(9));
    assert_eq!(neighbours(&e), 1, "confirming makes no entry");
}

#[test]
fn confirming_does_not_resolve() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"ping").unwrap();
    e.confirm(ip(1));
    assert_eq!(state(&e, 1), Some(NeighbourState::Incomplete));
}

#[test]
fn a_stale_entry_that_nobody_uses_is_forgotten() {
    let net = Mock::new();
    let e = stale(&net);
    net.pass(millis(59_999));
    assert_eq!(state(&e, 1), Some(NeighbourState::Stale));
    net.pass(millis(1));
    assert_eq!(state(&e, 1), None);
    send(&e, 1, b"ping").unwrap();
    assert_eq!(arps(&net.take()).len(), 1);
}

#[test]
fn an_idle_layer_has_no_deadline() {
    let net = Mock::new();
    let e = stale(&net);
    assert_eq!(poll(&e), None);
}

#[test]
fn whom_arp_cannot_find_is_unsupported() {
    let net = Mock::new();
    let e = settled(&net);
    for to in [[0, 0, 0, 0], [224, 0, 0, 1], [255, 255, 255, 255], [127, 0, 0, 1], OWN_IP.octets()] {
        assert_eq!(send_to(&e, to.into(), b"x"), Err(SendError::Unsupported));
    }
    assert_eq!(neighbours(&e), 0);
    assert!(net.take().is_empty());
}

#[test]
fn too_large_to_park_asks_all_the_same() {
    let net = Mock::new();
    net.mtu.set(9000);
    let e = settled(&net);
    assert_eq!(send(&e, 1, &[0; 9001]), Err(SendError::TooLong));
    assert_eq!(neighbours(&e), 0);
    assert_eq!(send(&e, 1, &[0; 1501]), Err(SendError::Unresolved));
    assert_eq!(e.statistics().refused_too_large, 1);
    assert_eq!(arps(&net.take()).len(), 1);
    assert_eq!(send(&e, 1, &[7; 1500]), Ok(()));
    let (count, waker) = Count::new();
    assert_eq!(e.poll_room(&waker), Poll::Ready(()));
    answer(&e, 1);
    assert_eq!(count.get(), 1, "whoever was refused tries again");
    assert_eq!(payloads(&net.take()), [[7; 1500]]);
    assert_eq!(send(&e, 1, &[0; 9000]), Ok(()));
}

#[test]
fn poll_room_is_woken_when_the_host_fails() {
    let net = Mock::new();
    let e = settled(&net);
    send(&e, 1, b"x").unwrap();
    let (count, waker) = Count::new();
    assert_eq!(e.poll_room(&waker), Poll::Ready(()));
    run(&e, millis(2999));
    assert_eq!(count.get(), 0);
    run(&e, millis(1));
    assert_eq!(count.get(), 1);
}

#[test]
fn query() {
    let net = Mock::new();
    let e = settled(&net);
    {
        let mut query = pin!(e.query_arpv4(ip(1)));
        assert_eq!(once(query.as_mut()), Poll::Pending);
        assert_eq!(arps(&net.take()).len(), 1);
        assert_eq!(once(query.as_mut()), Poll::Pending);
        assert_eq!(arps(&net.take()).len(), 0);
        answer(&e, 1);
        assert_eq!(once(query.as_mut()), Poll::Ready(Ok(mac(1))));
    }
    assert_eq!(once(pin!(e.query_arpv4(ip(1)))), Poll::Ready(Ok(mac(1))));
    assert_eq!(once(pin!(e.query_arpv4(OWN_IP))), Poll::Ready(Ok(OWN)));
    for nobody in [[224, 0, 0, 1], [0, 0, 0, 0], [255, 255, 255, 255]] {
        assert_eq!(once(pin!(e.query_arpv4(nobody.into()))), Poll::Ready(Err(Unresolved)));
    }
}

#[test]
fn query_of_a_silent_host_fails_after_three_seconds() {
    let net = Mock::new();
    let e = settled(&net);
    let mut query = pin!(e.query_arpv4(ip(1)));
    let (count, waker) = Count::new();
    let mut context = std::task::Context::from_waker(&waker);
    assert_eq!(query.as_mut().poll(&mut context), Poll::Pending);
    run(&e, millis(2999));
    assert_eq!(count.get(), 0);
    run(&e, millis(1));
    assert_eq!(count.get(), 1);
    assert_eq!(query.as_mut().poll(&mut context), Poll::Ready(Err(Unresolved)));
    // The same to who comes within the second after.
    assert_eq!(once(pin!(e.query_arpv4(ip(1)))), Poll::Ready(Err(Unresolved)));
}

#[test]
fn a_query_polled_late_does_not_ask_for_ever() {
    let net = Mock::new();
    let e = settled(&net);
    let mut query = pin!(e.query_arpv4(ip(1)));
    assert_eq!(once(query.as_mut()), Poll::Pending);
    run(&e, secs(60));
    assert_eq!(once(query.as_mut()), Poll::Ready(Err(Unresolved)));
}
