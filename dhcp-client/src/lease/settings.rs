//! What a lease sets in the IPv4 layer.

use core::net::Ipv4Addr;

use traits::{Config, RouteEntry};
use wire::Cidr;

use super::{Lease, List, ROUTES_MAX, SERVERS_MAX};

/// The smallest MTU set, in bytes: what every host takes (RFC 791 §3.1). A
/// smaller one would let a forged answer slow everything down.
const MTU_MIN: u16 = 576;

/// Address, gateways, routes and MTU of a lease, as [`Config`] has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    address: [Cidr; 1],
    gateways: List<Ipv4Addr, SERVERS_MAX>,
    routes: List<RouteEntry, ROUTES_MAX>,
    mtu: Option<u16>,
}

impl Settings {
    pub(super) fn of(lease: &Lease) -> Self {
        // RFC 3442: a client that got option 121 ignores option 3.
        let mut gateways =
            if lease.classless { List::default() } else { lease.routers.iter().copied().collect() };
        let mut routes = List::default();
        for route in lease.routes.iter().copied() {
            match route.gateway {
                Some(gateway) if route.destination.prefix() == 0 => gateways.push(gateway),
                _ => routes.push(route),
            }
        }
        Self { address: [lease.cidr()], gateways, routes, mtu: lease.mtu.map(|mtu| mtu.max(MTU_MIN)) }
    }

    /// An address alone.
    pub fn address(address: Cidr) -> Self {
        Self { address: [address], gateways: List::default(), routes: List::default(), mtu: None }
    }

    /// What to hand to [`Ip::configure`](traits::Ip::configure).
    pub fn config(&self) -> Config<'_> {
        Config { addresses: &self.address, gateways: &self.gateways, routes: &self.routes, mtu: self.mtu }
    }
}
