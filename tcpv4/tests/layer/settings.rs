//! What is chosen for a connection while it lives, and what it tells of
//! itself.

use std::cell::Cell;
use std::time::Duration;

use crate::net::{B, Link, MockIp, Net, SECOND, assert_forgotten, pattern, read_all, with_heap};
use tcpv4::congestion::Algorithm;
use tcpv4::connection::Keepalive;
use tcpv4::{Flow, Listener, Storage};
use traits::FlowError;

/// Connects, and runs `client` with the flow, and `server` with the other end.
fn between<'n, S: Storage>(
    net: &Net<'n, S>,
    client: impl for<'t> AsyncFnOnce(Flow<'t, &'n MockIp, S>),
    server: impl for<'t> AsyncFnOnce(Flow<'t, &'n MockIp, S>),
) {
    let listener = Listener::<2>::with_capacity();
    let client = async { client(net.a().create_connection(B).await.unwrap()).await };
    let server = async { server(listener.accept(net.b()).await).await };
    let mut session = net.session().listen(1, 80, &listener).spawn(client).spawn(server);
    assert!(session.run_for(SECOND * 2000));
}

/// How long `action` takes.
async fn timed<S: Storage, T>(net: &Net<'_, S>, action: impl Future<Output = T>) -> (Duration, T) {
    let begin = net.clock.now();
    let result = action.await;
    (net.clock.now().duration_since(begin), result)
}

on_both! {
    fn nodelay(net) {
        let client = async |mut flow: Flow<'_, _, _>| {
            let sent = || net.a().statistics().sent;
            flow.write_all(b"first").await.unwrap();
            net.sleep(Duration::from_millis(1)).await;
            let before = sent();
            flow.write_all(b"gathered").await.unwrap();
            net.sleep(Duration::from_millis(1)).await;
            assert_eq!(sent(), before, "the first is under way");
            flow.set_nodelay(true);
            assert!(flow.settings().nodelay);
            net.sleep(Duration::from_millis(1)).await;
            assert_eq!(sent(), before + 1, "what was gathered goes");
            flow.write_all(b"at once").await.unwrap();
            net.sleep(Duration::from_millis(1)).await;
            assert_eq!(sent(), before + 2);
            flow.close().await.unwrap();
        };
        between(net, client, async |mut flow| assert_eq!(read_all(&mut flow).await.len(), 20));
    }

    fn keepalive(net) {
        let client = async |mut flow: Flow<'_, _, _>| {
            let sent = || net.a().statistics().sent;
            net.sleep(SECOND).await;
            let before = sent();
            net.sleep(SECOND * 100).await;
            assert_eq!(sent(), before, "off at first");
            let (idle, interval) = (SECOND * 10, SECOND * 5);
            flow.set_keepalive(Some(Keepalive { idle, interval, probes: 3 }));
            net.sleep(SECOND * 100).await;
            assert!((8..=10).contains(&(sent() - before)), "{}", sent() - before);
            // Off again.
            flow.set_keepalive(None);
            let before = sent();
            net.sleep(SECOND * 100).await;
            assert_eq!(sent(), before);
            // And the peer is gone.
            net.link.set(Link { lost: 1000, ..Link::CLEAN });
            flow.set_keepalive(Some(Keepalive { idle, interval, probes: 3 }));
            let (time, read) = timed(net, flow.read(&mut [0])).await;
            assert_eq!(read, Err(FlowError::Timeout));
            assert!((20..=30).contains(&time.as_secs()), "{time:?}");
        };
        between(net, client, async |_flow| net.sleep(SECOND * 400).await);
    }

    fn user_timeout(net) {
        let client = async |mut flow: Flow<'_, _, _>| {
            net.sleep(SECOND).await;
            net.link.set(Link { lost: 1000, ..Link::CLEAN });
            flow.set_user_timeout(Some(SECOND * 7));
            flow.write_all(b"x").await.unwrap();
            let (time, flushed) = timed(net, flow.flush()).await;
            assert_eq!(flushed, Err(FlowError::Timeout));
            assert!((7..=8).contains(&time.as_secs()), "{time:?}");
        };
        between(net, client, async |_flow| net.sleep(SECOND * 10).await);
        net.link.set(Link::CLEAN);
        let client = async |mut flow: Flow<'_, _, _>| {
            flow.set_user_timeout(Some(SECOND * 7));
            flow.set_user_timeout(None);
            net.sleep(SECOND).await;
            net.link.set(Link { lost: 1000, ..Link::CLEAN });
            flow.write_all(b"x").await.unwrap();
            let (time, flushed) = timed(net, flow.flush()).await;
            assert_eq!(flushed, Err(FlowError::Timeout));
            assert!(time > SECOND * 600, "{time:?}");
        };
        between(net, client, async |_flow| net.sleep(SECOND * 10).await);
    }

    fn send_limit(net) {
        let client = async |mut flow: Flow<'_, _, _>| {
            flow.set_send_limit(3000);
            assert_eq!(flow.write(&[1; 10_000]).await, Ok(3000));
            assert_eq!(flow.info().unwrap().send_limit, 3000);
            flow.set_send_limit(5000);
            assert_eq!(flow.write(&[1; 10_000]).await, Ok(2000));
            // Less than is kept: the next has to wait until that is gone.
            flow.set_send_limit(100);
            assert_eq!(flow.write(&[1; 10_000]).await, Ok(100));
            assert_eq!(flow.info().unwrap().outstanding + flow.info().unwrap().unsent, 100);
            flow.close().await.unwrap();
        };
        between(net, client, async |mut flow| assert_eq!(read_all(&mut flow).await.len(), 5100));
    }

    fn receive_limit(net) {
        let window = Cell::new(u32::MAX);
        let client = async |mut flow: Flow<'_, _, _>| {
            flow.write_all(&pattern(200_000, 1)).await.unwrap();
            flow.flush().await.unwrap();
            window.set(flow.info().unwrap().send_window);
            flow.close().await.unwrap();
        };
        let server = async |mut flow: Flow<'_, _, _>| {
            flow.set_receive_limit(4000);
            assert_eq!(read_all(&mut flow).await.len(), 200_000);
            assert_eq!(flow.info().unwrap().receive_space, 4000);
        };
        between(net, client, server);
        // Rounded up to the scale.
        assert!(window.get() < 4000 + (1 << 8), "{}", window.get());
    }

    fn congestion(net) {
        let client = async |mut flow: Flow<'_, _, _>| {
            assert_eq!(flow.info().unwrap().congestion, Algorithm::Cubic);
            flow.write_all(&pattern(50_000, 1)).await.unwrap();
            let before = flow.info().unwrap().cwnd;
            flow.set_congestion(Algorithm::NewReno);
            let info = flow.info().unwrap();
            assert_eq!((info.congestion, info.cwnd), (Algorithm::NewReno, before));
            flow.write_all(&pattern(50_000, 1)).await.unwrap();
            flow.close().await.unwrap();
        };
        between(net, client, async |mut flow| assert_eq!(read_all(&mut flow).await.len(), 100_000));
    }

    /// Bytes and segments are counted as Linux does, over idle times too.
    fn what_was_sent_and_received(net) {
        net.link.set(Link { lost: 30, ..Link::CLEAN });
        let client = async |mut flow: Flow<'_, _, _>| {
            for round in 1..=3 {
                flow.write_all(&pattern(50_000, 1)).await.unwrap();
                flow.flush().await.unwrap();
                let busy = flow.info().unwrap();
                assert_eq!(busy.totals.bytes_acknowledged, 50_000 * round);
                assert_eq!(busy.totals.bytes_sent, 50_000 * round + busy.totals.bytes_retransmitted);
                assert!(u64::from(busy.totals.data_segments_sent) >= 50_000 * round / 1448);
                // Long enough for its memory to be given back.
                net.sleep(SECOND * 10).await;
                let mut idle = flow.info().unwrap();
                (idle.cwnd, idle.ssthresh, idle.send_limit) = (busy.cwnd, busy.ssthresh, busy.send_limit);
                assert_eq!(idle, busy);
            }
            let info = flow.info().unwrap();
            assert!(info.totals.retransmissions > 0 && info.totals.bytes_retransmitted > 0, "{info:?}");
            assert!(info.totals.bytes_retransmitted <= u64::from(info.totals.retransmissions) * 1460);
            assert_eq!((info.totals.bytes_received, info.totals.data_segments_received), (0, 0));
            net.link.set(Link::CLEAN);
            flow.close().await.unwrap();
        };
        let server = async |mut flow: Flow<'_, _, _>| {
            assert_eq!(read_all(&mut flow).await.len(), 150_000);
            let info = flow.info().unwrap();
            assert_eq!((info.totals.bytes_received, info.totals.bytes_sent), (150_000, 0));
            assert!(info.totals.data_segments_received >= 150_000 / 1460);
        };
        between(net, client, server);
        assert_forgotten(net);
    }
}

/// A large segment counts as those that it becomes, and that it was.
#[test]
fn large_segments_are_counted_as_many() {
    with_heap(|net| {
        let mut capabilities = traits::Capabilities::NONE;
        capabilities.offload = traits::Offload::TSO4 | traits::Offload::TX_CHECKSUM;
        capabilities.gso_max_size = 60_000;
        net.hosts[0].ip.capabilities.set(capabilities);
        net.link.set(Link { large_receive: true, ..Link::CLEAN });
        let segments = Cell::new(0);
        let client = async |mut flow: Flow<'_, _, _>| {
            flow.write_all(&pattern(100_000, 1)).await.unwrap();
            flow.flush().await.unwrap();
            segments.set(flow.info().unwrap().totals.data_segments_sent);
            flow.close().await.unwrap();
        };
        let server = async |mut flow: Flow<'_, _, _>| {
            assert_eq!(read_all(&mut flow).await.len(), 100_000);
            assert_eq!(flow.info().unwrap().totals.data_segments_received, segments.get());
            assert!(segments.get() >= 100_000 / 1460);
        };
        between(net, client, server);
        assert!(net.a().statistics().sent < u64::from(segments.get()), "some were large");
    });
}
