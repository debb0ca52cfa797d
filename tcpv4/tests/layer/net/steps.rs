//! What tests do again and again.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tcpv4::{Flow, Listener, Storage};
use traits::{Ip, Layer as _};

use super::raw::{self, ACK, CWR, ECE, Raw, SYN, Seen};
use super::{MockIp, Net};

/// Polls once, and drops the future.
pub fn once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets host `a` speak, and takes what it says.
pub fn speak<S: Storage>(net: &Net<'_, S>) -> Vec<Seen> {
    net.a().poll(net.clock.now(), Waker::noop());
    raw::take(net.hosts[0].ip)
}

/// Opens a connection to port 80 of host `a` with `opening`'s addresses and
/// window; the flow, and the peer's next acknowledgement number.
pub fn accept<'t, 'n, S: Storage, const BACKLOG: usize>(
    net: &'t Net<'n, S>,
    listener: &Listener<BACKLOG>,
    opening: &Raw,
) -> (Flow<'t, &'n MockIp, S>, u32) {
    let (mut syn, mut ack) = (opening.clone(), opening.clone());
    (syn.flags, syn.ack) = (SYN | opening.flags & (ECE | CWR), 0);
    syn.input(net.a(), Some(listener));
    let next = speak(net)[0].seq.wrapping_add(1);
    (ack.flags, ack.seq, ack.ack) = (ACK, opening.seq.wrapping_add(1), next);
    ack.input(net.a(), Some(listener));
    match once(listener.accept(net.a())) {
        Poll::Ready(flow) => (flow, next),
        Poll::Pending => panic!("nothing to accept"),
    }
}

/// Reads to the end of the stream, and closes.
pub async fn read_all<I: Ip, S: Storage>(flow: &mut Flow<'_, I, S>) -> Vec<u8> {
    let mut got = Vec::new();
    let mut buffer = [0; 4000];
    loop {
        match flow.read(&mut buffer).await.unwrap() {
            0 => break,
            n => got.extend(&buffer[..n]),
        }
    }
    flow.close().await.unwrap();
    got
}

/// Sends back all that comes, then closes.
pub async fn echo<I: Ip, S: Storage>(mut flow: Flow<'_, I, S>) {
    let mut buffer = [0; 3000];
    loop {
        match flow.read(&mut buffer).await {
            Ok(0) => break,
            Ok(n) => flow.write_all(&buffer[..n]).await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
    flow.close().await.unwrap();
}

/// Sends `data`, and returns what comes back.
pub async fn exchange<I: Ip, S: Storage>(flow: Flow<'_, I, S>, data: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = flow.split();
    let send = async {
        writer.write_all(data).await.unwrap();
        writer.close().await.unwrap();
    };
    let receive = async {
        let mut back = Vec::new();
        let mut buffer = [0; 5000];
        loop {
            match reader.read(&mut buffer).await.unwrap() {
                0 => return back,
                n => back.extend(&buffer[..n]),
            }
        }
    };
    join(send, receive).await.1
}

/// Both, at the same time.
pub async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut x, mut y) = (None, None);
    std::future::poll_fn(|context| {
        if x.is_none() {
            x = match a.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
        if y.is_none() {
            y = match b.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
        match (x.take(), y.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (x, y) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// `len` bytes that tell their place.
pub fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ salt).collect()
}

/// A port of the second host.
pub const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
pub const SECOND: Duration = Duration::from_secs(1);

/// Nothing is left, TIME-WAIT apart.
pub fn assert_forgotten<S: Storage>(net: &Net<'_, S>) {
    net.session().run_for(SECOND);
    for tcp in [net.a(), net.b()] {
        assert_eq!((tcp.usage().connections, tcp.usage().bytes), (0, 0));
    }
}
