//! A connection's turn: a burst of its segments.

use core::cell::RefMut;

use traits::{Instant, Ip, Path, SendError};

use super::emit::budget;
use super::output::Turn;
use super::{ConnectionId, Lent, State, Tcp};
use crate::connection::{Budget, Events};
use crate::segment::{Purpose, Transmit};
use crate::storage::Storage;
use crate::table::Tuple;

/// Segments that a connection sends before it is another's turn. A large one
/// counts once.
pub(super) const BURST: usize = 16;

/// The MTU beyond which a connection does not reckon: no packet is longer.
const WIDEST: usize = u16::MAX as usize;

/// Who has the turn.
struct Speaker {
    id: ConnectionId,
    tuple: Tuple,
    /// The MTU that it reckons with.
    mtu: usize,
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// A connection's turn.
    pub(super) fn transmit_of(&self, state: RefMut<'_, State<S>>, now: Instant, slot: u32) -> Turn {
        // The segment at hand, which goes to and fro in its place: it is large.
        let mut segment = None;
        let turn = match self.speaker(state, now, slot, &mut segment) {
            Some(speaker) => self.transmit_as(now, &speaker, &mut segment),
            None => Turn::Done,
        };
        if turn != Turn::Full {
            self.replied.set(0);
        }
        turn
    }

    /// One turn of a connection, with a first `segment` if that was decided upon:
    /// then that is nearly always all, and gets by without a loop.
    #[inline]
    fn transmit_as(&self, now: Instant, speaker: &Speaker, segment: &mut Option<Transmit>) -> Turn {
        let path = self.route(&speaker.tuple);
        let mut refused = None;
        // What was decided for another path is decided anew.
        if let (Some(transmit), Ok(path)) = (&*segment, &path)
            && path.mtu.min(WIDEST) == speaker.mtu
        {
            match self.emit(&speaker.tuple, transmit, path, Some(&speaker.id)) {
                Ok(()) => {
                    self.count_written(transmit, Ok(()));
                    self.end_plain(now, speaker.id, transmit);
                    return Turn::Done;
                }
                Err(error) => refused = Some(error),
            }
        }
        if path == Err(SendError::NoAddress) {
            self.forsake(speaker.id.slot);
            return Turn::Done;
        }
        self.transmit_burst(now, speaker, path, segment, refused)
    }

    /// All that there was to say is out, in one segment.
    #[inline]
    fn end_plain(&self, now: Instant, id: ConnectionId, sent: &Transmit) {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        held.machine.sent_plain(now, sent);
        if !held.indexed || held.machine.rests(now) {
            return self.settle(state, now, id);
        }
        drop(state);
        self.end_turn(now, id, None);
    }

    /// One turn of a connection along `path`; if its first `segment` was
    /// `refused`, with that.
    #[inline(never)]
    fn transmit_burst(
        &self,
        now: Instant,
        speaker: &Speaker,
        mut path: Result<Path, SendError>,
        segment: &mut Option<Transmit>,
        mut refused: Option<SendError>,
    ) -> Turn {
        let &Speaker { id, tuple, .. } = speaker;
        let mut large = true;
        let (mut is_sent, mut has_sent) = (false, false);
        let mut left = BURST;
        while left > 0 {
            if refused.is_none() {
                self.next_segment(now, id, segment, is_sent, &budget(&path, large));
            }
            let Some(transmit) = segment else { return Turn::Done };
            is_sent = false;
            let (count, written) = match (refused.take(), path) {
                (Some(error), _) | (None, Err(error)) => (0, Err(error)),
                (None, Ok(path)) => self.emit_large(&tuple, transmit, &path, large, &id),
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
}
