//! The stack against the Linux kernel, over a tap in a network namespace.

mod capture;
mod dhcp;
mod icmp;
mod tcp;
mod udp;

use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use tests::lab::{self, Case};

const CASES: &[Case] = &[
    ("ping_a_thousand_times", icmp::flood),
    ("ping_of_every_size", icmp::sizes),
    ("arping", icmp::arping),
    ("udp_echo_of_every_size", udp::echo),
    ("udp_to_a_closed_port", udp::closed),
    ("get_256_mib", tcp::get),
    ("get_256_mib_without_offloads", tcp::get_plain),
    ("put_256_mib", tcp::put),
    ("put_256_mib_without_offloads", tcp::put_plain),
    ("a_hundred_connections_at_once", tcp::hundred),
    ("echo_ping_pong", tcp::ping_pong),
    ("closed_port_refuses", tcp::closed),
    ("connects_to_the_kernel", tcp::outgoing),
    ("other_mtu", tcp::small_mtu),
    ("lease_from_dnsmasq", dhcp::dnsmasq),
    ("tshark_finds_nothing_wrong", capture::clean),
];

fn main() -> ExitCode {
    if let Some(code) = lab::child(CASES) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Two cores: one for each end of the cable.
    arguments.test_threads.get_or_insert(1);
    let trials = CASES
        .iter()
        .map(|&(name, _)| Trial::test(name, move || Ok(lab::in_child(name, Duration::from_secs(240))?)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
