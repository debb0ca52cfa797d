//! The stack under tokio: nothing but the clock and the watching of the tap's
//! descriptor is another.
//!
//! `cargo run -p netif-unix-tap --example under_tokio -- tap0` echoes what
//! comes to 10.0.0.2, port 7, by UDP and by TCP.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ethif::Ethif;
use ipv4::Ipv4;
use netif_unix_tap::{Tap, TapError};
use os::unix::Reactor;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tcpv4::{Listener, Tcp};
use tokio::io::unix::AsyncFd;
use traits::{Datagrams, Instant, Ip, Layer, Network, Never, Time};
use udpv4::{Udp, callback};

/// Tokio's clock and reactor, for the tasks of one thread.
#[derive(Debug)]
pub struct Tokio {
    origin: tokio::time::Instant,
}

impl Tokio {
    /// To be made, and used, within a runtime.
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Time for Tokio {
    /// Read anew at each call: that is never behind, which is what matters.
    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    async fn sleep_until(&self, deadline: Instant) {
        match self.origin.checked_add(Duration::from_nanos(deadline.as_nanos())) {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}

impl Reactor for Tokio {
    type Source = AsyncFd<OwnedFd>;

    fn register(&self, fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        // SAFETY: the descriptor is owned, and stays open and the same one
        // for as long as tokio watches it.
        Ok(unsafe { AsyncFd::register(fd) }?)
    }

    /// Tokio remembers that a descriptor was ready until it is told otherwise.
    /// It is told here, and the caller tries once more.
    fn poll_readable(&self, source: &AsyncFd<OwnedFd>, waker: &Waker) -> Poll<io::Result<()>> {
        let mut guard = ready!(source.poll_read_ready(&mut Context::from_waker(waker)))?;
        guard.clear_ready();
        Poll::Ready(Ok(()))
    }

    fn poll_writable(&self, source: &AsyncFd<OwnedFd>, waker: &Waker) -> Poll<io::Result<()>> {
        let mut guard = ready!(source.poll_write_ready(&mut Context::from_waker(waker)))?;
        guard.clear_ready();
        Poll::Ready(Ok(()))
    }
}

/// Echoes datagrams and connections on port 7 of `address`, under whatever
/// executor `time` belongs to.
pub async fn echo<N: Network>(
    net: &N,
    time: &impl Time,
    random: &mut impl Rng,
    address: Ipv4Addr,
) -> Result<Never, N::Error> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect(&e);
    i.set_ipv4(address);
    i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, random);
    let datagrams = callback(|datagram| {
        let _ = udp.send(7, datagram.src, datagram.payload);
    });
    let connections = Listener::new();

    let packets = net.listen(|frame| {
        let udp_port = |port| (port == 7).then_some(&datagrams as _);
        let tcp_port = |port| (port == 7).then_some(&connections as _);
        let transport = ipv4::listeners().udp(|p| udp.input(p, udp_port)).tcp(|p| tcp.input(p, tcp_port));
        e.input(frame, ethif::listeners().ipv4(|p| i.input(p, transport)));
    });
    let echoes = connections.serve(&tcp, async |mut flow| {
        let mut buffer = vec![0; 16_384];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            if flow.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
        let _ = flow.close().await;
    });
    os::try_join!(packets, echoes, udp.run(time), tcp.run(time))
}

/// Attaches to a tap and echoes, for ever.
pub async fn serve(name: &str) -> Result<Never, Box<dyn std::error::Error>> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let tokio = Tokio::start();
    let net = Tap::open(&tokio, name)?;
    let mut random = ChaCha20Rng::from_seed(seed);
    let ended: Result<Never, TapError> = echo(&net, &tokio, &mut random, Ipv4Addr::new(10, 0, 0, 2)).await;
    Ok(ended?)
}

#[allow(dead_code)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "tap0".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(serve(&name))? {}
}
