//! The tower that all rows use, over any device.

use core::net::{Ipv4Addr, SocketAddrV4};

use fata::ethif::{self, Ethif};
use fata::ipv4::{self, Ipv4};
use fata::tcpv4::{self, Limits, Listener, Tcp};
use fata::traits::{Cidr, Config, Datagram, Ip as _, Network, Never, Receive};
use fata::udpv4::{Udp, callback};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// The address of the side that connects.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address of the side that listens.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Every port from here on has the one listener; the datagrams' port is this,
/// too.
pub(crate) const PORT: u16 = 1000;

/// Ethernet and IPv4 over a device.
pub(crate) type Below<'n, N> = Ipv4<Ethif<&'n N>>;
/// A connection.
pub(crate) type Flow<'t, 'i, 'n, N> = tcpv4::Flow<'t, &'i Below<'n, N>, tcpv4::Heap>;

/// UDP and TCP side by side.
pub(crate) struct Tower<'i, 'n, N: Network> {
    ip: &'i Below<'n, N>,
    net: &'n N,
    pub(crate) tcp: Tcp<&'i Below<'n, N>>,
    pub(crate) udp: Udp<&'i Below<'n, N>>,
    pub(crate) listener: Listener<1024>,
}

/// Ethernet and IPv4 with an address.
pub(crate) fn below<N: Network>(net: &N, address: Ipv4Addr) -> Box<Below<'_, N>> {
    let ip = Box::new(Ipv4::connect(Ethif::connect(net)));
    ip.configure(&Config { addresses: &[Cidr::new(address, 24)], ..Config::default() });
    ip
}

impl<'i, 'n, N: Network> Tower<'i, 'n, N> {
    pub(crate) fn new(net: &'n N, ip: &'i Below<'n, N>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut limits = Limits::default();
        limits.connections = 1 << 21;
        limits.half_open = 1 << 12;
        Self {
            ip,
            net,
            tcp: Tcp::connect_with_limits(ip, &mut random, limits),
            udp: Udp::connect(ip),
            listener: Listener::with_capacity(),
        }
    }

    /// Takes what arrives; datagrams go to `receive`.
    pub(crate) async fn listen(&self, receive: impl Fn(Datagram<'_>)) -> Result<Never, N::Error> {
        let datagrams = callback(receive);
        let datagrams: &dyn Receive = &datagrams;
        let input = |frame: fata::traits::Frame<'_>| {
            let tcp = |s: fata::traits::Inbound<'_>| {
                self.tcp.input(s, |port| (port >= PORT).then_some(&self.listener as _));
            };
            let udp = |d: fata::traits::Inbound<'_>| {
                self.udp.input(d, |port| (port == PORT).then_some(datagrams));
            };
            self.ip.ethernet().input(
                frame,
                ethif::listeners().ipv4(|p| self.ip.input(p, ipv4::listeners().tcp(tcp).udp(udp))),
            );
        };
        self.net.listen(input).await
    }
}

/// Where to connect to.
pub(crate) fn server(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(SERVER, port)
}
