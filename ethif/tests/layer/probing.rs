//! Looking whether an address is free (RFC 5227 §2.1).

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::common::*;
use ethif::Ethif;
use traits::{Conflict, Ethernet};
use wire::MacAddr;

/// Polls `future` and the layer until the first completes; when, in
/// milliseconds.
fn until<F: Future>(e: &Ethif<&Mock>, mut future: Pin<&mut F>) -> (u64, F::Output) {
    for _ in 0..1000 {
        if let Poll::Ready(output) = once(future.as_mut()) {
            return (e.network().now.get().as_millis() - 100_000, output);
        }
        let next = poll(e).expect("something is due");
        e.network().now.set(next);
        poll(e);
    }
    panic!("it never ends");
}

#[test]
fn a_free_address_is_asked_for_three_times() {
    let mut starts = Vec::new();
    for seed in 1..=50 {
        let net = Mock::new();
        let e = Ethif::connect(&net).seeded(&mut Fixed(seed));
        let (end, outcome) = until(&e, pin!(e.probe_ipv4(OWN_IP)));
        assert_eq!(outcome, Ok(()));
        let probes = arps(&net.take());
        let expected = Arp { op: 1, sender: (OWN, [0, 0, 0, 0].into()), target: (MacAddr::ZERO, OWN_IP) };
        assert!(probes.iter().all(|(_, to, arp)| to.is_broadcast() && *arp == expected));
        let at: Vec<_> = probes.iter().map(|(at, _, _)| *at).collect();
        assert_eq!(at.len(), 3);
        assert!(at[0] <= 1000, "PROBE_WAIT");
        for gap in [at[1] - at[0], at[2] - at[1]] {
            assert!((999..=2001).contains(&gap), "PROBE_MIN to PROBE_MAX");
        }
        assert!((end - at[2]).abs_diff(2000) <= 1, "ANNOUNCE_WAIT");
        assert!((4000..=7001).contains(&end));
        starts.push(at[0]);
    }
    starts.sort();
    starts.dedup();
    assert!(starts.len() > 40, "hosts that start together ask at different times");
}

/// A generator of one number.
struct Fixed(u64);

impl rand_core::TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0 as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0 as u8);
        Ok(())
    }
}

/// Probes, lets `after` pass, takes `arp` in, and tells how it ended.
fn meets(arp: Arp, after: std::time::Duration) -> Poll<Result<(), Conflict>> {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut probe = pin!(e.probe_ipv4(OWN_IP));
    let (count, waker) = Count::new();
    let mut context = Context::from_waker(&waker);
    assert_eq!(probe.as_mut().poll(&mut context), Poll::Pending);
    run(&e, after);
    input(&e, &arp.frame(MacAddr::BROADCAST));
    let outcome = probe.as_mut().poll(&mut context);
    assert_eq!(count.get(), usize::from(outcome.is_ready()));
    outcome
}

#[test]
fn whoever_speaks_from_the_address_has_it() {
    let taken = Poll::Ready(Err(Conflict { address: OWN_IP, other: mac(9) }));
    for after in [0, 500, 1500, 3900] {
        for op in [1, 2] {
            for target in [OWN_IP, ip(77)] {
                let arp = Arp { op, sender: (mac(9), OWN_IP), target: (MacAddr::ZERO, target) };
                assert_eq!(meets(arp, millis(after)), taken);
            }
        }
    }
}

#[test]
fn of_two_who_probe_at_the_same_time_both_see_it() {
    let probe = Arp { op: 1, sender: (mac(9), [0, 0, 0, 0].into()), target: (MacAddr::ZERO, OWN_IP) };
    for after in [0, 500, 3900] {
        let taken = Poll::Ready(Err(Conflict { address: OWN_IP, other: mac(9) }));
        assert_eq!(meets(probe, millis(after)), taken);
    }
}

#[test]
fn what_is_no_conflict() {
    let unspecified = [0, 0, 0, 0].into();
    for arp in [
        // An own probe that comes back.
        Arp { op: 1, sender: (OWN, unspecified), target: (MacAddr::ZERO, OWN_IP) },
        // A question of somebody who has an address.
        request(1, OWN_IP),
        // A probe for another address.
        Arp { op: 1, sender: (mac(9), unspecified), target: (MacAddr::ZERO, ip(77)) },
    ] {
        assert_eq!(meets(arp, millis(500)), Poll::Pending);
    }
}

#[test]
fn an_address_that_is_probed_is_not_answered_for() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut probe = pin!(e.probe_ipv4(OWN_IP));
    assert_eq!(once(probe.as_mut()), Poll::Pending);
    input(&e, &request(1, OWN_IP).frame(MacAddr::BROADCAST));
    assert!(net.take().is_empty());
    assert_eq!(neighbours(&e), 0);
}

#[test]
fn dropping_the_future_ends_the_probe() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    {
        let mut probe = pin!(e.probe_ipv4(OWN_IP));
        assert_eq!(once(probe.as_mut()), Poll::Pending);
    }
    run(&e, secs(20));
    assert!(net.take().is_empty());
    assert_eq!(poll(&e), None);
}

#[test]
fn four_at_a_time_and_others_wait() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut probes: Vec<_> = (1..=5).map(|n| Box::pin(e.probe_ipv4(ip(n)))).collect();
    for probe in &mut probes {
        assert_eq!(once(probe.as_mut()), Poll::Pending);
    }
    run(&e, secs(3));
    assert_eq!(arps(&net.take()).iter().filter(|(_, _, arp)| arp.target.1 == ip(5)).count(), 0);
    let (count, waker) = Count::new();
    assert!(probes[4].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(probes.remove(0));
    assert_eq!(count.get(), 1, "there is a place");
    assert_eq!(once(probes[3].as_mut()), Poll::Pending);
    run(&e, secs(10));
    assert_eq!(arps(&net.take()).iter().filter(|(_, _, arp)| arp.target.1 == ip(5)).count(), 3);
    for probe in &mut probes {
        assert_eq!(once(probe.as_mut()), Poll::Ready(Ok(())));
    }
}

#[test]
fn after_ten_conflicts_probing_is_slow() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let conflict = || {
        let begun = net.now.get();
        let mut probe = pin!(e.probe_ipv4(OWN_IP));
        assert_eq!(once(probe.as_mut()), Poll::Pending);
        while arps(&net.take()).is_empty() {
            net.now.set(poll(&e).unwrap());
            poll(&e);
        }
        let taken = Arp { op: 2, sender: (mac(9), OWN_IP), target: (OWN, OWN_IP) };
        input(&e, &taken.frame(MacAddr::BROADCAST));
        assert!(matches!(once(probe.as_mut()), Poll::Ready(Err(_))));
        net.now.get().duration_since(begun)
    };
    for _ in 0..10 {
        assert!(conflict() <= secs(1));
    }
    for _ in 0..3 {
        assert!(conflict() >= secs(58), "one in RATE_LIMIT_INTERVAL");
    }
}

#[test]
fn what_no_host_can_have_is_free() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for address in [[0, 0, 0, 0], [255, 255, 255, 255], [224, 0, 0, 1]] {
        assert_eq!(once(pin!(e.probe_ipv4(address.into()))), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_probe_waits_for_room_in_the_device() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut probe = pin!(e.probe_ipv4(OWN_IP));
    assert_eq!(once(probe.as_mut()), Poll::Pending);
    net.set_room(0);
    run(&e, secs(10));
    assert_eq!(once(probe.as_mut()), Poll::Pending, "nobody has been asked");
    net.set_room(9);
    run(&e, secs(10));
    assert_eq!(arps(&net.take()).len(), 3);
    assert_eq!(once(probe.as_mut()), Poll::Ready(Ok(())));
}
