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

/// Looks at everything, says what it found, and returns whether the
/// demonstration can have a tap.
fn examine(console: &impl Console) -> bool {
    let tap = Finding { what: "/dev/net/tun, for tap devices", problem: tun(), needed: true };
    let namespace =
        Finding { what: "network namespaces, for the demonstration", problem: namespaces(), needed: true };
    let make = Finding { what: "privileges, to make a tap", problem: privileges(), needed: false };
    let found = |finding: &Finding| finding.problem.is_none();
    let (tap_opens, namespace_made, tap_made) = (found(&tap), found(&namespace), found(&make));
    for Finding { what, problem, needed } in [tap, namespace, make].into_iter().chain(programs()) {
        match problem {
            None => console.log(green(format_args!("ok       {what}"))),
            Some(problem) if needed => console.log(red(format_args!("missing  {what}: {problem}"))),
            Some(problem) => console.log(yellow(format_args!("without  {what}: {problem}"))),
        }
    }
    console.log(match (tap_opens, namespace_made) {
        (true, true) => "`fata` shows the stack against the kernel, on a tap in a namespace of its own.",
        (true, false) => "`fata` uses a link in memory: it can make no namespace here.",
        (false, true) => "`fata` uses a link in memory: it can make a namespace here, but no tap in it.",
        (false, false) => "`fata` uses a link in memory: it can make neither a namespace nor a tap here.",
    });
    console.log(match (tap_opens, tap_made) {
        (true, true) => "`fata web --net tap0` and the others make the tap that they are told to use.",
        (true, false) => "`fata web --net tap0` and the others use a tap that was made for you.",
        (false, _) => "`fata web --net tap0` and the others cannot work here.",
    });
    tap_opens && namespace_made
}

fn programs() -> impl Iterator<Item = Finding> {
    let programs = [
        ("ip, to set up a tap by hand", "ip", "iproute2"),
        ("curl, to get a page", "curl", "curl"),
        ("ping", "ping", "iputils-ping"),
        ("tcpdump, to look at captures", "tcpdump", "tcpdump"),
        ("tshark, for the tests", "tshark", "tshark"),
        ("dnsmasq, for the tests of DHCP", "dnsmasq", "dnsmasq-base"),
    ];
    programs.into_iter().map(|(what, program, package)| Finding {
        what,
        problem: (!has(program)).then(|| format!("apt-get install {package}, or `cargo xtask install`")),
        needed: false,
    })
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
