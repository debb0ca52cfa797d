//! What the addressing said last.
//!
//! Packets come in runs, and most are like the one before: then neither the
//! routes nor the own addresses are searched again.

use core::cell::Cell;
use core::net::Ipv4Addr;

use traits::To;

use crate::addressing::Route;

/// The last answers of [`Addressing`](crate::addressing::Addressing), which
/// hold until it changes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// For packets whose source was said, and for those whose was not: UDP asks
    /// for the way without, then sends with the source that it was told.
    routes: [Known; 2],
    /// Source and destination of a unicast packet to this host, as words.
    peer: Cell<Option<(u32, u32)>>,
}

/// A route, and what is most asked of it apart.
#[derive(Debug, Default)]
struct Known {
    ends: Cell<Option<Ends>>,
    route: Cell<Option<Route>>,
    /// Its source, and the host that it goes to or by: 0 for no host.
    src: Cell<u32>,
    host: Cell<u32>,
    by_gateway: Cell<bool>,
}

/// A route to a host, or by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToHost {
    pub(crate) host: Ipv4Addr,
    pub(crate) src: Ipv4Addr,
    pub(crate) by_gateway: bool,
}

/// Where a packet goes, and from where if that was said: as words. An
/// `Option` of an address has five bytes, and what was written in two pieces
/// and is read as one waits until all of the packet before has been written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Ends {
    dst: u32,
    src: u32,
    has_src: bool,
}

impl Ends {
    #[inline(always)]
    const fn new(dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Self {
        let dst = dst.to_bits();
        match src {
            Some(src) => Self { dst, src: src.to_bits(), has_src: true },
            None => Self { dst, src: 0, has_src: false },
        }
    }
}

impl Recent {
    /// Forgets them.
    pub(crate) fn clear(&self) {
        self.routes.iter().for_each(|known| known.ends.set(None));
        self.peer.set(None);
    }

    /// The way to `dst` from `src`, if that was asked for last.
    #[inline(always)]
    pub(crate) fn route(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Option<Route> {
        self.known(dst, src)?.route.get()
    }

    /// The source of the way to `dst` from `src`, if that was asked for last.
    #[inline(always)]
    pub(crate) fn source(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        Some(Ipv4Addr::from_bits(self.known(dst, src)?.src.get()))
    }

    /// The way to `dst` from `src`, if that was asked for last and goes to one
    /// host.
    #[inline(always)]
    pub(crate) fn to_host(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Option<ToHost> {
        let known = self.known(dst, src)?;
        let (host, src) = (known.host.get(), Ipv4Addr::from_bits(known.src.get()));
        let by_gateway = known.by_gateway.get();
        (host != 0).then_some(ToHost { host: Ipv4Addr::from_bits(host), src, by_gateway })
    }

    pub(crate) fn set_route(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>, route: Route) {
        let known = self.place(src);
        known.ends.set(Some(Ends::new(dst, src)));
        known.route.set(Some(route));
        known.src.set(route.src.to_bits());
        known.host.set(match route.to {
            To::Host(host) => host.to_bits(),
            To::Mac(_) | To::Broadcast => 0,
        });
        known.by_gateway.set(route.gateway.is_some());
    }

    #[inline(always)]
    fn known(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Option<&Known> {
        let known = self.place(src);
        (known.ends.get() == Some(Ends::new(dst, src))).then_some(known)
    }

    #[inline(always)]
    const fn place(&self, src: &Option<Ipv4Addr>) -> &Known {
        let [said, unsaid] = &self.routes;
        if src.is_some() { said } else { unsaid }
    }

    /// Whether a packet from `src` to `dst` is like the last one: unicast to
    /// this host from where a packet may come.
    #[inline]
    pub(crate) fn is_peer(&self, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        self.peer.get() == Some((word(src), word(dst)))
    }

    pub(crate) fn set_peer(&self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.peer.set(Some((word(src), word(dst))));
    }
}

/// As it stands in a packet.
#[inline(always)]
const fn word(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}
