//! The tap against the kernel at its other end.
//!
//! Every test runs in a child process with a network namespace of its own, so
//! that nothing of this machine's network is seen or touched. Where the system
//! allows no namespaces or has no tap devices, the tests are skipped and say
//! so; with `CI` in the environment that is a failure.

#![allow(unreachable_pub)]

mod harness;
mod opening;
mod packets;
mod queues;
mod tcp;
mod udp;
mod under_os;
mod under_tokio;

use harness::Test;

fn main() -> std::process::ExitCode {
    harness::main(&[
        Test::root("opening::reports_and_is_busy", opening::reports_and_is_busy),
        Test::root("opening::names", opening::names),
        Test::root("opening::mtu", opening::mtu),
        Test::root("opening::several_queues", opening::several_queues),
        Test::root("opening::adopts_a_descriptor", opening::adopts_a_descriptor),
        Test::root("opening::link_goes_down_and_up", opening::link_goes_down_and_up),
        Test::root("opening::interface_is_deleted", opening::interface_is_deleted),
        #[cfg(feature = "tun-tap")]
        Test::root("opening::adopts_an_iface", opening::adopts_an_iface),
        Test::user("opening::namespace_of_a_user", opening::namespace_of_a_user),
        Test::user("opening::namespace_after_threads", opening::namespace_after_threads),
        Test::root("udp::from_the_kernel", udp::from_the_kernel),
        Test::root("udp::to_the_kernel", udp::to_the_kernel),
        Test::root("udp::without_header", udp::without_header),
        Test::root("udp::one_large_frame_becomes_datagrams", udp::one_large_frame_becomes_datagrams),
        Test::root("udp::datagrams_become_one_large_frame", udp::datagrams_become_one_large_frame),
        Test::root("tcp::every_combination_of_offloads", tcp::every_combination_of_offloads),
        Test::root("queues::a_stack_on_each", queues::a_stack_on_each),
        Test::root("under_os::echoes_datagrams_and_connections", under_os::echoes_datagrams_and_connections),
        Test::root(
            "under_tokio::echoes_datagrams_and_connections",
            under_tokio::echoes_datagrams_and_connections,
        ),
    ])
}
