//! Reading in place.

use crate::net;
use crate::net::{B, Link, MockIp, Net, SECOND, assert_forgotten, with_fixed, with_heap};
use embedded_io_async::{BufRead as _, Read as _};
use tcpv4::{Buffered, Flow, Listener, Storage};
use traits::FlowError;

const LEN: usize = 200_000;

/// Sends `LEN` bytes to a server that reads them in place.
fn transfer<'n, S: Storage>(
    net: &Net<'n, S>,
    buffered: impl for<'t> Fn(Flow<'t, &'n MockIp, S>) -> Buffered<'t, &'n MockIp, S>,
) {
    let listener = Listener::<2>::with_capacity();
    let data = net::pattern(LEN, 3);
    let client = async {
        let mut flow = net.a().create_connection(B).await.unwrap();
        flow.write_all(&data).await.unwrap();
        flow.close().await.unwrap();
    };
    let server = async {
        let mut reader = buffered(listener.accept(net.b()).await);
        let mut got = Vec::new();
        loop {
            let shown = reader.fill_buf().await.unwrap();
            if shown.is_empty() {
                break;
            }
            // Not always all of it, and read the rest by copying now and then.
            let count = shown.len().min(1 + got.len() % 3000);
            got.extend_from_slice(&shown[..count]);
            reader.consume(count);
            let mut some = [0; 7];
            if got.len() % 5 == 0 && got.len() < LEN {
                let count = reader.read(&mut some).await.unwrap();
                got.extend_from_slice(&some[..count]);
            }
        }
        assert!(got == data, "{} bytes", got.len());
        let (mut flow, _) = reader.into_inner();
        flow.close().await.unwrap();
    };
    let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
    assert!(session.run_for(SECOND * 300));
}

#[test]
fn each_byte_is_shown_once() {
    with_heap(|net| {
        transfer(net, |flow| flow.buffered());
        assert_forgotten(net);
    });
}

/// Behind a hole there are bytes in their place already: those stay there.
#[test]
fn each_byte_is_shown_once_over_a_bad_link() {
    with_heap(|net| {
        net.link.set(Link::BAD);
        transfer(net, |flow| flow.buffered());
    });
}

#[test]
fn fixed_memory_takes_a_spare_buffer() {
    for (size, link) in [(8192, Link::CLEAN), (8192, Link::BAD), (20_000, Link::BAD), (100, Link::CLEAN)] {
        with_fixed(|net| {
            net.link.set(link);
            transfer(net, |flow| flow.buffered_in(Box::leak(vec![0; size].into_boxed_slice())).unwrap());
        });
    }
}

#[test]
fn no_spare_buffer_is_none() {
    with_fixed(|net| {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let flow = net.a().create_connection(B).await.unwrap();
            assert!(flow.buffered_in(&mut []).is_err());
        };
        let server = listener.serve(net.b(), async |mut flow: Flow<'_, _, _>| flow.read(&mut [0]).await);
        let mut session = net.session().listen(1, 80, &listener).background(server).spawn(client);
        assert!(session.run_for(SECOND));
    });
}

/// What is shown and not consumed counts in the window.
#[test]
fn a_slow_reader_closes_the_window() {
    with_heap(|net| {
        let listener = Listener::<2>::with_capacity();
        // Less than may be queued from the start.
        let data = net::pattern(100_000, 3);
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(&data).await.unwrap();
            net.sleep(SECOND * 2).await;
            let info = flow.info().unwrap();
            assert!(info.unsent + info.outstanding >= 100_000 - (64 << 10) - 1448, "{info:?}");
            flow.close().await.unwrap();
        };
        let server = async {
            let mut reader = listener.accept(net.b()).await.buffered();
            assert!(!reader.fill_buf().await.unwrap().is_empty());
            net.sleep(SECOND * 5).await;
            let mut count = 0;
            loop {
                let shown = reader.fill_buf().await.unwrap().len();
                if shown == 0 {
                    break;
                }
                count += shown;
                reader.consume(shown);
            }
            assert_eq!(count, data.len());
            reader.get_mut().close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 60));
        assert_forgotten(net);
    });
}

/// As with data that was not read (RFC 9293 §3.6.1).
#[test]
fn dropped_with_data_shown_it_resets() {
    with_heap(|net| {
        let listener = Listener::<2>::with_capacity();
        let client = async {
            let mut flow = net.a().create_connection(B).await.unwrap();
            flow.write_all(b"hello").await.unwrap();
            assert_eq!(flow.read(&mut [0]).await, Ok(0));
            net.sleep(SECOND).await;
            assert_eq!(flow.write(b"x").await, Err(FlowError::Reset));
        };
        let server = async {
            let mut reader = listener.accept(net.b()).await.buffered();
            assert_eq!(reader.fill_buf().await.unwrap(), b"hello");
            // Closed first, which a drop alone would let run its course.
            reader.get_mut().close().await.unwrap();
        };
        let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
        assert!(session.run_for(SECOND * 10));
        assert_forgotten(net);
    });
}
