//! In steady state no segment and no datagram costs an allocation, although
//! the towers' memory is the heap and grows on demand: one at a time, a window
//! full of them, and with loss and reordering.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fata::prelude::*;
use fata::tcpv4;
use fata::traits::{Datagrams, Frame, Ip, Layer, Receive, RxMeta, Time};
use netif_memory::{Fixed, Link, Settings, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Bytes of each segment and datagram.
const LEN: usize = 1400;
/// Exchanges until all buffers have their size, and counted ones.
const BEFORE: usize = 200;
const COUNTED: usize = 1000;
/// Steps of 100 µs, of a bulk transfer until all buffers have their size, and
/// counted ones.
const STEPS: usize = 10_000;

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

/// Polls what a step begins; nothing in a step may have to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("has to wait"),
    }
}

/// What a future has at once, if anything.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// What a run of counted steps allocates.
fn counted(mut step: impl FnMut()) -> u64 {
    (0..BEFORE).for_each(|_| step());
    let before = test_allocator::allocations();
    (0..COUNTED).for_each(|_| step());
    test_allocator::allocations() - before
}

fn on_a_large_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(test).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Lets the tower's task run once, as its `run` would.
fn turn(layer: &impl Layer) {
    layer.poll(layer.now(), Waker::noop());
    layer.flush();
}

/// Has a packet loop hand up what there is.
fn deliver(packets: Pin<&mut impl Future>) {
    assert!(packets.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_segment_costs_none() {
    on_a_large_stack(|| {
        let clock = VirtualClock::new();
        let link = Link::new(&clock, Settings::new());
        let [near, far] = link.ports();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (a, b) = (Ethif::connect(&near), Ethif::connect(&far));
        let (a, b) = (Ipv4::connect(&a), Ipv4::connect(&b));
        for (ip, host) in [&a, &b].into_iter().zip(HOSTS) {
            ip.configure(&Config { addresses: &[Cidr::new(host, 24)], ..Config::default() });
        }
        let (server, client) = (Tcp::connect(&a, &mut random), Tcp::connect(&b, &mut random));
        let listener = Listener::new();
        let port = |port| (port == 80).then_some(&listener as &dyn tcpv4::Accept);
        let mut at_server = pin!(near.listen(|frame| {
            a.ethernet().input(
                frame,
                ethif::listeners().ipv4(|packet| {
                    a.input(packet, ipv4::listeners().tcp(|segment| server.input(segment, port)));
                }),
            );
        }));
        let mut at_client = pin!(far.listen(|frame| {
            b.ethernet().input(
                frame,
                ethif::listeners().ipv4(|packet| {
                    b.input(packet, ipv4::listeners().tcp(|segment| client.input(segment, |_| None)));
                }),
            );
        }));
        let mut pass = || {
            for _ in 0..2 {
                turn(&server);
                turn(&client);
                deliver(at_server.as_mut());
                deliver(at_client.as_mut());
            }
            clock.advance(clock.now() + Duration::from_micros(100));
        };
        let mut connecting = pin!(client.create_connection(SocketAddrV4::new(HOSTS[0], 80)));
        let mut one = loop {
            match connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(flow) => break flow.expect("connected"),
                Poll::Pending => pass(),
            }
        };
        pass();
        let mut other = now(listener.accept(&server));
        let mut buffer = [7; LEN];
        let allocated = counted(|| {
            assert_eq!(now(one.write(&buffer)), Ok(LEN));
            pass();
            assert_eq!(now(other.read(&mut buffer)), Ok(LEN));
            assert_eq!(now(other.write(&buffer)), Ok(LEN));
            pass();
            assert_eq!(now(one.read(&mut buffer)), Ok(LEN));
        });
        assert_eq!(allocated, 0, "allocations in {COUNTED} segments each way");
    });
}

/// What a bulk transfer did once all buffers had their size.
struct Bulk {
    allocations: u64,
    bytes: usize,
    /// Segments sent again.
    retransmitted: u64,
    /// Most bytes under way at once.
    in_flight: u32,
}

/// The memory of a connection each way, in bytes: what bounds the window, so
/// that it is full.
const WINDOW: u32 = 128 << 10;

/// Sends as much as the window takes, over a path that holds twice that, for a
/// second of virtual time, and counts the next second. `way` gets each frame of the
/// sender's, with what takes it.
fn bulk(mut way: impl FnMut(Frame<'_>, &mut dyn FnMut(Frame<'_>))) -> Bulk {
    let clock = VirtualClock::new();
    let settings = Settings::new().with_delay(Duration::from_millis(1)).with_rate(1_000_000_000);
    // Its memory is fixed: what allocates is the towers.
    let link = Link::<_, Fixed<256, 1600>>::fixed(&clock, settings);
    let [near, far] = link.ports();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (a, b) = (Ethif::connect(&near), Ethif::connect(&far));
    let (a, b) = (Ipv4::connect(&a), Ipv4::connect(&b));
    for (ip, host) in [&a, &b].into_iter().zip(HOSTS) {
        ip.configure(&Config { addresses: &[Cidr::new(host, 24)], ..Config::default() });
    }
    let (server, client) = (Tcp::connect(&a, &mut random), Tcp::connect(&b, &mut random));
    for tcp in [&server, &client] {
        let mut settings = tcp.settings();
        (settings.send_limit, settings.receive_limit) = (WINDOW as _, WINDOW as _);
        tcp.set_settings(settings);
    }
    let listener = Listener::new();
    let port = |port| (port == 80).then_some(&listener as &dyn tcpv4::Accept);
    let mut at_server = pin!(near.listen(|frame| {
        way(frame, &mut |frame| {
            let labels = ethif::listeners().ipv4(|packet| {
                a.input(packet, ipv4::listeners().tcp(|segment| server.input(segment, port)));
            });
            a.ethernet().input(frame, labels);
        });
    }));
    let mut at_client = pin!(far.listen(|frame| {
        let labels = ethif::listeners().ipv4(|packet| {
            b.input(packet, ipv4::listeners().tcp(|segment| client.input(segment, |_| None)));
        });
        b.ethernet().input(frame, labels);
    }));
    let mut pass = || {
        turn(&client);
        deliver(at_server.as_mut());
        turn(&server);
        deliver(at_client.as_mut());
        clock.advance(clock.now() + Duration::from_micros(100));
    };
    let mut connecting = pin!(client.create_connection(SocketAddrV4::new(HOSTS[0], 80)));
    let mut one = loop {
        match connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(flow) => break flow.expect("connected"),
            Poll::Pending => pass(),
        }
    };
    (0..100).for_each(|_| pass());
    let mut other = now(listener.accept(&server));
    let (data, mut buffer) = ([7; 10 * LEN], [0; 10 * LEN]);
    let (mut bytes, mut in_flight) = (0, 0);
    let mut step = || {
        while let Some(written) = at_once(one.write(&data)) {
            written.expect("connected");
        }
        pass();
        while let Some(read) = at_once(other.read(&mut buffer)) {
            bytes += read.expect("connected");
        }
        in_flight = in_flight.max(one.info().map_or(0, |info| info.outstanding));
        bytes
    };
    let before = (0..STEPS).map(|_| step()).last().unwrap_or_default();
    let (allocations, retransmitted) = (test_allocator::allocations(), client.statistics().retransmitted);
    let after = (0..STEPS).map(|_| step()).last().unwrap_or_default();
    Bulk {
        allocations: test_allocator::allocations() - allocations,
        bytes: after - before,
        retransmitted: client.statistics().retransmitted - retransmitted,
        in_flight,
    }
}

#[test]
fn a_full_window_costs_none() {
    on_a_large_stack(|| {
        let bulk = bulk(|frame, take| take(frame));
        assert!(
            bulk.in_flight > WINDOW / 3 && bulk.bytes > 40_000_000,
            "{} bytes, {} in flight",
            bulk.bytes,
            bulk.in_flight
        );
        assert_eq!((bulk.allocations, bulk.retransmitted), (0, 0), "in {} bytes", bulk.bytes);
    });
}

#[test]
fn loss_and_reordering_cost_none() {
    on_a_large_stack(|| {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (mut held, mut len, mut overtaken) = ([0; 2000], 0, 0);
        let bulk = bulk(|frame, take| {
            let chance = random.next_u32() % 1000;
            match chance {
                0..5 => return,
                // One waits until some have overtaken it.
                2..20 if len == 0 => {
                    len = frame.bytes.len();
                    held[..len].copy_from_slice(frame.bytes);
                    overtaken = chance % 8;
                    return;
                }
                _ => take(frame),
            }
            match overtaken.checked_sub(1) {
                Some(left) => overtaken = left,
                None if len > 0 => take(Frame::new(&held[..std::mem::take(&mut len)], RxMeta::NONE)),
                None => {}
            }
        });
        assert!(bulk.retransmitted > 20 && bulk.bytes > 5_000_000, "{} again", bulk.retransmitted);
        assert_eq!(bulk.allocations, 0, "in {} bytes, {} segments again", bulk.bytes, bulk.retransmitted);
    });
}

#[test]
fn a_datagram_costs_none() {
    on_a_large_stack(|| {
        let clock = VirtualClock::new();
        let link = Link::new(&clock, Settings::new());
        let [near, far] = link.ports();
        let (a, b) = (Ethif::connect(&near), Ethif::connect(&far));
        let (a, b) = (Ipv4::connect(&a), Ipv4::connect(&b));
        for (ip, host) in [&a, &b].into_iter().zip(HOSTS) {
            ip.configure(&Config { addresses: &[Cidr::new(host, 24)], ..Config::default() });
        }
        let (server, client) = (Udp::connect(&a), Udp::connect(&b));
        let echo = udpv4::callback(|datagram: fata::traits::Datagram<'_>| {
            server.send(7, datagram.src, datagram.payload).expect("room");
        });
        let returned = Cell::new(0);
        let keep = udpv4::callback(|datagram: fata::traits::Datagram<'_>| {
            returned.set(returned.get() + datagram.payload.len());
        });
        let mut at_server = pin!(near.listen(|frame| {
            a.ethernet().input(
                frame,
                ethif::listeners().ipv4(|packet| {
                    let udp = ipv4::listeners().udp(|d| server.input(d, |_| Some(&echo as &dyn Receive)));
                    a.input(packet, udp);
                }),
            );
        }));
        let mut at_client = pin!(far.listen(|frame| {
            b.ethernet().input(
                frame,
                ethif::listeners().ipv4(|packet| {
                    let udp = ipv4::listeners().udp(|d| client.input(d, |_| Some(&keep as &dyn Receive)));
                    b.input(packet, udp);
                }),
            );
        }));
        let data = [7; LEN];
        let allocated = counted(|| {
            client.send(9, SocketAddrV4::new(HOSTS[0], 7), &data).expect("room");
            for _ in 0..3 {
                deliver(at_server.as_mut());
                deliver(at_client.as_mut());
                turn(&server);
                turn(&client);
            }
            clock.advance(clock.now() + Duration::from_micros(100));
        });
        assert_eq!(returned.get(), (BEFORE + COUNTED) * LEN, "datagrams that came back");
        assert_eq!(allocated, 0, "allocations in {COUNTED} datagrams each way");
    });
}
