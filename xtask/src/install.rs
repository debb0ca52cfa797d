//! The programs that the checks need, and how they come onto the machine.

use std::collections::HashSet;
use std::env;
use std::path::Path;

use anyhow::{Result, bail};
use xshell::{Shell, cmd};

use crate::servers;

/// A program, and the Debian package that has it.
struct Program {
    name: &'static str,
    package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

/// What the tests against the kernel's network stack run.
const PROGRAMS: &[Program] = &[
    program("ip", "iproute2"),
    program("curl", "curl"),
    program("ping", "iputils-ping"),
    program("arping", "iputils-arping"),
    program("tshark", "tshark"),
    program("tcpdump", "tcpdump"),
    program("dnsmasq", "dnsmasq-base"),
    program("busybox", "busybox"),
    program("nc", "netcat-openbsd"),
    program("traceroute", "traceroute"),
    program("setpriv", "util-linux"),
    program("nm", "binutils"),
    program("objcopy", "binutils"),
    program("strings", "binutils"),
    program("qemu-system-x86_64", "qemu-system-x86"),
    program("cpio", "cpio"),
    program("tc", "iproute2"),
    program("xz", "xz-utils"),
    program("objdump", "binutils"),
    program("valgrind", "valgrind"),
    program("cc", "gcc"),
    program("c++", "g++"),
    // For the benchmark alone: no check needs it, so none fails without.
    program("ethtool", "ethtool"),
];

/// Servers that no test machine wants to have running: see [`servers`].
const SERVERS: &[Program] = &[program("dhcpd", "isc-dhcp-server"), program("kea-dhcp4", "kea-dhcp4-server")];

/// Whether `name` is on the path, or where a system keeps its daemons, or
/// unpacked for the tests.
pub(crate) fn has(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/sbin".into(), servers::programs().into()]);
    folders.iter().any(|folder| folder.join(name).is_file())
}

/// Installs what is missing, and names what could not be installed.
pub(crate) fn all(shell: &Shell) -> Result<Vec<String>> {
    let packages: HashSet<_> = PROGRAMS.iter().filter(|p| !has(p.name)).map(|p| p.package).collect();
    let unpacked: Vec<_> = SERVERS.iter().filter(|p| !has(p.name)).map(|p| p.package).collect();
    if !packages.is_empty() || !unpacked.is_empty() {
        // What is missing still shows itself in the list below.
        if let Err(error) = debian(shell, packages, &unpacked) {
            eprintln!("{error:#}");
        }
    }
    if !has("cargo-deny") {
        // Its advisory database is fetched from elsewhere; licences, bans and
        // sources need nothing but the lock file.
        let _ = cmd!(shell, "cargo install --locked --no-default-features cargo-deny").run();
    }
    let wanted = PROGRAMS.iter().chain(SERVERS).map(|p| p.name).chain(["cargo-deny"]);
    let missing: Vec<_> = wanted.filter(|name| !has(name)).map(str::to_owned).collect();
    if !missing.is_empty() {
        eprintln!("NOT INSTALLED: {}", missing.join(", "));
    }
    Ok(missing)
}

fn debian(shell: &Shell, packages: HashSet<&str>, unpacked: &[&str]) -> Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("no apt-get here: install by hand: {packages:?} {unpacked:?}");
    }
    let _quiet = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    let root = cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    let sudo: &[&str] = if root { &[] } else { &["sudo", "--preserve-env=DEBIAN_FRONTEND"] };
    let apt = |words: &[&str]| {
        let words: Vec<_> = sudo.iter().chain(&["apt-get"]).chain(words).copied().collect();
        let (program, arguments) = (words[0], &words[1..]);
        cmd!(shell, "{program} {arguments...}").run()
    };
    apt(&["update", "-q"])?;
    let install: Vec<_> = ["install", "-y", "--no-install-recommends"].into_iter().chain(packages).collect();
    if install.len() > 3 {
        apt(&install)?;
    }
    unpacked.iter().try_for_each(|package| servers::unpack(shell, package, apt))
}
