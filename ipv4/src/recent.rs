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
    /// For packets whose source was said, and for those whose was not: UDP asks
    /// for the way without, then sends with the source that it was told.
    routes: [Cell<Option<(Ends, Route)>>; 2],
    /// Source and destination of a unicast packet to this host.
    peer: Cell<Option<(Ipv4Addr, Ipv4Addr)>>,
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
        self.routes.iter().for_each(|route| route.set(None));
        self.peer.set(None);
    }

    /// The way to `dst` from `src`, if that was asked for last.
    #[inline(always)]
    pub(crate) fn route(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>) -> Option<Route> {
        match self.place(src).get() {
            Some((ends, route)) if ends == Ends::new(dst, src) => Some(route),
            Some(_) | None => None,
        }
    }

    pub(crate) fn set_route(&self, dst: Ipv4Addr, src: &Option<Ipv4Addr>, route: Route) {
        self.place(src).set(Some((Ends::new(dst, src), route)));
    }

    #[inline(always)]
    const fn place(&self, src: &Option<Ipv4Addr>) -> &Cell<Option<(Ends, Route)>> {
        let [said, unsaid] = &self.routes;
        if src.is_some() { said } else { unsaid }
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
