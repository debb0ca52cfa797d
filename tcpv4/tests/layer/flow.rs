//! What becomes of flows: opened, dropped, closed, aborted.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::net;
use crate::net::{B, Net, SECOND, assert_forgotten};
use tcpv4::Listener;
use traits::{ConnectError, FlowError};

on_both! {
    fn dropping_an_open_flow_resets_it(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"hello").await.unwrap();
            flow.flush().await.unwrap();
            drop(flow);
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            let mut buffer = [0; 10];
            loop {
                match flow.read(&mut buffer).await {
                    Ok(n) => assert_eq!(&buffer[..n], b"hello"),
                    Err(error) => break assert_eq!(error, FlowError::Reset),
                }
            }
            assert_eq!(flow.write(b"x").await, Err(FlowError::Reset));
            assert_eq!(flow.flush().await, Err(FlowError::Reset));
            assert_eq!(flow.close().await, Err(FlowError::Reset));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND));
        assert_eq!((net.a().statistics().aborted, net.b().statistics().reset_by_peer), (1, 1));
        assert_forgotten(net);
        assert_eq!(net.a().usage().time_wait, 0);
    }

    fn dropping_a_closed_flow_delivers_all(net) {
        let listener = Listener::<2>::with_capacity();
        let data = net::pattern(8000, 1);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            // Polled once, then dropped: the close goes on by itself.
            let mut close = Box::pin(flow.close());
            std::future::poll_fn(|context| {
                assert!(close.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            drop(close);
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            net.sleep(SECOND).await;
            let mut got: Vec<u8> = Vec::new();
            let mut buffer = [0; 1000];
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
        assert!(session.run_for(SECOND * 5));
        assert_eq!((net.a().statistics().aborted, net.a().usage().time_wait), (0, 1));
        assert_forgotten(net);
    }

    fn half_closed_both_ways(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"question").await.unwrap();
            flow.close().await.unwrap();
            assert_eq!(flow.write(b"more").await, Err(FlowError::Closed));
            flow.close().await.unwrap();
            let mut buffer = [0; 100];
            assert_eq!(flow.read(&mut buffer).await, Ok(6));
            assert_eq!(&buffer[..6], b"answer");
            assert_eq!(flow.read(&mut buffer).await, Ok(0));
            assert_eq!(flow.read(&mut buffer).await, Ok(0));
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            let mut buffer = [0; 100];
            assert_eq!(flow.read(&mut buffer).await, Ok(8));
            assert_eq!(flow.read(&mut buffer).await, Ok(0));
            net.sleep(SECOND * 3).await;
            flow.write_all(b"answer").await.unwrap();
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        assert_forgotten(net);
    }

    fn dropping_an_attempt_to_connect_ends_it(net) {
        // Nobody answers.
        net.link.set(net::Link { lost: 1000, ..net::Link::CLEAN });
        let client = async {
            let mut attempt = Box::pin(net.a().create_connection(B));
            std::future::poll_fn(|context| {
                assert!(attempt.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            assert_eq!(net.a().usage().connections, 1);
        };
        assert!(net.session().spawn(client).run_for(SECOND));
        assert_forgotten(net);
    }

    fn nobody_answers(net) {
        net.link.set(net::Link { lost: 1000, ..net::Link::CLEAN });
        let client = async {
            assert_eq!(net.a().create_connection(B).await.unwrap_err(), ConnectError::Timeout);
        };
        assert!(net.session().spawn(client).run_for(SECOND * 300));
        assert_eq!(net.a().statistics().timed_out, 1);
        assert_forgotten(net);
    }

    fn no_such_address(net) {
        let client = async {
            for (address, port) in [
                (Ipv4Addr::UNSPECIFIED, 80),
                (Ipv4Addr::BROADCAST, 80),
                (Ipv4Addr::new(224, 0, 0, 1), 80),
                (Ipv4Addr::new(10, 0, 0, 1), 80),
                (Ipv4Addr::new(10, 0, 0, 2), 0),
            ] {
                let attempt = net.a().create_connection(SocketAddrV4::new(address, port)).await;
                assert_eq!(attempt.unwrap_err(), ConnectError::InvalidAddress);
            }
            net.hosts[0].ip.move_to(Ipv4Addr::UNSPECIFIED);
            assert_eq!(net.a().create_connection(B).await.unwrap_err(), ConnectError::NoAddress);
        };
        assert!(net.session().spawn(client).run_for(SECOND));
    }

    fn both_abort_and_all_is_told(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(Duration::from_millis(20)).await;
            flow.abort();
            flow.abort();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Closed));
            assert_eq!(flow.write(b"x").await, Err(FlowError::Closed));
            assert_eq!(flow.close().await, Err(FlowError::Closed));
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
            flow.abort();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND));
        assert_eq!((net.a().statistics().aborted, net.b().statistics().aborted), (1, 0));
        assert_forgotten(net);
    }

    /// The small entry takes over while the flow is still held; it outlives
    /// or is outlived by that.
    fn a_flow_held_beyond_time_wait(net) {
        for held in [5, 100] {
            let listener = Listener::<2>::with_capacity();
            let client = async {
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
                net.sleep(SECOND * held / 2).await;
                let polls = net.hosts[0].ip.polls.get();
                net.sleep(SECOND * held / 2).await;
                assert!(net.hosts[0].ip.polls.get() < polls + 10, "no timer fires in vain");
                assert_eq!(net.a().usage().time_wait, usize::from(held < 60));
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
                assert_eq!(flow.write(b"x").await, Err(FlowError::Closed));
                assert_eq!(flow.flush().await, Ok(()));
            };
            let server = async {
                let mut flow = listener.accept(net.b()).await;
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
                flow.close().await.unwrap();
                net.sleep(SECOND * held).await;
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
            };
            let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
            assert!(session.run_for(SECOND * 200));
            let polls = net.hosts[0].ip.polls.get();
            assert_forgotten(net);
            assert!(net.hosts[0].ip.polls.get() < polls + 10, "no timer is left that fires in vain");
            net.session().run_for(SECOND * 61);
        }
    }

    /// Both sides open at the same time (RFC 9293 §3.5, figure 7).
    fn both_open(net) {
        let meet = |host: u8| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), 7000);
        let talk = |from: usize| async move {
            let tcp = [net.a(), net.b()][from];
            let mut flow = tcp.create_connection_from(7000, meet(2 - from as u8)).await.unwrap();
            assert_eq!(flow.local().port(), 7000);
            flow.write_all(&[from as u8]).await.unwrap();
            let mut byte = [9];
            assert_eq!(flow.read(&mut byte).await, Ok(1));
            assert_eq!(usize::from(byte[0]), 1 - from);
            flow.close().await.unwrap();
            assert_eq!(flow.read(&mut byte).await, Ok(0));
        };
        assert!(net.session().spawn(talk(0)).spawn(talk(1)).run_for(SECOND * 5));
        assert_forgotten(net);
    }

    fn a_port_in_use_is_not_taken_twice(net) {
        net.link.set(net::Link { lost: 1000, ..net::Link::CLEAN });
        let client = async {
            let mut one = Box::pin(net.a().create_connection_from(7000, B));
            std::future::poll_fn(|context| {
                assert!(one.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            let two = net.a().create_connection_from(7000, B).await;
            assert_eq!(two.unwrap_err(), ConnectError::PortsExhausted);
            assert_eq!(net.a().create_connection_from(0, B).await.unwrap_err(), ConnectError::InvalidAddress);
        };
        assert!(net.session().spawn(client).run_for(SECOND));
    }

    /// A closed flow that is gone answers what still comes with a reset.
    fn data_for_a_flow_that_is_gone(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
            net.sleep(SECOND).await;
            flow.write_all(b"too late").await.unwrap();
            assert_eq!(flow.flush().await, Err(FlowError::Reset));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// A peer that never closes does not hold an entry for ever.
    fn a_closed_flow_that_is_gone_ends_by_itself(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async {
            let flow = listener.accept(net.b()).await;
            net.sleep(SECOND * 300).await;
            drop(flow);
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).background(server);
        assert!(session.run_for(SECOND * 5));
        session.run_for(SECOND * 70);
        assert_eq!(net.a().usage().connections, 0);
    }
}
