//! Packets that wait for their host's hardware address.

use core::cell::{Cell, RefCell};
use core::net::Ipv4Addr;

use traits::TxMeta;
use wire::MacAddr;

use crate::frame::HEADER_LEN;

/// The largest frame that can be parked: an Ethernet header and 1500 bytes.
pub(crate) const SLOT_LEN: usize = 1514;

/// Up to `P` frames, at most [`Parked::PER_HOST`] for one host.
///
/// Each slot is a cell of its own, so that a filler may park a packet while
/// another is being filled.
pub(crate) struct Parked<const P: usize> {
    slots: [Slot; P],
    /// The number of the next packet: they leave in this order.
    number: Cell<u64>,
}

struct Slot {
    tag: Cell<Tag>,
    frame: RefCell<[u8; SLOT_LEN]>,
}

#[derive(Clone, Copy)]
enum Tag {
    Free,
    /// Being filled, or sent.
    Busy {
        host: Ipv4Addr,
    },
    Waiting(Waiting),
}

/// A frame that waits.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) host: Ipv4Addr,
    pub(crate) number: u64,
    pub(crate) meta: TxMeta,
    len: usize,
}

/// Why a packet can't be parked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// The host has its share.
    HostBound,
    /// Every slot is taken, and no other host has more of them.
    NoPlace,
    /// Every slot is in the midst of being filled or sent.
    Busy,
}

/// A slot in hand: being filled, or sent. Free again when dropped, unless
/// something is left to wait in it.
pub(crate) struct Place<'a> {
    slot: &'a Slot,
    /// Another host's packet had to go for it.
    pub(crate) displaced: bool,
}

impl<const P: usize> Parked<P> {
    /// Packets that one host can have waiting.
    pub(crate) const PER_HOST: usize = P.div_ceil(2);

    pub(crate) const fn new() -> Self {
        Self {
            slots: [const { Slot { tag: Cell::new(Tag::Free), frame: RefCell::new([0; SLOT_LEN]) } }; P],
            number: Cell::new(1),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.tag.get(), Tag::Free))
    }

    /// How many slots `host` has.
    pub(crate) fn count(&self, host: Ipv4Addr) -> usize {
        self.slots.iter().filter(|slot| slot.host() == Some(host)).count()
    }

    /// A slot for a packet to `host`.
    ///
    /// When all are taken, a host that has none gets the slot of the packet
    /// that waits longest among those of the host that has most; so does a
    /// host that has at least two fewer than that one.
    pub(crate) fn reserve(&self, host: Ipv4Addr) -> Result<Place<'_>, Refusal> {
        let count = self.count(host);
        if count >= Self::PER_HOST {
            return Err(Refusal::HostBound);
        }
        if let Some(slot) = self.slots.iter().find(|slot| matches!(slot.tag.get(), Tag::Free)) {
            return Ok(slot.take(host, false));
        }
        let (most, slot) = self.greediest().ok_or(Refusal::Busy)?;
        if count != 0 && count + 1 >= most {
            return Err(Refusal::NoPlace);
        }
        Ok(slot.take(host, true))
    }

    /// Leaves a frame of `len` bytes to wait.
    pub(crate) fn park(&self, place: Place<'_>, host: Ipv4Addr, meta: TxMeta, len: usize) {
        let number = self.number.get();
        self.number.set(number + 1);
        place.put_back(Waiting { host, number, meta, len });
    }

    /// The first packet after number `after`, in the order in which they were
    /// parked.
    pub(crate) fn after(&self, after: u64) -> Option<(Place<'_>, Waiting)> {
        let waiting = self.slots.iter().filter_map(|slot| Some((slot.waiting()?, slot)));
        let (waiting, slot) =
            waiting.filter(|(waiting, _)| waiting.number > after).min_by_key(|(waiting, _)| waiting.number)?;
        Some((slot.take(waiting.host, false), waiting))
    }

    /// The host with most packets that wait, how many slots it has, and its
    /// oldest packet; the oldest of all among equals.
    fn greediest(&self) -> Option<(usize, &Slot)> {
        let waiting = self.slots.iter().filter_map(|slot| {
            let waiting = slot.waiting()?;
            Some((self.count(waiting.host), core::cmp::Reverse(waiting.number), slot))
        });
        waiting.max_by_key(|(count, age, _)| (*count, *age)).map(|(count, _, slot)| (count, slot))
    }
}

impl Slot {
    fn host(&self) -> Option<Ipv4Addr> {
        match self.tag.get() {
            Tag::Free => None,
            Tag::Busy { host } | Tag::Waiting(Waiting { host, .. }) => Some(host),
        }
    }

    fn waiting(&self) -> Option<Waiting> {
        match self.tag.get() {
            Tag::Waiting(waiting) => Some(waiting),
            Tag::Free | Tag::Busy { .. } => None,
        }
    }

    fn take(&self, host: Ipv4Addr, displaced: bool) -> Place<'_> {
        self.tag.set(Tag::Busy { host });
        Place { slot: self, displaced }
    }
}

impl Place<'_> {
    /// Has header and payload of `len` bytes filled in, and returns how many
    /// bytes the frame has.
    #[inline]
    pub(crate) fn fill(&self, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> usize {
        // A slot in hand is nobody else's.
        let Ok(mut frame) = self.slot.frame.try_borrow_mut() else { return 0 };
        fill(frame.get_mut(..HEADER_LEN.saturating_add(len)).unwrap_or_default())
    }

    /// Hands the frame to `send`, its destination now known.
    pub(crate) fn send<R>(&self, waiting: Waiting, to: MacAddr, send: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut frame = self.slot.frame.try_borrow_mut().ok()?;
        if let Some(destination) = frame.first_chunk_mut() {
            *destination = to.0;
        }
        Some(send(frame.get(..waiting.len)?))
    }

    /// Leaves the frame to wait, or to wait on.
    pub(crate) fn put_back(self, waiting: Waiting) {
        let tag = &self.slot.tag;
        drop(self);
        tag.set(Tag::Waiting(waiting));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.slot.tag.set(Tag::Free);
    }
}
