//! What the addressing said last.
//!
//! Packets come in runs, and most are like the one before: then neither the
//! routes nor the own addresses are searched again.

use core::cell::Cell;
use core::net::Ipv4Addr;

use crate::addressing::Route;

/// The last answers of [`Addressing`](crate::addressing::Addressing), which
/// hold until it changes.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    route: Cell<Option<(Ipv4Addr, Option<Ipv4Addr>, Route)>>,
    /// Source and destination of a unicast packet to this host.
    peer: Cell<Option<(Ipv4Addr, Ipv4Addr)>>,
}

impl Recent {
    /// Forgets them.
    pub(crate) fn clear(&self) {
        self.route.set(None);
        self.peer.set(None);
    }

    /// The way to `dst` from `src`, if that was asked for last.
    #[inline]
    pub(crate) fn route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Option<Route> {
        match self.route.get() {
            Some((to, from, route)) if to == dst && from == src => Some(route),
            Some(_) | None => None,
        }
    }

    pub(crate) fn set_route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>, route: Route) {
        self.route.set(Some((dst, src, route)));
    }

    /// Whether a packet from `src` to `dst` is like the last one: unicast to
    /// this host from where a packet may come.
    #[inline]
    pub(crate) fn is_peer(&self, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        self.peer.get() == Some((src, dst))
    }

    pub(crate) fn set_peer(&self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.peer.set(Some((src, dst)));
    }
}
