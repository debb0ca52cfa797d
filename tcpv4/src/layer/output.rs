//! What is said, and by whom next.

use core::cell::RefMut;
use core::task::Waker;

use traits::{Instant, Ip, Path, SendError};

use super::emit::budget;
use super::open::MTU_UNKNOWN;
use super::state::Woken;
use super::{ConnectionId, Lent, Owner, State, Tcp};
use crate::Mss;
use crate::connection::{Budget, Events};
use crate::reply::{Queue as _, Reply};
use crate::segment::{Control, Purpose, Transmit};
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::time_wait::TimeWait;

/// Segments that a connection sends before it is another's turn. A large one
/// counts once.
pub(super) const BURST: usize = 16;

/// Turns in one pass; then the other tasks run.
const TURNS: usize = 4096;

/// The MTU beyond which a connection does not reckon: no packet is longer.
const WIDEST: usize = u16::MAX as usize;

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

/// Who has the turn.
struct Speaker {
    id: ConnectionId,
    tuple: Tuple,
    /// The MTU that it reckons with.
    mtu: usize,
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
        let state = self.state.borrow_mut();
        let owed = state.half_open_lists.first().and_then(|list| list.front());
        let dirty = state.dirty.front();
        // After a burst of answers it is a connection's turn: whoever floods a
        // device that sends more slowly than it receives starves none.
        let answered = self.replied.get();
        let is_theirs = dirty.is_some() && usize::from(answered) >= BURST;
        // Replies and SYN-ACKs go in turns, where there are both.
        let reply = state.replies.front().copied().filter(|_| owed.is_none() || answered.is_multiple_of(2));
        let turn = match (reply, owed, dirty) {
            (Some(reply), _, _) if !is_theirs => {
                drop(state);
                self.transmit_reply(&reply)
            }
            (_, Some(slot), _) if !is_theirs => {
                drop(state);
                self.transmit_syn_ack(now, slot)
            }
            (_, _, Some(slot)) => return self.transmit_of(state, now, slot),
            (_, _, None) => return Turn::Idle,
        };
        if turn == Turn::Done {
            self.replied.set(answered.wrapping_add(1));
        }
        turn
    }

    /// A connection's turn.
    fn transmit_of(&self, state: RefMut<'_, State<S>>, now: Instant, slot: u32) -> Turn {
        // The segment at hand, which goes to and fro in its place: it is large.
        let mut segment = None;
        let turn = match self.speaker(state, now, slot, &mut segment) {
            Some(speaker) => self.transmit_burst(now, &speaker, &mut segment),
            None => Turn::Done,
        };
        if turn != Turn::Full {
            self.replied.set(0);
        }
        turn
    }

    fn transmit_reply(&self, reply: &Reply) -> Turn {
        let (tuple, mut transmit) = (&reply.tuple, reply.transmit());
        let written = self.route(tuple).and_then(|path| {
            if transmit.control == Some(Control::Syn) {
                transmit.options.mss = Some(Mss::for_mtu(path.mtu));
            }
            self.emit(tuple, &transmit, &path, None)
        });
        if written == Err(SendError::Full) {
            return Turn::Full;
        }
        self.count_written(&transmit, written);
        self.state.borrow_mut().replies.pop();
        Turn::Done
    }

    fn transmit_syn_ack(&self, now: Instant, slot: u32) -> Turn {
        let Some(half_open) = self.state.borrow().half_open.get(slot).copied() else { return Turn::Done };
        let tuple = half_open.tuple;
        let path = self.route(&tuple);
        let mss = Mss::for_mtu(path.map_or(MTU_UNKNOWN, |path| path.mtu));
        let transmit = half_open.syn_ack(mss, self.ts_value(&tuple, now));
        let written = path.and_then(|path| self.emit(&tuple, &transmit, &path, None));
        if written == Err(SendError::Full) {
            return Turn::Full;
        }
        self.count_written(&transmit, written);
        if half_open.attempts > 0 && written.is_ok() {
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

    /// One turn of a connection, with a first `segment` if that was decided upon.
    fn transmit_burst(&self, now: Instant, speaker: &Speaker, segment: &mut Option<Transmit>) -> Turn {
        let &Speaker { id, tuple, mtu } = speaker;
        let mut path = self.route(&tuple);
        if path == Err(SendError::NoAddress) {
            self.forsake(id.slot);
            return Turn::Done;
        }
        let mut large = true;
        // What was decided for another path is decided anew.
        let mut is_decided = segment.is_some() && path.is_ok_and(|path| path.mtu.min(WIDEST) == mtu);
        let mut is_sent = false;
        let mut has_sent = false;
        let mut left = BURST;
        while left > 0 {
            if !is_decided {
                self.next_segment(now, id, segment, is_sent, &budget(&path, large));
            }
            let Some(transmit) = segment else { return Turn::Done };
            (is_decided, is_sent) = (false, false);
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
                    self.wait_for_room(id.slot, has_sent);
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
            let is_handshake = transmit.purpose == Purpose::Handshake;
            if is_handshake && written == Err(SendError::Unresolved) && self.ends_unresolved(now, id) {
                return Turn::Done;
            }
            (is_sent, has_sent) = (true, true);
        }
        self.end_turn(now, id, segment.as_ref().filter(|_| is_sent));
        Turn::Done
    }

    /// The next hop does not answer: whether an attempt to connect ends by that,
    /// which then is settled.
    fn ends_unresolved(&self, now: Instant, id: ConnectionId) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return false };
        let events = held.machine.unresolved(now);
        let ends = events.contains(Events::FAILED);
        if ends {
            self.count_failure(held.machine.failure());
        }
        let woken = held.wake_for(events);
        drop(state);
        woken.wake();
        if ends {
            self.settle(self.state.borrow_mut(), now, id);
        }
        ends
    }

    /// Who has the turn, unless it plainly has nothing to say; its segment, if it
    /// plainly has one.
    #[inline]
    fn speaker(
        &self,
        mut state: RefMut<'_, State<S>>,
        now: Instant,
        slot: u32,
        segment: &mut Option<Transmit>,
    ) -> Option<Speaker> {
        let id = state.id(slot);
        let held = state.connections.get_mut(slot)?;
        let tuple = held.tuple;
        if held.lent.contains(Lent::SEND) {
            // Its user is at it, and marks it again.
            let state = &mut *state;
            state.connections.unlink(&mut state.dirty, slot);
            return None;
        }
        if !held.indexed || !held.machine.put_plain(now, segment) && held.machine.rests(now) {
            self.settle(state, now, id);
            return None;
        }
        Some(Speaker { id, tuple, mtu: held.machine.mtu() })
    }

    /// The device is full: the connection keeps its place, or, if it has sent
    /// something, goes behind the others, whose room is next.
    fn wait_for_room(&self, slot: u32, has_sent: bool) {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.account(slot);
        if has_sent {
            state.connections.unlink(&mut state.dirty, slot);
            state.connections.push_back(&mut state.dirty, slot);
        }
    }

    /// Notes what was sent, if it was, and puts the next in its place; when
    /// there is none, the connection [settles](Self::settle).
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
        match held {
            Some(held) if held.indexed => held.machine.put_next(now, budget, segment),
            Some(_) | None => *segment = None,
        }
        if segment.is_none() {
            self.settle(state, now, id);
        }
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

    pub(super) fn count_written(&self, transmit: &Transmit, written: Result<(), SendError>) {
        let counters = &self.counters;
        if let Err(error) = written {
            return self.count_lost(error);
        }
        // Looked at by whoever flushes.
        counters.sent.add(1);
        if transmit.is_again() {
            counters.retransmitted.count();
        }
    }

    /// As if lost on the way: timers bring it again, ever more seldom.
    #[cold]
    fn count_lost(&self, error: SendError) {
        let counters = &self.counters;
        let lost = match error {
            SendError::NoRoute => &counters.lost_no_route,
            SendError::NoAddress => &counters.lost_no_address,
            SendError::Unresolved => &counters.lost_unresolved,
            SendError::TooLong => &counters.lost_too_long,
            SendError::Down => &counters.lost_down,
            // `Full` never comes here: what is full takes it later.
            _ => &counters.lost_unsupported,
        };
        lost.count();
    }

    /// A connection has said all: its timer is set, and it goes where it
    /// belongs now.
    fn settle(&self, mut state: RefMut<'_, State<S>>, now: Instant, id: ConnectionId) {
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
            gone = self.retire(state_ref, now, id.slot);
        } else if !held.indexed || held.machine.is_done() {
            gone = self.retire(state_ref, now, id.slot);
        } else if let Some(deadline) = held.deadline(now) {
            state_ref.timers.fire_by(&mut state_ref.connections, id.slot, deadline.max(now));
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
    pub(super) fn retire(&self, state: &mut State<S>, now: Instant, slot: u32) -> Option<Woken> {
        state.timers.cancel(&mut state.connections, slot);
        state.connections.unlink(&mut state.dirty, slot);
        let held = state.connections.get_mut(slot)?;
        if held.indexed {
            held.indexed = false;
            let hash = self.secret.table(&held.tuple);
            state.index.remove(hash, Entry::Connection(slot));
        }
        match held.owner {
            Owner::Nobody => state.release(&self.secret, slot),
            Owner::Listener => {
                if let Some(deadline) = held.accept_deadline(now) {
                    state.timers.fire_by(&mut state.connections, slot, deadline);
                }
                None
            }
            Owner::Flow | Owner::Halves => None,
        }
    }
}
