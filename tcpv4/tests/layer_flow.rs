//! What becomes of flows: dropped, closed, aborted, split.

mod layer_net;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use layer_net::{Net, join};
use tcpv4::{Listener, Storage};
use traits::{ConnectError, FlowError};

const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
const SECOND: Duration = Duration::from_secs(1);

/// Nothing is left, TIME-WAIT apart.
fn assert_forgotten<S: Storage>(net: &Net<'_, S>) {
    net.session().run_for(SECOND);
    for tcp in [net.a(), net.b()] {
        assert_eq!((tcp.usage().connections, tcp.usage().bytes), (0, 0));
    }
}

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
        let data = layer_net::pattern(8000, 1);
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
        net.link.set(layer_net::Link { lost: 1000, ..layer_net::Link::CLEAN });
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
        net.link.set(layer_net::Link { lost: 1000, ..layer_net::Link::CLEAN });
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

    fn halves_in_tasks_of_their_own(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let flow = net.a().create_connection(B).await.unwrap();
            let (mut reader, mut writer) = flow.split();
            let read = async {
                let mut buffer = [0; 10];
                assert_eq!(reader.read(&mut buffer).await, Ok(4));
                reader
            };
            let write = async {
                net.sleep(SECOND).await;
                writer.write_all(b"ping").await.unwrap();
                writer.flush().await.unwrap();
                writer
            };
            let (reader, writer) = join(read, write).await;
            let mut flow = reader.reunite(writer).unwrap();
            flow.close().await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            let mut buffer = [0; 10];
            assert_eq!(flow.read(&mut buffer).await, Ok(4));
            flow.write_all(&buffer[..4]).await.unwrap();
            assert_eq!(flow.read(&mut buffer).await, Ok(0));
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
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
                net.sleep(SECOND * held).await;
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
        net.link.set(layer_net::Link { lost: 1000, ..layer_net::Link::CLEAN });
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

    fn one_half_keeps_it_open(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let flow = net.a().create_connection(B).await.unwrap();
            let (mut reader, writer) = flow.split();
            drop(writer);
            assert_eq!(reader.read(&mut [0]).await, Ok(1));
            drop(reader);
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            net.sleep(SECOND).await;
            flow.write_all(b"x").await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    fn dropping_a_read_or_a_write_loses_nothing(net) {
        let listener = Listener::<2>::with_capacity();
        let data = layer_net::pattern(100_000, 9);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            let mut sent = 0;
            while sent < data.len() {
                // Each write is given up when it has to wait, and tried anew.
                let written = {
                    let mut write = Box::pin(flow.write(&data[sent..]));
                    std::future::poll_fn(|context| std::task::Poll::Ready(write.as_mut().poll(context))).await
                };
                match written {
                    std::task::Poll::Ready(n) => sent += n.unwrap(),
                    std::task::Poll::Pending => net.sleep(Duration::from_millis(7)).await,
                }
            }
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            let mut got: Vec<u8> = Vec::new();
            loop {
                let mut buffer = [0; 777];
                let read = {
                    let mut read = Box::pin(flow.read(&mut buffer));
                    std::future::poll_fn(|context| std::task::Poll::Ready(read.as_mut().poll(context))).await
                };
                match read {
                    std::task::Poll::Ready(Ok(0)) => break,
                    std::task::Poll::Ready(n) => got.extend(&buffer[..n.unwrap()]),
                    std::task::Poll::Pending => net.sleep(Duration::from_millis(11)).await,
                }
            }
            assert!(got == data);
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 100));
        assert_forgotten(net);
    }

    fn write_nodelay_sends_at_once(net) {
        let listener = Listener::<2>::with_capacity();
        let started = net.clock.now();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            // Three small writes within one round trip: only Nagle's
            // algorithm would hold the later ones back.
            for n in 0..3u8 {
                flow.write_nodelay(&[n]).await.unwrap();
                net.sleep(Duration::from_millis(1)).await;
            }
            flow.close().await.unwrap();
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            for n in 0..3u8 {
                let mut byte = [0; 10];
                assert_eq!(flow.read(&mut byte).await, Ok(1));
                assert_eq!(byte[0], n);
                let at = net.clock.now().duration_since(started);
                assert!(at <= Duration::from_millis(15 + u64::from(n) + 1), "{n} at {at:?}");
            }
            flow.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
    }
    fn reading_where_the_data_lies(net) {
        let listener = Listener::<2>::with_capacity();
        let data = layer_net::pattern(60_000, 4);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            flow.close().await.unwrap();
            assert_eq!(flow.info().unwrap().outstanding, 0);
            assert!(flow.info().unwrap().rtt.is_some());
        };
        let server = async {
            let flow = listener.accept(net.b()).await;
            let (mut reader, mut writer) = flow.split();
            let mut got: Vec<u8> = Vec::new();
            loop {
                let shown = reader.read_with(|bytes| {
                    assert!(!bytes.is_empty());
                    // Calling back is allowed, whatever it is.
                    traits::Layer::poll(net.b(), net.clock.now(), std::task::Waker::noop());
                    assert!(net.b().usage().connections == 1);
                    assert!(writer.info().is_some());
                    let used = bytes.len().div_ceil(2);
                    got.extend(&bytes[..used]);
                    (used, bytes.len())
                });
                if shown.await.unwrap().is_none() {
                    break;
                }
            }
            assert!(got == data, "{}", got.len());
            writer.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 20));
        assert_forgotten(net);
    }

    /// Both ends are let go from within the closure that reads.
    fn aborting_while_reading(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"hello").await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Err(FlowError::Reset));
        };
        let server = async {
            let (mut reader, mut writer) = listener.accept(net.b()).await.split();
            let shown = reader.read_with(|bytes| {
                writer.abort();
                (1, bytes.len())
            });
            assert_eq!(shown.await, Ok(Some(5)));
            assert_eq!(reader.read(&mut [0]).await, Err(FlowError::Closed));
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND));
        assert_forgotten(net);
    }

    fn behind_the_traits_of_others(net) {
        use embedded_io_async::Read as _;
        use embedded_nal_async::TcpConnect as _;
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().connect(core::net::SocketAddr::V4(B)).await.unwrap();
            embedded_io_async::Write::write_all(&mut flow, b"ping").await.unwrap();
            let mut back = [0; 4];
            flow.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, b"pong");
            let v6 = core::net::SocketAddr::from(([0; 16], 80));
            assert_eq!(net.a().connect(v6).await.unwrap_err(), tcpv4::IoError::Ipv6);
            flow.close().await.unwrap();
        };
        let server = async {
            let (mut reader, mut writer) = listener.accept(net.b()).await.split();
            let mut ping = [0; 4];
            reader.read_exact(&mut ping).await.unwrap();
            writer.write_all(b"pong").await.unwrap();
            assert!(reader.read_exact(&mut ping).await.is_err());
            writer.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND));
        assert_forgotten(net);
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
