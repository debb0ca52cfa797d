//! This stack as an end, in a thread of its own, on a device whose frames
//! come one with each read, as a tap's do.

use std::env;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fata::netif_unix_tap::{Options, Tap};
use fata::os::{self, Os, unix::Unix};
use fata::prelude::*;
use fata::traits::MacAddr;
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

/// Sends, or receives; `None` when it has sent all and the receiver has
/// closed.
pub(crate) fn run(fd: OwnedFd, address: Ipv4Addr, role: Role, amount: Amount) -> Result<Option<Received>> {
    os::unix::run(async |os| {
        let net = device(os, fd, *address.octets().last().unwrap_or(&1))?;
        let e = Ethif::connect(&net);
        let mut random = os.random();
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
            match tcp.run(os).await {
                Ok(never) | Err(never) => match never {},
            }
        };
        let job = async {
            match role {
                Role::Send(to) => {
                    let mut flow = tcp.create_connection(to).await?;
                    send(os, &mut flow, amount).await.map(|()| None)
                }
                Role::Receive(_) => receive(os, &mut listener.accept(&tcp).await, amount).await.map(Some),
            }
        };
        fata::os::race!(packets, job, tasks)
    })?
}

type Flow<'t, I> = fata::tcpv4::Flow<'t, I, fata::tcpv4::Heap>;

async fn send<I: fata::traits::Ip>(os: &Os<Unix>, flow: &mut Flow<'_, I>, amount: Amount) -> Result<()> {
    let every = env::var(TRACE).ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let start = os.now();
    let mut next = start;
    let mut at = 0;
    while at < amount.bytes {
        let piece = piece(at);
        let len = (amount.bytes - at).min(piece.len() as u64) as usize;
        let mut written = 0;
        while written < len {
            written += flow.write(&piece[written..len]).await?;
            if every.is_some() && os.now() >= next {
                next = os.now() + every.unwrap_or_default();
                eprintln!("{:?} {:?}", os.now().duration_since(start), flow.info());
            }
        }
        at += len as u64;
    }
    flow.close().await?;
    match flow.read(&mut [0; 16]).await? {
        0 => Ok(()),
        _ => Err(anyhow!("the receiver has something to say")),
    }
}

async fn receive<I: fata::traits::Ip>(
    os: &Os<Unix>,
    flow: &mut Flow<'_, I>,
    amount: Amount,
) -> Result<Received> {
    let mut receiver = Receiver::new(amount);
    let end = os.now() + amount.lasting;
    let mut buffer = vec![0; PIECE];
    let over = async {
        os.sleep_until(end).await;
        Ok(None)
    };
    let mut over = std::pin::pin!(over);
    let ended = loop {
        let read = async { flow.read(&mut buffer).await.map(Some) };
        let came = fata::os::race!(read, over.as_mut())?;
        match came {
            None => break false,
            Some(0) => break true,
            Some(len) => receiver.take(&buffer[..len])?,
        }
    };
    let received = receiver.finish(ended)?;
    if ended {
        flow.close().await?;
    }
    Ok(received)
}

