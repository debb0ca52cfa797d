//! Membership of groups: a host by RFC 2236 (IGMPv2).
//!
//! ```text
//!                 join: report at once, and once more
//!  non-member ───────────────────────────────────────▶ delaying member ◀─┐
//!      ▲                                                  │        query:│
//!      │ leave: tell all routers, if the last who reported│ timer:  timer│
//!      │                                                  │ report       │
//!      └───────────────────── idle member ◀───────────────┘──────────────┘
//!                                       or another's report heard
//! ```

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::Vec;
use traits::Instant;
use wire::checksum;

/// Bytes of a message.
pub(crate) const MESSAGE_LEN: usize = 8;
/// The router alert option (RFC 2113), which RFC 2236 §2 asks for.
pub(crate) const ROUTER_ALERT: [u8; 4] = [0x94, 0x04, 0, 0];
/// All hosts of the link, whose membership nobody reports.
pub(crate) const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

const QUERY: u8 = 0x11;
const REPORT_V1: u8 = 0x12;
const REPORT_V2: u8 = 0x16;
const LEAVE: u8 = 0x17;

/// RFC 2236 §8.10.
const UNSOLICITED_REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// RFC 2236 §8.11.
const V1_ROUTER_PRESENT: Duration = Duration::from_secs(400);
/// What a version 1 router means by a query (RFC 2236 §4).
const V1_MAX_RESPONSE: Duration = Duration::from_secs(10);
/// How long until a report is tried again that the device did not take.
const RETRY: Duration = Duration::from_millis(100);

/// A message to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outgoing {
    /// A report to the group itself; `v1` for the sake of an old router.
    Report { group: Ipv4Addr, v1: bool },
    /// To all routers: the last known member has left.
    Leave { group: Ipv4Addr },
}

impl Outgoing {
    pub(crate) fn dst(self) -> Ipv4Addr {
        match self {
            Self::Report { group, .. } => group,
            Self::Leave { .. } => ALL_ROUTERS,
        }
    }

    pub(crate) fn encode(self) -> [u8; MESSAGE_LEN] {
        let (kind, group) = match self {
            Self::Report { group, v1: true } => (REPORT_V1, group),
            Self::Report { group, v1: false } => (REPORT_V2, group),
            Self::Leave { group } => (LEAVE, group),
        };
        let [a, b, c, d] = group.octets();
        let [high, low] = checksum(&[kind, 0, 0, 0, a, b, c, d]).to_be_bytes();
        [kind, 0, high, low, a, b, c, d]
    }
}

/// A message received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Incoming {
    /// Who is in `group`, or in any if that is unspecified?
    Query { group: Ipv4Addr, max_response: Duration, v1: bool },
    /// Another host is.
    Report { group: Ipv4Addr },
    /// A leave, or of a type unknown.
    Other,
}

/// Parses a message; `None` when it is too short or its checksum wrong.
pub(crate) fn parse(payload: &[u8]) -> Option<Incoming> {
    let ([kind, code, _, _, a, b, c, d], rest) = payload.split_first_chunk::<MESSAGE_LEN>()?;
    if checksum(payload) != 0 {
        return None;
    }
    let group = Ipv4Addr::new(*a, *b, *c, *d);
    Some(match *kind {
        QUERY if *code == 0 && rest.is_empty() => {
            Incoming::Query { group: Ipv4Addr::UNSPECIFIED, max_response: V1_MAX_RESPONSE, v1: true }
        }
        // A longer one is of version 3 (RFC 3376 §7.1): answered as version 2
        // does, which its routers understand.
        QUERY => Incoming::Query { group, max_response: max_response(*code, !rest.is_empty()), v1: false },
        REPORT_V1 | REPORT_V2 => Incoming::Report { group },
        _ => Incoming::Other,
    })
}

/// In tenths of a second; from 128 on, version 3 means a floating-point
/// number (RFC 3376 §4.1.1).
fn max_response(code: u8, v3: bool) -> Duration {
    let tenths = match code {
        128.. if v3 => u64::from(code & 0xf | 0x10) << ((code >> 4 & 7) + 3),
        tenths => u64::from(tenths),
    };
    Duration::from_millis(tenths * 100)
}

/// A group that this host is in.
#[derive(Clone, Copy, Debug)]
struct Membership {
    group: Ipv4Addr,
    joins: u16,
    report_at: Option<Instant>,
    /// Reports still to come unasked.
    unsolicited: u8,
    last_reporter: bool,
}

/// The groups that this host is in, at most `N`.
#[derive(Debug)]
pub(crate) struct Groups<const N: usize> {
    /// None in a guest built for fewest bytes.
    members: Vec<Membership, N>,
    v1_router_until: Instant,
}

impl<const N: usize> Groups<N> {
    pub(crate) const fn new() -> Self {
        Self { members: Vec::new(), v1_router_until: Instant::ZERO }
    }

    #[inline]
    pub(crate) fn contains(&self, group: Ipv4Addr) -> bool {
        group == ALL_HOSTS || self.members().iter().any(|member| member.group == group)
    }

    /// Known to be empty in a guest built for fewest bytes, so that what is done for
    /// them is left out.
    fn members(&self) -> &[Membership] {
        if cfg!(guest_small) { &[] } else { &self.members }
    }

    fn members_mut(&mut self) -> &mut [Membership] {
        if cfg!(guest_small) { &mut [] } else { &mut self.members }
    }

    /// Whether there was room.
    pub(crate) fn join(&mut self, group: Ipv4Addr, now: Instant) -> bool {
        if let Some(member) = self.members_mut().iter_mut().find(|member| member.group == group) {
            member.joins = member.joins.saturating_add(1);
            return true;
        }
        let member = Membership { group, joins: 1, report_at: Some(now), unsolicited: 1, last_reporter: false };
        group == ALL_HOSTS || !cfg!(guest_small) && self.members.push(member).is_ok()
    }

    /// Undoes one join, and says what to send.
    pub(crate) fn leave(&mut self, group: Ipv4Addr, now: Instant) -> Option<Outgoing> {
        let at = self.members().iter().position(|member| member.group == group)?;
        let member = self.members.get_mut(at)?;
        member.joins = member.joins.saturating_sub(1);
        if member.joins > 0 {
            return None;
        }
        let left = self.members.swap_remove(at);
        let told = left.last_reporter && now >= self.v1_router_until;
        told.then_some(Outgoing::Leave { group })
    }

    /// Another host or a router spoke. `random` gives a number below its
    /// argument.
    pub(crate) fn hear(&mut self, message: Incoming, now: Instant, mut random: impl FnMut(u64) -> u64) {
        match message {
            Incoming::Query { group, max_response, v1 } => {
                if v1 {
                    self.v1_router_until = now + V1_ROUTER_PRESENT;
                }
                for member in self.members_mut() {
                    if !group.is_unspecified() && member.group != group {
                        continue;
                    }
                    let at = now + Duration::from_nanos(random(max_response.as_nanos() as u64 + 1));
                    // A timer that runs already is only ever shortened.
                    member.report_at = Some(member.report_at.map_or(at, |running| running.min(at)));
                }
            }
            Incoming::Report { group } => {
                for member in self.members_mut().iter_mut().filter(|member| member.group == group) {
                    // RFC 2236 §3: one report is enough. The first, unasked
                    // one still goes out: it has not been sent yet.
                    if member.unsolicited == 0 {
                        member.report_at = None;
                    }
                    member.last_reporter = false;
                }
            }
            Incoming::Other => {}
        }
    }

    /// A report that is due.
    pub(crate) fn due(&self, now: Instant) -> Option<Outgoing> {
        let member = self.members().iter().find(|member| member.report_at.is_some_and(|at| at <= now))?;
        Some(Outgoing::Report { group: member.group, v1: now < self.v1_router_until })
    }

    /// A report went out, or the device did not take it.
    pub(crate) fn reported(
        &mut self,
        report: Outgoing,
        sent: bool,
        now: Instant,
        mut random: impl FnMut(u64) -> u64,
    ) {
        for member in self.members_mut().iter_mut().filter(|member| member.group == report.dst()) {
            if !sent {
                member.report_at = Some(now + RETRY);
                continue;
            }
            member.last_reporter = true;
            member.report_at = (member.unsolicited > 0).then(|| {
                let delay = random(UNSOLICITED_REPORT_INTERVAL.as_nanos() as u64);
                now + Duration::from_nanos(delay.max(1))
            });
            member.unsolicited = member.unsolicited.saturating_sub(1);
        }
    }

    /// When the next report is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.members().iter().filter_map(|member| member.report_at).min()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(group: u32, v1: bool, leaves: bool) {
            let group = Ipv4Addr::from_bits(group);
            let sent = if leaves { Outgoing::Leave { group } } else { Outgoing::Report { group, v1 } };
            let bytes = sent.encode();
            let (read, kind) = match sent {
                Outgoing::Leave { .. } => (Incoming::Other, 0x17),
                Outgoing::Report { v1: true, .. } => (Incoming::Report { group }, 0x12),
                Outgoing::Report { v1: false, .. } => (Incoming::Report { group }, 0x16),
            };
            prop_assert_eq!(parse(&bytes), Some(read));
            prop_assert_eq!((bytes[0], bytes[1], &bytes[4..]), (kind, 0, &group.octets()[..]));
        }

        #[test]
        fn a_changed_bit_is_noticed(group: u32, v1: bool, at in 0..MESSAGE_LEN, bit in 0u8..8) {
            let mut bytes = Outgoing::Report { group: Ipv4Addr::from_bits(group), v1 }.encode();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(parse(&bytes), None);
        }

        /// A query of each version is read as what its router wrote
        /// (RFC 2236 §2, RFC 3376 §4.1).
        #[test]
        fn queries_are_read(group: u32, code: u8, sources in prop::collection::vec(any::<u32>(), 0..8), v3: bool) {
            let group = Ipv4Addr::from_bits(group);
            let mut bytes = [&[QUERY, code, 0, 0][..], &group.octets()].concat();
            if v3 {
                bytes.extend([2, 125, 0, sources.len() as u8]);
                bytes.extend(sources.iter().flat_map(|source| source.to_be_bytes()).collect::<Vec<_>>());
            }
            let sum = checksum(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
            let tenths = match u64::from(code) {
                // The floating-point form: 1.mmmm × 2^(e + 3).
                code @ 128.. if v3 => (16 + code % 16) * 2u64.pow((code / 16 % 8 + 3) as u32),
                code => code,
            };
            let max_response = Duration::from_millis(100 * tenths);
            let expected = match (code, v3) {
                (0, false) => {
                    Incoming::Query { group: Ipv4Addr::UNSPECIFIED, max_response: Duration::from_secs(10), v1: true }
                }
                _ => Incoming::Query { group, max_response, v1: false },
            };
            prop_assert_eq!(parse(&bytes), Some(expected));
        }
    }
}
