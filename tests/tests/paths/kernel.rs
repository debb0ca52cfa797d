//! The kernel as an end, in a namespace of its own.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fata::netif_unix_tap::{Options, Tap, namespace, setup};
use fata::os::{Os, unix::Unix};
use fata::prelude::*;
use rustix::net::sockopt;

use crate::stream::{Amount, PIECE, Received, Receiver, piece};

/// What Linux does by itself on a machine where nobody has set anything. A new
/// namespace inherits some of it from the machine.
const DEFAULTS: &[(&str, &str)] = &[
    // Whoever sends asks for CUBIC, which a namespace may not have by default
    // on a machine that has another. Reno leaves no pacing behind.
    ("tcp_congestion_control", "reno"),
    ("tcp_rmem", "4096 131072 6291456"),
    ("tcp_wmem", "4096 16384 4194304"),
    ("tcp_ecn", "2"),
    ("tcp_sack", "1"),
    ("tcp_timestamps", "1"),
    ("tcp_window_scaling", "1"),
    ("tcp_recovery", "1"),
    ("tcp_early_retrans", "3"),
    ("tcp_slow_start_after_idle", "1"),
];

/// Moves the thread into a new namespace and opens a tap there, without the
/// header for offloads: the kernel cuts its large packets before it hands them
/// over, and each frame has its own fate.
pub(crate) fn tap<'a>(os: &'a Os<Unix>, name: &str, address: Ipv4Addr) -> Result<Tap<&'a Os<Unix>>> {
    namespace::enter()?;
    let net = Options::new().vnet_header(false).open(os, name)?;
    let ipv6 = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    if fs::exists(&ipv6)? {
        fs::write(ipv6, "1")?;
    }
    for (setting, value) in DEFAULTS {
        let file = format!("/proc/sys/net/ipv4/{setting}");
        fs::write(&file, value).with_context(|| format!("write {value:?} to {file}"))?;
    }
    setup::bring_up(name, Cidr::new(address, 24))?;
    Ok(net)
}

/// Listens, in the namespace that the thread is in.
pub(crate) fn listen(at: SocketAddrV4) -> Result<TcpListener> {
    Ok(TcpListener::bind(at)?)
}

/// Takes one connection, and what comes.
pub(crate) fn receive(listener: &TcpListener, amount: Amount) -> Result<Received> {
    let (mut flow, _) = listener.accept()?;
    let (mut receiver, start) = (Receiver::new(amount), Instant::now());
    let mut buffer = vec![0; PIECE];
    while let Some(left) = amount.lasting.checked_sub(start.elapsed()) {
        flow.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match flow.read(&mut buffer) {
            Ok(0) => return receiver.finish(true),
            Ok(len) => receiver.take(start.elapsed(), &buffer[..len])?,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => bail!("reading: {error}"),
        }
    }
    receiver.finish(false)
}

/// Connects and sends; returns when the receiver has closed.
pub(crate) fn send(to: SocketAddrV4, amount: Amount) -> Result<()> {
    let mut flow = TcpStream::connect(to)?;
    sockopt::set_tcp_congestion(&flow, "cubic").context("have the kernel use CUBIC")?;
    let mut at = 0;
    while at < amount.bytes {
        let piece = piece(at);
        let len = (amount.bytes - at).min(piece.len() as u64) as usize;
        flow.write_all(&piece[..len])?;
        at += len as u64;
    }
    flow.shutdown(std::net::Shutdown::Write)?;
    flow.read_to_end(&mut Vec::new())?;
    Ok(())
}
