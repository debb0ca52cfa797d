//! What is due.

use core::time::Duration;

use traits::{Instant, Ip};

use super::held::Woken;
use super::{Owner, State, Tcp};
use crate::connection::Events;
use crate::storage::Storage;

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Does what is due at `now`, but for sending what comes of it.
    #[cold]
    #[inline(never)]
    pub(super) fn handle_timeouts(&self, now: Instant) {
        while let Some(woken) = self.handle_connection_timeout(now) {
            woken.wake();
        }
        let mut state = self.state.borrow_mut();
        self.handle_half_open_timeouts(&mut state, now);
        while let Some(slot) = state.time_wait_list.front()
            && state.time_wait.get(slot).is_some_and(|time_wait| time_wait.deadline <= now)
        {
            state.release_time_wait(slot);
        }
    }

    /// The next connection that is due; none when no more is.
    fn handle_connection_timeout(&self, now: Instant) -> Option<Woken> {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let slot = state.timers.pop_due(&mut state.connections, now)?;
        let Some(held) = state.connections.get_mut(slot) else { return Some(Woken::default()) };
        let mut events = Events::empty();
        if held.accept_deadline(now).is_some_and(|deadline| deadline <= now) {
            held.owner = Owner::Nobody;
            held.machine.detach(now);
            self.counters.not_accepted.count();
        } else if held.indexed && held.machine.next_timeout().is_some_and(|deadline| deadline <= now) {
            events = held.machine.handle_timeout(now);
        }
        if events.contains(Events::FAILED) {
            self.count_failure(held.machine.failure());
        }
        let woken = held.wake_for(events);
        state.account(slot);
        state.mark(slot);
        Some(woken)
    }

    fn handle_half_open_timeouts(&self, state: &mut State<S>, now: Instant) {
        if state.half_open_due.is_none_or(|due| due > now) {
            return;
        }
        for which in 1..state.half_open_lists.len() {
            while let Some(slot) = state.half_open_lists.get(which).and_then(|list| list.front()) {
                let Some(half_open) = state.half_open.get(slot).filter(|h| h.deadline <= now) else { break };
                if half_open.is_exhausted() {
                    self.counters.half_open_expired.count();
                    state.release_half_open(slot, true);
                } else {
                    state.queue_half_open(slot, true);
                }
            }
        }
        state.find_half_open_due();
    }

    /// When something is due next, after `now`.
    pub(super) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        // What is due now was done, or waits for the device.
        Some(self.first_timer()?.max(now + Duration::from_millis(1)))
    }

    pub(super) fn is_timer_due(&self, now: Instant) -> bool {
        self.first_timer().is_some_and(|first| first <= now)
    }

    /// When the first of all timers is due.
    fn first_timer(&self) -> Option<Instant> {
        let state = self.state.borrow();
        let time_wait = state.time_wait_list.front().and_then(|slot| state.time_wait.get(slot));
        let waiting = Instant::earliest(state.half_open_due, time_wait.map(|t| t.deadline));
        Instant::earliest(state.timers.next(), waiting)
    }

    /// After a change of the own addresses: ends what has lost its own.
    #[inline]
    pub(super) fn check_addresses(&self) {
        let generation = self.ip.generation();
        if self.generation.replace(generation) != generation {
            self.forsake_what_lost_its_address();
        }
    }

    /// Looks at every connection.
    #[cold]
    fn forsake_what_lost_its_address(&self) {
        let end = self.state.borrow().connections.end();
        for slot in 0..end {
            let Some(local) = self.state.borrow().connections.get(slot).map(|held| held.tuple.local) else {
                continue;
            };
            if !self.ip.is_local(local) {
                self.forsake(slot);
            }
        }
    }

    /// Ends a connection whose address is gone: nothing can be said about it
    /// any more.
    #[cold]
    #[inline(never)]
    pub(super) fn forsake(&self, slot: u32) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.connections.get_mut(slot) else { return };
        if !held.indexed {
            return;
        }
        held.machine.forsake();
        let woken = held.wake_for(Events::FAILED);
        self.counters.unreachable.count();
        let gone = self.retire(&mut state, now, slot);
        drop(state);
        woken.wake();
        drop(gone);
    }

    /// When memory is short: resets a connection that nobody owns any more,
    /// the next one that holds data. Looks at a few at a time.
    #[cold]
    #[inline(never)]
    pub(super) fn give_up_one(&self, state: &mut State<S>) {
        const LOOK_AT: u32 = 32;
        let end = state.connections.end();
        for _ in 0..LOOK_AT.min(end) {
            state.hand = if state.hand + 1 < end { state.hand + 1 } else { 0 };
            let slot = state.hand;
            let Some(held) = state.connections.get_mut(slot) else { continue };
            if held.owner == Owner::Nobody && held.indexed && held.machine.held() > 0 {
                held.machine.abort();
                self.counters.given_up.count();
                state.account(slot);
                state.mark(slot);
                return;
            }
        }
    }
}
