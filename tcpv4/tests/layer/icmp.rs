//! ICMP errors.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::net;
use crate::net::{B, Net, SECOND, raw};
use tcpv4::{Listener, Storage, Tcp};
use traits::{ConnectError, IcmpError, IcmpErrorKind, Inbound, UnreachableCode};
use wire::Protocol;

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

fn error<S: Storage>(tcp: &Tcp<&net::MockIp, S>, kind: IcmpErrorKind, quote: &[u8]) {
    let src = tcp.ip().address.get();
    let error = IcmpError::new(kind, ROUTER, src, *B.ip(), Protocol::TCP, quote);
    tcp.input(Inbound::Error(error), |_| None);
}

/// The first eight bytes of the last segment that host `a` has sent.
fn last_sent<S: Storage>(net: &Net<'_, S>) -> Option<[u8; 8]> {
    let sent = net.hosts[0].ip.sent.borrow();
    sent.back().map(|sent| sent.bytes[..8].try_into().unwrap())
}

on_both! {
    /// RFC 1122 §4.2.3.9: hard errors end an attempt to connect.
    fn an_unreachable_port_ends_an_attempt(net) {
        let client = async {
            assert_eq!(net.a().create_connection(B).await.unwrap_err(), ConnectError::Refused);
        };
        let icmp = async {
            let quote = last_sent(net).unwrap();
            error(net.a(), IcmpErrorKind::Unreachable(UnreachableCode::Port), &quote);
        };
        let polled = async {
            // The SYN has to be out before it can be quoted.
            traits::Layer::poll(net.a(), net.clock.now(), std::task::Waker::noop());
            icmp.await;
        };
        assert!(net.session().spawn(client).spawn(polled).run_for(SECOND * 10));
        assert!(net.a().statistics().icmp_soft + net.a().statistics().connect_refused > 0);
    }

    /// RFC 5927 §4.1: what does not quote something under way is forged.
    fn forged_errors_are_ignored(net) {
        let done = Cell::new(false);
        let client = async {
            assert_eq!(net.a().create_connection(B).await.unwrap_err(), ConnectError::Refused);
            done.set(true);
        };
        let forger = async {
            traits::Layer::poll(net.a(), net.clock.now(), std::task::Waker::noop());
            let quote = last_sent(net).unwrap();
            let port = IcmpErrorKind::Unreachable(UnreachableCode::Port);
            for at in 0..8 {
                let mut forged = quote;
                forged[at] ^= 1;
                error(net.a(), port, &forged);
            }
            for len in 0..8 {
                error(net.a(), port, &quote[..len]);
            }
            assert!(!done.get());
            assert_eq!(net.a().statistics().icmp_ignored, 16);
        };
        assert!(net.session().spawn(client).spawn(forger).run_for(SECOND * 10));
    }

    fn a_half_open_connection_ends_with_its_peer_unreachable(net) {
        let listener = Listener::<2>::with_capacity();
        raw::Raw::new(raw::SYN, 100, 0).from(*B.ip(), 5000).input(net.a(), Some(&listener));
        traits::Layer::poll(net.a(), net.clock.now(), std::task::Waker::noop());
        let quote = last_sent(net).unwrap();
        let mut forged = quote;
        forged[7] ^= 1;
        error(net.a(), IcmpErrorKind::Unreachable(UnreachableCode::Host), &forged);
        assert_eq!(net.a().usage().half_open, 1);
        error(net.a(), IcmpErrorKind::Unreachable(UnreachableCode::Host), &quote);
        assert_eq!(net.a().usage().half_open, 0);
    }

    /// RFC 1191: what was too long is cut to the MTU that the layer below has
    /// learnt, and sent again at once.
    fn a_narrower_path_is_told_by_a_router(net) {
        let listener = Listener::<2>::with_capacity();
        let data = net::pattern(7000, 3);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(Duration::from_millis(50)).await;
            // All that is longer than 1000 bytes gets lost from here on.
            net.drop_longer.set(1000 - 20);
            flow.write_all(&data).await.unwrap();
            traits::Layer::poll(net.a(), net.clock.now(), std::task::Waker::noop());
            let quote = net.hosts[0].ip.sent.borrow().iter().find(|s| s.bytes.len() > 980).unwrap().bytes[..8].to_vec();
            // Nobody believes who did not see the segment.
            let mut forged = quote.clone();
            forged[4] ^= 0x80;
            error(net.a(), IcmpErrorKind::FragmentationNeeded { mtu: 1000 }, &forged);
            assert_eq!(net.hosts[0].ip.mtu.get(), 1500);
            let started = net.clock.now();
            error(net.a(), IcmpErrorKind::FragmentationNeeded { mtu: 1000 }, &quote);
            assert_eq!(net.hosts[0].ip.mtu.get(), 1000);
            flow.flush().await.unwrap();
            assert!(net.clock.now().duration_since(started) < SECOND, "no timeout was needed");
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            let mut got: Vec<u8> = Vec::new();
            let mut buffer = [0; 4000];
            loop {
                match flow.read(&mut buffer).await.unwrap() {
                    0 => break,
                    n => got.extend(&buffer[..n]),
                }
            }
            assert!(got == data);
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 20));
        assert_eq!(net.a().statistics().icmp_too_long, 1);
    }

    /// RFC 1122 §4.2.3.9: soft errors do not end a connection.
    fn an_open_connection_survives_soft_errors(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"x").await.unwrap();
            traits::Layer::poll(net.a(), net.clock.now(), std::task::Waker::noop());
            let quote = last_sent(net).unwrap();
            for kind in [
                IcmpErrorKind::TimeExceeded,
                IcmpErrorKind::Unreachable(UnreachableCode::Host),
                IcmpErrorKind::Unreachable(UnreachableCode::Network),
                IcmpErrorKind::Unreachable(UnreachableCode::Port),
            ] {
                error(net.a(), kind, &quote);
            }
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert_eq!(flow.read(&mut [0]).await, Ok(1));
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 20));
    }
}
