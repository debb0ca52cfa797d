//! `fata doctor`: what this machine has of what the program and its tests can
//! use, and how to get the rest.

use std::env;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, ExitCode};

use fata::netif_unix_tap::namespace;
use fata::os::unix::Console as Stdout;
use fata::prelude::*;

/// One thing looked at.
struct Finding {
    what: &'static str,
    /// What stands in the way, and what to do about it.
    problem: Option<String>,
    /// Whether the program itself cannot do without.
    needed: bool,
}

/// Looks at everything, says what it found, and returns whether the program
/// can run on a tap.
fn examine(console: &impl Console) -> bool {
    let mut able = true;
    for finding in findings() {
        match finding.problem {
            None => console.log(green(format_args!("ok       {}", finding.what))),
            Some(problem) if finding.needed => {
                able = false;
                console.log(red(format_args!("missing  {}: {problem}", finding.what)));
            }
            Some(problem) => console.log(yellow(format_args!("without  {}: {problem}", finding.what))),
        }
    }
    let verdict = if able {
        "A tap can be made here: `fata` shows the stack against the kernel."
    } else {
        "No tap can be made here: `fata` uses a link in memory."
    };
    console.log(verdict);
    able
}

fn findings() -> Vec<Finding> {
    let mut findings = vec![
        Finding { what: "/dev/net/tun, for tap devices", problem: tun(), needed: true },
        Finding { what: "network namespaces, for the demonstration", problem: namespaces(), needed: true },
        Finding { what: "privileges, for a tap of your own", problem: privileges(), needed: false },
    ];
    let programs = [
        ("ip, to set up a tap by hand", "ip", "iproute2"),
        ("curl, to get a page", "curl", "curl"),
        ("ping", "ping", "iputils-ping"),
        ("tcpdump, to look at captures", "tcpdump", "tcpdump"),
        ("tshark, for the tests", "tshark", "tshark"),
        ("dnsmasq, for the tests of DHCP", "dnsmasq", "dnsmasq-base"),
    ];
    findings.extend(programs.map(|(what, program, package)| Finding {
        what,
        problem: (!has(program)).then(|| format!("apt-get install {package}, or `cargo xtask install`")),
        needed: false,
    }));
    findings
}

fn tun() -> Option<String> {
    match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Some("there is none: `modprobe tun`, or start the container with --device /dev/net/tun".to_owned())
        }
        Err(error) => Some(format!("{error}: it is readable and writable for all on most systems")),
    }
}

/// Tried in a child, which the namespace ends with.
fn namespaces() -> Option<String> {
    let program = match env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(error.to_string()),
    };
    match Command::new(program).env(PROBE, "1").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(error.to_string()),
    }
}

/// Set for the child that tries to enter a namespace.
const PROBE: &str = "FATA_PROBE_NAMESPACE";

fn privileges() -> Option<String> {
    if rustix::process::geteuid().is_root() {
        return None;
    }
    Some("not root: `sudo ip tuntap add dev tap0 mode tap user $USER` makes one you may use".to_owned())
}

fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([Path::new("/usr/sbin").into(), Path::new("/sbin").into()]);
    folders.any(|folder| folder.join(program).is_file())
}

/// `fata doctor`.
pub fn run() -> ExitCode {
    if examine(&Stdout::stdout()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// In the child that [`run`] starts: tries to enter a namespace.
pub fn probe() -> Option<ExitCode> {
    env::var_os(PROBE)?;
    Some(match namespace::enter() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}
