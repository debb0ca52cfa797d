//! Leases from real servers, with a client whose clock runs fast, so that a
//! lease of two minutes is over in seconds.

mod client;
mod messages;
mod servers;

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fata::dhcp_client::{Options, StateName};
use fata::traits::{Cidr, FlowError};
use tests::lab::{Case, Daemon, Folder, KERNEL, Recorder, TAP, run};

use client::Client;
use messages::{Message, lines};
use servers::{Busybox, Dnsmasq, Isc, Kea, Plan, Server, serve};

/// How many times as fast as the machine's the client's clock runs: a lease is
/// renewed after 7.5 s, rebound after 13 s, and over after 15 s, which leaves
/// a slow machine the time to start another server.
const PACE: u32 = 8;

const PLAN: Plan = Plan {
    own: KERNEL.address(),
    pool: [Ipv4Addr::new(10, 0, 0, 50), Ipv4Addr::new(10, 0, 0, 59)],
    closed: None,
    lease: Duration::from_secs(120),
};

/// Other addresses instead.
const MOVED: Plan = Plan {
    pool: [Ipv4Addr::new(10, 0, 0, 150), Ipv4Addr::new(10, 0, 0, 159)],
    closed: Some(PLAN.pool),
    ..PLAN
};

/// The cases of each server.
pub(crate) const CASES: &[Case] = &[
    ("dhcp_dnsmasq_renewed", renewed::<Dnsmasq>),
    ("dhcp_dnsmasq_rebound", rebound::<Dnsmasq>),
    ("dhcp_dnsmasq_refused", refused::<Dnsmasq>),
    ("dhcp_dnsmasq_lost", lost::<Dnsmasq>),
    ("dhcp_dnsmasq_declined", declined::<Dnsmasq>),
    ("dhcp_dnsmasq_rebooted", rebooted::<Dnsmasq>),
    ("dhcp_dnsmasq_informed", informed::<Dnsmasq>),
    ("dhcp_isc_renewed", renewed::<Isc>),
    ("dhcp_isc_rebound", rebound::<Isc>),
    ("dhcp_isc_refused", refused::<Isc>),
    ("dhcp_isc_lost", lost::<Isc>),
    ("dhcp_isc_declined", declined::<Isc>),
    ("dhcp_isc_rebooted", rebooted::<Isc>),
    ("dhcp_isc_informed", informed::<Isc>),
    ("dhcp_isc_kept", kept::<Isc>),
    ("dhcp_kea_renewed", renewed::<Kea>),
    ("dhcp_kea_rebound", rebound::<Kea>),
    ("dhcp_kea_refused", refused::<Kea>),
    ("dhcp_kea_lost", lost::<Kea>),
    ("dhcp_kea_declined", declined::<Kea>),
    ("dhcp_kea_rebooted", rebooted::<Kea>),
    ("dhcp_kea_informed", informed::<Kea>),
    ("dhcp_kea_kept", kept::<Kea>),
    ("dhcp_busybox_renewed", renewed::<Busybox>),
    ("dhcp_busybox_rebound", rebound::<Busybox>),
    ("dhcp_busybox_refused", refused::<Busybox>),
    ("dhcp_busybox_lost", lost::<Busybox>),
    ("dhcp_busybox_declined", declined::<Busybox>),
    ("dhcp_busybox_rebooted", rebooted::<Busybox>),
    ("dhcp_busybox_informed", informed::<Busybox>),
    ("dhcp_busybox_kept", kept::<Busybox>),
];

/// A client, a server and a recording of what passes between them.
struct Site {
    client: Client,
    place: Folder,
    server: Daemon,
    recorder: Recorder,
}

impl Site {
    fn new<S: Server>(options: Options, plan: &Plan, pace: u32) -> Result<Self> {
        let client = Client::new(options, pace)?;
        let place = Folder::new("server")?;
        let recorder = Recorder::start()?;
        let server = serve::<S>(plan, &place)?;
        client.run()?;
        Ok(Self { client, place, server, recorder })
    }

    /// Ends it, and returns what the client said.
    fn said(self) -> Result<Vec<Message>> {
        messages::read(&self.recorder.stop()?)
    }
}

/// Whether the kernel reaches the client.
fn reachable(address: Ipv4Addr) -> Result<()> {
    let said = run("ping", &["-q", "-c", "3", "-i", "0.1", "-w", "10", &address.to_string()])?;
    ensure!(said.contains("3 received"), "{said}");
    Ok(())
}

/// Gives the kernel's end another address instead of its own.
fn readdress(address: Ipv4Addr) -> Result<()> {
    run("ip", &["address", "flush", "dev", TAP])?;
    run("ip", &["address", "add", &format!("{address}/24"), "dev", TAP])?;
    Ok(())
}

/// Bound, renewed by the server alone at T1, and given back.
fn renewed<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, PACE)?;
    let lease = site.client.until_bound()?;
    let term = lease.term.context("a lease that ends")?;
    ensure!(term.length == PLAN.lease, "{lease:?}");
    ensure!(lease.server == PLAN.own && lease.netmask == KERNEL.netmask(), "{lease:?}");
    ensure!(lease.routers.iter().copied().eq([PLAN.own]), "{lease:?}");
    reachable(lease.address)?;
    let view = site.client.until("renewed", |view| view.statistics.renewed >= 1)?;
    ensure!(view.address == Some(lease.address), "{view:?}");
    reachable(lease.address)?;
    site.client.release()?;
    let view = site.client.until("given back", |view| view.address.is_none())?;
    ensure!(view.state == Some(StateName::Stopped), "{view:?}");
    let got = lease.address;
    let said = site.said()?;
    let expected = [
        "DISCOVER 0.0.0.0 > 255.255.255.255".to_owned(),
        format!("REQUEST 0.0.0.0 > 255.255.255.255 wants {got} of 10.0.0.1"),
        format!("REQUEST {got} > 10.0.0.1 has {got}"),
        format!("RELEASE {got} > 10.0.0.1 has {got} of 10.0.0.1"),
    ];
    ensure!(lines(&said) == expected, "{:#?}", lines(&said));
    Ok(())
}

/// The server is gone and another is there, which knows its leases: it is
/// found by broadcast at T2, and nothing but the server changes.
fn rebound<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, PACE)?;
    let got = site.client.until_bound()?.address;
    site.server.stop()?;
    let plan = Plan { own: Ipv4Addr::new(10, 0, 0, 3), ..PLAN };
    readdress(plan.own)?;
    let server = serve::<S>(&plan, &site.place)?;
    let view = site.client.until("rebound", |view| view.statistics.renewed >= 1)?;
    let lease = view.lease.context("a lease")?;
    ensure!((lease.server, lease.address) == (plan.own, got), "{lease:?}");
    ensure!(view.statistics.bound == 1 && view.statistics.expired == 0, "{:?}", view.statistics);
    reachable(got)?;
    let said = Site { server, ..site }.said()?;
    let lines = lines(&said);
    // Nobody answers for the old server's address any more, so what is sent
    // to it alone waits for ARP in vain.
    let last = format!("REQUEST {got} > 255.255.255.255 has {got}");
    ensure!(lines.contains(&last.as_str()), "{lines:#?}");
    Ok(())
}

/// The server comes back with other addresses to give, and says no when the
/// lease is to be renewed.
fn refused<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, PACE)?;
    let old = site.client.until_bound()?.address;
    site.server.stop()?;
    let server = serve::<S>(&MOVED, &site.place)?;
    let is_new = |address: Ipv4Addr| (MOVED.pool[0]..=MOVED.pool[1]).contains(&address);
    let view = site.client.until("given another address", |view| view.address.is_some_and(is_new))?;
    ensure!(view.statistics.naks == u64::from(S::REFUSES), "{view:?}");
    ensure!(view.statistics.expired == u64::from(!S::REFUSES), "{view:?}");
    let new = view.address.context("an address")?;
    reachable(new)?;
    ensure!(reachable(old).is_err(), "{old} still answers");
    let said = Site { server, ..site }.said()?;
    let lines = lines(&said);
    let renewal = format!("REQUEST {old} > 10.0.0.1 has {old}");
    let rebinding = format!("REQUEST {old} > 255.255.255.255 has {old}");
    let request = format!("REQUEST 0.0.0.0 > 255.255.255.255 wants {new} of 10.0.0.1");
    let discover = "DISCOVER 0.0.0.0 > 255.255.255.255";
    let wanted = format!("{discover} wants {old}");
    // What a server refused is not asked for again.
    let expected: &[&str] =
        if S::REFUSES { &[&renewal, discover, &request] } else { &[&renewal, &rebinding, &wanted, &request] };
    ensure!(lines.get(2..).is_some_and(|lines| lines.starts_with(expected)), "{lines:#?}");
    Ok(())
}

/// The server dies: the lease ends, its address goes, and a connection over it
/// is told so. When the server comes back there is a lease again.
fn lost<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, PACE)?;
    let listener = TcpListener::bind((KERNEL.address(), 9000))?;
    let got = site.client.until_bound()?.address;
    site.client.connect(SocketAddrV4::new(KERNEL.address(), 9000))?;
    let (_peer, from) = listener.accept()?;
    ensure!(from.ip() == got, "a connection from {from}");
    site.server.kill();
    let view = site.client.until("lost", |view| view.statistics.expired == 1)?;
    ensure!(view.address.is_none() && view.lease.is_none(), "{view:?}");
    let view = site.client.until("told of the connection", |view| view.flow.is_some())?;
    ensure!(view.flow == Some(Err(FlowError::Unreachable)), "{view:?}");
    let server = serve::<S>(&PLAN, &site.place)?;
    let view = site.client.until("bound again", |view| view.statistics.bound == 2)?;
    reachable(view.lease.context("a lease")?.address)?;
    let said = Site { server, ..site }.said()?;
    let lines = lines(&said);
    let renewal = format!("REQUEST {got} > 10.0.0.1 has {got}");
    let rebinding = format!("REQUEST {got} > 255.255.255.255 has {got}");
    let again = format!("DISCOVER 0.0.0.0 > 255.255.255.255 wants {got}");
    let places: Vec<_> =
        [renewal, rebinding, again].iter().map(|line| lines.iter().position(|each| each == line)).collect();
    ensure!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?} in {lines:#?}");
    Ok(())
}

/// A neighbour has the address: it is declined, and another one is got, no
/// sooner than 10 s later (RFC 2131 §3.1 item 5). By the machine's own clock.
fn declined<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, 1)?;
    let taken = site.client.until_bound()?.address;
    site.client.release()?;
    site.client.until("given back", |view| view.address.is_none())?;
    // The kernel has it now; the server, on the same host, does not ask there.
    run("ip", &["address", "add", &format!("{taken}/32"), "dev", TAP])?;
    site.client.restart()?;
    let view = site.client.until("bound again", |view| view.statistics.bound == 2)?;
    ensure!(view.statistics.declined == 1, "{:?}", view.statistics);
    let new = view.address.context("an address")?;
    ensure!(new != taken, "{view:?}");
    reachable(new)?;
    let said = site.said()?;
    let lines = lines(&said);
    let decline = format!("DECLINE 0.0.0.0 > 255.255.255.255 wants {taken} of 10.0.0.1");
    let at = lines.iter().position(|line| *line == decline).with_context(|| format!("{lines:#?}"))?;
    let (before, after) = (&said[at], said.get(at + 1).context("what follows")?);
    ensure!(after.line == "DISCOVER 0.0.0.0 > 255.255.255.255", "{lines:#?}");
    ensure!(after.at - before.at > 9.9, "{} s after the DECLINE", after.at - before.at);
    Ok(())
}

/// A client that comes back with the address it had asks for it at once
/// (INIT-REBOOT); with one of another network it is refused, and gets a good
/// one.
fn rebooted<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &PLAN, 1)?;
    let got = site.client.until_bound()?.address;
    for (remembered, refused) in [(got, false), (Ipv4Addr::new(192, 168, 7, 7), true)] {
        site.client.reborn(Options::new().remembered(remembered))?;
        let view = site.client.until("bound again", |view| view.statistics.bound == 1)?;
        ensure!(view.address == Some(got) && view.statistics.naks == u64::from(refused), "{view:?}");
    }
    reachable(got)?;
    let said = site.said()?;
    let expected = [
        "DISCOVER 0.0.0.0 > 255.255.255.255".to_owned(),
        format!("REQUEST 0.0.0.0 > 255.255.255.255 wants {got} of 10.0.0.1"),
        format!("REQUEST 0.0.0.0 > 255.255.255.255 wants {got}"),
        "REQUEST 0.0.0.0 > 255.255.255.255 wants 192.168.7.7".to_owned(),
        "DISCOVER 0.0.0.0 > 255.255.255.255".to_owned(),
        format!("REQUEST 0.0.0.0 > 255.255.255.255 wants {got} of 10.0.0.1"),
    ];
    ensure!(lines(&said) == expected, "{:#?}", lines(&said));
    Ok(())
}

/// A host with an address of its own is told the rest.
fn informed<S: Server>() -> Result<()> {
    let own = Ipv4Addr::new(10, 0, 0, 7);
    let site = Site::new::<S>(Options::new().inform(Cidr::new(own, 24)), &PLAN, 1)?;
    let view = site.client.until("informed", |view| view.state == Some(StateName::Informed))?;
    let lease = view.lease.context("what the server said")?;
    ensure!(lease.address == own && lease.term.is_none(), "{lease:?}");
    ensure!(lease.routers.iter().copied().eq([PLAN.own]), "{lease:?}");
    reachable(own)?;
    let said = site.said()?;
    ensure!(lines(&said) == ["INFORM 10.0.0.7 > 255.255.255.255 has 10.0.0.7"], "{:#?}", lines(&said));
    Ok(())
}

/// By the machine's own clock, for longer than the shortest lease of the
/// server lasts: the address stays.
fn kept<S: Server>() -> Result<()> {
    let site = Site::new::<S>(Options::new(), &Plan { lease: S::SHORTEST, ..PLAN }, 1)?;
    let lease = site.client.until_bound()?;
    ensure!(lease.term.is_some_and(|term| term.length == S::SHORTEST), "{lease:?}");
    let view = site.client.until("renewed three times", |view| {
        view.address != Some(lease.address) || view.statistics.renewed >= 3
    })?;
    ensure!(view.address == Some(lease.address), "{view:?}");
    ensure!(view.statistics.bound == 1 && view.statistics.expired == 0, "{:?}", view.statistics);
    thread::sleep(Duration::from_millis(100));
    reachable(lease.address)?;
    ensure!(fs::metadata(site.place.file("leases")).is_ok(), "the server keeps no leases");
    Ok(())
}
