//! In steady state no segment and no datagram costs an allocation, although
//! the towers' memory is the heap and grows on demand.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fata::prelude::*;
use fata::tcpv4;
use fata::traits::{Datagrams, Ip, Layer, Receive, Time};
use netif_memory::{Link, Settings, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Bytes of each segment and datagram.
const LEN: usize = 1400;
/// Exchanges until all buffers have their size, and counted ones.
const BEFORE: usize = 200;
const COUNTED: usize = 1000;

const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];

/// Polls what a step begins; nothing in a step may have to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("has to wait"),
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
