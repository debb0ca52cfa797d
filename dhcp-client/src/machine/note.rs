//! What is worth a line on the console.

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;

use wire::Cidr;

/// Something that a person may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Note {
    /// Asks who has an address.
    Discover,
    /// A server offered an address.
    Offer {
        /// The address.
        address: Ipv4Addr,
        /// Who offered it.
        server: Ipv4Addr,
    },
    /// A lease began.
    Bound {
        /// The address.
        address: Cidr,
        /// For how long; `None` is for ever.
        length: Option<Duration>,
    },
    /// A lease goes on.
    Renewed {
        /// The address.
        address: Ipv4Addr,
        /// For how long; `None` is for ever.
        length: Option<Duration>,
    },
    /// The server does not answer; asks all.
    Rebinding,
    /// A server refused.
    Nak {
        /// Which one.
        server: Ipv4Addr,
    },
    /// Another host has the address.
    Declined {
        /// The address.
        address: Ipv4Addr,
    },
    /// A lease ended because nobody renewed it.
    Expired {
        /// The address.
        address: Ipv4Addr,
    },
    /// The lease was given back.
    Released {
        /// The address.
        address: Ipv4Addr,
    },
    /// A server told the rest about a fixed address.
    Informed {
        /// Which server.
        server: Ipv4Addr,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => f.write_str("discover"),
            Self::Offer { address, server } => write!(f, "offer {address} from {server}"),
            Self::Bound { address, length } => write!(f, "bound {address} for {}", Length(*length)),
            Self::Renewed { address, length } => write!(f, "renewed {address} for {}", Length(*length)),
            Self::Rebinding => f.write_str("the server does not answer, asking all"),
            Self::Nak { server } => write!(f, "refused by {server}"),
            Self::Declined { address } => write!(f, "{address} is in use by another host"),
            Self::Expired { address } => write!(f, "lease of {address} expired"),
            Self::Released { address } => write!(f, "released {address}"),
            Self::Informed { server } => write!(f, "informed by {server}"),
        }
    }
}

struct Length(Option<Duration>);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(length) => write!(f, "{} s", length.as_secs()),
            None => f.write_str("ever"),
        }
    }
}
