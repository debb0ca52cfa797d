//! Ping and ARP.

use anyhow::{Result, ensure};
use tests::lab::{self, Setting, TAP, run};

const HOST: &str = "10.0.0.2";

pub(crate) fn flood() -> Result<()> {
    lab::start(Setting::default())?;
    let said = run("ping", &["-q", "-f", "-c", "1000", HOST])?;
    ensure!(said.contains("1000 packets transmitted, 1000 received, 0% packet loss"), "{said}");
    Ok(())
}

/// From nothing to the largest that IPv4 carries: cut on the way to the stack
/// and on the way back from 1473 bytes on.
pub(crate) fn sizes() -> Result<()> {
    lab::start(Setting::default())?;
    for size in
        ["0", "1", "7", "8", "15", "16", "56", "1471", "1472", "1473", "2952", "2953", "8000", "30001", "65507"]
    {
        let said = run("ping", &["-q", "-c", "3", "-i", "0.01", "-W", "2", "-s", size, HOST])?;
        ensure!(said.contains("3 received, 0% packet loss"), "{size} bytes: {said}");
    }
    Ok(())
}

/// The kernel asks by broadcast, then by unicast; both are answered. An
/// address that nobody has is not.
pub(crate) fn arping() -> Result<()> {
    lab::start(Setting::default())?;
    let said = run("arping", &["-c", "3", "-I", TAP, HOST])?;
    ensure!(said.contains("Received 3 response(s)"), "{said}");
    ensure!(run("arping", &["-c", "1", "-w", "1", "-I", TAP, "10.0.0.77"]).is_err(), "somebody answered");
    // Duplicate address detection from the kernel's side finds the stack.
    ensure!(run("arping", &["-D", "-c", "2", "-I", TAP, HOST]).is_err(), "a duplicate went unnoticed");
    Ok(())
}
