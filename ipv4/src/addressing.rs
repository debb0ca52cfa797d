//! Own addresses, gateways and routes, and which of them a packet uses.

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use traits::{Cast, Config, Instant, RouteEntry, SendError, To};
use wire::{Cidr, MacAddr};

use crate::MIN_PATH_MTU;
use crate::stats::Count;

/// How long a gateway that does not answer is passed over for the next.
pub const DEAD_GATEWAY: Duration = Duration::from_secs(60);

/// A default gateway.
#[derive(Clone, Copy, Debug)]
struct Gateway {
    address: Ipv4Addr,
    /// Passed over until then.
    dead_until: Instant,
}

/// What `configure` sets; `N` bounds each of the lists.
#[derive(Clone, Debug)]
pub(crate) struct Addressing<const N: usize> {
    own: Vec<Cidr, N>,
    gateways: Vec<Gateway, N>,
    routes: Vec<RouteEntry, N>,
    mtu: Option<u16>,
    /// For an address that is set without one.
    prefix: u8,
}

/// Where a packet goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    pub(crate) to: To,
    pub(crate) src: Ipv4Addr,
    /// The default gateway, where it goes by one.
    pub(crate) gateway: Option<Ipv4Addr>,
}

/// Whom a received packet is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Destination {
    /// This host.
    Here(Cast),
    /// This group, if joined.
    Group,
}

/// Whether one host can have `address`: not of 0/8, 127/8, 224/4 or 240/4.
pub(crate) const fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

impl<const N: usize> Addressing<N> {
    pub(crate) const fn new() -> Self {
        Self { own: Vec::new(), gateways: Vec::new(), routes: Vec::new(), mtu: None, prefix: 32 }
    }

    /// What `config` says, and how many entries were left out: beyond `N`,
    /// twice the same, or no address of a host.
    pub(crate) fn configured(&self, config: &Config<'_>) -> (Self, usize) {
        let mut next = Self { mtu: config.mtu, prefix: self.prefix, ..Self::new() };
        let mut left_out = 0;
        for cidr in config.addresses {
            left_out += usize::from(!next.add_own(*cidr));
        }
        left_out += next.set_gateways(config.gateways);
        for route in config.routes {
            left_out += usize::from(next.routes.push(*route).is_err());
        }
        (next, left_out)
    }

    fn add_own(&mut self, cidr: Cidr) -> bool {
        let fits = is_host(cidr.address()) && !self.is_local(cidr.address()) && self.own.push(cidr).is_ok();
        if fits && self.own.len() == 1 {
            self.prefix = cidr.prefix();
        }
        fits
    }

    /// Sets the one address; none for one that no host can have.
    pub(crate) fn set_address(&mut self, address: Ipv4Addr) {
        self.own.clear();
        self.add_own(Cidr::new(address, self.prefix));
    }

    pub(crate) fn set_prefix(&mut self, prefix: u8) {
        self.prefix = prefix;
        if let Some(first) = self.own.first_mut() {
            *first = Cidr::new(first.address(), prefix);
        }
    }

    /// Sets the gateways, and returns how many were left out.
    pub(crate) fn set_gateways(&mut self, gateways: &[Ipv4Addr]) -> usize {
        self.gateways.clear();
        let mut left_out = 0;
        for address in gateways {
            let gateway = Gateway { address: *address, dead_until: Instant::ZERO };
            let fits = is_host(*address) && self.gateways.push(gateway).is_ok();
            left_out += usize::from(!fits);
        }
        left_out
    }

    pub(crate) fn own(&self) -> &Vec<Cidr, N> {
        &self.own
    }

    /// Keeps the own addresses that `keep` says yes to.
    pub(crate) fn retain_own(&mut self, keep: impl FnMut(&Cidr) -> bool) {
        self.own.retain(keep);
    }

    pub(crate) fn gateways(&self) -> Vec<Ipv4Addr, N> {
        self.gateways.iter().map(|gateway| gateway.address).collect()
    }

    /// The largest packet that `device` can send, in bytes.
    pub(crate) fn mtu(&self, device: usize) -> usize {
        let device = device.min(crate::header::MAX_PACKET_LEN);
        self.mtu.map_or(device, |mtu| usize::from(mtu.max(MIN_PATH_MTU)).min(device))
    }

    #[inline]
    pub(crate) fn is_local(&self, address: Ipv4Addr) -> bool {
        self.own.iter().any(|cidr| cidr.address() == address)
    }

    /// Whether a packet from `src` to `dst` is for this host (RFC 1122
    /// §3.2.1.3), and from where a packet can come.
    #[inline]
    pub(crate) fn classify(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Result<Destination, Count> {
        if src.is_loopback() || dst.is_loopback() {
            return Err(Count::RxLoopback);
        }
        let (mut to_own, mut to_all) = (false, dst.is_broadcast());
        let (mut from_own, mut from_all) = (false, false);
        for cidr in &self.own {
            let (address, broadcast) = (cidr.address(), cidr.broadcast());
            to_own |= address == dst;
            to_all |= broadcast == Some(dst);
            from_own |= address == src;
            from_all |= broadcast == Some(src);
        }
        let destination = match (to_own, to_all) {
            (true, _) => Destination::Here(Cast::Unicast),
            (false, true) => Destination::Here(Cast::Broadcast),
            (false, false) if dst.is_multicast() => Destination::Group,
            (false, false) => return Err(Count::RxNotLocal),
        };
        // RFC 1122 §3.2.1.3 (a): a host that learns its address yet. It asks
        // everybody, or all routers and listeners of the link.
        let may_be_unspecified = dst.is_broadcast() || destination == Destination::Group;
        if from_own {
            Err(Count::RxOwnSource)
        } else if from_all || !(is_host(src) || (src.is_unspecified() && may_be_unspecified)) {
            Err(Count::RxSource)
        } else {
            Ok(destination)
        }
    }

    /// The way to `dst`: the longest prefix, then the first live gateway.
    pub(crate) fn route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>, now: Instant) -> Result<Route, SendError> {
        let broadcast = dst.is_broadcast();
        if !broadcast && !dst.is_multicast() && (!is_host(dst) || self.is_local(dst)) {
            // `write` never delivers.
            return Err(SendError::Unsupported);
        }
        let first = self.own.first().map(|cidr| cidr.address());
        let src = match src {
            // DHCP asks everybody from nowhere, with an address to renew or
            // without (RFC 2131 §4.1); IGMP reports without one.
            Some(Ipv4Addr::UNSPECIFIED) if broadcast || (dst.is_multicast() && first.is_none()) => src,
            Some(own) if self.is_local(own) => src,
            Some(_) => return Err(SendError::NoAddress),
            None => None,
        };
        let first = first.or(src).ok_or(SendError::NoAddress)?;
        let (to, from, gateway) = if broadcast {
            (To::Broadcast, first, None)
        } else if dst.is_multicast() {
            (To::Mac(MacAddr::of_multicast_group(dst)), first, None)
        } else if let Some(network) = self.own.iter().find(|cidr| cidr.broadcast() == Some(dst)) {
            (To::Broadcast, network.address(), None)
        } else {
            let (hop, gateway) = self.next_hop(dst, now).ok_or(SendError::NoRoute)?;
            (To::Host(hop), self.source_towards(hop).unwrap_or(first), gateway)
        };
        Ok(Route { to, src: src.unwrap_or(from), gateway })
    }

    /// The neighbour that takes packets to `dst`, and the same where it is a
    /// default gateway.
    fn next_hop(&self, dst: Ipv4Addr, now: Instant) -> Option<(Ipv4Addr, Option<Ipv4Addr>)> {
        let on_link = self.own.iter().map(|cidr| (*cidr, None));
        let routes = self.routes.iter().map(|route| (route.destination, route.gateway));
        let mut best: Option<(u8, Ipv4Addr)> = None;
        for (network, gateway) in on_link.chain(routes) {
            // Of equal prefixes the first wins: networks of one's own, then
            // routes in their order.
            if network.contains(dst) && best.is_none_or(|(prefix, _)| network.prefix() > prefix) {
                best = Some((network.prefix(), gateway.unwrap_or(dst)));
            }
        }
        match best {
            Some((_, hop)) => Some((hop, None)),
            None => {
                let live = self.gateways.iter().find(|gateway| gateway.dead_until <= now);
                let gateway = live.or(self.gateways.first())?.address;
                Some((gateway, Some(gateway)))
            }
        }
    }

    /// The own address on the network of the neighbour `hop`.
    fn source_towards(&self, hop: Ipv4Addr) -> Option<Ipv4Addr> {
        let mut best: Option<Cidr> = None;
        for cidr in self.own.iter().filter(|cidr| cidr.contains(hop)) {
            if best.is_none_or(|found| cidr.prefix() > found.prefix()) {
                best = Some(*cidr);
            }
        }
        best.map(Cidr::address)
    }

    /// Passes `gateway` over for [`DEAD_GATEWAY`]; whether there is another
    /// one to try.
    pub(crate) fn give_up(&mut self, gateway: Ipv4Addr, now: Instant) -> bool {
        for candidate in self.gateways.iter_mut().filter(|candidate| candidate.address == gateway) {
            candidate.dead_until = now + DEAD_GATEWAY;
        }
        self.gateways.iter().any(|candidate| candidate.dead_until <= now)
    }

    /// Whether no gateway is passed over at `now`.
    pub(crate) fn are_gateways_alive(&self, now: Instant) -> bool {
        self.gateways.iter().all(|gateway| gateway.dead_until <= now)
    }

    /// Takes `hop` for alive.
    pub(crate) fn revive(&mut self, hop: Ipv4Addr) {
        for gateway in self.gateways.iter_mut().filter(|gateway| gateway.address == hop) {
            gateway.dead_until = Instant::ZERO;
        }
    }
}
