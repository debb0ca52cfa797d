//! What is said. One place calls `write` of the layer below.

use core::task::Waker;

use traits::{Header, Instant, Ip, Offload, Path, SegmentationKind, SendError, TxMeta};
use wire::{Checksum, Protocol};

use super::open::MTU_UNKNOWN;
use super::state::{Woken, initial_window};
use super::{ConnectionId, Lent, Owner, State, Tcp};
use crate::Mss;
use crate::connection::Budget;
use crate::reply::Reply;
use crate::segment::{Control, Marks, Purpose, Transmit};
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::time_wait::TimeWait;
use crate::wire::{self as format, CHECKSUM_OFFSET, Ports};

/// Segments that a connection sends before it is another's turn. A large one
/// counts once.
const BURST: usize = 16;

/// Turns in one pass; then the other tasks run.
const TURNS: usize = 4096;

/// How one turn ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Something was done.
    Done,
    /// Nothing is left to be said.
    Idle,
    /// The device is full.
    Full,
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Says what there is to say.
    pub(super) fn transmit(&self, now: Instant, waker: &Waker) {
        let before = self.counters.sent.get();
        let mut turn = Turn::Done;
        for _ in 0..TURNS {
            turn = self.transmit_next(now);
            if turn != Turn::Done {
                break;
            }
        }
        if self.counters.sent.get() != before {
            self.ip.flush();
        }
        match turn {
            Turn::Idle => {}
            Turn::Done => waker.wake_by_ref(),
            Turn::Full => {
                self.counters.device_full.count();
                if self.ip.poll_room(waker).is_ready() {
                    waker.wake_by_ref();
                }
            }
        }
    }

    fn transmit_next(&self, now: Instant) -> Turn {
        let state = self.state.borrow();
        if let Some(reply) = state.replies.front() {
            let Reply { tuple, transmit } = *reply;
            drop(state);
            return self.transmit_reply(tuple, transmit);
        }
        let owed = state.half_open_lists.first().and_then(|list| list.front());
        let dirty = state.dirty.front();
        drop(state);
        match (owed, dirty) {
            (Some(slot), _) => self.transmit_syn_ack(now, slot),
            (None, Some(slot)) => self.transmit_burst(now, slot),
            (None, None) => Turn::Idle,
        }
    }

    fn transmit_reply(&self, tuple: Tuple, mut transmit: Transmit) -> Turn {
        let written = self.route(&tuple).and_then(|path| {
            if transmit.control == Some(Control::Syn) {
                transmit.options.mss = Some(Mss::for_mtu(path.mtu));
            }
            self.emit(&tuple, &transmit, &path, None)
        });
        if written == Err(SendError::Full) {
            return Turn::Full;
        }
        self.count_written(&transmit, written);
        self.state.borrow_mut().replies.pop_front();
        Turn::Done
    }

    fn transmit_syn_ack(&self, now: Instant, slot: u32) -> Turn {
        let Some(half_open) = self.state.borrow().half_open.get(slot).copied() else { return Turn::Done };
        let tuple = half_open.tuple;
        let path = self.route(&tuple);
        let mss = Mss::for_mtu(path.map_or(MTU_UNKNOWN, |path| path.mtu));
        let window = initial_window(&self.settings.get());
        let transmit = half_open.syn_ack(mss, window, self.ts_value(&tuple, now));
        let written = path.and_then(|path| self.emit(&tuple, &transmit, &path, None));
        if written == Err(SendError::Full) {
            return Turn::Full;
        }
        self.count_written(&transmit, written);
        if half_open.attempts > 0 {
            self.counters.retransmitted.count();
        }
        let mut state = self.state.borrow_mut();
        if written == Err(SendError::NoAddress) {
            state.release_half_open(&self.secret, slot, true);
            return Turn::Done;
        }
        state.unlink_half_open(slot);
        if let Some(half_open) = state.half_open.get_mut(slot) {
            half_open.owed = false;
            half_open.sent(now);
        }
        state.queue_half_open(slot, false);
        Turn::Done
    }

    fn route(&self, tuple: &Tuple) -> Result<Path, SendError> {
        self.ip.route(tuple.remote, Some(tuple.local))
    }

    /// One turn of a connection.
    fn transmit_burst(&self, now: Instant, slot: u32) -> Turn {
        let mut state = self.state.borrow_mut();
        let id = state.id(slot);
        let Some(held) = state.connections.get_mut(slot) else { return Turn::Done };
        let tuple = held.tuple;
        if held.lent.contains(Lent::SEND) {
            // Its user is at it, and marks it again.
            let state = &mut *state;
            state.connections.unlink(&mut state.dirty, slot);
            return Turn::Done;
        }
        if !held.indexed || held.machine.rests(now) {
            drop(state);
            self.settle(now, id);
            return Turn::Done;
        }
        drop(state);
        let mut path = self.route(&tuple);
        if path == Err(SendError::NoAddress) {
            self.forsake(slot);
            return Turn::Done;
        }
        let mut large = true;
        // The segment at hand, which goes to and fro in its place: it is large.
        let mut segment = None;
        let mut is_sent = false;
        let mut has_sent = false;
        let mut left = BURST;
        while left > 0 {
            self.next_segment(now, id, &mut segment, is_sent, &budget(&path, large));
            is_sent = false;
            let Some(transmit) = &mut segment else {
                self.settle(now, id);
                return Turn::Done;
            };
            let (count, written) = match path {
                Ok(path) => self.emit_large(&tuple, transmit, &path, large, &id),
                Err(error) => (0, Err(error)),
            };
            left = left.saturating_sub(count.max(1));
            match written {
                Err(SendError::Full) if count > 0 => {
                    self.end_turn(now, id, Some(transmit));
                    return Turn::Full;
                }
                _ if count > 0 => {
                    (is_sent, has_sent) = (true, true);
                    continue;
                }
                Err(SendError::Full) => {
                    let mut state = self.state.borrow_mut();
                    let state = &mut *state;
                    state.account(slot);
                    if has_sent {
                        // What room there is next is another's.
                        state.connections.unlink(&mut state.dirty, slot);
                        state.connections.push_back(&mut state.dirty, slot);
                    }
                    return Turn::Full;
                }
                // What can't go as one may go as several.
                Err(SendError::Unsupported | SendError::Unresolved | SendError::TooLong)
                    if transmit.gso_size.is_some() && large =>
                {
                    large = false;
                    continue;
                }
                Err(SendError::TooLong) if self.is_path_narrower(&tuple, &mut path) => {
                    self.counters.too_long.count();
                    continue;
                }
                Ok(()) | Err(_) => {}
            }
            self.count_written(transmit, written);
            (is_sent, has_sent) = (true, true);
        }
        self.end_turn(now, id, segment.as_ref().filter(|_| is_sent));
        Turn::Done
    }

    /// Notes what was sent, if it was, and puts the next in its place.
    #[inline]
    fn next_segment(
        &self,
        now: Instant,
        id: ConnectionId,
        segment: &mut Option<Transmit>,
        is_sent: bool,
        budget: &Budget,
    ) {
        let mut state = self.state.borrow_mut();
        let mut held = state.get_mut(id);
        if let (Some(held), Some(sent), true) = (&mut held, &segment, is_sent) {
            held.machine.transmitted(now, sent);
        }
        *segment = match held {
            Some(held) if held.indexed => held.machine.poll_transmit(now, budget),
            Some(_) | None => None,
        };
    }

    /// A burst is out: to the end of the line.
    fn end_turn(&self, now: Instant, id: ConnectionId, sent: Option<&Transmit>) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if let (Some(held), Some(sent)) = (state.get_mut(id), sent) {
            held.machine.transmitted(now, sent);
        }
        state.connections.unlink(&mut state.dirty, id.slot);
        state.connections.push_back(&mut state.dirty, id.slot);
    }

    /// Whether the path has become narrower than it was thought to be.
    fn is_path_narrower(&self, tuple: &Tuple, path: &mut Result<Path, SendError>) -> bool {
        let before = path.map_or(0, |path| path.mtu);
        *path = self.route(tuple);
        path.is_ok_and(|path| path.mtu < before)
    }

    fn count_written(&self, transmit: &Transmit, written: Result<(), SendError>) {
        let counters = &self.counters;
        match written {
            Ok(()) => counters.sent.count(),
            // As if lost on the way: timers bring it again, ever more seldom.
            Err(_) => counters.lost_below.count(),
        }
        match transmit.purpose {
            Purpose::Retransmission | Purpose::TailProbe => counters.retransmitted.count(),
            Purpose::Handshake | Purpose::New | Purpose::Probe | Purpose::Ack | Purpose::Reset => {}
        }
    }

    /// A connection has said all: its timer is set, and it goes where it
    /// belongs now.
    fn settle(&self, now: Instant, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        let state_ref = &mut *state;
        state_ref.connections.unlink(&mut state_ref.dirty, id.slot);
        let Some(held) = state_ref.connections.get_if(id.slot, id.generation) else { return };
        held.account(&mut state_ref.bytes);
        let writable = held.machine.take_writable();
        let woken = if writable.is_empty() { Woken::default() } else { held.wake_for(writable) };
        let remains = if held.indexed { held.machine.time_wait() } else { None };
        let mut gone = None;
        if let Some(remains) = remains {
            let tuple = held.tuple;
            let entry = TimeWait::new(tuple, &remains, now);
            self.enter_time_wait(state_ref, id.slot, entry);
            gone = self.retire(state_ref, id.slot);
        } else if !held.indexed || held.machine.is_done() {
            gone = self.retire(state_ref, id.slot);
        } else if let Some(deadline) = held.deadline() {
            state_ref.timers.fire_by(id.slot, deadline.max(now));
        }
        drop(state);
        drop(gone);
        woken.wake();
    }

    /// A small entry takes the tuple over.
    fn enter_time_wait(&self, state: &mut State<S>, slot: u32, entry: TimeWait) {
        if state.time_wait.len() >= state.time_wait.limit()
            && let Some(oldest) = state.time_wait_list.front()
        {
            self.counters.time_wait_evicted.count();
            state.release_time_wait(&self.secret, oldest);
        }
        let Ok(at) = state.time_wait.insert(entry) else { return };
        state.time_wait.push_back(&mut state.time_wait_list, at);
        let hash = self.secret.table(&entry.tuple);
        if state.index.replace(hash, Entry::Connection(slot), Entry::TimeWait(at))
            && let Some(held) = state.connections.get_mut(slot)
        {
            held.indexed = false;
        }
    }

    /// A connection that is over: segments find it no more, and it goes when
    /// nobody has it. What is returned is to be dropped after the borrow.
    pub(super) fn retire(&self, state: &mut State<S>, slot: u32) -> Option<Woken> {
        state.timers.cancel(slot);
        state.connections.unlink(&mut state.dirty, slot);
        let held = state.connections.get_mut(slot)?;
        if held.indexed {
            held.indexed = false;
            let hash = self.secret.table(&held.tuple);
            state.index.remove(hash, Entry::Connection(slot));
        }
        match held.owner {
            Owner::Nobody => state.release(&self.secret, slot),
            Owner::Listener(_) => {
                if let Some(deadline) = held.accept_deadline() {
                    state.timers.fire_by(slot, deadline);
                }
                None
            }
            Owner::Flow(_) => None,
        }
    }

    /// Sends a segment: as one, or as several where it is large and the device
    /// does not cut it (or may not: `large`). Returns how many packets went
    /// out, with `transmit` made what went with them.
    fn emit_large(
        &self,
        tuple: &Tuple,
        transmit: &mut Transmit,
        path: &Path,
        large: bool,
        id: &ConnectionId,
    ) -> (usize, Result<(), SendError>) {
        let Some(size) = transmit.gso_size.filter(|_| !(large && cuts(transmit, path))) else {
            let written = self.emit(tuple, transmit, path, Some(id));
            if written.is_ok() {
                self.count_written(transmit, written);
            }
            return (usize::from(written.is_ok()), written);
        };
        let size = u32::from(size.get());
        let (count, written) = self.emit_cut(tuple, transmit, size, path, id);
        if count > 0 {
            transmit.truncate(count as u32 * size);
        }
        (count, written)
    }

    /// Sends a large segment as several; returns how many went out.
    fn emit_cut(
        &self,
        tuple: &Tuple,
        transmit: &Transmit,
        size: u32,
        path: &Path,
        id: &ConnectionId,
    ) -> (usize, Result<(), SendError>) {
        let mut piece = Transmit { gso_size: None, control: None, ..*transmit };
        piece.marks.remove(Marks::PSH);
        let mut count = 0;
        let mut left = transmit.len;
        while left > 0 {
            piece.len = left.min(size);
            left -= piece.len;
            if left == 0 {
                piece.control = transmit.control;
                piece.marks |= transmit.marks & Marks::PSH;
            }
            let written = self.emit(tuple, &piece, path, Some(id));
            if written.is_err() {
                return (count, written);
            }
            self.count_written(&piece, written);
            count += 1;
            piece.seq += piece.len;
            piece.offset += piece.len;
            // Once is enough (RFC 3168 §6.1.2).
            piece.marks.remove(Marks::CWR);
        }
        (count, Ok(()))
    }

    /// Sends one segment: the only place that does.
    fn emit(
        &self,
        tuple: &Tuple,
        transmit: &Transmit,
        path: &Path,
        id: Option<&ConnectionId>,
    ) -> Result<(), SendError> {
        let header_len = transmit.header_len();
        let len = header_len + transmit.len as usize;
        let partial = path.capabilities.offload.contains(Offload::TX_CHECKSUM);
        let mut meta = TxMeta::NONE.with_more(true);
        if partial {
            meta = meta.with_checksum(0, CHECKSUM_OFFSET);
        }
        if let Some(size) = transmit.gso_size {
            let cwr = transmit.marks.contains(Marks::CWR);
            meta = meta.with_segmentation(SegmentationKind::Tcp4 { cwr }, size, header_len as u16);
        }
        let header = Header::new(tuple.remote, Protocol::TCP)
            .from(tuple.local)
            .with_tos(transmit.ecn.tos())
            .with_dont_fragment();
        // Two pointers, which travel in registers.
        let filling = Filling { tuple, transmit, partial, id };
        self.ip.write(header, meta, len, |buffer| self.fill(&filling, buffer).unwrap_or(0))
    }

    /// Writes the segment; `None` when that can't be, since whoever called
    /// this uses the connection itself at the moment.
    #[inline]
    fn fill(&self, filling: &Filling<'_>, buffer: &mut [u8]) -> Option<usize> {
        let &Filling { tuple, transmit, partial, id } = filling;
        let len = transmit.header_len() + transmit.len as usize;
        let buffer = buffer.get_mut(..len)?;
        let pseudo = Checksum::pseudo(tuple.local, tuple.remote, Protocol::TCP, len);
        let checksum = if partial { pseudo.partial() } else { 0 };
        let ports = Ports { src: tuple.local_port, dst: tuple.remote_port };
        let data = format::emit(transmit, ports, checksum, buffer)?;
        if let Some(id) = id.filter(|_| transmit.len > 0) {
            let state = self.state.try_borrow().ok()?;
            let (first, second) = state.get(*id)?.machine.payload(transmit);
            let (to_first, to_second) = data.split_at_mut_checked(first.len())?;
            to_first.copy_from_slice(first);
            if !second.is_empty() {
                to_second.get_mut(..second.len())?.copy_from_slice(second);
            }
        }
        if !partial {
            let sum = pseudo.bytes(buffer).finish();
            let at = usize::from(CHECKSUM_OFFSET);
            buffer.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
        }
        Some(len)
    }
}

/// What is to be written into a segment.
struct Filling<'s> {
    tuple: &'s Tuple,
    transmit: &'s Transmit,
    /// The device completes the checksum.
    partial: bool,
    /// Whose the data is.
    id: Option<&'s ConnectionId>,
}

/// What a path takes; `large`: whether to ask the device to cut. Where it does
/// not, a burst is decided upon as one and [cut here](Tcp::emit_cut).
fn budget(path: &Result<Path, SendError>, large: bool) -> Budget {
    match path {
        Err(_) => Budget { mtu: MTU_UNKNOWN, gso_max_size: 0 },
        Ok(path) => {
            let cuts = large && path.capabilities.offload.contains(CUTS);
            let gso_max_size = if cuts { path.capabilities.gso_max_size } else { BURST * path.mtu };
            Budget { mtu: path.mtu, gso_max_size }
        }
    }
}

/// What a device does that cuts large segments.
const CUTS: Offload = Offload::TSO4.union(Offload::TX_CHECKSUM);

/// Whether the device cuts this segment as asked: with CWR, not all do.
fn cuts(transmit: &Transmit, path: &Path) -> bool {
    let offload = path.capabilities.offload;
    offload.contains(CUTS) && (!transmit.marks.contains(Marks::CWR) || offload.contains(Offload::TSO_ECN))
}
