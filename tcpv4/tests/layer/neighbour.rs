//! A neighbour that is off, with the real layers below and no one at the
//! address: who connects to it learns so in seconds (RFC 1122 §4.2.3.9).

use std::future::Future as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Link, Settings, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tcpv4::{Memory, Storage, Tcp, Usage};
use traits::{ConnectError, Instant, Ip, Layer as _};

/// How the attempt comes about.
#[derive(Clone, Copy, Default)]
struct Case {
    /// Beyond a gateway, which is the one that is off.
    is_far: bool,
    /// Somebody else sent to it so many milliseconds before.
    before: Option<u64>,
    /// The tower is looked at every so many milliseconds, and else when
    /// something is due.
    step: Option<u64>,
}

const OFF: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
const FAR: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 7);

/// How long an attempt takes, in milliseconds, with memory from the allocator
/// and in fixed memory.
fn ends_after(case: Case) -> u64 {
    // Unoptimised, what IPv4 keeps for reassembly passes over the stack.
    let large = std::thread::Builder::new().stack_size(16 << 20);
    std::thread::scope(|scope| {
        let both = move || [false, true].map(|is_fixed| build(case, is_fixed));
        let [heap, fixed] = large.spawn_scoped(scope, both).unwrap().join().unwrap();
        assert_eq!(heap, fixed);
        heap.as_millis() as u64
    })
}

fn build(case: Case, is_fixed: bool) -> Duration {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(1)));
    let [port, _nobody] = link.ports();
    let ethernet = Ethif::connect(&port);
    let ip = Ipv4::connect(&ethernet);
    ip.set_ipv4(Ipv4Addr::new(10, 0, 0, 1));
    ip.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
    ip.set_ipv4_gateways(&[OFF]);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut memory = Memory::<2, 4096>::new();
    if is_fixed {
        attempt(&clock, &Tcp::connect_in(&ip, &mut random, &mut memory), case)
    } else {
        attempt(&clock, &Tcp::connect(&ip, &mut random), case)
    }
}

fn attempt<I: Ip, S: Storage>(clock: &VirtualClock, tcp: &Tcp<I, S>, case: Case) -> Duration {
    let host = if case.is_far { FAR } else { OFF };
    let mut context = Context::from_waker(Waker::noop());
    let wait = |until, next: Option<Instant>| {
        let stepped = case.step.map(|step| tcp.now() + Duration::from_millis(step));
        let to = stepped.or(next).unwrap_or(until).min(until);
        clock.advance(to.max(tcp.now() + Duration::from_micros(1)));
    };
    // The announcement of the own address comes first.
    let settled = Instant::from_secs(10);
    while tcp.now() < settled {
        wait(settled, tcp.poll(tcp.now(), Waker::noop()));
    }
    if let Some(before) = case.before {
        let mut other = Box::pin(tcp.create_connection(SocketAddrV4::new(host, 81)));
        assert!(other.as_mut().poll(&mut context).is_pending());
        let _ = tcp.poll(tcp.now(), Waker::noop());
        drop(other);
        let end = tcp.now() + Duration::from_millis(before);
        while tcp.now() < end {
            wait(end, tcp.poll(tcp.now(), Waker::noop()));
        }
    }
    let start = tcp.now();
    let mut connect = pin!(tcp.create_connection(SocketAddrV4::new(host, 80)));
    assert!(connect.as_mut().poll(&mut context).is_pending());
    loop {
        let next = tcp.poll(tcp.now(), Waker::noop());
        if let Poll::Ready(result) = connect.as_mut().poll(&mut context) {
            assert_eq!(result.err(), Some(ConnectError::Unreachable));
            assert_eq!(tcp.statistics().unreachable, 1);
            let _ = tcp.poll(tcp.now(), Waker::noop());
            assert_eq!(tcp.usage(), Usage::default());
            return tcp.now().duration_since(start);
        }
        assert!(tcp.now().duration_since(start) < Duration::from_secs(60), "{:?}", tcp.statistics());
        wait(Instant::MAX, next);
    }
}

/// ARP asks three times, a second apart, and the SYN that is due then finds out.
#[test]
fn an_attempt_ends_when_arp_finds_nobody() {
    assert_eq!(ends_after(Case::default()), 3000);
    assert_eq!(ends_after(Case { is_far: true, ..Case::default() }), 3000);
}

/// However the timers of the layers fall: by the next SYN at the latest.
#[test]
fn an_attempt_ends_however_late_timers_are() {
    for step in [1, 2, 3, 7, 13, 50, 99, 170, 240, 333, 490, 600, 900] {
        for is_far in [false, true] {
            let took = ends_after(Case { is_far, step: Some(step), ..Case::default() });
            assert!((3000..4001 + 5 * step).contains(&took), "{step}: {took}");
        }
    }
}

/// Where ARP was asking already, or has just given up, it takes no longer than
/// asking again does.
#[test]
fn an_attempt_ends_whoever_asked_before() {
    for before in (0..8000).step_by(250) {
        let took = ends_after(Case { before: Some(before), ..Case::default() });
        assert!((3000..=7000).contains(&took), "{before}: {took}");
    }
}
