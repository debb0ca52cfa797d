//! A SYN that may open a connection.

use traits::{Instant, Ip};

use super::state::initial_window;
use super::{State, Tcp};
use crate::connection::Events;
use crate::half_open::HalfOpen;
use crate::listener::Accept;
use crate::segment::{Marks, Segment};
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::{SeqNum, cookie};

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// A SYN for what is in TIME-WAIT still as a connection: that gives way, if
    /// there is who would take the new one.
    pub(super) fn input_syn_again<'l>(
        &self,
        now: Instant,
        slot: u32,
        tuple: &Tuple,
        segment: &Segment<'_>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        if !listeners(tuple.local_port).is_some_and(Accept::has_room) {
            return self.counters.syn_in_connection.count();
        }
        let mut state = self.state.borrow_mut();
        // The listener may have called back.
        if !state.may_be_reopened(slot, segment) {
            return self.counters.reentered.count();
        }
        let Some(held) = state.connections.get_mut(slot) else { return };
        let iss = held.machine.give_way();
        let woken = held.wake_for(Events::CLOSED);
        let gone = self.retire(&mut state, now, slot);
        drop(state);
        woken.wake();
        drop(gone);
        self.counters.time_wait_reused.count();
        self.input_syn(now, self.secret.table(tuple), tuple, segment, Some(iss), listeners);
    }

    /// A SYN to a listener, maybe.
    pub(super) fn input_syn<'l>(
        &self,
        now: Instant,
        hash: u32,
        tuple: &Tuple,
        segment: &Segment<'_>,
        iss: Option<SeqNum>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let (remote, counters) = (tuple.remote, &self.counters);
        if remote.is_unspecified() || remote.is_broadcast() || remote.is_multicast() || self.ip.is_local(remote)
        {
            return counters.bad_source.count();
        }
        let Some(listener) = listeners(tuple.local_port) else {
            return self.refuse(tuple, segment);
        };
        if !listener.has_room() {
            return counters.backlog_full.count();
        }
        let mut state = self.state.borrow_mut();
        match state.find(hash, tuple) {
            Some(Entry::TimeWait(old)) if iss.is_some() => {
                state.release_time_wait(old);
                counters.time_wait_reused.count();
            }
            // The listener itself called back and brought it up.
            Some(_) => return counters.reentered.count(),
            None => {}
        }
        let iss = iss.unwrap_or_else(|| self.secret.isn(tuple, now));
        let settings = self.settings.get();
        let scale = crate::WindowScale::for_limit(settings.receive_limit as usize);
        let window = initial_window(&settings);
        let half_open = HalfOpen::new(*tuple, iss, (window, scale), segment, now);
        match state.half_open.insert(|| Some(half_open)) {
            Some(slot) if state.index.insert(hash, Entry::HalfOpen(slot)) => {
                state.half_open.set_note(slot, hash);
                state.queue_half_open(slot, true);
            }
            Some(slot) => {
                state.release_half_open(slot, false);
                counters.no_room.count();
            }
            None => self.answer_with_cookie(&mut state, now, half_open, segment),
        }
    }

    fn answer_with_cookie(
        &self,
        state: &mut State<S>,
        now: Instant,
        mut half_open: HalfOpen,
        syn: &Segment<'_>,
    ) {
        let tuple = half_open.tuple;
        let iss = cookie::make(&self.secret, &tuple, syn, now);
        half_open.iss = iss;
        let offset = self.secret.timestamp_offset(&tuple);
        let value = cookie::timestamp(now.as_millis() as u32, &syn.options, half_open.ecn).wrapping_add(offset);
        let mut transmit = half_open.syn_ack(crate::Mss::DEFAULT, value);
        if transmit.options.timestamps.is_none() {
            // Nowhere to keep these.
            transmit.marks = Marks::empty();
            transmit.options.window_scale = None;
            transmit.options.sack_permitted = false;
        }
        state.cookies_until = Some(now + cookie::LIFETIME);
        self.counters.cookies_sent.count();
        self.owe(state, &tuple, &transmit);
    }
}
