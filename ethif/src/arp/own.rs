//! Own addresses: announced, answered for and defended (RFC 5227).

use core::net::Ipv4Addr;
use core::time::Duration;

use heapless::{Deque, Vec};
use traits::{Conflict, Instant};
use wire::MacAddr;

use super::packet::is_host;

/// Own addresses that one interface can have.
pub(crate) const ADDRESSES: usize = 8;
/// RFC 5227 §1.1, `ANNOUNCE_NUM`.
const ANNOUNCE_NUM: u8 = 2;
/// RFC 5227 §1.1, `ANNOUNCE_INTERVAL`.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// RFC 5227 §1.1, `DEFEND_INTERVAL`.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

struct Own {
    address: Ipv4Addr,
    /// Announcements still to be sent, the next of them at `next`.
    announcements: u8,
    next: Instant,
    /// When it was last claimed by another.
    claimed: Option<Instant>,
}

/// What becomes of an own address that another host claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Defence {
    /// It is announced once more.
    Announce,
    /// It is kept, and nothing is said.
    Keep,
    /// It is given up.
    GiveUp {
        /// An earlier conflict that nobody waited for was forgotten.
        forgotten: bool,
    },
}

/// Up to [`ADDRESSES`] own addresses, and as many conflicts that wait to be
/// told; beyond that the oldest is forgotten.
pub(crate) struct OwnAddresses {
    list: Vec<Own, ADDRESSES>,
    lost: Deque<Conflict, ADDRESSES>,
    /// How many wait for a conflict.
    listeners: usize,
}

impl OwnAddresses {
    pub(crate) const fn new() -> Self {
        Self { list: Vec::new(), lost: Deque::new(), listeners: 0 }
    }

    /// Takes `address`, and lets it be announced. One that is an own address
    /// already stays as it is.
    pub(crate) fn add(&mut self, address: Ipv4Addr, now: Instant) -> bool {
        if self.contains(address) {
            return true;
        }
        let own = Own { address, announcements: ANNOUNCE_NUM, next: now, claimed: None };
        is_host(address) && self.list.push(own).is_ok()
    }

    pub(crate) fn remove(&mut self, address: Ipv4Addr) {
        self.list.retain(|own| own.address != address);
    }

    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        self.list.iter().any(|own| own.address == address)
    }

    /// The address to ask for `target` from: the one that shares most leading
    /// bits with it; unspecified, if there is none.
    pub(crate) fn source_for(&self, target: Ipv4Addr) -> Ipv4Addr {
        let common = |own: &&Own| (own.address.to_bits() ^ target.to_bits()).leading_zeros();
        // The first of equals: `max_by_key` gives the last.
        self.list.iter().rev().max_by_key(common).map_or(Ipv4Addr::UNSPECIFIED, |own| own.address)
    }

    /// Another host says that it has `address`, which is an own one.
    /// It is defended once in `DEFEND_INTERVAL`. A second claim within that
    /// time takes it where somebody waits to be told, who can find another
    /// (RFC 5227 §2.4 (b)). Otherwise two packets of anybody's would silence
    /// the host: it keeps its address, and its peace (§2.4 (c)).
    pub(crate) fn claimed(&mut self, address: Ipv4Addr, other: MacAddr, now: Instant) -> Option<Defence> {
        let own = self.list.iter_mut().find(|own| own.address == address)?;
        let contested = own.claimed.is_some_and(|before| now < before + DEFEND_INTERVAL);
        if !contested {
            own.claimed = Some(now);
            own.announcements = own.announcements.max(1);
            own.next = now;
            return Some(Defence::Announce);
        }
        if self.listeners == 0 {
            return Some(Defence::Keep);
        }
        self.remove(address);
        let forgotten = self.lost.is_full() && self.lost.pop_front().is_some();
        // There is room now.
        let _ = self.lost.push_back(Conflict { address, other });
        Some(Defence::GiveUp { forgotten })
    }

    /// Somebody waits for a conflict, until [`unlisten`](Self::unlisten).
    pub(crate) const fn listen(&mut self) {
        self.listeners = self.listeners.saturating_add(1);
    }

    /// Nobody more, of those who did.
    pub(crate) const fn unlisten(&mut self) {
        self.listeners = self.listeners.saturating_sub(1);
    }

    /// The oldest conflict that was not told yet.
    pub(crate) fn take_conflict(&mut self) -> Option<Conflict> {
        self.lost.pop_front()
    }

    /// An address whose announcement is due.
    pub(crate) fn due(&self, now: Instant) -> Option<Ipv4Addr> {
        self.list.iter().find(|own| own.announcements > 0 && now >= own.next).map(|own| own.address)
    }

    /// The announcement of `address` went out.
    pub(crate) fn sent(&mut self, address: Ipv4Addr, now: Instant) {
        if let Some(own) = self.list.iter_mut().find(|own| own.address == address) {
            own.announcements = own.announcements.saturating_sub(1);
            own.next = now + ANNOUNCE_INTERVAL;
        }
    }

    /// When an announcement is due next.
    pub(crate) fn deadline(&self) -> Instant {
        let due = self.list.iter().filter(|own| own.announcements > 0).map(|own| own.next);
        due.min().unwrap_or(Instant::MAX)
    }
}
