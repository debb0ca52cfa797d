//! The stack against the Linux kernel, over a tap in a network namespace.

mod capture;
mod dhcp;
mod icmp;
mod outgoing;
mod tcp;
mod udp;

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use tests::lab::{self, Case};

/// Those that need the machine for themselves: a core for each end of the
/// cable.
const ALONE: &[Case] = &[
    ("ping_a_thousand_times", icmp::flood),
    ("ping_of_every_size", icmp::sizes),
    ("arping", icmp::arping),
    ("arping_with_a_duplicate_address", icmp::duplicate),
    ("traceroute", icmp::traceroute),
    ("udp_echo_of_every_size", udp::echo),
    ("udp_to_a_closed_port", udp::closed),
    ("get_256_mib", tcp::get),
    ("get_256_mib_without_offloads", tcp::get_plain),
    ("put_256_mib", tcp::put),
    ("put_256_mib_without_offloads", tcp::put_plain),
    ("a_hundred_connections_at_once", tcp::hundred),
    ("echo_ping_pong", tcp::ping_pong),
    ("netcat", tcp::netcat),
    ("closed_port_refuses", tcp::closed),
    ("connects_to_the_kernel", outgoing::bulk),
    ("types_to_the_kernel_and_reads", outgoing::interactive),
    ("connects_to_netcat", outgoing::netcat),
    ("other_mtu", tcp::small_mtu),
    ("tshark_finds_nothing_wrong", capture::clean),
];

/// How many of the others, which wait most of the time, run at once.
const AT_ONCE: usize = 10;

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(240);

/// Held for writing by a case that runs alone, for reading by the others.
static MACHINE: RwLock<()> = RwLock::new(());

fn main() -> ExitCode {
    let others = dhcp::CASES;
    if let Some(code) = lab::child(ALONE.iter().chain(others)) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let alone = ALONE.iter().map(|&(name, _)| {
        Trial::test(name, move || {
            let _alone = MACHINE.write().unwrap_or_else(PoisonError::into_inner);
            run(name)
        })
    });
    let others = others.iter().map(|&(name, _)| {
        Trial::test(name, move || {
            let _beside_others = MACHINE.read().unwrap_or_else(PoisonError::into_inner);
            run(name)
        })
    });
    libtest_mimic::run(&arguments, alone.chain(others).collect()).exit_code()
}

fn run(name: &str) -> Result<(), Failed> {
    Ok(lab::in_child(name, LIMIT)?)
}
