//! Reading and writing: in halves, in place, behind the traits of others.

use std::task::Poll;
use std::time::Duration;

use crate::net;
use crate::net::{B, Net, SECOND, assert_forgotten, join, once};
use tcpv4::Listener;
use traits::FlowError;

on_both! {
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
        let data = net::pattern(100_000, 9);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            let mut sent = 0;
            while sent < data.len() {
                // Each write is given up when it has to wait, and tried anew.
                let written = {
                    let mut write = Box::pin(flow.write(&data[sent..]));
                    std::future::poll_fn(|context| Poll::Ready(write.as_mut().poll(context))).await
                };
                match written {
                    Poll::Ready(n) => sent += n.unwrap(),
                    Poll::Pending => net.sleep(Duration::from_millis(7)).await,
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
                    std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await
                };
                match read {
                    Poll::Ready(Ok(0)) => break,
                    Poll::Ready(n) => got.extend(&buffer[..n.unwrap()]),
                    Poll::Pending => net.sleep(Duration::from_millis(11)).await,
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
        let data = net::pattern(60_000, 4);
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

    /// Whoever is told that it is ready does not wait.
    fn ready_is_who_would_not_wait(net) {
        use embedded_io_async::{ReadReady as _, WriteReady as _};
        use tcpv4::IoError;
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.set_send_limit(4000);
            assert_eq!((flow.read_ready(), flow.write_ready()), (Ok(false), Ok(true)));
            net.sleep(SECOND / 100).await;
            while flow.write_ready() == Ok(true) {
                assert!(once(flow.write(&[7; 900])).is_ready());
            }
            assert!(once(flow.write(&[7; 900])).is_pending(), "full");
            flow.flush().await.unwrap();
            assert_eq!(flow.write_ready(), Ok(true));
            flow.close().await.unwrap();
            assert_eq!(flow.write_ready(), Err(IoError::Flow(FlowError::Closed)));
            assert_eq!(once(flow.write(b"x")), Poll::Ready(Err(FlowError::Closed)));
            assert_eq!(flow.read_ready(), Ok(false), "the other direction is open");
            net.sleep(SECOND).await;
            assert_eq!(flow.read_ready(), Ok(true), "the end of the stream");
            assert_eq!(once(flow.read(&mut [0])), Poll::Ready(Ok(0)));
        };
        let server = async {
            let (mut reader, mut writer) = listener.accept(net.b()).await.split();
            assert_eq!((reader.read_ready(), writer.write_ready()), (Ok(false), Ok(true)));
            let mut count = 0;
            while count < 4000 {
                net.sleep(SECOND / 100).await;
                while reader.read_ready() == Ok(true) {
                    let Poll::Ready(Ok(n)) = once(reader.read(&mut [0; 700])) else { panic!("waits") };
                    count += n;
                    if n == 0 {
                        break;
                    }
                }
            }
            net.sleep(SECOND / 2).await;
            writer.close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }

    /// A connection that is lost is told at once.
    fn a_lost_connection_is_ready_with_its_error(net) {
        use embedded_io_async::{ReadReady as _, WriteReady as _};
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"hello").await.unwrap();
            net.sleep(SECOND).await;
            let lost = Err(tcpv4::IoError::Flow(FlowError::Reset));
            assert_eq!((flow.read_ready(), flow.write_ready()), (lost, lost));
        };
        let server = async { listener.accept(net.b()).await.abort() };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 5));
        assert_forgotten(net);
    }
}
