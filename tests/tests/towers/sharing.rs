//! A tower is built by value, by borrow or by counting references, as its
//! user likes; the layers are the same.

use std::rc::Rc;

use fata::prelude::*;
use fata::traits::{Inbound, Ip, Packet, Protocol};
use fata::{IpOver, SharedIp, TcpOver, UdpOver};
use netif_memory::{Link, Settings, VirtualClock};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Uses a layer through its trait alone.
fn configure(ip: &impl Ip) {
    ip.configure(&Config { addresses: &[Cidr::new(Ipv4Addr::new(10, 0, 0, 2), 24)], ..Config::default() });
    assert_eq!(ip.get_ipv4(), Some(Ipv4Addr::new(10, 0, 0, 2)));
}

#[test]
fn by_value_by_borrow_by_reference_count() {
    // Four towers with the default buffers for fragments: more than the stack
    // that a test has.
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(build_all).expect("a thread");
    thread.join().expect("no panic");
}

fn build_all() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let mut random = ChaCha8Rng::seed_from_u64(1);

    let [net, _] = link.ports();
    let tcp: TcpOver<_> = Tcp::connect(Ipv4::connect(Ethif::connect(net)), &mut random);
    configure(tcp.ip());

    let [net, _] = link.ports();
    let udp: UdpOver<_> = Udp::connect(Ipv4::connect(Ethif::connect(net)));
    configure(udp.ip());

    let [net, _] = link.ports();
    let ip: SharedIp<_> = Rc::new(Ipv4::connect(Ethif::connect(net)));
    let udp = Udp::connect(Rc::clone(&ip));
    let tcp = Tcp::connect(Rc::clone(&ip), &mut random);
    configure(&ip);
    let nothing = Packet::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, Protocol::UDP, &[]);
    udp.input(Inbound::Packet(nothing), |_| None);
    tcp.input(Inbound::Packet(nothing), |_| None);

    let [net, _] = link.ports();
    let ip: IpOver<_> = Ipv4::connect(Ethif::connect(net));
    let tcp = Tcp::connect(&ip, &mut random);
    configure(*tcp.ip());
}
