//! Packets that wait for their host's hardware address.

use core::cell::{Cell, RefCell, RefMut};
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
/// something says otherwise.
pub(crate) struct Place<'a> {
    tag: &'a Cell<Tag>,
    frame: RefMut<'a, [u8; SLOT_LEN]>,
    waiting: Waiting,
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
    pub(crate) fn reserve(&self, host: Ipv4Addr, meta: TxMeta) -> Result<Place<'_>, Refusal> {
        let count = self.count(host);
        if count >= Self::PER_HOST {
            return Err(Refusal::HostBound);
        }
        let number = self.number.get();
        let waiting = Waiting { host, number, meta, len: 0 };
        let free = self.slots.iter().filter(|slot| matches!(slot.tag.get(), Tag::Free));
        if let Some(place) = free.filter_map(|slot| slot.take(waiting)).next() {
            self.number.set(number + 1);
            return Ok(place);
        }
        let (most, slot) = self.greediest().ok_or(Refusal::Busy)?;
        if count != 0 && count + 1 >= most {
            return Err(Refusal::NoPlace);
        }
        let mut place = slot.take(waiting).ok_or(Refusal::Busy)?;
        self.number.set(number + 1);
        place.displaced = true;
        Ok(place)
    }

    /// The first packet after number `after`, in the order in which they were
    /// parked.
    pub(crate) fn after(&self, after: u64) -> Option<Place<'_>> {
        let waiting = self.slots.iter().filter_map(|slot| Some((slot.waiting()?, slot)));
        let (waiting, slot) =
            waiting.filter(|(waiting, _)| waiting.number > after).min_by_key(|(waiting, _)| waiting.number)?;
        slot.take(waiting)
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

    fn take(&self, waiting: Waiting) -> Option<Place<'_>> {
        let frame = self.frame.try_borrow_mut().ok()?;
        self.tag.set(Tag::Busy { host: waiting.host });
        Some(Place { tag: &self.tag, frame, waiting, displaced: false })
    }
}

impl Place<'_> {
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Header and payload of `len` bytes, to be filled.
    pub(crate) fn buffer(&mut self, len: usize) -> &mut [u8] {
        self.frame.get_mut(..HEADER_LEN.saturating_add(len)).unwrap_or_default()
    }

    /// Whom the frame goes to after all.
    pub(crate) fn set_destination(&mut self, mac: MacAddr) {
        if let Some(destination) = self.frame.first_chunk_mut() {
            *destination = mac.0;
        }
    }

    /// The frame that waits.
    pub(crate) fn frame(&self) -> &[u8] {
        self.frame.get(..self.waiting.len).unwrap_or_default()
    }

    /// Leaves a frame of `len` bytes to wait.
    pub(crate) fn park(mut self, len: usize) {
        self.waiting.len = len;
        self.put_back();
    }

    /// Leaves the frame to wait on.
    pub(crate) fn put_back(self) {
        let tag = self.tag;
        let waiting = self.waiting;
        drop(self);
        tag.set(Tag::Waiting(waiting));
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.tag.set(Tag::Free);
    }
}
