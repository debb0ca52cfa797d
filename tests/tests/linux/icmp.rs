//! Ping, ARP and traceroute.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fata::netif_unix_tap::setup;
use tests::lab::{self, Recorder, Setting, TAP, run, try_run, until};

const HOST: &str = "10.0.0.2";

/// Counted by the kernel: for its last answer, ping waits no longer than twice what the
/// slowest took, here a millisecond or so.
pub(crate) fn flood() -> Result<()> {
    lab::start(Setting::default())?;
    let said = run("ping", &["-q", "-f", "-c", "1000", HOST])?;
    ensure!(said.contains("1000 packets transmitted") && !said.contains("duplicates"), "{said}");
    let all = || Ok(icmp_counter("InEchoReps")? >= 1000);
    until("not all came back", Duration::from_secs(30), all).with_context(|| said.clone())?;
    let counts = (icmp_counter("OutEchos")?, icmp_counter("InEchoReps")?);
    ensure!(counts == (1000, 1000), "{counts:?}: {said}");
    Ok(())
}

/// What the namespace's kernel has counted.
fn icmp_counter(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Icmp: "));
    let (names, numbers) = lines.next().zip(lines.next()).context("no counters of ICMP")?;
    let mut both = names.split_whitespace().zip(numbers.split_whitespace());
    let (_, number) = both.find(|(each, _)| *each == name).with_context(|| format!("no {name}"))?;
    Ok(number.parse()?)
}

/// From nothing to the largest that IPv4 carries: cut on the way to the stack
/// and on the way back from 1473 bytes on.
pub(crate) fn sizes() -> Result<()> {
    lab::start(Setting::default())?;
    for size in [0, 1, 7, 8, 15, 16, 56, 1471, 1472, 1473, 2952, 2953, 8000, 30001, 65507] {
        // It compares the bytes too, but not where it is told to be quiet. With a deadline
        // it asks once more while it waits for the third answer: none is lost if the three
        // that it has are those to the first three.
        let said = run("ping", &["-c", "3", "-i", "0.01", "-w", "30", "-s", &size.to_string(), HOST])?;
        let reply = format!("{} bytes from {HOST}: icmp_seq=", size + 8);
        let numbers = said.lines().filter_map(|line| line.strip_prefix(&reply)?.split(' ').next());
        let same = numbers.eq(["1", "2", "3"]) && !said.contains("wrong data") && !said.contains("truncated");
        ensure!(said.contains(" 3 received") && same, "{size} bytes: {said}");
    }
    Ok(())
}

/// The kernel asks by broadcast, then by unicast; both are answered. An
/// address that nobody has is not.
pub(crate) fn arping() -> Result<()> {
    lab::start(Setting::default())?;
    let said = run("arping", &["-c", "3", "-I", TAP, HOST])?;
    ensure!(said.contains("Received 3 response(s)"), "{said}");
    let nobody = try_run("arping", &["-c", "1", "-w", "1", "-I", TAP, "10.0.0.77"])?;
    ensure!(nobody.code == Some(1) && nobody.output.contains("Received 0 response(s)"), "{nobody:?}");
    // Duplicate address detection from the kernel's side finds the stack.
    let found = try_run("arping", &["-D", "-c", "2", "-I", TAP, HOST])?;
    ensure!(found.code == Some(1) && found.output.contains("Unicast reply from 10.0.0.2"), "{found:?}");
    let free = try_run("arping", &["-D", "-c", "2", "-I", TAP, "10.0.0.77"])?;
    ensure!(free.code == Some(0) && free.output.contains("Received 0 response(s)"), "{free:?}");
    Ok(())
}

/// The kernel's side claims the stack's own address, once a second: the stack
/// says once in ten seconds that it is its (RFC 5227 §2.4 (c)), keeps it, and
/// stays reachable.
pub(crate) fn duplicate() -> Result<()> {
    lab::start(Setting::default())?;
    run("ping", &["-q", "-c", "1", "-w", "30", HOST])?;
    let recorder = Recorder::start()?;
    fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1")?;
    run("arping", &["-U", "-c", "5", "-I", TAP, "-s", HOST, HOST])?;
    run("ip", &["neighbour", "flush", "dev", TAP])?;
    let said = run("ping", &["-q", "-c", "3", "-i", "0.1", "-w", "30", HOST])?;
    ensure!(said.contains("3 received"), "{said}");
    let recording = recorder.stop()?;
    let own = setup::mac(TAP)?.to_string();
    let claims = "arp.src.proto_ipv4 == 10.0.0.2 && arp.dst.proto_ipv4 == 10.0.0.2";
    let fields = ["-T", "fields", "-e", "arp.src.hw_mac", "-e", "frame.time_relative"];
    let frames = recording.tshark(claims, &fields)?;
    let mut claims = Vec::new();
    for line in frames.lines() {
        let (mac, at) = line.split_once('\t').with_context(|| format!("not two fields: {line}"))?;
        claims.push((mac == own, at.parse::<f64>()?));
    }
    ensure!(claims.iter().filter(|(is_forged, _)| *is_forged).count() == 5, "{frames}");
    let first = claims.iter().position(|(is_forged, _)| *is_forged).context("a claim")?;
    let defences: Vec<_> = claims[first..].iter().filter(|(is_forged, _)| !is_forged).collect();
    // A second one where the machine stood still for that long.
    let spaced = defences.windows(2).all(|pair| pair[1].1 - pair[0].1 >= 9.9);
    ensure!(!defences.is_empty() && spaced, "{frames}");
    Ok(())
}

/// By UDP, by ICMP, by TCP to an open port and to a closed one: the stack is
/// the first hop, and says that it is the last.
pub(crate) fn traceroute() -> Result<()> {
    lab::start(Setting::default())?;
    traces()
}

/// Each way there is.
pub(crate) fn traces() -> Result<()> {
    let ways: [&[&str]; 4] = [&[], &["-I"], &["-T", "-p", "80"], &["-T", "-p", "4711"]];
    for way in ways {
        // For as long for each, and not three times as long as for the one before.
        let patient = ["-n", "-q", "2", "-w", "30,0,0", "-m", "4", HOST];
        let said = run("traceroute", &[way, &patient].concat())?;
        let hops: Vec<_> = said.lines().skip(1).collect();
        let reached = hops.first().is_some_and(|hop| hop.trim_start().starts_with("1  10.0.0.2  "));
        ensure!(hops.len() == 1 && reached && !said.contains('*') && !said.contains('!'), "{way:?}: {said}");
    }
    Ok(())
}
