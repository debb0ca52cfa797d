//! Segments one by one, each way through a function of its own, so that what
//! one costs can be counted: `flow_write` is the user's call that queues data,
//! [`COUNT`] times, `write_segment` sends it, `receive_segment` takes the frame
//! with it, `flow_read` is the user's call that takes the data; `receive_ack`
//! takes what acknowledges it, one frame for two segments.
//!
//! The program ends with status 0 if there were that many frames.

#![no_std]
#![no_main]

#[path = "../start.rs"]
mod start;
#[path = "../tower.rs"]
mod tower;

use core::cell::Cell;
use core::future::Future;
use core::net::SocketAddrV4;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Fixed, Link, Settings, VirtualClock};
use tcpv4::{Fixed as Slots, Flow, Memory};
use traits::{Cidr, Config, Datagrams as _, Frame, Ip as _, Layer as _, Network as _, Time as _};

use tower::{CLIENT, Network, SERVER, Tower, Weak, receive, tower};

/// Segments counted.
const COUNT: u32 = 256;
/// Segments before those, until all is in its course.
const BEFORE: u32 = 64;
/// Bytes in each: less than fits, so that each is sent alone.
const LEN: usize = 1400;

type Connection<'p, 'a> = Flow<'p, &'a Network<'a>, Slots<'a, 4>>;

/// A frame with the next data.
#[unsafe(no_mangle)]
#[inline(never)]
fn receive_segment(ip: &Network<'_>, tower: &Tower<'_>, frame: Frame<'_>) {
    receive(ip, tower, frame);
}

/// A frame that acknowledges what was sent last.
#[unsafe(no_mangle)]
#[inline(never)]
fn receive_ack(ip: &Network<'_>, tower: &Tower<'_>, frame: Frame<'_>) {
    receive(ip, tower, frame);
    // Two functions that are the same would be made one.
    core::hint::black_box(COUNT);
}

/// The user's call that queues the data of one segment.
#[unsafe(no_mangle)]
#[inline(never)]
fn flow_write(flow: &mut Connection<'_, '_>, data: &[u8; LEN]) -> bool {
    matches!(once(flow.write(data)), Poll::Ready(Ok(LEN)))
}

/// The user's call that takes the data of one segment.
#[unsafe(no_mangle)]
#[inline(never)]
fn flow_read(flow: &mut Connection<'_, '_>, buffer: &mut [u8; LEN]) -> bool {
    matches!(once(flow.read(buffer)), Poll::Ready(Ok(LEN)))
}

/// What a task does that has data to send: one segment of it.
#[unsafe(no_mangle)]
#[inline(never)]
fn write_segment(tower: &Tower<'_>) {
    poll(tower);
}

fn once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Both towers, and what hands their frames up.
struct Pair<'p, 'a, F> {
    clock: &'p VirtualClock,
    server: &'p Tower<'a>,
    client: &'p Tower<'a>,
    packets: Pin<&'p mut F>,
}

impl<F: Future> Pair<'_, '_, F> {
    /// What the link holds is handed up.
    fn deliver(&mut self) {
        let _ = self.packets.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Some time for both towers.
    fn pass(&mut self) {
        self.clock.advance(self.clock.now() + Duration::from_micros(100));
        poll(self.client);
        poll(self.server);
        self.deliver();
    }

    /// Data from the client to the server, and its acknowledgement back.
    fn exchange(
        &mut self,
        from: &mut Connection<'_, '_>,
        to: &mut Connection<'_, '_>,
        counted: &Counted,
    ) -> bool {
        let (data, mut buffer) = ([7; LEN], [0; LEN]);
        let written = match counted.on.get() {
            true => flow_write(from, &data),
            false => matches!(once(from.write(&data)), Poll::Ready(Ok(LEN))),
        };
        match counted.on.get() {
            true => write_segment(self.client),
            false => poll(self.client),
        }
        self.deliver();
        let read = match counted.on.get() {
            true => flow_read(to, &mut buffer),
            false => matches!(once(to.read(&mut buffer)), Poll::Ready(Ok(LEN))),
        };
        if !written || !read || data != buffer {
            return false;
        }
        self.pass();
        true
    }
}

/// What a task does.
fn poll(tower: &Tower<'_>) {
    let now = tower.tcp.now();
    let _ = tower.tcp.poll(now, Waker::noop());
    tower.tcp.flush();
}

/// What went through the functions that are counted.
#[derive(Default)]
struct Counted {
    on: Cell<bool>,
    segments: Cell<u32>,
    acks: Cell<u32>,
}

/// Whether a frame of the link's carries TCP data.
fn has_data(frame: &Frame<'_>) -> bool {
    frame.bytes.len() > LEN
}

/// The status: 0 is good.
fn main() -> u8 {
    let clock = VirtualClock::new();
    let link = Link::<&VirtualClock, Fixed<64, 1600>>::fixed(&clock, Settings::new());
    let [near, far] = link.ports();
    let mut random = Weak(1);
    let (mut memory_a, mut memory_b) = (Memory::<4, 16_384>::new(), Memory::<4, 16_384>::new());
    let (a, b) = (Ipv4::connect(Ethif::connect(&near)), Ipv4::connect(Ethif::connect(&far)));
    a.configure(&Config { addresses: &[Cidr::new(SERVER, 24)], ..Config::default() });
    b.configure(&Config { addresses: &[Cidr::new(CLIENT, 24)], ..Config::default() });
    let server = tower(&a, &mut random, &mut memory_a);
    let client = tower(&b, &mut random, &mut memory_b);
    if client.udp.send(9, SocketAddrV4::new(SERVER, 9), b"hello").is_err() {
        return 2;
    }
    let counted = Counted::default();
    let at_server = near.listen(|frame| match counted.on.get() && has_data(&frame) {
        true => {
            counted.segments.set(counted.segments.get() + 1);
            receive_segment(&a, &server, frame);
        }
        false => receive(&a, &server, frame),
    });
    let at_client = far.listen(|frame| match counted.on.get() {
        true => {
            counted.acks.set(counted.acks.get() + 1);
            receive_ack(&b, &client, frame);
        }
        false => receive(&b, &client, frame),
    });
    let packets = pin!(async {
        let (mut at_server, mut at_client) = (pin!(at_server), pin!(at_client));
        core::future::poll_fn(|context| {
            let _ = at_server.as_mut().poll(context).is_pending();
            at_client.as_mut().poll(context).map(|_| ())
        })
        .await;
    });
    run(Pair { clock: &clock, server: &server, client: &client, packets }, &counted)
}

fn run(mut pair: Pair<'_, '_, impl Future>, counted: &Counted) -> u8 {
    let (client, server) = (pair.client, pair.server);
    let mut connecting = pin!(client.tcp.create_connection(SocketAddrV4::new(SERVER, 7)));
    let mut connected = None;
    for _ in 0..20 {
        if let Poll::Ready(result) = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            connected = result.ok();
            break;
        }
        pair.pass();
    }
    let Some(mut from) = connected else { return 3 };
    pair.pass();
    let Poll::Ready(mut to) = once(server.listener.accept(&server.tcp)) else { return 4 };
    from.set_nodelay(true);
    for n in 0..BEFORE + COUNT {
        counted.on.set(n >= BEFORE);
        if !pair.exchange(&mut from, &mut to, counted) {
            return 5;
        }
    }
    counted.on.set(false);
    if counted.segments.get() == COUNT && counted.acks.get() == COUNT / 2 { 0 } else { 6 }
}
