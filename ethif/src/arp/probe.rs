//! Looking whether an address is free (RFC 5227 §2.1).

use core::net::Ipv4Addr;
use core::time::Duration;

use traits::{Conflict, Instant};
use wire::MacAddr;

use super::packet::{Operation, Packet};
use crate::random::Random;

/// Addresses that can be probed at the same time.
pub(crate) const PROBES: usize = 4;
/// RFC 5227 §1.1, `PROBE_WAIT`: the first probe comes within it.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// RFC 5227 §1.1, `PROBE_NUM`.
const PROBE_NUM: u8 = 3;
/// RFC 5227 §1.1, `PROBE_MIN`.
const PROBE_MIN: Duration = Duration::from_secs(1);
/// RFC 5227 §1.1, `PROBE_MAX` less `PROBE_MIN`.
const PROBE_SPREAD: Duration = Duration::from_secs(1);
/// RFC 5227 §1.1, `ANNOUNCE_WAIT`: how long others can object to the last.
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
/// RFC 5227 §1.1, `MAX_CONFLICTS`: from then on probing is slow.
const MAX_CONFLICTS: u8 = 10;
/// RFC 5227 §1.1, `RATE_LIMIT_INTERVAL`.
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// `sent` probes are out, the next comes at `next`.
    Probing { sent: u8, next: Instant },
    /// All probes are out; others can object until `until`.
    Listening { until: Instant },
    /// Nobody objected.
    Free,
    /// Somebody has the address, or wants it at the same time.
    Taken { other: MacAddr },
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    address: Ipv4Addr,
    state: State,
}

/// A place among the probes under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProbeId(usize);

/// Up to [`PROBES`] probes under way.
pub(crate) struct Probes {
    places: [Option<Probe>; PROBES],
    /// Conflicts in a row.
    conflicts: u8,
    /// When the last probe began, or will.
    begun: Option<Instant>,
}

impl Probes {
    pub(crate) const fn new() -> Self {
        Self { places: [None; PROBES], conflicts: 0, begun: None }
    }

    /// Begins to probe `address`; `None` when as many are under way as can be.
    pub(crate) fn begin(&mut self, address: Ipv4Addr, now: Instant, random: &mut Random) -> Option<ProbeId> {
        let (index, place) = self.places.iter_mut().enumerate().find(|(_, place)| place.is_none())?;
        // RFC 5227 §2.1.1: after MAX_CONFLICTS, one new address per
        // RATE_LIMIT_INTERVAL.
        let begin = match self.begun {
            Some(last) if self.conflicts >= MAX_CONFLICTS => now.max(last + RATE_LIMIT_INTERVAL),
            Some(_) | None => now,
        };
        self.begun = Some(begin);
        let next = begin + random.below(PROBE_WAIT);
        *place = Some(Probe { address, state: State::Probing { sent: 0, next } });
        Some(ProbeId(index))
    }

    /// How the probe ended, if it has.
    pub(crate) fn outcome(&self, id: ProbeId) -> Option<Result<(), Conflict>> {
        let probe = (*self.places.get(id.0)?)?;
        match probe.state {
            State::Probing { .. } | State::Listening { .. } => None,
            State::Free => Some(Ok(())),
            State::Taken { other } => Some(Err(Conflict { address: probe.address, other })),
        }
    }

    /// Gives the place back.
    pub(crate) fn end(&mut self, id: ProbeId) {
        if let Some(place) = self.places.get_mut(id.0) {
            *place = None;
        }
    }

    /// Another host's packet came in. Returns whether it ends a probe.
    pub(crate) fn heard(&mut self, packet: &Packet) -> bool {
        let mut ended = false;
        for probe in self.places.iter_mut().flatten() {
            // RFC 5227 §2.1.1: any packet from the address, and any probe for
            // it by another host, is a conflict.
            let has = packet.sender == probe.address;
            let wants =
                packet.operation == Operation::Request && packet.is_probe() && packet.target == probe.address;
            match probe.state {
                State::Probing { .. } | State::Listening { .. } if has || wants => {
                    probe.state = State::Taken { other: packet.sender_mac };
                    self.conflicts = self.conflicts.saturating_add(1);
                    ended = true;
                }
                State::Probing { .. } | State::Listening { .. } | State::Free | State::Taken { .. } => {}
            }
        }
        ended
    }

    /// Ends, at `now`, the probes that nobody objected to. Returns whether
    /// there were any.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        let mut ended = false;
        for probe in self.places.iter_mut().flatten() {
            match probe.state {
                State::Listening { until } if now >= until => {
                    probe.state = State::Free;
                    self.conflicts = 0;
                    ended = true;
                }
                State::Probing { .. } | State::Listening { .. } | State::Free | State::Taken { .. } => {}
            }
        }
        ended
    }

    /// A probe that is due.
    pub(crate) fn due(&self, now: Instant) -> Option<(ProbeId, Ipv4Addr)> {
        self.places.iter().enumerate().find_map(|(index, place)| {
            let probe = (*place)?;
            match probe.state {
                State::Probing { next, .. } if now >= next => Some((ProbeId(index), probe.address)),
                State::Probing { .. } | State::Listening { .. } | State::Free | State::Taken { .. } => None,
            }
        })
    }

    /// The probe went out.
    pub(crate) fn sent(&mut self, id: ProbeId, now: Instant, random: &mut Random) {
        let Some(Some(probe)) = self.places.get_mut(id.0) else { return };
        match probe.state {
            State::Probing { sent, .. } if sent + 1 < PROBE_NUM => {
                let next = now + PROBE_MIN + random.below(PROBE_SPREAD);
                probe.state = State::Probing { sent: sent + 1, next };
            }
            State::Probing { .. } => probe.state = State::Listening { until: now + ANNOUNCE_WAIT },
            State::Listening { .. } | State::Free | State::Taken { .. } => {}
        }
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> Instant {
        let due = self.places.iter().flatten().filter_map(|probe| match probe.state {
            State::Probing { next, .. } => Some(next),
            State::Listening { until } => Some(until),
            State::Free | State::Taken { .. } => None,
        });
        due.min().unwrap_or(Instant::MAX)
    }
}
