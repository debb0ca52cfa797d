//! A stack on a tap, and the kernel at the other end of it, each on a
//! processor of its own, in a network namespace made for the run.

mod device;
pub(crate) mod frame;
pub(crate) mod peer;
mod raw;
pub(crate) mod veth;

use std::net::Ipv4Addr;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use fata::netif_unix_tap::{namespace, setup};
use fata::traits::{Cidr, MacAddr, Offload};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::meter::Report;
use crate::{Arguments, Row, Side};

pub(crate) use device::{Device, LARGEST};

/// The tap's name, in its own namespace.
pub(crate) const TAP: &str = "tap0";
/// The kernel's end.
pub(crate) const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The stack's end.
pub(crate) const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Where the stack listens, and on the kernel's side datagrams go.
pub(crate) const PORT: u16 = 1000;
/// Its hardware address.
pub(crate) const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// Bytes written or read at once by either application.
pub(crate) const CHUNK: usize = 65_536;
/// Bytes in a datagram.
pub(crate) const DATAGRAM: usize = 18;
/// Datagrams in one write that the device cuts.
pub(crate) const SEGMENTS: usize = 64;

const STACK_CPU: usize = 0;
const PEER_CPU: usize = 1;

/// What a stack's thread tells when its device is there.
pub(crate) type Ready = mpsc::Sender<()>;

/// Runs a row; the side that counts prints its report and ends the process.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    enter()?;
    let arguments = *arguments;
    if arguments.side == Side::Linux {
        return veth::run(&arguments);
    }
    let (ready, started) = mpsc::channel();
    let stack = thread::Builder::new().stack_size(64 << 20).spawn(move || {
        finish(pin(STACK_CPU).and_then(|()| match arguments.side {
            Side::Fata => crate::fata_side::run_on_tap(&arguments, ready),
            Side::Smoltcp => crate::smoltcp_side::run_on_tap(&arguments, ready),
            Side::Raw => raw::run(&arguments, ready),
            Side::Linux => bail!("not on a tap"),
        }));
    })?;
    if started.recv().is_err() {
        // The stack's thread prints why and ends the process.
        let _ = stack.join();
        bail!("the stack did not start");
    }
    plug()?;
    pin(PEER_CPU)?;
    finish(peer::run(&arguments, STACK));
}

/// A namespace of one's own, as large as the rows need it.
fn enter() -> Result<()> {
    namespace::enter()?;
    setup::set_up("lo", true)?;
    let files = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    let _ = setrlimit(Resource::Nofile, files);
    // As in the tests: the kernel's other traffic is nothing to measure.
    for (file, value) in [
        ("net/ipv6/conf/default/disable_ipv6", "1"),
        ("net/ipv6/conf/all/disable_ipv6", "1"),
        ("net/ipv4/ip_local_port_range", "1025 65535"),
    ] {
        let _ = std::fs::write(format!("/proc/sys/{file}"), value);
    }
    Ok(())
}

/// Gives the kernel's end its address, and tells it the stack's, so that no
/// side answers ARP within what is measured.
fn plug() -> Result<()> {
    setup::bring_up(TAP, Cidr::new(KERNEL, 24))?;
    let (to, mac) = (STACK.to_string(), MAC.to_string());
    ip(&["neigh", "replace", &to, "lladdr", &mac, "dev", TAP, "nud", "permanent"])
}

pub(crate) fn ip(arguments: &[&str]) -> Result<()> {
    let status = Command::new("ip").args(arguments).stdin(Stdio::null()).status().context("run `ip`")?;
    ensure!(status.success(), "ip {arguments:?}: {status}");
    Ok(())
}

pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("pin to processor {cpu}"))
}

/// Which processor the stack is on.
pub(crate) fn pin_stack() -> Result<()> {
    pin(STACK_CPU)
}

/// Which processor its peer is on.
pub(crate) fn pin_peer() -> Result<()> {
    pin(PEER_CPU)
}

/// Ends the process with what was measured, or why it was not.
pub(crate) fn finish(result: Result<Report>) -> ! {
    match result {
        Ok(report) => {
            println!("{report}");
            exit(0)
        }
        Err(error) => {
            eprintln!("{error:#}");
            exit(1)
        }
    }
}

/// The offloads that a row is measured with.
pub(crate) fn offload(arguments: &Arguments) -> Offload {
    match (arguments.no_offload, arguments.row) {
        (true, _) => Offload::empty(),
        // One frame a datagram, or nothing small would be measured.
        (false, Row::TapUdpReceive) => Offload::all() - Offload::LARGE_RECEIVE,
        (false, _) => Offload::all(),
    }
}
