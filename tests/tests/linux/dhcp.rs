//! Leases from real servers.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fata_cli::tower::Addressing;
use tests::lab::{self, Daemon, Scratch, Setting, TAP, run};

/// Bound by dnsmasq, and reachable under the address leased.
pub(crate) fn dnsmasq() -> Result<()> {
    let leases = Scratch::new("leases");
    fs::write(leases.path(), "")?;
    lab::start(Setting { addressing: Addressing::Dhcp, ..Setting::default() })?;
    let _server = Daemon::start(
        "dnsmasq",
        &[
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
            &format!("--interface={TAP}"),
            "--bind-interfaces",
            "--no-ping",
            "--dhcp-range=10.0.0.50,10.0.0.60,255.255.255.0,2m",
            "--dhcp-option=option:router,10.0.0.1",
            &format!("--dhcp-leasefile={}", leases.path()),
            "--user=root",
            "--pid-file=",
            "--log-facility=-",
        ],
    )?;
    let address = leased(leases.path())?;
    let said = run("ping", &["-q", "-c", "3", "-i", "0.1", "-w", "10", &address])?;
    ensure!(said.contains("3 received"), "{said}");
    Ok(())
}

/// The address in the server's file of leases, once it is there.
fn leased(file: &str) -> Result<String> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let text = fs::read_to_string(file)?;
        if let Some(address) = text.split_whitespace().nth(2) {
            return Ok(address.to_owned());
        }
        thread::sleep(Duration::from_millis(50));
    }
    None.context("no lease within 60 s")
}
