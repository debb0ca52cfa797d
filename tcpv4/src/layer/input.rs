//! What arrives.

use traits::{Cast, ChecksumVerdict, Inbound, Instant, Ip, Packet};

use super::held::Woken;
use super::predicted::Told;
use super::{ConnectionId, Lent, Owner, State, Tcp};
use crate::connection::{Dropped, Events, Failure, Outcome};
use crate::half_open;
use crate::listener::Accept;
use crate::reply::{Queue as _, Reply};
use crate::segment::{Control, Segment, Transmit};
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::wire::{self, HeaderError, Ports};
use crate::{SeqNum, cookie, time_wait};

/// What is left to do for a segment after the borrow: to ask the listener.
pub(super) enum Next {
    /// Nothing.
    Done,
    /// Wake who waits, and confirm the path.
    Wake { woken: Woken, confirm: bool },
    /// A SYN that opens, with an initial sequence number if TIME-WAIT gave
    /// one.
    Syn(Option<SeqNum>),
    /// A SYN that opens anew what is in TIME-WAIT, with data left to read.
    SynAgain(u32),
    /// The last segment of a handshake.
    Establish(u32),
    /// No connection: a cookie comes back, or a reset is owed.
    Closed,
    /// The connection waits in a backlog, if that still exists.
    Backlog(ConnectionId),
}

/// What is known of a packet by now.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// Its checksum is right.
    pub(super) is_intact: bool,
    /// The hash of its tuple, and what that leads to.
    pub(super) entry: Option<(u32, Option<Entry>)>,
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Takes what the layer below has for TCP.
    ///
    /// `listeners` says who listens on a port: asked when a SYN arrives, and
    /// again when its handshake ends, so that a listener may come and go at
    /// any time. Nothing is sent from here; the task is woken.
    #[inline]
    pub fn input<'l>(&self, inbound: Inbound<'_>, mut listeners: impl FnMut(u16) -> Option<&'l dyn Accept>) {
        match inbound {
            Inbound::Packet(packet) => {
                self.counters.received.count();
                let Packet { src, dst, payload, .. } = packet;
                let taken = match Told::of(&packet) {
                    Some(told) => self.input_plain(src, dst, payload, told),
                    None => Err(Known::default()),
                };
                if let Err(known) = taken {
                    self.input_any(&packet, known, &mut listeners);
                }
            }
            Inbound::Error(error) => self.input_error(&error),
        }
    }

    /// Any packet, with what is known of it.
    #[inline(never)]
    fn input_any<'l>(
        &self,
        packet: &Packet<'_>,
        known: Known,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let counters = &self.counters;
        if packet.cast != Cast::Unicast {
            return counters.not_unicast.count();
        }
        let meta = match known.is_intact {
            true => packet.meta.with_checksum(ChecksumVerdict::Verified),
            false => packet.meta,
        };
        let parsed = wire::parse(packet.src, packet.dst, packet.tos, &meta, packet.payload);
        let (ports, segment) = match parsed {
            Ok(parsed) => parsed,
            Err(HeaderError::Checksum) => return counters.bad_checksum.count(),
            Err(HeaderError::Truncated) => return counters.malformed.count(),
            Err(HeaderError::Flags) => return counters.bad_flags.count(),
        };
        let Ports { src, dst } = ports;
        if src == 0 || dst == 0 {
            return counters.bad_port.count();
        }
        let tuple = Tuple { local: packet.dst, remote: packet.src, local_port: dst, remote_port: src };
        self.input_segment(&tuple, &segment, known.entry, listeners);
    }

    fn input_segment<'l>(
        &self,
        tuple: &Tuple,
        segment: &Segment<'_>,
        known: Option<(u32, Option<Entry>)>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let now = self.ip.now();
        let Ok(mut state) = self.state.try_borrow_mut() else {
            return self.counters.reentered.count();
        };
        let (hash, entry) = match known {
            Some(known) => known,
            // Of a connection, nobody wants the hash.
            None if state.is_recent(tuple) => (0, Some(Entry::Connection(state.recent))),
            None => self.look_up(&mut state, tuple),
        };
        let next = match entry {
            Some(Entry::Connection(slot)) => match self.in_backlog(&state, slot) {
                Some(id) => Next::Backlog(id),
                None if segment.control == Some(Control::Syn) && state.may_be_reopened(slot, segment) => {
                    Next::SynAgain(slot)
                }
                None => self.input_connection(&mut state, now, slot, segment),
            },
            Some(Entry::HalfOpen(slot)) => self.input_half_open(&mut state, now, slot, segment),
            Some(Entry::TimeWait(slot)) => self.input_time_wait(&mut state, now, slot, segment),
            None if segment.control == Some(Control::Syn) && segment.ack.is_none() => Next::Syn(None),
            None => Next::Closed,
        };
        drop(state);
        match next {
            Next::Done => {}
            Next::Wake { woken, confirm } => {
                woken.wake();
                if confirm {
                    self.ip.confirm(tuple.remote);
                }
            }
            Next::Syn(iss) => self.input_syn(now, hash, tuple, segment, iss, listeners),
            Next::SynAgain(slot) => self.input_syn_again(now, slot, tuple, segment, listeners),
            Next::Establish(slot) => self.establish(now, hash, slot, segment, listeners),
            Next::Closed => self.input_closed(now, hash, tuple, segment, listeners),
            Next::Backlog(id) => self.input_backlog(now, id, segment, listeners),
        }
        self.wake_task();
    }

    /// Wakes the task if there is something for it to say.
    #[inline]
    pub(super) fn wake_task(&self) {
        if !self.tasks.is_empty() && self.state.try_borrow().is_ok_and(|state| state.has_something_to_say()) {
            self.tasks.wake();
        }
    }

    fn in_backlog(&self, state: &State<S>, slot: u32) -> Option<ConnectionId> {
        match state.connections.get(slot)?.owner {
            Owner::Listener => Some(state.id(slot)),
            Owner::Flow | Owner::Halves | Owner::Nobody => None,
        }
    }

    /// A segment of a connection.
    pub(super) fn input_connection(
        &self,
        state: &mut State<S>,
        now: Instant,
        slot: u32,
        segment: &Segment<'_>,
    ) -> Next {
        let short = state.is_short_of_memory();
        if short && !segment.payload.is_empty() {
            self.give_up_one(state);
            self.counters.no_memory.count();
        }
        let Some(held) = state.connections.get_mut(slot) else { return Next::Done };
        if !held.lent.is_empty() {
            self.counters.reentered.count();
            if held.lent.contains(Lent::SEND) {
                return Next::Done;
            }
        }
        let without_data;
        let segment = if (short || held.lent.contains(Lent::RECEIVED)) && !segment.payload.is_empty() {
            // What it acknowledges counts all the same.
            let control = segment.control.filter(|control| *control == Control::Rst);
            without_data = Segment { payload: &[], control, ..*segment };
            &without_data
        } else {
            segment
        };
        let outcome = held.machine.handle_any(now, segment);
        let woken = held.wake_for(outcome.events);
        let confirm = held.is_to_confirm(now, outcome.events);
        let tuple = held.tuple;
        self.count_outcome(&outcome, held.machine.failure());
        held.account(&mut state.bytes);
        if outcome.reset_owed {
            self.owe_reset(state, &tuple, segment);
        }
        state.mark(slot);
        Next::Wake { woken, confirm }
    }

    #[inline]
    pub(super) fn count_outcome(&self, outcome: &Outcome, failure: Option<Failure>) {
        if outcome.dropped.is_some() || outcome.events.contains(Events::FAILED) {
            self.count_trouble(outcome, failure);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_trouble(&self, outcome: &Outcome, failure: Option<Failure>) {
        let counters = &self.counters;
        if outcome.events.contains(Events::FAILED) {
            self.count_failure(failure);
        }
        match outcome.dropped {
            None => {}
            Some(Dropped::Closed) => counters.closed.count(),
            Some(Dropped::Sequence) => counters.sequence.count(),
            Some(Dropped::Paws) => counters.paws.count(),
            Some(Dropped::ResetInexact) => counters.reset_inexact.count(),
            Some(Dropped::ResetIgnored) => counters.reset_ignored.count(),
            Some(Dropped::Syn) => counters.syn_in_connection.count(),
            Some(Dropped::NoAck) => counters.no_ack.count(),
            Some(Dropped::AckUnacceptable) => counters.ack_unacceptable.count(),
            Some(Dropped::Duplicate) => counters.duplicate.count(),
            Some(Dropped::NoRoom) => counters.beyond_window.count(),
            Some(Dropped::Unwanted) => counters.unwanted.count(),
        }
    }

    pub(super) fn count_failure(&self, failure: Option<Failure>) {
        let counters = &self.counters;
        match failure {
            None => {}
            Some(Failure::Refused) => counters.connect_refused.count(),
            Some(Failure::Reset) => counters.reset_by_peer.count(),
            Some(Failure::TimedOut) => counters.timed_out.count(),
            Some(Failure::Unreachable) => counters.unreachable.count(),
            Some(Failure::Aborted) => counters.aborted.count(),
        }
    }

    /// A segment of a handshake that this side has answered.
    fn input_half_open(&self, state: &mut State<S>, now: Instant, slot: u32, segment: &Segment<'_>) -> Next {
        let Some(half_open) = state.half_open.get_mut(slot) else { return Next::Done };
        let tuple = half_open.tuple;
        match half_open.handle(now, segment) {
            half_open::Verdict::Establish => return Next::Establish(slot),
            half_open::Verdict::Repeat => state.queue_half_open(slot, true),
            half_open::Verdict::Acknowledge => {
                let ts_value = self.ts_value(&tuple, now);
                let transmit = half_open.acknowledgement(ts_value);
                self.counters.bad_handshake.count();
                self.owe(state, &tuple, &transmit);
            }
            half_open::Verdict::Throttled => self.counters.handshake_throttled.count(),
            half_open::Verdict::Reset(_) => {
                self.counters.bad_handshake.count();
                self.owe_reset(state, &tuple, segment);
            }
            half_open::Verdict::Remove => {
                self.counters.half_open_reset.count();
                state.release_half_open(slot, true);
            }
            half_open::Verdict::Ignore => self.counters.bad_handshake.count(),
        }
        Next::Done
    }

    /// A segment of a connection that is over.
    fn input_time_wait(&self, state: &mut State<S>, now: Instant, slot: u32, segment: &Segment<'_>) -> Next {
        let Some(time_wait) = state.time_wait.get_mut(slot) else { return Next::Done };
        let renew = match time_wait.handle(now, segment) {
            time_wait::Verdict::Acknowledge { renew } => {
                let tuple = time_wait.tuple;
                let transmit = time_wait.acknowledgement(self.ts_value(&tuple, now));
                self.counters.time_wait_acknowledged.count();
                self.owe(state, &tuple, &transmit);
                renew
            }
            time_wait::Verdict::Renew => true,
            time_wait::Verdict::Reuse { iss } => return Next::Syn(Some(iss)),
            time_wait::Verdict::Ignore => {
                self.counters.stray.count();
                false
            }
        };
        if renew && let Some(time_wait) = state.time_wait.get_mut(slot) {
            time_wait.deadline = now + time_wait::DURATION;
            state.time_wait.unlink(&mut state.time_wait_list, slot);
            state.time_wait.push_back(&mut state.time_wait_list, slot);
        }
        Next::Done
    }

    /// A segment that belongs to nothing (RFC 9293 §3.10.7.1), unless it
    /// brings a cookie back.
    fn input_closed<'l>(
        &self,
        now: Instant,
        hash: u32,
        tuple: &Tuple,
        segment: &Segment<'_>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        if segment.control == Some(Control::Rst) {
            return self.counters.stray.count();
        }
        // RFC 9293 §3.10.7.2, fourth: a listener drops what is no handshake.
        if segment.ack.is_none() && listeners(tuple.local_port).is_some() {
            return self.counters.stray.count();
        }
        let looked_for = self.state.borrow().cookies_until.is_some_and(|until| now < until);
        if looked_for && segment.control.is_none() && segment.ack.is_some() {
            match cookie::verify(&self.secret, tuple, segment, now) {
                Some(mss) => return self.establish_cookie(now, hash, tuple, segment, mss, listeners),
                None => self.counters.cookies_refused.count(),
            }
        }
        self.refuse(tuple, segment);
    }

    /// No connection and no listener: a reset is owed.
    pub(super) fn refuse(&self, tuple: &Tuple, segment: &Segment<'_>) {
        self.counters.refused.count();
        self.owe_reset(&mut self.state.borrow_mut(), tuple, segment);
    }

    /// Owes the reset that answers `segment`.
    ///
    /// There is no quota, as in Linux: whoever used up what others share could
    /// count what they got, and so learn which connections there are (as with
    /// challenges in CVE-2016-5696). A reset is no larger than what it answers.
    pub(super) fn owe_reset(&self, state: &mut State<S>, tuple: &Tuple, segment: &Segment<'_>) {
        if let Some(transmit) = segment.reset() {
            self.owe(state, tuple, &transmit);
        }
    }

    /// Owes a reply, if there is room.
    pub(super) fn owe(&self, state: &mut State<S>, tuple: &Tuple, transmit: &Transmit) {
        if !state.replies.push(Reply::new(*tuple, transmit)) {
            self.counters.replies_lost.count();
        }
    }

    /// The timestamp clock towards a peer: milliseconds, from a start of its
    /// own.
    pub(super) fn ts_value(&self, tuple: &Tuple, now: Instant) -> u32 {
        (now.as_millis() as u32).wrapping_add(self.secret.timestamp_offset(tuple))
    }
}
