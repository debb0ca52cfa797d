//! Writing where the data is to lie.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Waker};

use crate::net::raw::{ACK, Raw};
use crate::net::{B, Link, MockIp, Net, SECOND, assert_forgotten, once, pattern, read_all, with_limits};
use tcpv4::{Flow, Limits, Listener, Storage};
use traits::{FlowError, Layer as _};

const LEN: usize = 100_000;

/// Reads `len` bytes and the end of the stream.
async fn expect<S: Storage>(mut flow: Flow<'_, &MockIp, S>, expected: &[u8]) {
    let got = read_all(&mut flow).await;
    assert!(got == expected, "{} bytes of {}", got.len(), expected.len());
}

on_both! {
    /// In all sizes, around the end of the buffer and among plain writes.
    fn each_byte_arrives(net) {
        for link in [Link::CLEAN, Link::BAD] {
            net.link.set(link);
            let listener = Listener::<2>::with_capacity();
            let data = pattern(LEN, 3);
            let client = async {
                let mut flow = net.a().create_connection(B).await.unwrap();
                flow.set_send_limit(8192);
                let (mut sent, mut pieces) = (0, Vec::new());
                while sent < LEN {
                    let rest = &data[sent..];
                    let (lent, used) = flow
                        .write_with(|room| {
                            let used = room.len().min(rest.len()).min(1 + sent % 3001);
                            room[..used].copy_from_slice(&rest[..used]);
                            // Of what was not said to be written nothing is sent.
                            room[used..].fill(0xee);
                            (used, (room.len(), used))
                        })
                        .await
                        .unwrap();
                    pieces.push(lent);
                    sent += used;
                    let plain = (LEN - sent).min(sent % 5);
                    flow.write_all(&data[sent..sent + plain]).await.unwrap();
                    sent += plain;
                }
                assert!(pieces.iter().all(|lent| (1..=8192).contains(lent)));
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
            };
            let server = async { expect(listener.accept(net.b()).await, &data).await };
            let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
            assert!(session.run_for(SECOND * 300));
            assert_forgotten(net);
        }
    }

    fn a_filler_that_writes_nothing_or_says_too_much(net) {
        let listener = Listener::<2>::with_capacity();
        let lent = Cell::new(0);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            net.sleep(SECOND).await;
            let before = net.hosts[0].ip.writes.get();
            assert_eq!(flow.write_with(|room| (0, !room.is_empty())).await, Ok(true));
            assert!(flow.flush().await.is_ok(), "there is nothing to wait for");
            net.sleep(SECOND).await;
            assert_eq!(net.hosts[0].ip.writes.get(), before, "nothing was sent");
            flow.write_with(|room| {
                room.fill(7);
                lent.set(room.len());
                (usize::MAX, ())
            })
            .await
            .unwrap();
            flow.close().await.unwrap();
        };
        let server = async {
            let flow = listener.accept(net.b()).await;
            net.sleep(SECOND * 4).await;
            expect(flow, &vec![7; lent.get()]).await;
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        assert_forgotten(net);
    }

    /// Neither the task nor what arrives sees the buffer while it is lent;
    /// the rest of the layer works.
    fn a_filler_that_calls_back(net) {
        let listener = Listener::<4>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            // To be sent, but not yet.
            flow.write_all(b"before ").await.unwrap();
            let (tcp, ip, local) = (net.a(), net.hosts[0].ip, flow.local());
            let (writes, opened) = (ip.writes.get(), tcp.statistics().opened);
            let unsent = || {
                let mut unsent = None;
                tcp.connections(|one| unsent = unsent.or(one.info.map(|info| info.unsent)));
                unsent
            };
            let before = unsent();
            flow.write_with(|room| {
                room[..3].copy_from_slice(b"hal");
                tcp.poll(net.clock.now(), Waker::noop());
                assert_eq!(ip.writes.get(), writes, "nothing is sent of it");
                let mut ack = Raw::new(ACK, 1, 1).from(*B.ip(), 80).toward(local.port());
                ack.dst = *local.ip();
                ack.input(tcp, None);
                assert_eq!(tcp.statistics().reentered, 1);
                assert_eq!(unsent(), before);
                let other = once(tcp.create_connection(B));
                assert!(other.is_pending());
                assert_eq!(tcp.statistics().opened, opened + 1);
                room[3..7].copy_from_slice(b"fway");
                (7, ())
            })
            .await
            .unwrap();
            flow.close().await.unwrap();
        };
        let server = async { expect(listener.accept(net.b()).await, b"before halfway").await };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        assert_forgotten(net);
    }

    /// The connection ends while its buffer is lent: the buffer comes back.
    fn a_filler_under_which_the_connection_ends(net) {
        let listener = Listener::<16>::with_capacity();
        let own = net.hosts[0].ip.address.get();
        let client = async {
            for _ in 0..10 {
                let mut flow = net.a().create_connection(B).await.unwrap();
                let filled = flow.write_with(|room| {
                    room[0] = 1;
                    net.hosts[0].ip.move_to([10, 0, 0, 77].into());
                    net.a().poll(net.clock.now(), Waker::noop());
                    (1, ())
                });
                assert_eq!(filled.await, Ok(()), "it was written");
                assert_eq!(flow.write_with(|_| (0, ())).await, Err(FlowError::Unreachable));
                net.hosts[0].ip.move_to(own);
            }
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client);
        assert!(session.run_for(SECOND * 30));
        assert_eq!((net.a().usage().connections, net.a().usage().bytes), (0, 0));
    }

    fn a_filler_that_panics_sends_nothing(net) {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            let fill = |room: &mut [u8]| {
                room.fill(0xbb);
                std::panic::resume_unwind(Box::new(()))
            };
            let ended = catch_unwind(AssertUnwindSafe(|| once(flow.write_with::<()>(fill))));
            assert!(ended.is_err());
            flow.write_all(b"whole").await.unwrap();
            flow.close().await.unwrap();
        };
        let server = async { expect(listener.accept(net.b()).await, b"whole").await };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        assert_forgotten(net);
    }

    /// A future that waits for room and is dropped has not called its filler.
    fn a_dropped_future_has_written_nothing(net) {
        let listener = Listener::<2>::with_capacity();
        let data = pattern(20_000, 1);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.set_send_limit(4000);
            let mut sent = 0;
            let mut dropped = 0;
            while sent < data.len() {
                let rest = &data[sent..];
                let calls = Cell::new(0);
                let written = once(flow.write_with(|room| {
                    calls.set(calls.get() + 1);
                    let used = room.len().min(rest.len());
                    room[..used].copy_from_slice(&rest[..used]);
                    (used, used)
                }));
                match written {
                    Poll::Ready(used) => sent += used.unwrap(),
                    Poll::Pending => {
                        assert_eq!(calls.get(), 0);
                        dropped += 1;
                        net.sleep(SECOND / 100).await;
                    }
                }
            }
            assert!(dropped > 0, "it had to wait");
            flow.close().await.unwrap();
            let closed = flow.write_with(|_| panic!("called")).await;
            assert_eq!(closed, Err::<(), _>(FlowError::Closed));
        };
        let server = async { expect(listener.accept(net.b()).await, &data).await };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 100));
        assert_forgotten(net);
    }
}

/// What is lent keeps to the layer's byte budget, as plain writes do.
#[test]
fn no_more_is_lent_than_the_budget_has() {
    let mut limits = Limits::default();
    limits.bytes = 60_000;
    with_limits(limits, |net| {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            loop {
                let free = limits.bytes.saturating_sub(net.a().usage().bytes);
                match once(flow.write_with(|room| (room.len(), room.len()))) {
                    Poll::Ready(lent) => assert!(lent.unwrap() <= (free / 2).max(4096)),
                    Poll::Pending => break,
                }
            }
            assert!(net.a().usage().bytes < 2 * limits.bytes, "{:?}", net.a().usage());
        };
        let server = async {
            let _flow = listener.accept(net.b()).await;
            net.sleep(SECOND * 10).await;
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).background(server);
        assert!(session.run_for(SECOND * 10));
    });
}
