//! Many connections, and what each costs.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, Raw, SYN, take};
use crate::net::{Net, with_limits, with_memory};
use tcpv4::{Limits, Listener, Memory, Storage};
use traits::Layer as _;

/// Opens 100,000 connections from as many peers, idle ones; the layer holds no
/// buffers for them, has no deadline, and one that is busy beside them works.
#[test]
fn idle_connections_cost_nothing_but_their_slots() {
    let mut limits = Limits::default();
    limits.connections = 100_001;
    with_limits(limits, |net| {
        let listener = Listener::<64>::with_capacity();
        let mut flows = Vec::new();
        let accept = || {
            let mut accept = Box::pin(listener.accept(net.a()));
            match accept.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(flow) => flow,
                Poll::Pending => panic!(),
            }
        };
        for n in 0..100_000u32 {
            let src = Ipv4Addr::from_bits(0x0b00_0000 + n);
            Raw::new(SYN, 1000, 0).from(src, 99).input(net.a(), Some(&listener));
            net.a().poll(net.clock.now(), Waker::noop());
            let iss = take(net.hosts[0].ip)[0].seq;
            Raw::new(ACK, 1001, iss + 1).from(src, 99).input(net.a(), Some(&listener));
            flows.push(accept());
        }
        // The last one gets its timer only now.
        for _ in 0..2 {
            net.clock.set(net.clock.now() + Duration::from_secs(2));
            net.a().poll(net.clock.now(), Waker::noop());
        }
        assert_eq!(net.a().usage().connections, 100_000);
        assert_eq!(net.a().usage().bytes, 0);
        net.clock.set(net.clock.now() + Duration::from_secs(2));
        assert_eq!(net.a().poll(net.clock.now(), Waker::noop()), None, "no timers");

        let other = Listener::new();
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let busy = async {
            let mut flow = net.a().create_connection(b).await.unwrap();
            flow.write_all(&net::pattern(100_000, 1)).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = other.serve(net.b(), async |mut flow: tcpv4::Flow<'_, _, _>| {
            while flow.read(&mut [0; 1000]).await != Ok(0) {}
            flow.close().await.unwrap();
        });
        let mut session = net.session().listen(1, 80, &other).background(server).spawn(busy);
        assert!(session.run_for(Duration::from_secs(10)));

        // One more than the limit is left half-open, and refused actively.
        drop(flows.pop());
        net.a().poll(net.clock.now(), Waker::noop());
        drop(flows);
        net.a().poll(net.clock.now(), Waker::noop());
        for _ in 0..50 {
            net.a().poll(net.clock.now(), Waker::noop());
        }
        assert_eq!(net.a().usage().connections, 0);
    });
}

/// The bound of connections: a typed error here, a half-open entry there.
#[test]
#[expect(clippy::redundant_closure, reason = "the function alone is not general enough in its lifetimes")]
fn the_bound_of_connections() {
    let mut limits = Limits::default();
    limits.connections = 2;
    with_limits(limits, two_at_a_time);
    with_memory([Memory::<2, 16_384>::new(), Memory::new()], |net| two_at_a_time(net));
}

fn two_at_a_time<S: Storage>(net: &Net<'_, S>) {
    let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
    let listener = Listener::<8>::with_capacity();
    let client = async {
        let one = net.a().create_connection(b).await.unwrap();
        let two = net.a().create_connection(b).await.unwrap();
        let refused = net.a().create_connection(b).await.unwrap_err();
        assert_eq!(refused, traits::ConnectError::NoRoom);
        drop((one, two));
        net.sleep(Duration::from_millis(20)).await;
        drop(net.a().create_connection(b).await.unwrap());
    };
    let server = listener.serve(net.b(), async |mut flow: tcpv4::Flow<'_, _, _>| flow.read(&mut [0]).await);
    let mut session = net.session().listen(1, 80, &listener).background(server).spawn(client);
    assert!(session.run_for(Duration::from_secs(10)));
    assert_eq!(net.a().statistics().no_room, 1);
}

/// The byte budget of the layer: writers wait and receivers drop, and all
/// arrives nevertheless.
#[test]
fn the_byte_budget() {
    let mut limits = Limits::default();
    limits.bytes = 200_000;
    with_limits(limits, |net| {
        let b = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
        let listener = Listener::<16>::with_capacity();
        let most = std::cell::Cell::new((0, 0));
        let watch = async {
            loop {
                let (a, b) = most.get();
                most.set((a.max(net.a().usage().bytes), b.max(net.b().usage().bytes)));
                net.sleep(Duration::from_millis(1)).await;
            }
        };
        let server = listener.serve(net.b(), async |mut flow: tcpv4::Flow<'_, _, _>| {
            // Slow at first: data piles up.
            net.sleep(Duration::from_secs(3)).await;
            let mut got: Vec<u8> = Vec::new();
            let mut buffer = [0; 5000];
            loop {
                match flow.read(&mut buffer).await.unwrap() {
                    0 => break,
                    n => got.extend(&buffer[..n]),
                }
            }
            assert!(got == net::pattern(300_000, got[0]));
            flow.close().await.unwrap();
        });
        let mut session = net.session().listen(1, 80, &listener).background(server).background(watch);
        for n in 0..8 {
            session = session.spawn(async move {
                let mut flow = net.a().create_connection(b).await.unwrap();
                flow.write_all(&net::pattern(300_000, n)).await.unwrap();
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
            });
        }
        assert!(session.run_for(Duration::from_secs(300)), "{:?}\n{:?}", net.a().usage(), net.b().usage());
        let (a, b) = most.get();
        std::println!("most: {a} {b}; dropped {}", net.b().statistics().no_memory);
        // One step of growth for each connection beyond the bound, at most.
        assert!(a < 300_000 && b < 300_000, "{a} {b}");
        assert_eq!(net.a().statistics().given_up + net.b().statistics().given_up, 0);
    });
}

/// What is closed and forgotten here, and waits for a peer that takes no data,
/// is given up before others starve.
#[test]
fn orphans_are_given_up_when_memory_is_short() {
    let mut limits = Limits::default();
    limits.bytes = 40_000;
    with_limits(limits, |net| {
        let listener = Listener::<4>::with_capacity();
        let speak = || {
            net.a().poll(net.clock.now(), Waker::noop());
            take(net.hosts[0].ip)
        };
        let accept = |port: u16| {
            Raw::new(SYN, 1000, 0).from(net::raw::PEER, port).input(net.a(), Some(&listener));
            let iss = speak()[0].seq;
            let mut ack = Raw::new(ACK, 1001, iss + 1).from(net::raw::PEER, port);
            ack.window = 0;
            ack.input(net.a(), Some(&listener));
            let mut accept = Box::pin(listener.accept(net.a()));
            match accept.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(flow) => (flow, iss + 1),
                Poll::Pending => panic!(),
            }
        };
        let (mut reader, next) = accept(2);
        let (mut orphan, _) = accept(1);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..20 {
            if Box::pin(orphan.write(&[1; 5000])).as_mut().poll(&mut context).is_pending() {
                break;
            }
        }
        assert!(Box::pin(orphan.close()).as_mut().poll(&mut context).is_pending());
        drop(orphan);
        speak();
        let data = |n: u32| {
            let seq = 1001 + 1000 * n;
            let raw = Raw::new(ACK, seq, next).from(net::raw::PEER, 2).payload(&[n as u8; 1000]);
            raw.input(net.a(), Some(&listener));
            speak()
        };
        // Data for the others, until there is no memory left for more.
        let mut n = 0;
        while net.a().statistics().no_memory == 0 {
            data(n);
            n += 1;
            assert!(n < 60);
        }
        assert_eq!(net.a().statistics().given_up, 1);
        assert_eq!(net.a().usage().connections, 1);
        // What was dropped comes again, and is taken now.
        data(n - 1);
        assert_eq!(net.a().statistics().no_memory, 1);
        let mut buffer = vec![0; 100_000];
        let mut read = Box::pin(reader.read(&mut buffer));
        let Poll::Ready(Ok(count)) = read.as_mut().poll(&mut context) else { panic!() };
        assert_eq!(count, n as usize * 1000);
    });
}
