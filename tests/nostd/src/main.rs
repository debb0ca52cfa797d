//! Two towers on a link in memory exchange datagrams and a connection's
//! bytes, without std, without libc and without a heap. The program ends with
//! status 0 if everything came, and right.

#![no_std]
#![no_main]

mod start;

use core::cell::Cell;
use core::future::Future;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Fixed, Link, Port, Settings, VirtualClock};
use tcpv4::{Fixed as Slots, Listener, Memory, Tcp};
use traits::{Cidr, Config, Datagrams as _, Frame, Ip as _, Layer as _, Network as _, Rng};
use udpv4::Udp;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Bytes sent each way.
const LEN: usize = 100_000;

type Device<'a> = Port<'a, &'a VirtualClock, 2, Fixed<64, 1600>>;
type Network<'a> = Ipv4<Ethif<&'a Device<'a>>>;

/// A tower that owns its layers but for the device.
struct Tower<'a> {
    udp: Udp<&'a Network<'a>>,
    tcp: Tcp<&'a Network<'a>, Slots<'a, 4>>,
    listener: Listener<4>,
    datagrams: Cell<u32>,
}

/// From a frame to the state of TCP, in one function: what the layers cost.
#[unsafe(no_mangle)]
#[inline(never)]
fn receive(ip: &Network<'_>, tower: &Tower<'_>, frame: Frame<'_>) {
    ip.ethernet().input(
        frame,
        ethif::listeners().ipv4(|p| {
            ip.input(
                p,
                ipv4::listeners()
                    .tcp(|s| tower.tcp.input(s, |port| (port == 7).then_some(&tower.listener as _)))
                    .udp(|_| tower.datagrams.set(tower.datagrams.get() + 1)),
            );
        }),
    );
}

/// A generator that is good enough where nobody guesses.
struct Weak(u64);

impl rand_core::TryRng for Weak {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            *byte = self.try_next_u32()? as u8;
        }
        Ok(())
    }
}

fn byte(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)) as u8
}

async fn serve(tower: &Tower<'_>) {
    let mut flow = tower.listener.accept(&tower.tcp).await;
    let mut buffer = [0; 1024];
    while let Ok(len @ 1..) = flow.read(&mut buffer).await {
        if flow.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
    let _ = flow.close().await;
}

/// How many bytes came back right.
async fn ask(tower: &Tower<'_>) -> usize {
    let Ok(flow) = tower.tcp.create_connection(SocketAddrV4::new(SERVER, 7)).await else { return 0 };
    let (mut reader, mut writer) = flow.split();
    let send = async {
        let mut piece = [0; 1000];
        for start in (0..LEN).step_by(piece.len()) {
            piece.iter_mut().enumerate().for_each(|(at, p)| *p = byte(start + at));
            if writer.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = writer.close().await;
    };
    let receive = async {
        let (mut right, mut buffer) = (0, [0; 700]);
        while let Ok(len @ 1..) = reader.read(&mut buffer).await {
            right += buffer[..len].iter().enumerate().filter(|(at, b)| **b == byte(right + at)).count();
        }
        right
    };
    both(send, receive).await.1
}

/// Runs two futures to their ends.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    core::future::poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(context)
        {
            second = Some(output);
        }
        if first.is_some() && second.is_some() {
            return first.take().zip(second.take()).map_or(Poll::Pending, Poll::Ready);
        }
        Poll::Pending
    })
    .await
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
    let server_packets = near.listen(|frame| receive(&a, &server, frame));
    let client_packets = far.listen(|frame| receive(&b, &client, frame));
    let tasks = both(server.tcp.run(&clock), client.tcp.run(&clock));
    let background = both(both(server_packets, client_packets), both(serve(&server), tasks));
    let right = simulate(&clock, ask(&client), background);
    match (right, server.datagrams.get()) {
        (Some(LEN), 1) => 0,
        (Some(_), 1) => 3,
        (Some(_), _) => 4,
        (None, _) => 5,
    }
}

fn tower<'a>(ip: &'a Network<'a>, random: &mut impl Rng, memory: &'a mut Memory<4, 16_384>) -> Tower<'a> {
    Tower {
        udp: Udp::connect(ip),
        tcp: Tcp::connect_in(ip, random, memory),
        listener: Listener::with_capacity(),
        datagrams: Cell::new(0),
    }
}

/// Polls both until `main` is done, time jumping from deadline to deadline;
/// `None` when nothing is due any more.
fn simulate<F: Future>(clock: &VirtualClock, main: F, background: impl Future) -> Option<F::Output> {
    let mut context = Context::from_waker(Waker::noop());
    let (mut main, mut background) = (pin!(main), pin!(background));
    loop {
        // Nobody tells who was woken, so each gets its turns.
        for _ in 0..8 {
            let _ = background.as_mut().poll(&mut context);
            if let Poll::Ready(output) = main.as_mut().poll(&mut context) {
                return Some(output);
            }
        }
        if !clock.advance_to_next() {
            return None;
        }
    }
}
