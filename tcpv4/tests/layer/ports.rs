//! Local ports.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::net;
use crate::net::{Link, Net, with_fixed, with_heap};
use tcpv4::Storage;
use traits::{ConnectError, Layer as _};

const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);

/// RFC 6056 (with memory from the allocator: so many slots of fixed memory would
/// be 40 MB): each port towards a peer once, then a typed error; another peer
/// has all of them again.
#[test]
fn ports_run_out() {
    with_heap(|net| {
        net.link.set(Link { lost: 1000, ..Link::CLEAN });
        let mut context = Context::from_waker(Waker::noop());
        let mut attempts = Vec::new();
        for _ in 0..28_232 {
            let mut attempt = Box::pin(net.a().create_connection(B));
            assert!(attempt.as_mut().poll(&mut context).is_pending());
            attempts.push(attempt);
        }
        let mut one_more = Box::pin(net.a().create_connection(B));
        let std::task::Poll::Ready(Err(error)) = one_more.as_mut().poll(&mut context) else { panic!() };
        assert_eq!(error, ConnectError::PortsExhausted);
        let elsewhere = SocketAddrV4::new(*B.ip(), 81);
        let mut other = Box::pin(net.a().create_connection(elsewhere));
        assert!(other.as_mut().poll(&mut context).is_pending());
        // One pass of the task is bounded.
        for _ in 0..10 {
            net.a().poll(net.clock.now(), Waker::noop());
        }
        let mut ports: Vec<u16> = net::raw::take(net.hosts[0].ip)
            .iter()
            .filter(|syn| syn.dst_port == 80)
            .map(|syn| syn.src_port)
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!((ports.len(), ports[0], ports[28_231]), (28_232, 32_768, 60_999));
        // What is dropped gives its port back.
        drop(attempts.pop());
        net.a().poll(net.clock.now(), Waker::noop());
        let mut again = Box::pin(net.a().create_connection(B));
        assert!(again.as_mut().poll(&mut context).is_pending());
    });
}

/// Ports that follow each other to one peer tell nothing about another.
#[expect(clippy::redundant_closure, reason = "the function alone is not general enough in its lifetimes")]
#[test]
fn ports_of_peers_differ() {
    with_heap(differ);
    with_fixed(|net| differ(net));
}

fn differ<S: Storage>(net: &Net<'_, S>) {
    let mut context = Context::from_waker(Waker::noop());
    for host in 10..20 {
        let dst = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), 80);
        let attempt = net.a().create_connection(dst);
        // Kept until the SYN is out.
        let mut attempt = Box::pin(attempt);
        assert!(attempt.as_mut().poll(&mut context).is_pending());
        net.a().poll(net.clock.now(), Waker::noop());
    }
    net.clock.set(net.clock.now() + Duration::from_millis(1));
    let mut ports: Vec<u16> = net::raw::take(net.hosts[0].ip).iter().map(|syn| syn.src_port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() >= 9);
    assert!(ports.windows(2).any(|two| two[1] - two[0] > 100));
}
