//! Fata: an IPv4 stack in which every layer is a struct generic over the layer
//! below.
//!
//! This crate gives the others one name. [`prelude`] has what an application
//! that builds its own tower needs; the aliases name common towers.
//!
//! ```
//! use fata::prelude::*;
//!
//! /// Serves one page to whoever connects to port 80, on any device.
//! async fn hello<N: Network, T: Time, R: Rng>(
//!     net: &N,
//!     time: &T,
//!     mut random: R,
//! ) -> Result<Never, N::Error> {
//!     let e = Ethif::connect(net);
//!     let i = Ipv4::connect_with(&e, &mut random);
//!     i.set_ipv4(Ipv4Addr::new(10, 0, 0, 2));
//!     i.set_ipv4_netmask(Ipv4Addr::new(255, 255, 255, 0));
//!     let tcp = Tcp::connect(&i, &mut random);
//!     let http = Listener::new();
//!     let packets = net.listen(|frame| {
//!         e.input(frame, ethif::listeners().ipv4(|p| {
//!             i.input(p, ipv4::listeners().tcp(|s| tcp.input(s, |port| (port == 80).then_some(&http as _))))
//!         }))
//!     });
//!     let web = http.serve(&tcp, async |mut flow| {
//!         let _ = flow.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello\n").await;
//!         let _ = flow.close().await;
//!     });
//!     try_join!(packets, web, tcp.run(time))
//! }
//! # fn main() {}
//! ```

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub use dhcp_client;
pub use ethif;
pub use ipv4;
#[cfg(feature = "unix")]
pub use netif_unix_tap;
pub use os;
pub use rand_core;
pub use tcpv4;
pub use traits;
pub use udpv4;
pub use wire;

/// What an application that builds its own tower needs.
///
/// Traits come without their names where a struct might have the same one:
/// their methods can be called, and the struct's name is free.
pub mod prelude {
    pub use core::net::{Ipv4Addr, SocketAddrV4};

    pub use dhcp_client::Dhcp;
    pub use ethif::{self, Ethif};
    pub use ipv4::{self, Ipv4};
    pub use os::{join, race, try_join};
    #[cfg(feature = "alloc")]
    pub use tcpv4::Listener;
    pub use tcpv4::Tcp;
    pub use traits::{
        Cidr, Clock, Config, Connections as _, Console, Datagrams as _, Ethernet as _, Flow as _, Ip as _,
        Layer as _, Network, Never, Receive, Rng, Time, blue, green, red, yellow,
    };
    pub use udpv4::{self, Udp};
}

/// IPv4 over Ethernet over the device `N`, each layer owning the one below.
pub type IpOver<N> = ipv4::Ipv4<ethif::Ethif<N>>;

/// UDP alone on the device `N`.
pub type UdpOver<N> = udpv4::Udp<IpOver<N>>;

/// TCP alone on the device `N`.
pub type TcpOver<N> = tcpv4::Tcp<IpOver<N>>;

/// IPv4 that several layers share by counting references.
#[cfg(feature = "alloc")]
pub type SharedIp<N> = alloc::rc::Rc<IpOver<N>>;
