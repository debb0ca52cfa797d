//! Who is woken, how often, and what is due when.

use crate::common::*;
use ethif::Ethif;
use traits::{Ethernet, Layer};

#[test]
fn an_earlier_deadline_wakes_the_tasks_once() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (first, first_waker) = Count::new();
    let (second, second_waker) = Count::new();
    for _ in 0..3 {
        assert_eq!(e.poll(e.now(), &first_waker), None);
        assert_eq!(e.poll(e.now(), &second_waker), None);
    }
    send(&e, 1, b"x").unwrap();
    assert_eq!((first.get(), second.get()), (1, 1));
    // The second question is due at the same time: they know.
    send(&e, 2, b"x").unwrap();
    assert_eq!((first.get(), second.get()), (1, 1));
    assert_eq!(e.poll(e.now(), &first_waker), Some(e.now() + secs(1)));
    assert_eq!(e.poll(e.now(), &second_waker), Some(e.now() + secs(1)));
    assert_eq!((first.get(), second.get()), (1, 1), "polling wakes nobody");
}

#[test]
fn what_is_known_wakes_nobody() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    let (count, waker) = Count::new();
    e.poll(e.now(), &waker);
    for _ in 0..100 {
        send(&e, 1, b"x").unwrap();
        e.confirm(ip(1));
        input(&e, &request(1, OWN_IP).frame(OWN));
        input(&e, &frame(OWN, mac(1), 0x0800, b"x"));
    }
    assert_eq!(count.get(), 0);
}

#[test]
fn the_use_of_a_stale_entry_wakes_for_its_timer() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    net.pass(secs(40));
    let (count, waker) = Count::new();
    assert_eq!(e.poll(e.now(), &waker), None);
    send(&e, 1, b"x").unwrap();
    assert_eq!(count.get(), 1);
    assert_eq!(e.poll(e.now(), &waker), Some(e.now() + secs(5)));
}

#[test]
fn a_new_address_and_a_probe_wake_for_their_timers() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (count, waker) = Count::new();
    e.poll(e.now(), &waker);
    e.add_ipv4(OWN_IP);
    assert_eq!(count.get(), 1);
    assert_eq!(e.poll(e.now(), &waker), Some(e.now() + secs(2)));
    let mut probe = std::pin::pin!(e.probe_ipv4(ip(9)));
    assert!(once(probe.as_mut()).is_pending());
    assert_eq!(count.get(), 2);
}

#[test]
fn a_device_that_stays_full_wakes_nobody() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (count, waker) = Count::new();
    e.poll(e.now(), &waker);
    net.set_room(0);
    send(&e, 1, b"x").unwrap();
    assert_eq!(count.get(), 1);
    for _ in 0..10 {
        let next = e.poll(e.now(), &waker).unwrap();
        assert!(next > e.now());
    }
    assert_eq!(count.get(), 1);
    net.set_room(1);
    assert_eq!(count.get(), 2);
}

#[test]
fn room_is_the_devices_word() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (count, waker) = Count::new();
    assert!(e.poll_room(&waker).is_ready());
    net.set_room(0);
    assert!(e.poll_room(&waker).is_pending());
    net.set_room(1);
    assert_eq!(count.get(), 1);
    // Nobody is being asked for, so nothing else wakes.
    send(&e, 1, b"x").unwrap();
    answer(&e, 1);
    assert_eq!(count.get(), 1);
}

#[test]
fn a_deadline_met_late_is_met() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    send(&e, 1, b"x").unwrap();
    net.take();
    net.pass(secs(1000));
    let next = poll(&e);
    assert_eq!(arps(&net.take()).len(), 1, "one question at a time");
    assert_eq!(next, Some(e.now() + secs(1)));
}

#[test]
fn more_that_a_full_device_refuses_wakes_nobody_again() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (count, waker) = Count::new();
    net.set_room(0);
    send(&e, 1, b"x").unwrap();
    assert_eq!(e.poll(e.now(), &waker), Some(e.now() + secs(1)), "the device will say when it has room");
    for n in 2..10 {
        send(&e, n, b"x").unwrap();
        assert_eq!(count.get(), 0);
    }
}

#[test]
fn a_device_that_makes_room_when_asked_is_written_to_at_once() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    net.set_room(0);
    send(&e, 1, b"x").unwrap();
    net.drains.set(true);
    assert_eq!(poll(&e), Some(e.now() + secs(1)));
    assert_eq!(arps(&net.take()).len(), 1);
}

#[test]
fn a_device_that_is_full_when_polled_wakes_nobody_either() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let (count, waker) = Count::new();
    send(&e, 1, b"x").unwrap();
    e.poll(e.now(), &waker);
    net.set_room(0);
    net.pass(secs(1));
    e.poll(e.now(), &waker);
    send(&e, 2, b"x").unwrap();
    assert_eq!(count.get(), 0);
}
