//! What a server said, as a plain value.

mod list;
mod read;
mod routes;
mod settings;
mod write;

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::String;
use traits::{Instant, RouteEntry};
use wire::Cidr;

pub use list::{List, OtherOptions, SearchList};
pub use read::LeaseError;
pub use settings::Settings;

pub(crate) use read::server;

use crate::message::Name;

/// Servers, gateways kept of each kind.
pub const SERVERS_MAX: usize = 4;
/// Routes kept.
pub const ROUTES_MAX: usize = 16;

/// An address for a time, and everything else that the server said.
///
/// Lists are bounded; what did not fit is counted in them
/// ([`List::cut`]). What the server did not say, or said in a way that makes
/// no sense, is absent or has the default given. In a guest built for fewest bytes
/// (`--cfg guest_small`) so is everything but address, netmask, server, times,
/// gateways, routes, name servers and MTU.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// The netmask (option 1). A missing one, or one whose ones are not
    /// contiguous, is that of the address's class (RFC 950).
    pub netmask: Ipv4Addr,
    /// Who gave it: the server identifier (option 54).
    pub server: Ipv4Addr,
    /// When it was asked for; all times below count from here
    /// (RFC 2131 §4.4.1).
    pub since: Instant,
    /// How long it lasts and when to renew; `None` for ever.
    pub term: Option<Term>,
    /// Gateways in order of preference (option 3), also when
    /// [`routes`](Lease::routes) replace them.
    pub routers: List<Ipv4Addr, SERVERS_MAX>,
    /// Routes (option 121, else 33). A default route is one with prefix 0.
    pub routes: List<RouteEntry, ROUTES_MAX>,
    /// The routes came by option 121, so that [`routers`](Lease::routers) do
    /// not count (RFC 3442).
    pub classless: bool,
    /// Name servers (option 6).
    pub dns: List<Ipv4Addr, SERVERS_MAX>,
    /// Time servers (option 42).
    pub ntp: List<Ipv4Addr, SERVERS_MAX>,
    /// The own host name (option 12).
    pub hostname: Option<Name>,
    /// The domain (option 15).
    pub domain: Option<Name>,
    /// Domains to search (option 119).
    pub search: SearchList,
    /// The MTU as the server said it (option 26).
    pub mtu: Option<u16>,
    /// The broadcast address as the server said it (option 28).
    pub broadcast: Option<Ipv4Addr>,
    /// The server to boot from (`siaddr`).
    pub next_server: Option<Ipv4Addr>,
    /// What to boot (`file`).
    pub boot_file: Option<String<128>>,
    /// All other options.
    pub other: OtherOptions,
}

/// How long a lease lasts, from its [`Lease::since`]:
/// 0 < `t1` < `t2` < `length`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Term {
    /// The whole time (option 51).
    pub length: Duration,
    /// When to ask the server to renew (option 58, else half the time).
    pub t1: Duration,
    /// When to ask any server (option 59, else 7/8 of the time).
    pub t2: Duration,
}

impl Lease {
    /// The address with the prefix of its network.
    pub fn cidr(&self) -> Cidr {
        Cidr::with_netmask(self.address, self.netmask).unwrap_or(Cidr::new(self.address, 32))
    }

    /// When to ask the server to renew (T1).
    pub fn renews_at(&self) -> Option<Instant> {
        self.term.map(|term| self.since + term.t1)
    }

    /// When to ask any server (T2).
    pub fn rebinds_at(&self) -> Option<Instant> {
        self.term.map(|term| self.since + term.t2)
    }

    /// When it ends.
    pub fn expires_at(&self) -> Option<Instant> {
        self.term.map(|term| self.since + term.length)
    }

    /// The bytes of any option without a field of its own.
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.other.get(code)
    }

    /// How many entries the bounds left out, over all lists.
    pub fn cut(&self) -> u32 {
        let lists = [&self.routers, &self.dns, &self.ntp].map(List::cut);
        let others = [self.routes.cut(), self.search.cut(), self.other.cut()];
        lists.into_iter().chain(others).map(u32::from).sum()
    }

    /// What it sets in the IPv4 layer.
    pub fn settings(&self) -> Settings {
        Settings::of(self)
    }
}
