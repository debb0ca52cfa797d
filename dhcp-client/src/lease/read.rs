//! From an OFFER or ACK to a lease.

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use rand_core::Rng;
use traits::Instant;
use wire::Cidr;

use super::routes::{class_prefix, read_classful, read_classless};
use super::{Lease, OtherOptions, SearchList, Term};
use crate::message::{Code, Message, domain};

/// A lease time that means for ever (RFC 2131 §3.3).
const INFINITE: u32 = u32::MAX;

/// The lease time where the server gives none, though it must: an hour.
const DEFAULT_LENGTH: u32 = 3600;

/// Bytes of a search list that are looked at.
const SEARCH_WIRE_MAX: usize = 512;

/// Why a message gives no lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaseError {
    /// No server identifier, or one that no server can have.
    Server,
    /// No address, or one that no host can have.
    Address,
    /// A lease of no time at all.
    ZeroLength,
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "no server identifier",
            Self::Address => "not an address that a host can have",
            Self::ZeroLength => "a lease of no time",
        })
    }
}

impl core::error::Error for LeaseError {}

impl Lease {
    /// The lease that an ACK (or OFFER) gives, asked for at `since`.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`]: the message is to be ignored.
    pub fn read(message: &Message<'_>, since: Instant, random: &mut impl Rng) -> Result<Self, LeaseError> {
        let term = read_term(message, random)?;
        let address = message.header().yiaddr;
        let cidr = with_mask(address, message.address(Code::SUBNET_MASK));
        if !is_host(address) || cidr.broadcast() == Some(address) || is_network(cidr) {
            return Err(LeaseError::Address);
        }
        Self::read_with(message, cidr, since, term)
    }

    /// The answer to an INFORM: everything but the address, which is the
    /// user's with its prefix, and its time.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`]: the message is to be ignored.
    pub fn read_inform(message: &Message<'_>, own: Cidr, since: Instant) -> Result<Self, LeaseError> {
        Self::read_with(message, own, since, None)
    }

    fn read_with(
        message: &Message<'_>,
        cidr: Cidr,
        since: Instant,
        term: Option<Term>,
    ) -> Result<Self, LeaseError> {
        let address = cidr.address();
        let server = server(message).ok_or(LeaseError::Server)?;
        if address == server {
            return Err(LeaseError::Address);
        }
        let classless = message.has(Code::CLASSLESS_STATIC_ROUTE);
        let routes = if classless {
            read_classless(message.bytes(Code::CLASSLESS_STATIC_ROUTE))
        } else {
            read_classful(message.addresses(Code::STATIC_ROUTE))
        };
        let hosts = |code| message.addresses(code).filter(|&address| is_host(address)).collect();
        Ok(Self {
            address,
            netmask: cidr.netmask(),
            server,
            since,
            term,
            routers: hosts(Code::ROUTER),
            routes,
            classless,
            dns: hosts(Code::DOMAIN_NAME_SERVER),
            mtu: message.u16(Code::INTERFACE_MTU),
            ntp: unless_small(|| hosts(Code::NTP_SERVERS)),
            hostname: unless_small(|| domain::text(message.bytes(Code::HOST_NAME))),
            domain: unless_small(|| domain::text(message.bytes(Code::DOMAIN_NAME))),
            search: unless_small(|| read_search(message)),
            broadcast: unless_small(|| message.address(Code::BROADCAST_ADDRESS)),
            next_server: unless_small(|| {
                Some(message.header().siaddr).filter(|address| !address.is_unspecified())
            }),
            boot_file: unless_small(|| domain::text(message.boot_file().iter().copied())),
            other: unless_small(|| read_other(message)),
        })
    }
}

/// What no layer is set by: a guest built for fewest bytes does not read it.
fn unless_small<T: Default>(read: impl FnOnce() -> T) -> T {
    if cfg!(guest_small) { T::default() } else { read() }
}

/// The server identifier, where it is one.
pub(crate) fn server(message: &Message<'_>) -> Option<Ipv4Addr> {
    message.address(Code::SERVER_IDENTIFIER).filter(|&server| is_host(server))
}

/// Whether a host can have the address.
pub(crate) fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets(), [0 | 127 | 224..=255, ..])
}

fn is_network(cidr: Cidr) -> bool {
    cidr.broadcast().is_some() && cidr.network() == cidr.address()
}

fn with_mask(address: Ipv4Addr, mask: Option<Ipv4Addr>) -> Cidr {
    mask.and_then(|mask| Cidr::with_netmask(address, mask))
        .filter(|cidr| cidr.prefix() > 0)
        .unwrap_or(Cidr::new(address, class_prefix(address)))
}

/// Times that fit together, whatever the server said: T1 and T2 that are
/// missing, zero or out of order get the defaults of RFC 2131 §4.4.5, less a
/// little so that clients started together spread.
fn read_term(message: &Message<'_>, random: &mut impl Rng) -> Result<Option<Term>, LeaseError> {
    let length = match message.u32(Code::LEASE_TIME).unwrap_or(DEFAULT_LENGTH) {
        0 => return Err(LeaseError::ZeroLength),
        INFINITE => return Ok(None),
        length => Duration::from_secs(length.into()),
    };
    let given = |code| message.u32(code).filter(|&t| t > 0).map(|t| Duration::from_secs(t.into()));
    let t2 = given(Code::REBINDING_TIME)
        .filter(|&t2| t2 < length)
        .unwrap_or_else(|| length * 7 / 8 - spread(length / 64, random));
    let t1 = given(Code::RENEWAL_TIME).filter(|&t1| t1 < t2).unwrap_or_else(|| {
        let half = length / 2;
        // A T2 of less than half the lease keeps the defaults' proportion.
        let t1 = if half < t2 { half } else { t2 * 4 / 7 };
        t1 - spread(t1 / 32, random)
    });
    Ok(Some(Term { length, t1, t2 }))
}

/// A random time below `most`.
fn spread(most: Duration, random: &mut impl Rng) -> Duration {
    most / 256 * (random.next_u32() & 0xff)
}

fn read_search(message: &Message<'_>) -> SearchList {
    let mut list = SearchList::default();
    let mut whole = Vec::<u8, SEARCH_WIRE_MAX>::new();
    let mut bytes = message.bytes(Code::DOMAIN_SEARCH);
    whole.extend(bytes.by_ref().take(SEARCH_WIRE_MAX));
    let mut at = 0;
    while at < whole.len() {
        match domain::read_name(&whole, at) {
            Some((name, next)) => {
                list.push(&name);
                at = next;
            }
            None => {
                list.leave_out();
                return list;
            }
        }
    }
    if bytes.next().is_some() {
        list.leave_out();
    }
    list
}

/// Every option that has no field of its own.
fn read_other(message: &Message<'_>) -> OtherOptions {
    let mut other = OtherOptions::default();
    let mut seen = [0u64; 4];
    for (code, _) in message.options() {
        let (word, bit) = (usize::from(code.0 / 64), 1u64 << (code.0 % 64));
        if let Some(word) = seen.get_mut(word)
            && *word & bit == 0
            && !has_field(code)
        {
            *word |= bit;
            other.push(code.0, message.bytes(code));
        }
    }
    other
}

const fn has_field(code: Code) -> bool {
    matches!(
        code,
        Code::SUBNET_MASK
            | Code::ROUTER
            | Code::DOMAIN_NAME_SERVER
            | Code::HOST_NAME
            | Code::DOMAIN_NAME
            | Code::INTERFACE_MTU
            | Code::BROADCAST_ADDRESS
            | Code::STATIC_ROUTE
            | Code::NTP_SERVERS
            | Code::LEASE_TIME
            | Code::OVERLOAD
            | Code::MESSAGE_TYPE
            | Code::SERVER_IDENTIFIER
            | Code::RENEWAL_TIME
            | Code::REBINDING_TIME
            | Code::DOMAIN_SEARCH
            | Code::CLASSLESS_STATIC_ROUTE
    )
}
