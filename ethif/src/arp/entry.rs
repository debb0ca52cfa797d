//! What is known of one neighbour.
//!
//! ```text
//!             want              answer            30 s
//!   (absent) ─────► Incomplete ───────► Reachable ────► Stale ──60 s──► (absent)
//!                      │ 3 × 1 s            ▲ answer      │ used
//!                      ▼                    │             ▼
//!   (absent) ◄──1 s── Failed              Probe ◄──5 s── Delay ──confirm──► Reachable
//!                                           │ 3 × 1 s
//!                                           ▼
//!                                        (absent)
//! ```
//!
//! What lapses without being used (30 s, 60 s and the 1 s of `Failed`) needs
//! no timer: it is looked at when the entry is next touched. `Failed` lasts
//! longer where nobody was told: packets that were kept for the host are gone,
//! and whoever sends them again, [within seconds](UNTOLD_TIME), is refused once.

use core::net::Ipv4Addr;
use core::time::Duration;

use traits::Instant;
use wire::MacAddr;

/// How long an answer counts (Linux: `base_reachable_time`).
pub(crate) const REACHABLE_TIME: Duration = Duration::from_secs(30);
/// How long an entry is kept that is out of date and not used (Linux:
/// `gc_stale_time`; RFC 1122 §2.3.2.1 (1) asks for a timeout).
pub(crate) const STALE_TIME: Duration = Duration::from_secs(60);
/// How long a layer above has to confirm before a stale
/// entry in use is probed (Linux: `delay_first_probe_time`).
pub(crate) const DELAY_TIME: Duration = Duration::from_secs(5);
/// From one request to the next for the same host: one per second at most
/// (RFC 1122 §2.3.2.1).
pub(crate) const RETRANSMIT_TIME: Duration = Duration::from_secs(1);
/// Requests before a host counts as failed (Linux: `mcast_solicit`,
/// `ucast_solicit`).
pub(crate) const SOLICITATIONS: u8 = 3;
/// In place of their number: whoever wants to send was refused, before the task
/// came to it.
pub(crate) const TOLD: u8 = u8::MAX;
/// How long a host that did not answer is not asked again.
pub(crate) const NEGATIVE_TIME: Duration = Duration::from_secs(1);
/// How long the next who sends to it is told instead, if nobody was yet: longer
/// than from one SYN to the next.
pub(crate) const UNTOLD_TIME: Duration = Duration::from_secs(3);
/// How long after the first who is told that late the others are told as well.
pub(crate) const TELLING_TIME: Duration = Duration::from_millis(10);
/// How long the first of two hosts that claim an address holds it (Linux:
/// `locktime`).
pub(crate) const LOCK_TIME: Duration = Duration::from_secs(1);

/// What is known of a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Asked for, by broadcast.
    Incomplete { attempts: u8, next: Instant },
    /// Answered, or confirmed, a short while ago.
    Reachable { mac: MacAddr, until: Instant },
    /// Was known; to be looked at when used.
    Stale { mac: MacAddr, since: Instant },
    /// Used while out of date; a layer above may yet confirm it.
    Delay { mac: MacAddr, until: Instant },
    /// Used while asked for, by unicast (RFC 1122 §2.3.2.1 (2)).
    Probe { mac: MacAddr, attempts: u8, next: Instant },
    /// Did not answer; `told` if whoever wants to send to it was refused since.
    Failed { until: Instant, told: bool },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) address: Ipv4Addr,
    pub(super) state: State,
    /// When the hardware address was set, or first asked for.
    pub(super) set: Instant,
    /// When it was last used; never, for one learnt from a request.
    pub(super) used: Option<Instant>,
}

/// How a packet with a neighbour's address came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// A reply to this interface.
    Answer,
    /// A request for an own address.
    Request,
    /// Anything else: gratuitous ARP, requests and replies among others.
    Hearsay,
}

/// What was learnt from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Learnt {
    /// An entry was made, or refreshed.
    Entry,
    /// A host that was asked for has answered.
    Resolved,
    /// Nothing: nobody asked.
    Unsolicited,
    /// Nothing: another hardware address was set just now.
    Contested,
    /// Nothing: no room.
    Full,
}

/// An entry, as users see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// Its hardware address, where known.
    pub mac: Option<MacAddr>,
    /// What is known of it.
    pub state: NeighbourState,
}

/// What is known of a neighbour, in the terms of Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NeighbourState {
    /// It is being asked for.
    Incomplete,
    /// It answered within 30 s, or a layer above confirmed it.
    Reachable,
    /// It was known, and will be refreshed when used.
    Stale,
    /// It is used, and will be asked unless confirmed within 5 s.
    Delay,
    /// It is used while being asked.
    Probe,
    /// It did not answer.
    Failed,
}

impl Entry {
    pub(super) fn mac(&self) -> Option<MacAddr> {
        match self.state {
            State::Incomplete { .. } | State::Failed { .. } => None,
            State::Reachable { mac, .. }
            | State::Stale { mac, .. }
            | State::Delay { mac, .. }
            | State::Probe { mac, .. } => Some(mac),
        }
    }

    /// Lets the state lapse; `None` when nothing is left of the entry.
    pub(super) fn lapsed(mut self, now: Instant) -> Option<Self> {
        if let State::Reachable { mac, until } = self.state
            && now >= until
        {
            self.state = State::Stale { mac, since: until };
        }
        let alive = match self.state {
            State::Stale { since, .. } => now < since + STALE_TIME,
            State::Failed { until, told: true } => now < until,
            State::Failed { until, told: false } => now < until + (UNTOLD_TIME - NEGATIVE_TIME),
            State::Incomplete { .. } | State::Reachable { .. } | State::Delay { .. } | State::Probe { .. } => {
                true
            }
        };
        alive.then_some(self)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Incomplete { next, .. } | State::Probe { next, .. } => Some(next),
            State::Delay { until, .. } => Some(until),
            State::Reachable { .. } | State::Stale { .. } | State::Failed { .. } => None,
        }
    }

    pub(super) fn neighbour(&self) -> Neighbour {
        let state = match self.state {
            State::Incomplete { .. } => NeighbourState::Incomplete,
            State::Reachable { .. } => NeighbourState::Reachable,
            State::Stale { .. } => NeighbourState::Stale,
            State::Delay { .. } => NeighbourState::Delay,
            State::Probe { .. } => NeighbourState::Probe,
            State::Failed { .. } => NeighbourState::Failed,
        };
        Neighbour { address: self.address, mac: self.mac(), state }
    }

    pub(super) fn heard(&mut self, mac: MacAddr, source: Source, now: Instant) -> Learnt {
        match self.state {
            State::Incomplete { .. } | State::Failed { .. } => {
                self.set_mac(mac, source, now);
                Learnt::Resolved
            }
            State::Probe { mac: known, .. } if known == mac => {
                if source == Source::Answer {
                    self.set_mac(mac, source, now);
                }
                Learnt::Entry
            }
            State::Stale { mac: known, .. } if known == mac => {
                self.state = State::Stale { mac, since: now };
                Learnt::Entry
            }
            State::Reachable { mac: known, .. } | State::Delay { mac: known, .. } if known == mac => {
                Learnt::Entry
            }
            State::Reachable { .. } | State::Stale { .. } | State::Delay { .. } | State::Probe { .. } => {
                if now < self.set + LOCK_TIME {
                    return Learnt::Contested;
                }
                // Not proven to be there: whoever uses it has it probed.
                self.set_mac(mac, Source::Hearsay, now);
                Learnt::Entry
            }
        }
    }

    fn set_mac(&mut self, mac: MacAddr, source: Source, now: Instant) {
        self.set = now;
        self.state = match source {
            Source::Answer => State::Reachable { mac, until: now + REACHABLE_TIME },
            Source::Request | Source::Hearsay => State::Stale { mac, since: now },
        };
    }
}
