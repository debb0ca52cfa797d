//! Two towers on a link in memory exchange datagrams and a connection's
//! bytes, without std, without libc and without a heap. The program ends with
//! status 0 if everything came, and right.

#![no_std]
#![no_main]

mod start;
mod tower;

use core::future::Future;
use core::net::SocketAddrV4;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use ethif::Ethif;
use ipv4::Ipv4;
use netif_memory::{Fixed, Link, Settings, VirtualClock};
use tcpv4::Memory;
use traits::{Cidr, Config, Datagrams as _, Ip as _, Layer as _, Network as _};

use tower::{CLIENT, SERVER, Tower, Weak, receive, tower};

/// Bytes sent each way.
const LEN: usize = 100_000;

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
