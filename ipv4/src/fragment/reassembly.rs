//! Fragments made whole (RFC 791 §3.2, RFC 815), within bounds.

use core::cell::{Ref, RefCell};

use traits::{Cast, Instant, Packet, RxMeta};

use super::REASSEMBLY_TIMEOUT;
use super::entry::{Entry, Inserted, Piece, State};
use crate::header::{MAX_HEADER_LEN, Parsed};
use crate::stats::{Count, Counters};

/// At most `BUFFERS` packets at once, of up to `BUFFER` bytes of payload each.
///
/// One source has half of the buffers at most, one at least. Who begins a
/// packet more than its share, or than there are buffers, takes the place of
/// one that is broken, else of the one that was idle longest (of its own, over
/// its share): those whose fragments keep coming survive a flood of others.
#[derive(Debug)]
pub(crate) struct Reassembly<const BUFFERS: usize, const BUFFER: usize> {
    table: RefCell<Table<BUFFERS>>,
    /// Apart from the table: a packet is read, outside its borrow, while
    /// others come in. A buffer that is read is borrowed.
    buffers: [RefCell<[u8; BUFFER]>; BUFFERS],
}

#[derive(Debug)]
struct Table<const BUFFERS: usize> {
    entries: [Entry; BUFFERS],
    uses: u64,
}

/// A packet made whole, or the first fragment of one that never became so. Its
/// buffer is in use as long as this lives.
#[derive(Debug)]
pub(crate) struct Whole<'a> {
    packet: Packet<'static>,
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    payload: Ref<'a, [u8]>,
}

impl Whole<'_> {
    pub(crate) fn packet(&self) -> Packet<'_> {
        let mut packet: Packet<'_> = self.packet;
        packet.header = self.header.get(..self.header_len).unwrap_or_default();
        packet.payload = &self.payload;
        packet
    }
}

impl<const BUFFERS: usize, const BUFFER: usize> Reassembly<BUFFERS, BUFFER> {
    pub(crate) const fn new() -> Self {
        Self {
            table: RefCell::new(Table { entries: [const { Entry::FREE }; BUFFERS], uses: 0 }),
            buffers: [const { RefCell::new([0; BUFFER]) }; BUFFERS],
        }
    }

    /// Takes a fragment; returns the packet when it is whole with it.
    pub(crate) fn collect(
        &self,
        parsed: &Parsed<'_>,
        cast: Cast,
        meta: RxMeta,
        now: Instant,
        counters: &Counters,
    ) -> Option<Whole<'_>> {
        counters.add(Count::RxFragments);
        let count = |reason| counters.add(reason);
        // Said here, so that nothing of what follows is linked.
        if BUFFERS == 0 {
            count(Count::RxFragmentNoBuffer);
            return None;
        }
        let piece = Piece::new(parsed, cast, meta).map_err(count).ok()?;
        let mut table = self.table.borrow_mut();
        let busy = |index: usize| match self.buffers.get(index) {
            Some(buffer) => buffer.try_borrow_mut().is_err(),
            None => true,
        };
        let found = table.find(&piece, now, counters);
        let begun = found.or_else(|| table.begin(&piece, now, counters, busy));
        let index = begun.ok_or(Count::RxFragmentNoBuffer).map_err(count).ok()?;
        table.uses += 1;
        let uses = table.uses;
        let entry = table.entries.get_mut(index)?;
        let buffer = self.buffers.get(index)?;
        if entry.state == State::Broken {
            return None;
        }
        entry.used = uses;
        let inserted = entry.insert(&piece, &mut *buffer.try_borrow_mut().ok()?);
        match inserted {
            Inserted::Incomplete => None,
            Inserted::Duplicate => {
                counters.add(Count::RxFragmentDuplicate);
                None
            }
            Inserted::Broken(reason) => {
                counters.add(reason);
                entry.state = State::Broken;
                None
            }
            Inserted::Whole => {
                counters.add(Count::RxReassembled);
                entry.state = State::Free;
                read(entry, buffer, entry.len())
            }
        }
    }

    /// Gives up what is not whole in time. Returns a packet of which the first
    /// fragment has come, to be told to its sender (RFC 1122 §3.3.2); called
    /// until there is none.
    pub(crate) fn expire(&self, now: Instant, counters: &Counters) -> Option<Whole<'_>> {
        if BUFFERS == 0 {
            return None;
        }
        let mut table = self.table.borrow_mut();
        for (entry, buffer) in table.entries.iter_mut().zip(&self.buffers) {
            if entry.expire(now, counters)
                && let Some(len) = entry.first_len()
            {
                return read(entry, buffer, len);
            }
        }
        None
    }

    /// When the next packet is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if BUFFERS == 0 {
            return None;
        }
        let table = self.table.borrow();
        table.entries.iter().filter(|entry| entry.is_used()).map(|entry| entry.expires).min()
    }
}

/// The packet that stands in `buffer`.
fn read<'a, const BUFFER: usize>(
    entry: &Entry,
    buffer: &'a RefCell<[u8; BUFFER]>,
    len: usize,
) -> Option<Whole<'a>> {
    let bytes = buffer.try_borrow().ok()?;
    let payload = Ref::map(bytes, |bytes| bytes.get(..len).unwrap_or_default());
    let (header, header_len) = entry.header();
    Some(Whole { packet: entry.packet(), header, header_len, payload })
}

impl<const BUFFERS: usize> Table<BUFFERS> {
    /// The entry of the packet that `piece` is a part of.
    fn find(&mut self, piece: &Piece<'_>, now: Instant, counters: &Counters) -> Option<usize> {
        let index = self.entries.iter().position(|entry| entry.is_used() && entry.key == piece.key)?;
        // One that is overdue, but not polled yet, is not mixed with another
        // packet whose number has come round.
        let entry = self.entries.get_mut(index)?;
        entry.expire(now, counters);
        entry.is_used().then_some(index)
    }

    /// An entry for a new packet, at the cost of another where there is no
    /// room; `None` where there is none at all.
    fn begin(
        &mut self,
        piece: &Piece<'_>,
        now: Instant,
        counters: &Counters,
        busy: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let is_own = |entry: &Entry| entry.is_used() && entry.key.src == piece.key.src;
        let share = (BUFFERS / 2).max(1);
        let over_share = self.entries.iter().filter(|entry| is_own(entry)).count() >= share;
        let places = self.entries.iter().enumerate();
        let candidates = places.filter(|(index, entry)| match entry.state {
            State::Free => !over_share && !busy(*index),
            State::Collecting | State::Broken => !over_share || is_own(entry),
        });
        let (index, _) = candidates.min_by_key(|(_, entry)| entry.worth())?;
        let entry = self.entries.get_mut(index)?;
        if entry.state == State::Collecting {
            counters.add(match over_share {
                true => Count::RxFragmentSourceBound,
                false => Count::RxFragmentEvicted,
            });
        }
        entry.begin(piece, now + REASSEMBLY_TIMEOUT);
        Some(index)
    }
}

impl Entry {
    fn is_used(&self) -> bool {
        match self.state {
            State::Free => false,
            State::Collecting | State::Broken => true,
        }
    }

    /// Of several entries, the one that is worth least has to go.
    fn worth(&self) -> (u8, u64) {
        match self.state {
            State::Free => (0, 0),
            State::Broken => (1, self.used),
            State::Collecting => (2, self.used),
        }
    }

    /// Frees an entry that is overdue; whether a packet was given up by that.
    fn expire(&mut self, now: Instant, counters: &Counters) -> bool {
        if self.expires > now {
            return false;
        }
        match core::mem::replace(&mut self.state, State::Free) {
            State::Free | State::Broken => false,
            State::Collecting => {
                counters.add(Count::RxFragmentTimeout);
                true
            }
        }
    }
}
