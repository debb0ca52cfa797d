//! What is said, and by whom next.

use core::task::Waker;

use traits::{Instant, Ip, Path, SendError};

use super::Tcp;
use super::burst::BURST;
use super::open::MTU_UNKNOWN;
use crate::Mss;
use crate::reply::{Queue as _, Reply};
use crate::segment::{Control, Transmit};
use crate::storage::Storage;
use crate::table::Tuple;

/// Turns in one pass; then the other tasks run.
const TURNS: usize = 4096;

/// How one turn ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
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

    #[inline(never)]
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

    #[inline(never)]
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
            state.release_half_open(slot, true);
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

    pub(super) fn route(&self, tuple: &Tuple) -> Result<Path, SendError> {
        self.ip.route(tuple.remote, Some(tuple.local))
    }

    pub(super) fn count_written(&self, transmit: &Transmit, written: Result<(), SendError>) {
        if let Err(error) = written {
            return self.count_lost(error);
        }
        self.count_sent(transmit, 1);
    }

    /// Counts `transmit`, sent as `count` segments.
    pub(super) fn count_sent(&self, transmit: &Transmit, count: usize) {
        let (counters, count) = (&self.counters, count as u64);
        // Looked at by whoever flushes.
        counters.sent.add(count);
        if transmit.is_again() {
            counters.retransmitted.count_many(count);
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
}
