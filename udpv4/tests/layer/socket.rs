//! The bound queue and its async end.

use std::collections::VecDeque;
use std::future::Future;
use std::num::NonZeroU16;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::*;
use proptest::prelude::*;
use traits::*;
use udpv4::{EPHEMERAL_PORTS, Socket, Udp, ephemeral_port};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn push(socket: &dyn Receive, payload: &[u8]) {
    let src = "10.0.0.1:1000".parse().unwrap();
    let dst = "10.0.0.2:7".parse().unwrap();
    socket.receive(Datagram::new(src, dst, payload));
}

#[test]
fn what_came_in_is_read_in_order() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    let socket = Socket::new();
    for text in [&b"one"[..], b"", b"three"] {
        udp.input(Inbound::Packet(packet(&datagram(1000, 7, text))), |_| Some(&socket));
    }
    let mut buffer = [0; 100];
    for text in [&b"one"[..], b"", b"three"] {
        let got = socket.try_recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..got.len], text);
        assert_eq!((got.truncated, got.src.port(), got.dst.port()), (0, 1000, 7));
    }
    assert!(socket.try_recv(&mut buffer).is_none());
}

#[test]
fn a_short_buffer_is_told() {
    let socket = Socket::<64, 4>::with_capacity();
    push(&socket, b"hello");
    push(&socket, b"next");
    let mut buffer = [0; 2];
    let got = socket.try_recv(&mut buffer).unwrap();
    assert_eq!((got.len, got.truncated), (2, 3));
    let mut buffer = [0; 8];
    let got = socket.try_recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..got.len], b"next");
}

#[test]
fn beyond_its_bounds_the_newest_are_dropped_and_counted() {
    let socket = Socket::<8, 2>::with_capacity();
    push(&socket, b"123456789");
    assert_eq!(socket.statistics().dropped_bytes, 1);
    push(&socket, b"1234");
    push(&socket, b"12345");
    assert_eq!(socket.statistics().dropped_bytes, 2);
    push(&socket, b"5678");
    push(&socket, b"");
    assert_eq!(socket.statistics().dropped_packets, 1);
    assert_eq!(socket.statistics().queued, 2);
    let mut buffer = [0; 8];
    assert_eq!(socket.try_recv(&mut buffer).unwrap().len, 4);
    assert_eq!(&buffer[..4], b"1234");
    assert_eq!(socket.len(), 1);
}

#[test]
fn waiting_tasks_are_woken() {
    let socket = Socket::<64, 4>::with_capacity();
    let counts: [Arc<Count>; 2] = Default::default();
    let wakers = counts.clone().map(Waker::from);
    let (mut a, mut b) = ([0; 8], [0; 8]);
    let mut first = pin!(socket.recv(&mut a));
    let mut second = pin!(socket.recv(&mut b));
    assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
    push(&socket, b"x");
    assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    let Poll::Ready(got) = second.as_mut().poll(&mut Context::from_waker(&wakers[1])) else { panic!() };
    assert_eq!(got.len, 1);
    assert!(first.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
}

#[test]
fn a_dropped_future_loses_nothing() {
    let socket = Socket::<64, 4>::with_capacity();
    let mut buffer = [0; 8];
    {
        let mut recv = pin!(socket.recv(&mut buffer));
        assert!(recv.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        push(&socket, b"x");
    }
    assert!(socket.try_recv(&mut buffer).is_some());
}

#[test]
fn a_large_receive_is_queued_as_its_datagrams() {
    let socket = Socket::<64, 8>::with_capacity();
    let src = "10.0.0.1:1000".parse().unwrap();
    let mut datagram = Datagram::new(src, src, b"aaaabbbbcc");
    datagram.segment_size = NonZeroU16::new(4);
    socket.receive(datagram);
    let mut buffer = [0; 8];
    let lens = [(); 3].map(|()| socket.try_recv(&mut buffer).unwrap().len);
    assert_eq!(lens, [4, 4, 2]);
    assert!(socket.is_empty());
}

#[test]
fn errors_are_kept_for_who_asks() {
    let socket = Socket::new();
    let error = DatagramError::new(IcmpErrorKind::TimeExceeded, 7, "10.0.0.1:53".parse().unwrap());
    socket.error(error);
    assert_eq!(socket.take_error(), Some(error));
    assert_eq!(socket.take_error(), None);
    assert_eq!(socket.statistics().errors, 1);
}

#[test]
fn a_socket_without_bytes_takes_empty_datagrams() {
    let socket = Socket::<0, 2>::with_capacity();
    push(&socket, b"x");
    push(&socket, b"");
    assert_eq!(socket.try_recv(&mut []).unwrap().len, 0);
}

#[test]
fn ephemeral_ports_are_free_and_spread() {
    use rand_core::SeedableRng;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1000 {
        let port = ephemeral_port(&mut random, |port| port % 2 == 0).unwrap();
        assert!(EPHEMERAL_PORTS.contains(&port) && port % 2 == 1);
        seen.insert(port);
    }
    assert!(seen.len() > 900);
    let mut asked = 0;
    assert_eq!(
        ephemeral_port(&mut random, |_| {
            asked += 1;
            true
        }),
        None
    );
    assert_eq!(asked, 32_768);
    assert_eq!(ephemeral_port(&mut random, |port| port != 40_000), Some(40_000));
}

proptest! {
    /// The ring against a queue of vectors.
    #[test]
    fn the_ring_is_a_queue(steps: Vec<(bool, Vec<u8>)>) {
        let socket = Socket::<97, 5>::with_capacity();
        let mut model = VecDeque::<Vec<u8>>::new();
        for (read, mut payload) in steps {
            payload.truncate(60);
            if read {
                let mut buffer = [0; 97];
                let got = socket.try_recv(&mut buffer).map(|got| buffer[..got.len].to_vec());
                prop_assert_eq!(got, model.pop_front());
            } else {
                push(&socket, &payload);
                let used: usize = model.iter().map(Vec::len).sum();
                if model.len() < 5 && used + payload.len() <= 97 {
                    model.push_back(payload);
                }
            }
            prop_assert_eq!(socket.len(), model.len());
        }
    }
}
