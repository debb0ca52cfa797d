//! Writing what is sent from where it lies.

use std::task::Poll;

use crate::net::{B, Link, Net, SECOND, assert_forgotten, once, pattern, read_all};
use tcpv4::{Listener, Storage};
use traits::FlowError;

const LEN: usize = 300_000;

fn constant(len: usize, seed: u8) -> &'static [u8] {
    Box::leak(pattern(len, seed).into_boxed_slice())
}

/// What the server reads of what `client` writes; nothing is left of either.
fn served<S: Storage>(net: &Net<'_, S>, client: impl Future<Output = ()>) -> Vec<u8> {
    let listener = Listener::<2>::with_capacity();
    let mut got = Vec::new();
    let server = async {
        let mut flow = listener.accept(net.b()).await;
        got = read_all(&mut flow).await;
    };
    let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
    assert!(session.run_for(SECOND * 300));
    drop(session);
    assert_forgotten(net);
    got
}

on_both! {
    /// Pieces of all sizes among plain writes and what is filled in place; by
    /// devices that gather, that cut and that do neither, over good and bad links.
    fn each_byte_arrives(net) {
        let data = constant(LEN, 3);
        for link in [Link::CLEAN, Link::BAD] {
            net.link.set(link);
            let got = served(net, async {
                let mut flow = net.a().create_connection(B).await.unwrap();
                let mut sent = 0;
                for size in [1, 1017, 1400, 20_000, 3, 65_536].into_iter().cycle() {
                    let rest = &data[sent..];
                    let piece = rest.len().min(size + sent % 11);
                    flow.write_static(&rest[..piece]).await.unwrap();
                    let plain = rest.len().min(piece + sent % 5);
                    flow.write_all(&rest[piece..plain]).await.unwrap();
                    sent += plain;
                    if sent == LEN {
                        break;
                    }
                    sent += flow
                        .write_with(|room| {
                            let used = room.len().min(LEN - sent).min(sent % 700);
                            room[..used].copy_from_slice(&data[sent..sent + used]);
                            (used, used)
                        })
                        .await
                        .unwrap();
                }
                flow.close().await.unwrap();
                assert_eq!(flow.read(&mut [0]).await, Ok(0));
                assert_eq!(flow.write_static(data).await, Err(FlowError::Closed));
            });
            assert!(got == data, "{} bytes of {LEN}", got.len());
        }
    }

    /// One piece goes out at once, however small the limit; the next waits until
    /// the limit allows for a byte, whether it is copied or not.
    fn a_piece_is_taken_whole(net) {
        let (first, second, third) = (constant(50_000, 1), constant(10, 2), constant(5000, 3));
        let got = served(net, async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.set_send_limit(1000);
            assert_eq!(once(flow.write_static(first)), Poll::Ready(Ok(())));
            assert!(once(flow.write_static(second)).is_pending());
            assert!(once(flow.write_static(third)).is_pending());
            assert!(once(flow.write_all(b"x")).is_pending());
            assert_eq!(flow.write_static(&[]).await, Ok(()), "of nothing there is nothing to wait for");
            flow.write_static(second).await.unwrap();
            flow.write_static(third).await.unwrap();
            flow.close().await.unwrap();
        });
        assert!(got == [first, second, third].concat(), "{} bytes", got.len());
    }

    /// More pieces than are kept apart, and shorter ones: the rest is copied.
    fn pieces_of_any_number_and_length(net) {
        let data = constant(400_000, 5);
        let got = served(net, async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            for (piece, size) in data.chunks(2050).zip([2050, 3, 1024].into_iter().cycle()) {
                for piece in piece.chunks(size) {
                    flow.write_static(piece).await.unwrap();
                }
            }
            flow.close().await.unwrap();
        });
        assert!(got == data, "{} bytes", got.len());
    }

    /// A connection that is aborted holds on to nothing.
    fn an_abort_forgets_the_pieces(net) {
        let data = constant(200_000, 9);
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_static(data).await.unwrap();
            flow.write_all(b"behind").await.unwrap();
            flow.abort();
            assert_eq!(flow.write_static(data).await, Err(FlowError::Closed));
        };
        let server = async {
            let mut flow = listener.accept(net.b()).await;
            while let Ok(1..) = flow.read(&mut [0; 4096]).await {}
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        drop(session);
        assert_forgotten(net);
    }
}
