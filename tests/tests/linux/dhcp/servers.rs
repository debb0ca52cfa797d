//! Real servers, each started from the same plan.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::lab::{Daemon, Folder, TAP, daemon};

/// What a server is to do.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Its own address, which is the interface's.
    pub(crate) own: Ipv4Addr,
    /// The first and the last address to give, of 10.0.0.0/24.
    pub(crate) pool: [Ipv4Addr; 2],
    /// Addresses that were given before, and are nobody's now.
    pub(crate) closed: Option<[Ipv4Addr; 2]>,
    /// For how long.
    pub(crate) lease: Duration,
}

/// A kind of server. What it remembers is in its folder, so that another of
/// the kind, started in the same, goes on where it was.
pub(crate) trait Server {
    /// The shortest lease that it gives.
    const SHORTEST: Duration;
    /// Whether it says no to a lease that it cannot renew; else it says
    /// nothing, and the lease ends.
    const REFUSES: bool = true;

    /// Writes its configuration and starts it.
    fn start(plan: &Plan, place: &Folder) -> Result<Daemon>;
}

/// A server of a kind, once it listens.
pub(crate) fn serve<S: Server>(plan: &Plan, place: &Folder) -> Result<Daemon> {
    let daemon = S::start(plan, place)?;
    let start = Instant::now();
    // Port 67, in hexadecimal.
    while !fs::read_to_string("/proc/net/udp")?.contains(":0043 ") {
        ensure!(start.elapsed() < Duration::from_secs(30), "the server does not begin");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(daemon)
}

/// A copy of a program in `place`: some systems confine servers, by their
/// paths, to their own folders (AppArmor).
fn program(name: &str, place: &Folder) -> Result<String> {
    let copy = place.file(name);
    if !fs::exists(&copy)? {
        fs::copy(daemon(name)?, &copy).with_context(|| format!("copy {name}"))?;
    }
    Ok(copy)
}

/// dnsmasq.
pub(crate) struct Dnsmasq;

impl Server for Dnsmasq {
    /// As its manual says.
    const SHORTEST: Duration = Duration::from_secs(120);

    fn start(plan: &Plan, place: &Folder) -> Result<Daemon> {
        let Plan { own, pool: [first, last], lease, .. } = plan;
        let file = place.file("leases");
        fs::OpenOptions::new().append(true).create(true).open(&file)?;
        Daemon::start(
            "dnsmasq",
            &[
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--port=0",
                &format!("--interface={TAP}"),
                "--bind-interfaces",
                "--no-ping",
                "--dhcp-authoritative",
                &format!("--dhcp-range={first},{last},255.255.255.0,{}", lease.as_secs()),
                &format!("--dhcp-option=option:router,{own}"),
                &format!("--dhcp-leasefile={file}"),
                "--user=root",
                "--pid-file=",
                "--log-dhcp",
                "--log-facility=-",
            ],
        )
    }
}

/// The dhcpd of the ISC.
pub(crate) struct Isc;

impl Server for Isc {
    const SHORTEST: Duration = Duration::from_secs(8);

    fn start(plan: &Plan, place: &Folder) -> Result<Daemon> {
        let Plan { own, pool: [first, last], lease, .. } = plan;
        let lease = lease.as_secs();
        let closed =
            plan.closed.map(|[first, last]| format!("pool {{ range {first} {last}; deny all clients; }}"));
        let closed = closed.unwrap_or_default();
        let (configuration, leases) = (place.file("dhcpd.conf"), place.file("leases"));
        fs::write(
            &configuration,
            format!(
                "authoritative; ping-check false;
                default-lease-time {lease}; max-lease-time {lease}; min-lease-time {lease};
                subnet 10.0.0.0 netmask 255.255.255.0 {{
                    pool {{ range {first} {last}; }} {closed} option routers {own};
                }}"
            ),
        )?;
        fs::OpenOptions::new().append(true).create(true).open(&leases)?;
        let arguments = ["-4", "-f", "-d", "--no-pid", "-cf", &configuration, "-lf", &leases, TAP];
        Daemon::start(&program("dhcpd", place)?, &arguments)
    }
}

/// Kea, which followed it.
pub(crate) struct Kea;

impl Server for Kea {
    const SHORTEST: Duration = Duration::from_secs(8);
    const REFUSES: bool = false;

    fn start(plan: &Plan, place: &Folder) -> Result<Daemon> {
        let Plan { own, pool: [first, last], lease, .. } = plan;
        let (configuration, leases, here) = (place.file("kea.json"), place.file("leases"), place.file(""));
        fs::write(
            &configuration,
            format!(
                r#"{{ "Dhcp4": {{
                "interfaces-config": {{ "interfaces": [ "{TAP}" ] }},
                "lease-database": {{ "type": "memfile", "persist": true, "name": "{leases}" }},
                "authoritative": true, "valid-lifetime": {}, "calculate-tee-times": true,
                "subnet4": [ {{ "id": 1, "subnet": "10.0.0.0/24",
                    "pools": [ {{ "pool": "{first} - {last}" }} ],
                    "option-data": [ {{ "name": "routers", "data": "{own}" }} ] }} ],
                "loggers": [ {{ "name": "kea-dhcp4", "severity": "INFO",
                    "output_options": [ {{ "output": "stdout" }} ] }} ] }} }}"#,
                lease.as_secs(),
            ),
        )?;
        let places = ["KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_LOG_FILE_DIR"];
        let environment = places.map(|name| (name, here.as_str()));
        Daemon::start_with(&program("kea-dhcp4", place)?, &["-c", &configuration], &environment)
    }
}

/// The udhcpd of BusyBox.
pub(crate) struct Busybox;

impl Server for Busybox {
    const SHORTEST: Duration = Duration::from_secs(8);
    const REFUSES: bool = false;

    fn start(plan: &Plan, place: &Folder) -> Result<Daemon> {
        let Plan { own, pool: [first, last], lease, .. } = plan;
        let (configuration, leases, lease) = (place.file("udhcpd.conf"), place.file("leases"), lease.as_secs());
        fs::write(
            &configuration,
            format!(
                "start {first}\nend {last}\ninterface {TAP}\nlease_file {leases}\npidfile {}\n\
                option subnet 255.255.255.0\noption router {own}\noption lease {lease}\nmin_lease {lease}\n",
                place.file("pid")
            ),
        )?;
        fs::OpenOptions::new().append(true).create(true).open(&leases)?;
        // It looks for each address by ARP before it offers it.
        Daemon::start("busybox", &["udhcpd", "-f", "-a", "100", &configuration])
    }
}
