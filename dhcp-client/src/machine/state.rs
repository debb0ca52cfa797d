//! The states, and what is remembered in each.

use core::net::Ipv4Addr;

use traits::Instant;
use wire::Cidr;

use crate::lease::Lease;

/// RFC 2131 §4.4, figure 5, with the check by ARP and what the figure leaves
/// out (DECLINE, RELEASE, INFORM). On each arrow: what happens / what is sent.
///
/// ```text
///             start with a                start without
///          remembered address                   │
///                  │                            ▼
///                  ▼           NAK           ┌──────┐◀──────────────────────────┐
///          ┌─────────────┐  ┌───────────────▶│ INIT │◀────────────────────┐     │
///          │ INIT-REBOOT │  │ or no answer   └──┬───┘◀──────────────┐     │     │
///          └──────┬──────┘  │                   │ / DISCOVER        │     │     │
///                 │ / REQUEST                   ▼                   │     │     │
///                 ▼         │              ┌───────────┐            │     │     │
///           ┌───────────┐   │              │ SELECTING │◀─┐ timeout │     │     │
///           │ REBOOTING ├───┘              └────┬──────┴──┘         │     │     │
///           └─────┬─────┘                       │ OFFER / REQUEST   │     │     │
///                 │                             ▼                   │     │     │
///                 │ ACK                   ┌────────────┐ NAK or     │     │     │
///                 │                       │ REQUESTING ├────────────┘     │     │
///                 ▼                       └─────┬──────┘ no answer        │     │
///           ┌──────────┐        ACK             │                         │     │
///           │ CHECKING │◀───────────────────────┘                         │     │
///           │  by ARP  ├──────────────────────────────────────────────────┘     │
///           └────┬─────┘  address in use / DECLINE, wait                        │
///                │ nobody has it                                                │
///                ▼                     conflict / DECLINE, wait                 │
///           ┌─────────┐─────────────────────────────────────────────────────────┤
///           │  BOUND  │◀───────────────┬───────────────────────┐                │
///           └────┬────┘            ACK │                       │                │
///                │ T1 / REQUEST to     │                       │                │
///                ▼      the server     │                       │ ACK            │
///           ┌──────────┐───────────────┘                       │                │
///           │ RENEWING │────────────────────────────── NAK ────┼────────────────┤
///           └────┬─────┘      conflict / DECLINE, wait         │                │
///                │ T2 / REQUEST to all                         │                │
///                ▼                                             │                │
///           ┌───────────┐──────────────────────────────────────┘                │
///           │ REBINDING │──────────────── NAK or the lease ends ────────────────┘
///           └───────────┘      conflict / DECLINE, wait
///
///   any state ── release / RELEASE where there is a lease ──▶ STOPPED ── restart ──▶ INIT
///
///   start with a fixed address ──▶ INFORMING ── ACK ──▶ INFORMED
///                                   ▲     │ timeout / INFORM
///                                   └─────┘
/// ```
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it, and no allocator to box a lease with")]
pub(crate) enum State {
    /// Begins at an instant.
    Init { at: Instant },
    /// Begins at once with a remembered address.
    InitReboot { address: Ipv4Addr },
    /// Has asked for the remembered address.
    Rebooting { exchange: Exchange, address: Ipv4Addr },
    /// Has asked who has an address.
    Selecting { exchange: Exchange },
    /// Has asked for the address offered.
    Requesting { exchange: Exchange, offer: Offer },
    /// Has a lease, and looks whether another host has the address.
    Checking { lease: Lease, until: Instant },
    /// Has a lease.
    Bound { lease: Lease },
    /// Has asked the server to go on.
    Renewing { exchange: Exchange, lease: Lease },
    /// Has asked all servers to go on.
    Rebinding { exchange: Exchange, lease: Lease },
    /// Has an address of its own, and asked for the rest.
    Informing { exchange: Exchange, own: Cidr },
    /// Has an address of its own and the rest.
    Informed { lease: Lease },
    /// Does nothing until restarted.
    Stopped,
}

/// A request and its retransmissions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// What answers have to carry.
    pub(crate) xid: u32,
    /// When the first DISCOVER, or whatever came first, was sent.
    pub(crate) began: Instant,
    /// When the first message of this state was sent.
    pub(crate) since: Instant,
    /// Messages sent in this state.
    pub(crate) attempts: u8,
    /// When the next is due.
    pub(crate) retransmit: Instant,
    /// The `secs` of the last message.
    pub(crate) secs: u16,
}

/// An offer that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
}

/// The name of a state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum StateName {
    /// About to ask for an address.
    Init,
    /// About to ask for a remembered address.
    InitReboot,
    /// Has asked for the remembered address.
    Rebooting,
    /// Waits for offers.
    Selecting,
    /// Waits for an offer to be confirmed.
    Requesting,
    /// Looks whether another host has the address.
    Checking,
    /// Has a lease.
    Bound,
    /// Has a lease, and has asked its server to go on.
    Renewing,
    /// Has a lease, and has asked all servers to go on.
    Rebinding,
    /// Has a fixed address, and waits for the rest.
    Informing,
    /// Has a fixed address and the rest.
    Informed,
    /// Does nothing until restarted.
    Stopped,
}

impl StateName {
    /// The name as RFC 2131 writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::InitReboot => "INIT-REBOOT",
            Self::Rebooting => "REBOOTING",
            Self::Selecting => "SELECTING",
            Self::Requesting => "REQUESTING",
            Self::Checking => "CHECKING",
            Self::Bound => "BOUND",
            Self::Renewing => "RENEWING",
            Self::Rebinding => "REBINDING",
            Self::Informing => "INFORMING",
            Self::Informed => "INFORMED",
            Self::Stopped => "STOPPED",
        }
    }
}

impl core::fmt::Display for StateName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    pub(crate) const fn name(&self) -> StateName {
        match self {
            Self::Init { .. } => StateName::Init,
            Self::InitReboot { .. } => StateName::InitReboot,
            Self::Rebooting { .. } => StateName::Rebooting,
            Self::Selecting { .. } => StateName::Selecting,
            Self::Requesting { .. } => StateName::Requesting,
            Self::Checking { .. } => StateName::Checking,
            Self::Bound { .. } => StateName::Bound,
            Self::Renewing { .. } => StateName::Renewing,
            Self::Rebinding { .. } => StateName::Rebinding,
            Self::Informing { .. } => StateName::Informing,
            Self::Informed { .. } => StateName::Informed,
            Self::Stopped => StateName::Stopped,
        }
    }

    /// The lease whose address may be used, or that tells about a fixed one.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Bound { lease }
            | Self::Renewing { lease, .. }
            | Self::Rebinding { lease, .. }
            | Self::Informed { lease } => Some(lease),
            Self::Init { .. }
            | Self::InitReboot { .. }
            | Self::Rebooting { .. }
            | Self::Selecting { .. }
            | Self::Requesting { .. }
            | Self::Checking { .. }
            | Self::Informing { .. }
            | Self::Stopped => None,
        }
    }

    /// The lease that a server gave and may be given back.
    pub(crate) fn leased(&self) -> Option<&Lease> {
        match self {
            Self::Bound { lease } | Self::Renewing { lease, .. } | Self::Rebinding { lease, .. } => Some(lease),
            Self::Init { .. }
            | Self::InitReboot { .. }
            | Self::Rebooting { .. }
            | Self::Selecting { .. }
            | Self::Requesting { .. }
            | Self::Checking { .. }
            | Self::Informing { .. }
            | Self::Informed { .. }
            | Self::Stopped => None,
        }
    }

    /// The lease whose address is being looked for.
    pub(crate) fn checking(&self) -> Option<&Lease> {
        match self {
            Self::Checking { lease, .. } => Some(lease),
            Self::Init { .. }
            | Self::InitReboot { .. }
            | Self::Rebooting { .. }
            | Self::Selecting { .. }
            | Self::Requesting { .. }
            | Self::Bound { .. }
            | Self::Renewing { .. }
            | Self::Rebinding { .. }
            | Self::Informing { .. }
            | Self::Informed { .. }
            | Self::Stopped => None,
        }
    }

    /// The request that waits for an answer.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Rebooting { exchange, .. }
            | Self::Selecting { exchange }
            | Self::Requesting { exchange, .. }
            | Self::Renewing { exchange, .. }
            | Self::Rebinding { exchange, .. }
            | Self::Informing { exchange, .. } => Some(exchange),
            Self::Init { .. }
            | Self::InitReboot { .. }
            | Self::Checking { .. }
            | Self::Bound { .. }
            | Self::Informed { .. }
            | Self::Stopped => None,
        }
    }
}
