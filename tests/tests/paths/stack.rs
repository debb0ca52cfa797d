//! This stack as an end, in a thread of its own, on a device whose frames
//! come one with each read, as a tap's do.

use std::env;
use std::future::pending;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fata::netif_unix_tap::{Options, Tap};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::{Instant, MacAddr};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};

use crate::stream::{Amount, PIECE, Received, Receiver, piece};

const MTU: usize = 1500;
/// Of the descriptor between the stack and the path, in bytes of the system's
/// counting: some 1,800 frames.
const ROOM: usize = 4 << 20;

/// Prints the sender's state so often, in milliseconds.
const TRACE: &str = "FATA_PATHS_TRACE";

/// A cable: one end for the path, one for the stack.
pub(crate) fn cable() -> Result<[OwnedFd; 2]> {
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    for end in [&a, &b] {
        // Without the privilege it gets what the system allows.
        sockopt::set_socket_send_buffer_size_force(end, ROOM)
            .or_else(|_| sockopt::set_socket_send_buffer_size(end, ROOM))?;
    }
    Ok([a, b])
}

/// One end of a cable as a device.
pub(crate) fn device(os: &Os<Unix>, fd: OwnedFd, last: u8) -> Result<Tap<&Os<Unix>>> {
    Ok(Options::new().vnet_header(false).over(os, fd, MacAddr([2, 0, 0, 0, 0, last]), MTU)?)
}

/// What the stack does.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Send(SocketAddrV4),
    Receive(u16),
}

/// Stands on one end of a cable, in real time.
pub(crate) fn run(fd: OwnedFd, address: Ipv4Addr, role: Role, amount: Amount) -> Result<Option<Received>> {
    os::unix::run(async |os| {
        let net = device(os, fd, *address.octets().last().unwrap_or(&1))?;
        stand(&net, os, os.random(), address, role, amount).await
    })?
}

/// Sends for ever, also when all is sent; or receives.
pub(crate) async fn stand<N: Network<Error: Send + Sync + 'static>>(
    net: &N,
    time: &impl Time,
    mut random: impl Rng,
    address: Ipv4Addr,
    role: Role,
    amount: Amount,
) -> Result<Option<Received>> {
    let e = Ethif::connect(net);
    let i = Ipv4::connect_with(&e, &mut random);
    i.set_ipv4(address);
    i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
    let tcp = Tcp::connect(&i, &mut random);
    let listener = Listener::new();
    let listens = |port| matches!(role, Role::Receive(at) if at == port).then_some(&listener as _);
    let packets = async {
        let never = net.listen(|frame| {
            let labels = ipv4::listeners().tcp(|s| tcp.input(s, listens));
            e.input(frame, ethif::listeners().ipv4(|p| i.input(p, labels)));
        });
        never.await.map_err(anyhow::Error::from).map(|never| match never {})
    };
    let tasks = async {
        match tcp.run(time).await {
            Ok(never) | Err(never) => match never {},
        }
    };
    let job = async {
        match role {
            Role::Send(to) => {
                let mut flow = tcp.create_connection(to).await?;
                send(time, &mut flow, amount).await?;
                // The receiver's end is still to be acknowledged.
                pending().await
            }
            Role::Receive(_) => receive(time, &mut listener.accept(&tcp).await, amount).await.map(Some),
        }
    };
    fata::os::race!(packets, job, tasks)
}

type Flow<'t, I> = fata::tcpv4::Flow<'t, I, fata::tcpv4::Heap>;

async fn send<I: fata::traits::Ip>(time: &impl Time, flow: &mut Flow<'_, I>, amount: Amount) -> Result<()> {
    let mut trace = Trace::new(time.now());
    let mut at = 0;
    while at < amount.bytes {
        let piece = piece(at);
        let mut rest = &piece[..(amount.bytes - at).min(piece.len() as u64) as usize];
        at += rest.len() as u64;
        while !rest.is_empty() {
            let write = async { flow.write(rest).await.map(Some) };
            let written = match trace.next() {
                None => write.await?,
                Some(next) => fata::os::race!(write, async {
                    time.sleep_until(next).await;
                    Ok(None)
                })?,
            };
            rest = &rest[written.unwrap_or_default()..];
            trace.tell(time.now(), || flow.info());
        }
    }
    flow.close().await?;
    match flow.read(&mut [0; 16]).await? {
        0 => Ok(()),
        _ => Err(anyhow!("the receiver has something to say")),
    }
}

/// The sender's state from time to time, if that is wanted.
struct Trace {
    start: Instant,
    every: Option<Duration>,
    next: Instant,
}

impl Trace {
    fn new(now: Instant) -> Self {
        let every = env::var(TRACE).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
        Self { start: now, every, next: now }
    }

    fn next(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    fn tell<T: std::fmt::Debug>(&mut self, now: Instant, state: impl FnOnce() -> T) {
        let Some(every) = self.every.filter(|_| now >= self.next) else { return };
        self.next = now + every;
        eprintln!("{:?} {:?}", now.duration_since(self.start), state());
    }
}

async fn receive<I: fata::traits::Ip>(
    time: &impl Time,
    flow: &mut Flow<'_, I>,
    amount: Amount,
) -> Result<Received> {
    let (mut receiver, start) = (Receiver::new(amount), time.now());
    let mut buffer = vec![0; PIECE];
    let mut over = pin!(async {
        time.sleep_until(start + amount.lasting).await;
        Ok(None)
    });
    let ended = loop {
        let read = async { flow.read(&mut buffer).await.map(Some) };
        let came = fata::os::race!(read, over.as_mut())?;
        match came {
            None => break false,
            Some(0) => break true,
            Some(len) => receiver.take(time.now().duration_since(start), &buffer[..len])?,
        }
    };
    let received = receiver.finish(ended)?;
    if ended {
        flow.close().await?;
    }
    Ok(received)
}
