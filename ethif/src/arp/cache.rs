//! The neighbour cache: entries, and who makes room for whom.

use core::net::Ipv4Addr;

use traits::Instant;
use wire::MacAddr;

use super::entry::{
    DELAY_TIME, Entry, Learnt, NEGATIVE_TIME, Neighbour, REACHABLE_TIME, RETRANSMIT_TIME, SOLICITATIONS,
    Source, State, TELLING_TIME, TOLD,
};

/// What to do with a packet for a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Lookup {
    Known(MacAddr),
    Resolving,
    Failed,
    Absent,
}

/// Up to `N` neighbours.
///
/// At most half of the places are for hosts without an answer (incomplete
/// or failed), so that no number of dead hosts pushes out a live one.
///
/// When a packet for a new host finds no place:
/// - beyond the half, the place is the failed entry that has been there
///   longest, else the incomplete one without parked packets, else the
///   incomplete one;
/// - otherwise it is the known neighbour not used for longest; one learnt
///   from a request and never used goes first.
///
/// What is learnt from a request, which anybody can send, takes the place
/// of the like of it or of a failed entry, or is not learnt.
pub(crate) struct Cache<const N: usize> {
    entries: [Option<Entry>; N],
    /// Where the last lookup hit: most packets go the same way.
    hint: usize,
    /// No deadline lies before this.
    next: Instant,
}

impl<const N: usize> Cache<N> {
    /// Places for hosts without an answer.
    const UNANSWERED: usize = N.div_ceil(2);

    pub(crate) const fn new() -> Self {
        Self { entries: [None; N], hint: 0, next: Instant::MAX }
    }

    /// No deadline lies before this instant; one may lie later.
    #[inline]
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// The entry at `index`, for those who look at all of them.
    pub(crate) fn neighbour(&self, index: usize, now: Instant) -> Option<Neighbour> {
        let entry = (*self.entries.get(index)?)?;
        Some(entry.lapsed(now)?.neighbour())
    }

    /// The fast path of [`Cache::lookup`]: the neighbour of the packet before,
    /// and reachable. As long as no other is used, it is the one used last
    /// without a note of it.
    #[inline]
    pub(crate) fn reachable(&self, address: Ipv4Addr, now: Instant) -> Option<MacAddr> {
        let entry = self.entries.get(self.hint)?.as_ref()?;
        match entry.state {
            State::Reachable { mac, until } if entry.address == address && now < until => Some(mac),
            State::Incomplete { .. }
            | State::Reachable { .. }
            | State::Stale { .. }
            | State::Delay { .. }
            | State::Probe { .. }
            | State::Failed { .. } => None,
        }
    }

    /// What to do with a packet for `address`, which counts as a use.
    pub(crate) fn lookup(&mut self, address: Ipv4Addr, now: Instant) -> Lookup {
        let Some(index) = self.position(address) else { return Lookup::Absent };
        self.hint = index;
        let Some(place) = self.entries.get_mut(index) else { return Lookup::Absent };
        *place = place.and_then(|entry| entry.lapsed(now));
        let Some(entry) = place else { return Lookup::Absent };
        entry.used = Some(now);
        match entry.state {
            // Its time is up, though the task has not come to it.
            State::Incomplete { attempts, next } if attempts >= SOLICITATIONS && now >= next => Lookup::Failed,
            State::Incomplete { .. } => Lookup::Resolving,
            State::Failed { .. } => Lookup::Failed,
            State::Reachable { mac, .. } | State::Delay { mac, .. } | State::Probe { mac, .. } => {
                Lookup::Known(mac)
            }
            State::Stale { mac, .. } => {
                let until = now + DELAY_TIME;
                entry.state = State::Delay { mac, until };
                self.next = self.next.min(until);
                Lookup::Known(mac)
            }
        }
    }

    /// A packet for `address` is refused, since the lookup found it failed. So
    /// are those right after it: a layer above may ask again at once, in
    /// another way, before it gives the host up.
    pub(crate) fn refused(&mut self, address: Ipv4Addr, now: Instant) {
        let Some(entry) = self.position(address).and_then(|index| self.entries.get_mut(index)?.as_mut()) else {
            return;
        };
        match &mut entry.state {
            State::Failed { until, told } => {
                if !*told {
                    *until = (*until).max(now + TELLING_TIME);
                }
                *told = true;
            }
            State::Incomplete { attempts, .. } => *attempts = TOLD,
            State::Reachable { .. } | State::Stale { .. } | State::Delay { .. } | State::Probe { .. } => {}
        }
    }

    /// Forgets a host that did not answer, but for a short while.
    pub(crate) fn forget_failed(&mut self, address: Ipv4Addr, now: Instant) {
        let Some(place) = self.position(address).and_then(|index| self.entries.get_mut(index)) else { return };
        if place.is_some_and(|entry| matches!(entry.state, State::Failed { until, .. } if now >= until)) {
            *place = None;
        }
    }

    /// Begins to ask for an absent host; the first request is due at once.
    /// Returns the neighbour that had to go for it, if one had.
    pub(crate) fn want(
        &mut self,
        address: Ipv4Addr,
        now: Instant,
        has_parked: impl Fn(Ipv4Addr) -> bool,
    ) -> Option<Ipv4Addr> {
        let state = State::Incomplete { attempts: 0, next: now };
        let entry = Entry { address, state, set: now, used: Some(now) };
        self.next = self.next.min(now);
        let index = self.place_for_unanswered(now, has_parked);
        let place = self.entries.get_mut(index)?;
        self.hint = index;
        let gone = place.replace(entry)?.lapsed(now)?;
        Some(gone.address)
    }

    /// A layer above had an answer from `address`.
    #[inline]
    pub(crate) fn confirm(&mut self, address: Ipv4Addr, now: Instant) {
        let index = match self.entries.get(self.hint) {
            Some(Some(entry)) if entry.address == address => self.hint,
            _ => match self.position(address) {
                Some(index) => index,
                None => return,
            },
        };
        if let Some(Some(entry)) = self.entries.get_mut(index)
            && let Some(mac) = entry.mac()
        {
            entry.state = State::Reachable { mac, until: now + REACHABLE_TIME };
        }
    }

    /// An ARP packet says that `mac` has `address`.
    pub(crate) fn heard(&mut self, address: Ipv4Addr, mac: MacAddr, source: Source, now: Instant) -> Learnt {
        let known = self.position(address).and_then(|index| self.entries.get_mut(index)?.as_mut());
        match known {
            Some(entry) => entry.heard(mac, source, now),
            // RFC 826 makes an entry when the packet was for this host.
            None if source == Source::Request => self.learn(address, mac, now),
            None => Learnt::Unsolicited,
        }
    }

    fn learn(&mut self, address: Ipv4Addr, mac: MacAddr, now: Instant) -> Learnt {
        let state = State::Stale { mac, since: now };
        let entry = Entry { address, state, set: now, used: None };
        let Some(place) = self.place_for_learnt(now).and_then(|index| self.entries.get_mut(index)) else {
            return Learnt::Full;
        };
        *place = Some(entry);
        Learnt::Entry
    }

    /// Forgets a host. Returns whether there was anything to forget.
    pub(crate) fn forget(&mut self, address: Ipv4Addr) -> bool {
        let place = self.position(address).and_then(|index| self.entries.get_mut(index));
        place.and_then(Option::take).is_some()
    }

    /// Gives up, at `now`, on whom was asked for often enough. Returns how
    /// many there were.
    pub(crate) fn advance(&mut self, now: Instant) -> u64 {
        let mut failed = 0;
        for place in &mut self.entries {
            let Some(entry) = place else { continue };
            match entry.state {
                State::Incomplete { attempts, next } if attempts >= SOLICITATIONS && now >= next => {
                    entry.state = State::Failed { until: now + NEGATIVE_TIME, told: attempts == TOLD };
                    failed += 1;
                }
                // RFC 1122 §2.3.2.1 (2): the entry goes, and the next packet
                // asks by broadcast.
                State::Probe { attempts: SOLICITATIONS, next, .. } if now >= next => {
                    *place = None;
                    failed += 1;
                }
                State::Delay { mac, until } if now >= until => {
                    entry.state = State::Probe { mac, attempts: 0, next: now };
                }
                State::Incomplete { .. }
                | State::Reachable { .. }
                | State::Stale { .. }
                | State::Delay { .. }
                | State::Probe { .. }
                | State::Failed { .. } => {}
            }
        }
        failed
    }

    /// A request that is due: for whom, and to whom (everybody, unless the
    /// hardware address is known).
    pub(crate) fn due(&self, now: Instant) -> Option<(Ipv4Addr, Option<MacAddr>)> {
        self.entries.iter().flatten().find_map(|entry| match entry.state {
            State::Incomplete { attempts, next } | State::Probe { attempts, next, .. } => {
                (attempts < SOLICITATIONS && now >= next).then(|| (entry.address, entry.mac()))
            }
            State::Reachable { .. } | State::Stale { .. } | State::Delay { .. } | State::Failed { .. } => None,
        })
    }

    /// The request for `address` went out.
    pub(crate) fn sent(&mut self, address: Ipv4Addr, now: Instant) {
        for entry in self.entries.iter_mut().flatten().filter(|entry| entry.address == address) {
            match &mut entry.state {
                State::Incomplete { attempts, next } | State::Probe { attempts, next, .. } => {
                    *attempts = attempts.saturating_add(1);
                    *next = now + RETRANSMIT_TIME;
                }
                State::Reachable { .. } | State::Stale { .. } | State::Delay { .. } | State::Failed { .. } => {}
            }
        }
    }

    /// Looks at every deadline for [`Cache::next`].
    pub(crate) fn reschedule(&mut self) {
        self.next = self.entries.iter().flatten().filter_map(Entry::deadline).min().unwrap_or(Instant::MAX);
    }

    /// Whether anybody is being asked for.
    pub(crate) fn is_resolving(&self) -> bool {
        self.entries.iter().flatten().any(|entry| matches!(entry.state, State::Incomplete { .. }))
    }

    fn position(&self, address: Ipv4Addr) -> Option<usize> {
        self.entries.iter().position(|entry| entry.is_some_and(|entry| entry.address == address))
    }

    /// The place with the least key among those that have one.
    fn least<K: Ord>(&self, key: impl Fn(&Entry) -> Option<K>) -> Option<usize> {
        let keys =
            self.entries.iter().enumerate().filter_map(|(index, entry)| Some((key(entry.as_ref()?)?, index)));
        keys.min().map(|(_, index)| index)
    }

    /// A place that is free, or whose entry has lapsed.
    fn vacant(&mut self, now: Instant) -> Option<usize> {
        self.entries.iter().position(|place| place.and_then(|entry| entry.lapsed(now)).is_none())
    }

    fn place_for_unanswered(&mut self, now: Instant, has_parked: impl Fn(Ipv4Addr) -> bool) -> usize {
        let alive = self.entries.iter().flatten().filter_map(|entry| entry.lapsed(now));
        let unanswered = alive.filter(|entry| entry.mac().is_none()).count();
        let place = if unanswered >= Self::UNANSWERED {
            self.least(|entry| match entry.state {
                State::Failed { .. } => Some((0, entry.set)),
                State::Incomplete { .. } => Some((1 + u8::from(has_parked(entry.address)), entry.set)),
                State::Reachable { .. } | State::Stale { .. } | State::Delay { .. } | State::Probe { .. } => {
                    None
                }
            })
        } else {
            // `None` sorts first: learnt, and never used.
            self.vacant(now).or_else(|| self.least(|entry| entry.mac().map(|_| entry.used)))
        };
        // A full table has an entry of one or the other kind.
        place.unwrap_or(0)
    }

    fn place_for_learnt(&mut self, now: Instant) -> Option<usize> {
        self.vacant(now)
            .or_else(|| self.least(|entry| entry.used.is_none().then_some(entry.set)))
            .or_else(|| self.least(|entry| matches!(entry.state, State::Failed { .. }).then_some(entry.set)))
    }
}
