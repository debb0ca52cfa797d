//! What becomes of a connection that has said all.

use core::cell::RefMut;

use traits::{Instant, Ip};

use super::held::Woken;
use super::{ConnectionId, Owner, State, Tcp};
use crate::storage::Storage;
use crate::table::Entry;
use crate::time_wait::TimeWait;

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// A connection has said all: its timer is set, and it goes where it
    /// belongs now.
    pub(super) fn settle(&self, mut state: RefMut<'_, State<S>>, now: Instant, id: ConnectionId) {
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
    #[inline(never)]
    fn enter_time_wait(&self, state: &mut State<S>, slot: u32, entry: TimeWait) {
        if state.time_wait.len() >= state.time_wait.limit()
            && let Some(oldest) = state.time_wait_list.front()
        {
            self.counters.time_wait_evicted.count();
            state.release_time_wait(oldest);
        }
        let Some(at) = state.time_wait.insert(|| Some(entry)) else { return };
        state.time_wait.push_back(&mut state.time_wait_list, at);
        let hash = self.secret.table(&entry.tuple);
        state.time_wait.set_note(at, hash);
        if state.index.replace(hash, Entry::Connection(slot), Entry::TimeWait(at))
            && let Some(held) = state.connections.get_mut(slot)
        {
            held.indexed = false;
        }
    }

    /// A connection that is over: segments find it no more, and it goes when
    /// nobody has it. What is returned is to be dropped after the borrow.
    #[inline(never)]
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
