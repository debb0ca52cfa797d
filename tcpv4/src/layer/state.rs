//! What the layer remembers.

use traits::Instant;

use super::held::{Woken, held};
use super::{Held, Owner, Usage};
use crate::connection::{Connection, Open, Passive, Settings};
use crate::half_open::{HalfOpen, RETRIES};
use crate::isn::Secret;
use crate::listener::Place;
use crate::reply::{Queue as _, Reply};
use crate::segment::Segment;
use crate::storage::{Limits, Storage, Timers};
use crate::table::{Entry, Index, List, Slab, Tuple};
use crate::time_wait::TimeWait;

/// A connection of one layer. Slots are used again, with another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A list of owed SYN-ACKs, and one for each number of those sent: entries of
/// a list have waited equally long, so the first is due first.
pub(crate) const HALF_OPEN_LISTS: usize = RETRIES as usize + 2;

/// How a connection comes into being.
pub(crate) enum Beginning {
    /// From here, for a flow.
    Active(Open),
    /// From the peer, for a listener.
    Passive(Passive),
}

/// Everything that changes.
pub(crate) struct State<S: Storage> {
    pub(crate) storage: S,
    pub(crate) limits: Limits,
    pub(crate) index: Index<S::Cells>,
    pub(crate) connections: Slab<S::Arena<Held<S>>>,
    /// Connections that may have something to say.
    pub(crate) dirty: List,
    pub(crate) timers: Timers<S>,
    /// The note of each is its tuple's hash, as that of those in TIME-WAIT.
    pub(crate) half_open: Slab<S::Arena<HalfOpen>>,
    pub(crate) half_open_lists: [List; HALF_OPEN_LISTS],
    /// No later than the first of those that were answered is due: earlier where
    /// that one is gone.
    pub(crate) half_open_due: Option<Instant>,
    pub(crate) time_wait: Slab<S::Arena<TimeWait>>,
    pub(crate) time_wait_list: List,
    /// Replies without a connection that wait to be sent; what finds no room
    /// is counted and forgotten, for the peer to ask again.
    pub(crate) replies: S::Queue<Reply>,
    /// Bytes held by all connections.
    pub(crate) bytes: usize,
    /// Until when cookies are looked for.
    pub(crate) cookies_until: Option<Instant>,
    /// Where the search for a connection to give up goes on.
    pub(crate) hand: u32,
    /// The connection that was found last.
    pub(crate) recent: u32,
}

impl<S: Storage> State<S> {
    pub(crate) fn new(storage: S, limits: Limits) -> Self {
        Self {
            storage,
            limits,
            index: Index::default(),
            connections: Slab::new(limits.connections),
            dirty: List::EMPTY,
            timers: Timers::<S>::default(),
            half_open: Slab::new(limits.half_open),
            half_open_lists: [List::EMPTY; HALF_OPEN_LISTS],
            half_open_due: None,
            time_wait: Slab::new(limits.time_wait),
            time_wait_list: List::EMPTY,
            replies: Default::default(),
            bytes: 0,
            cookies_until: None,
            hand: 0,
            recent: 0,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            connections: self.connections.len(),
            half_open: self.half_open.len(),
            time_wait: self.time_wait.len(),
            bytes: self.bytes,
        }
    }

    /// Whether a tuple is that of the connection that was found last: segments
    /// come in runs.
    #[inline]
    pub(crate) fn is_recent(&self, tuple: &Tuple) -> bool {
        self.connections.get(self.recent).is_some_and(|held| held.is_of(tuple))
    }

    /// What is known of a tuple.
    #[inline]
    pub(crate) fn find(&self, hash: u32, tuple: &Tuple) -> Option<Entry> {
        self.index.find(hash, |entry| {
            let known = match entry {
                Entry::Connection(slot) => self.connections.get(slot).map(|held| &held.tuple),
                Entry::HalfOpen(slot) => self.half_open.get(slot).map(|half_open| &half_open.tuple),
                Entry::TimeWait(slot) => self.time_wait.get(slot).map(|time_wait| &time_wait.tuple),
            };
            known == Some(tuple)
        })
    }

    pub(crate) fn id(&self, slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: self.connections.generation(slot) }
    }

    /// The connection of that name, if it still is.
    #[inline]
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Held<S>> {
        self.connections.get(id.slot).filter(|_| self.connections.generation(id.slot) == id.generation)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Held<S>> {
        self.connections.get_if(id.slot, id.generation)
    }

    /// Notes where in a listener's line a connection waits.
    pub(crate) fn wait_at(&mut self, id: ConnectionId, place: Place) {
        if let Some(held) = self.get_mut(id) {
            held.place = place;
        }
    }

    /// Marks a connection as one that may have something to say; returns
    /// whether none was before.
    #[inline]
    pub(crate) fn mark(&mut self, slot: u32) -> bool {
        let first = self.dirty.front().is_none();
        self.connections.push_back(&mut self.dirty, slot);
        first
    }

    /// Whether there is something to send.
    pub(crate) fn has_something_to_say(&self) -> bool {
        self.dirty.front().is_some()
            || self.replies.front().is_some()
            || self.half_open_lists.first().is_some_and(|owed| owed.front().is_some())
    }

    /// Adds a connection under its tuple, in the place of the entry `instead` or
    /// where none stands. `None` when there is no room.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        (tuple, hash): (Tuple, u32),
        instead: Option<Entry>,
        beginning: &Beginning,
        settings: &Settings,
    ) -> Option<ConnectionId> {
        let storage = &mut self.storage;
        let slot = self.connections.insert(|| {
            let buffers = storage.take_buffers()?;
            Some(match beginning {
                Beginning::Active(open) => {
                    held(now, Connection::connect(now, open, settings, buffers), tuple, Owner::Flow)
                }
                Beginning::Passive(passive) => {
                    held(now, Connection::accept(now, passive, settings, buffers), tuple, Owner::Listener)
                }
            })
        })?;
        let entry = Entry::Connection(slot);
        let indexed = match instead {
            Some(old) => self.index.replace(hash, old, entry),
            None => self.index.insert(hash, entry),
        };
        if !indexed {
            self.forget(slot);
            return None;
        }
        self.recent = slot;
        Some(self.id(slot))
    }

    /// Gives back the slot of a connection, and its buffers.
    fn forget(&mut self, slot: u32) {
        if let Some(held) = self.connections.get_mut(slot) {
            self.storage.give_buffers(held.machine.take_buffers());
        }
        self.connections.remove(slot, &mut self.dirty);
    }

    /// Whether `syn` opens anew what is in TIME-WAIT still as a connection.
    pub(crate) fn may_be_reopened(&self, slot: u32, syn: &Segment<'_>) -> bool {
        self.connections.get(slot).is_some_and(|held| held.indexed && held.machine.may_be_reopened_by(syn))
    }

    /// Counts what a connection holds by now.
    #[inline]
    pub(crate) fn account(&mut self, slot: u32) {
        if let Some(held) = self.connections.get_mut(slot) {
            held.account(&mut self.bytes);
        }
    }

    /// Forgets a connection; what is returned is to be dropped after the
    /// borrow, since wakers are in it.
    pub(crate) fn release(&mut self, secret: &Secret, slot: u32) -> Option<Woken> {
        self.timers.cancel(&mut self.connections, slot);
        let held = self.connections.get_mut(slot)?;
        if held.indexed {
            self.index.remove(secret.table(&held.tuple), Entry::Connection(slot));
        }
        self.bytes = self.bytes.saturating_sub(held.bytes as usize);
        let woken = Woken { reader: held.reader.take(), writer: held.writer.take() };
        self.forget(slot);
        Some(woken)
    }

    /// Puts a half-open entry into the list of its number of attempts; new
    /// ones, and those due again, into that of owed SYN-ACKs.
    pub(crate) fn queue_half_open(&mut self, slot: u32, owed: bool) {
        self.unlink_half_open(slot);
        let Some(half_open) = self.half_open.get(slot) else { return };
        let which = if owed { 0 } else { usize::from(half_open.attempts) };
        if !owed {
            self.half_open_due = Instant::earliest(self.half_open_due, Some(half_open.deadline));
        }
        if let Some(list) = self.half_open_lists.get_mut(which) {
            self.half_open.push_back(list, slot);
            if let Some(half_open) = self.half_open.get_mut(slot) {
                half_open.owed = owed;
            }
        }
    }

    /// Notes anew when the first of those that were answered is due.
    pub(crate) fn find_half_open_due(&mut self) {
        let first = self.half_open_lists.iter().skip(1).filter_map(|list| list.front());
        let deadlines = first.filter_map(|slot| self.half_open.get(slot)).map(|half_open| half_open.deadline);
        self.half_open_due = deadlines.min();
    }

    pub(crate) fn unlink_half_open(&mut self, slot: u32) {
        let Some(half_open) = self.half_open.get(slot) else { return };
        let which = if half_open.owed { 0 } else { usize::from(half_open.attempts) };
        if let Some(list) = self.half_open_lists.get_mut(which) {
            self.half_open.unlink(list, slot);
        }
    }

    /// Forgets a half-open connection, and its index entry unless another has
    /// taken it over.
    pub(crate) fn release_half_open(&mut self, slot: u32, indexed: bool) {
        self.unlink_half_open(slot);
        let hash = self.half_open.note(slot);
        let mut apart = List::EMPTY;
        if self.half_open.remove(slot, &mut apart) && indexed {
            self.index.remove(hash, Entry::HalfOpen(slot));
        }
        if self.half_open.len() == 0 {
            self.half_open_due = None;
        }
    }

    pub(crate) fn release_time_wait(&mut self, slot: u32) {
        let hash = self.time_wait.note(slot);
        if self.time_wait.remove(slot, &mut self.time_wait_list) {
            self.index.remove(hash, Entry::TimeWait(slot));
        }
    }

    /// Whether the byte budget is used up.
    #[inline]
    pub(crate) const fn is_short_of_memory(&self) -> bool {
        self.bytes >= self.limits.bytes
    }
}

/// The window of a SYN or a SYN-ACK: what fits into 16 bits and the limit
/// (RFC 7323 §2.2: never scaled).
pub(crate) fn initial_window(settings: &Settings) -> crate::Window {
    crate::Window(settings.receive_limit.min(0xffff) as u16)
}
