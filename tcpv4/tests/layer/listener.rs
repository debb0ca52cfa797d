//! Listeners: backlogs, many connections, and what becomes of a listener's
//! connections when it goes.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::rc::Rc;
use std::time::Duration;

use crate::net;
use crate::net::raw::{ACK, RST, Raw, SYN, take};
use crate::net::{Net, with_heap, with_limits};
use tcpv4::{Limits, Listener};
use traits::{ConnectError, FlowError};

const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);

on_both! {
    fn accept_gives_connections_in_their_order(net) {
        let listener = Listener::<4>::with_capacity();
        let server = async {
            for _ in 0..3 {
                let mut flow = listener.accept(net.b()).await;
                let mut byte = [0];
                assert_eq!(flow.read(&mut byte).await, Ok(1));
                flow.write_all(&byte).await.unwrap();
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut byte).await, Ok(0));
            }
        };
        let client = async {
            for n in 0..3 {
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.write_all(&[n]).await.unwrap();
                let mut byte = [0];
                assert_eq!(flow.read(&mut byte).await, Ok(1));
                assert_eq!(byte, [n]);
                assert_eq!(flow.read(&mut byte).await, Ok(0));
                flow.close().await.unwrap();
            }
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(server).spawn(client);
        assert!(session.run_for(Duration::from_secs(5)));
        assert_eq!(net.b().statistics().accepted, 3);
    }

    fn nobody_listens(net) {
        let client = async {
            assert_eq!(net.a().create_connection(B).await.unwrap_err(), ConnectError::Refused);
        };
        assert!(net.session().spawn(client).run_for(Duration::from_secs(1)));
        assert_eq!(net.a().usage().connections, 0);
        assert_eq!(net.a().statistics().connect_refused, 1);
    }

    fn a_full_backlog_drops_syns_and_a_place_lets_the_next_one_in(net) {
        let listener = Listener::<2>::with_capacity();
        let connected = Cell::new(0);
        let client = || async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            connected.set(connected.get() + 1);
            let mut byte = [0];
            assert_eq!(flow.read(&mut byte).await, Ok(1));
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client()).spawn(client());
        session.run_for(Duration::from_secs(1));
        assert_eq!((connected.get(), listener.len()), (2, 2));
        let mut session = session.spawn(client());
        session.run_for(Duration::from_millis(1500));
        assert_eq!((connected.get(), listener.len()), (2, 2));
        assert_eq!(net.b().statistics().backlog_full, 2, "the SYN and its repetition");
        let server = listener.serve(net.b(), async |mut flow| {
            flow.write_all(b"x").await.unwrap();
            flow.close().await.unwrap();
        });
        let mut session = session.background(server);
        assert!(session.run_for(Duration::from_secs(5)));
        assert_eq!(connected.get(), 3);
    }

    /// The handshake ends while the backlog is full: the entry stays
    /// half-open, and a later acknowledgement gets in.
    fn a_backlog_that_fills_meanwhile_leaves_it_half_open(net) {
        let listener = Listener::<1>::with_capacity();
        let speak = |tcp: &tcpv4::Tcp<_, _>| {
            traits::Layer::poll(tcp, net.clock.now(), std::task::Waker::noop());
            take(net.hosts[0].ip)
        };
        let syn = |port| Raw::new(SYN, 100, 0).from(net::raw::PEER, port);
        syn(1).input(net.a(), Some(&listener));
        syn(2).input(net.a(), Some(&listener));
        let answers = speak(net.a());
        let ack = |port: u16| {
            Raw::new(ACK, 101, answers[usize::from(port) - 1].seq + 1).from(net::raw::PEER, port)
        };
        ack(1).input(net.a(), Some(&listener));
        ack(2).input(net.a(), Some(&listener));
        assert_eq!((listener.len(), net.a().usage().half_open), (1, 1));
        assert_eq!(net.a().statistics().accept_full, 1);
        listener.clear(net.a());
        ack(2).input(net.a(), Some(&listener));
        assert_eq!((listener.len(), net.a().usage().half_open), (1, 0));
        let spoken = speak(net.a());
        assert!(spoken.iter().any(|s| s.dst_port == 1 && s.flags & RST != 0), "{spoken:?}");
    }

    fn what_waits_too_long_is_reset(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client);
        assert!(session.run_for(Duration::from_secs(62)));
        assert_eq!(net.b().statistics().not_accepted, 1);
        assert_eq!(net.b().usage().connections, 0);
        // Its place is free again as soon as somebody accepts.
        let accept = async {
            drop(listener.accept(net.b()).await);
        };
        session = session.background(accept);
        session.run_for(Duration::from_secs(1));
        assert!(listener.is_empty());
    }

    fn what_waits_in_a_dropped_listener_is_reset_when_heard_of(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(Duration::from_secs(2)).await;
            let _ = flow.write_all(b"anybody?").await;
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client);
        assert!(!session.run_for(Duration::from_secs(1)));
        session.unlisten(1);
        assert!(session.run_for(Duration::from_secs(5)));
        assert_eq!(net.b().statistics().not_accepted, 1);
    }

    fn a_connection_reset_while_it_waits_is_told_so(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(Duration::from_millis(20)).await;
            flow.abort();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client);
        assert!(session.run_for(Duration::from_secs(1)));
        session.run_for(Duration::from_secs(1));
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        assert!(session.spawn(server).run_for(Duration::from_secs(1)));
    }

    fn dropping_accept_loses_no_connection(net) {
        let listener = Listener::<2>::with_capacity();
        let impatient = async {
            let accept = listener.accept(net.b());
            net::join(async { drop(accept) }, async {}).await;
        };
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Ok(1));
            flow.close().await.unwrap();
        };
        let server = async {
            net.sleep(Duration::from_secs(1)).await;
            let mut flow = listener.accept(net.b()).await;
            flow.write_all(b"x").await.unwrap();
            flow.close().await.unwrap();
        };
        let mut session =
            net.session().listen(1, 80, &listener).spawn(impatient).spawn(client).spawn(server);
        assert!(session.run_for(Duration::from_secs(5)));
    }
}

#[test]
fn a_thousand_connections_at_once() {
    with_heap(|net| {
        let listener = Listener::<1000>::with_capacity();
        let open = Rc::new(Cell::new((0, 0)));
        let handler = async |mut flow: tcpv4::Flow<'_, _, _>| {
            let (now, most) = open.get();
            open.set((now + 1, most.max(now + 1)));
            let mut buffer = [0; 100];
            let n = flow.read(&mut buffer).await.unwrap();
            net.sleep(Duration::from_secs(1)).await;
            flow.write_all(&buffer[..n]).await.unwrap();
            flow.close().await.unwrap();
            open.set((open.get().0 - 1, open.get().1));
        };
        let mut session = net.session().listen(1, 80, &listener).background(listener.serve(net.b(), handler));
        for n in 0..1000u32 {
            session = session.spawn(async move {
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.write_all(&n.to_be_bytes()).await.unwrap();
                let mut back = [0; 4];
                assert_eq!(flow.read(&mut back).await, Ok(4));
                assert_eq!(u32::from_be_bytes(back), n);
                assert_eq!(flow.read(&mut back).await, Ok(0));
                flow.close().await.unwrap();
            });
        }
        assert!(session.run_for(Duration::from_secs(20)), "{:?}", net.b().statistics());
        assert_eq!(open.get(), (0, 1000));
        assert_eq!((net.a().usage().connections, net.b().usage().time_wait), (0, 1000));
    });
}

/// A flood fills the half-open entries; a real client is let in at once, by
/// a cookie that keeps its options.
#[test]
fn a_client_gets_in_during_a_flood() {
    let mut limits = Limits::default();
    limits.half_open = 16;
    with_limits(limits, |net| {
        let listener = Listener::<4>::with_capacity();
        for n in 0..1000u32 {
            let mut syn = Raw::new(SYN, n, 0).from(Ipv4Addr::from_bits(0x0c00_0000 + n), 99);
            syn.dst = *B.ip();
            syn.input(net.b(), Some(&listener));
            traits::Layer::poll(net.b(), net.clock.now(), std::task::Waker::noop());
        }
        net.hosts[1].ip.take();
        assert_eq!(net.b().usage().half_open, 16);
        let before = net.clock.now();
        let data = net::pattern(200_000, 2);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            assert_eq!(net.clock.now().duration_since(before), Duration::from_millis(10), "one round trip");
            flow.write_all(&data).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert!(net::read_all(&mut flow).await == data);
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(Duration::from_secs(10)));
        assert_eq!(net.b().statistics().cookies_accepted, 1);
    });
}
