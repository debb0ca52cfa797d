//! How connections come into being.

use core::cell::{Cell, RefMut};
use core::net::SocketAddrV4;

use traits::{ConnectError, Instant, Ip, SendError};

use super::held::Woken;
use super::input::Next;
use super::state::{Beginning, initial_window};
use super::{ConnectionId, Owner, State, Tcp};
use crate::connection::{Open, Passive};
use crate::half_open::HalfOpen;
use crate::listener::Accept;
use crate::segment::{Ecn, Marks, Segment};
use crate::storage::Storage;
use crate::table::{Entry, Tuple};
use crate::wire::Options;
use crate::{Mss, SeqNum, WindowScale, cookie};

/// What a path is taken to carry when none is known at the moment.
pub(super) const MTU_UNKNOWN: usize = 1500;

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Ends the handshake of a half-open connection: the listener gets it.
    pub(super) fn establish<'l>(
        &self,
        now: Instant,
        hash: u32,
        slot: u32,
        segment: &Segment<'_>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let Some(half_open) = self.state.borrow().half_open.get(slot).copied() else { return };
        let tuple = half_open.tuple;
        let Some(listener) = listeners(tuple.local_port) else {
            self.state.borrow_mut().release_half_open(slot, true);
            return self.refuse(&tuple, segment);
        };
        if !listener.has_room() {
            // Not answered: the peer takes the SYN-ACK that comes again for a
            // sign that its acknowledgement was lost.
            return self.counters.accept_full.count();
        }
        let from = Some((slot, Entry::HalfOpen(slot)));
        self.accept(now, hash, &half_open, from, segment, listener);
    }

    /// Ends a handshake of which only a cookie is known.
    pub(super) fn establish_cookie<'l>(
        &self,
        now: Instant,
        hash: u32,
        tuple: &Tuple,
        segment: &Segment<'_>,
        mss: Mss,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let Some(ack) = segment.ack else { return };
        let Some(listener) = listeners(tuple.local_port) else {
            return self.refuse(tuple, segment);
        };
        if !listener.has_room() {
            return self.counters.accept_full.count();
        }
        let offset = self.secret.timestamp_offset(tuple);
        let offer = cookie::offer(mss, segment.options.timestamps, offset);
        let settings = self.settings.get();
        let own_scale = WindowScale::for_limit(settings.receive_limit as usize);
        let offers_ecn = cookie::offers_ecn(segment.options.timestamps, offset);
        let marks = if offers_ecn { Marks::ECE | Marks::CWR } else { Marks::empty() };
        let syn = Segment { seq: segment.seq - 1, options: offer, marks, ecn: Ecn::NotCapable, ..*segment };
        let mut half_open = HalfOpen::new(*tuple, ack - 1, (initial_window(&settings), own_scale), &syn, now);
        // The window of the SYN is lost; that of this segment is scaled.
        let bytes = offer.window_scale.unwrap_or_default().bytes(segment.window).min(0xffff);
        half_open.window = crate::Window(bytes as u16);
        // No sample of the round trip can be had.
        half_open.attempts = 2;
        if self.accept(now, hash, &half_open, None, segment, listener) {
            self.counters.cookies_accepted.count();
        }
    }

    fn accept(
        &self,
        now: Instant,
        hash: u32,
        half_open: &HalfOpen,
        from: Option<(u32, Entry)>,
        segment: &Segment<'_>,
        listener: &dyn Accept,
    ) -> bool {
        let tuple = half_open.tuple;
        let mtu = self.ip.route(tuple.remote, Some(tuple.local)).map_or(MTU_UNKNOWN, |path| path.mtu);
        let settings = self.settings.get();
        let passive = passive(half_open, &half_open.offer(), self.secret.timestamp_offset(&tuple), mtu);
        let passive = Beginning::Passive(passive);
        let mut state = self.state.borrow_mut();
        // The listener may have called back.
        let is_as_before = match from {
            Some((slot, _)) => state.half_open.get(slot).is_some_and(|entry| entry.tuple == tuple),
            None => state.find(hash, &tuple).is_none(),
        };
        if !is_as_before {
            self.counters.reentered.count();
            return false;
        }
        let inserted = if state.is_short_of_memory() {
            None
        } else {
            state.insert(now, (tuple, hash), from.map(|(_, entry)| entry), &passive, &settings)
        };
        let Some(id) = inserted else {
            self.counters.no_room.count();
            return false;
        };
        if let Some((half_open, _)) = from {
            state.release_half_open(half_open, false);
        }
        let next = self.input_connection(&mut state, now, id.slot, segment);
        drop(state);
        if let Next::Wake { woken, confirm } = next {
            woken.wake();
            if confirm {
                self.ip.confirm(tuple.remote);
            }
        }
        self.counters.accepted.count();
        match listener.offer(id) {
            Some(place) => self.state.borrow_mut().wait_at(id, place),
            None => self.reject(now, id),
        }
        true
    }

    /// A segment for a connection in a backlog: the listener may be gone.
    pub(super) fn input_backlog<'l>(
        &self,
        now: Instant,
        id: ConnectionId,
        segment: &Segment<'_>,
        listeners: &mut dyn FnMut(u16) -> Option<&'l dyn Accept>,
    ) {
        let Some((port, place)) = self.state.borrow().get(id).map(|held| (held.tuple.local_port, held.place))
        else {
            return;
        };
        if !listeners(port).is_some_and(|listener| listener.holds(id, place)) {
            self.reject(now, id);
        }
        let mut state = self.state.borrow_mut();
        if state.get(id).is_none() {
            return;
        }
        let next = self.input_connection(&mut state, now, id.slot, segment);
        drop(state);
        if let Next::Wake { woken, .. } = next {
            woken.wake();
        }
    }

    /// Resets a connection that no listener takes.
    pub(super) fn reject(&self, now: Instant, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        held.owner = Owner::Nobody;
        held.machine.detach(now);
        self.counters.not_accepted.count();
        state.mark(id.slot);
        drop(state);
        self.wake_task();
    }

    /// Starts an active open for a flow, from `port` or one of the layer's
    /// choice.
    pub(crate) fn open(&self, dst: SocketAddrV4, port: Option<u16>) -> Result<ConnectionId, ConnectError> {
        let remote = *dst.ip();
        if dst.port() == 0
            || port == Some(0)
            || remote.is_unspecified()
            || remote.is_broadcast()
            || remote.is_multicast()
            || self.ip.is_local(remote)
        {
            return Err(ConnectError::InvalidAddress);
        }
        let path = self.ip.route(remote, None).map_err(|error| match error {
            SendError::NoAddress => ConnectError::NoAddress,
            SendError::Unsupported => ConnectError::InvalidAddress,
            _ => ConnectError::Unreachable,
        })?;
        let now = self.ip.now();
        let Ok(mut state) = self.state.try_borrow_mut() else { return Err(ConnectError::NoRoom) };
        if state.connections.len() >= state.connections.limit() || state.is_short_of_memory() {
            self.counters.no_room.count();
            return Err(ConnectError::NoRoom);
        }
        let tuple = Tuple::new(SocketAddrV4::new(path.src, port.unwrap_or(0)), dst);
        let chosen = match port {
            None => self.choose_port(&mut state, now, tuple),
            Some(_) => {
                let hash = self.secret.table(&tuple);
                let is_free = state.find(hash, &tuple).is_none();
                is_free.then(|| (tuple, hash, self.secret.isn(&tuple, now)))
            }
        };
        let (tuple, hash, iss) = chosen.ok_or(ConnectError::PortsExhausted)?;
        let settings = self.settings.get();
        let open = Open { iss, ts_offset: self.secret.timestamp_offset(&tuple), mtu: path.mtu };
        let active = Beginning::Active(open);
        let Some(id) = state.insert(now, (tuple, hash), None, &active, &settings) else {
            self.counters.no_room.count();
            return Err(ConnectError::NoRoom);
        };
        self.counters.opened.count();
        state.mark(id.slot);
        drop(state);
        self.tasks.wake();
        Ok(id)
    }

    /// A free local port with the tuple's hash, and an initial sequence number;
    /// where no port is free, one whose connection has been in TIME-WAIT for a
    /// second or more and used timestamps, by which the peer tells old from new
    /// (RFC 6191).
    fn choose_port(&self, state: &mut State<S>, now: Instant, tuple: Tuple) -> Option<(Tuple, u32, SeqNum)> {
        let hash = Cell::new(0);
        // By the hash alone: a port that is passed over since another tuple has the
        // same hash is no loss, and most of those taken have not been looked at for
        // long, so that memory would be waited for.
        let is_free = |tuple: &Tuple| {
            hash.set(self.secret.table(tuple));
            state.index.find(hash.get(), |_| true).is_none()
        };
        if let Some(tuple) = self.ports.choose(&self.secret, tuple, is_free) {
            return Some((tuple, hash.get(), self.secret.isn(&tuple, now)));
        }
        self.reuse_port(state, now, tuple)
    }

    #[cold]
    fn reuse_port(&self, state: &mut State<S>, now: Instant, tuple: Tuple) -> Option<(Tuple, u32, SeqNum)> {
        let find = |tuple: &Tuple| state.find(self.secret.table(tuple), tuple);
        let over = |tuple: &Tuple| match find(tuple) {
            Some(Entry::TimeWait(slot)) => state.time_wait.get(slot).filter(|old| old.is_reusable(now)),
            Some(Entry::Connection(_) | Entry::HalfOpen(_)) | None => None,
        };
        let tuple = self.ports.choose(&self.secret, tuple, |tuple| over(tuple).is_some())?;
        let iss = over(&tuple)?.next_iss();
        if let Some(Entry::TimeWait(slot)) = find(&tuple) {
            state.release_time_wait(slot);
            self.counters.time_wait_reused.count();
        }
        Some((tuple, self.secret.table(&tuple), iss))
    }

    /// A user of a connection has changed something: the task looks at it.
    pub(crate) fn changed(&self, mut state: RefMut<'_, State<S>>, id: ConnectionId) {
        state.account(id.slot);
        self.accounted(state, id);
    }

    /// The same where it was counted what the connection holds by now.
    #[inline]
    pub(crate) fn accounted(&self, mut state: RefMut<'_, State<S>>, id: ConnectionId) {
        state.mark(id.slot);
        drop(state);
        self.tasks.wake();
    }

    /// Gives a connection that waits in a backlog to a flow.
    pub(crate) fn attach(&self, id: ConnectionId) -> bool {
        let Ok(mut state) = self.state.try_borrow_mut() else { return false };
        match state.get_mut(id) {
            Some(held) if held.owner == Owner::Listener => {
                held.owner = Owner::Flow;
                true
            }
            _ => false,
        }
    }

    /// Takes back what a flow, or half of one, had.
    pub(crate) fn detach(&self, id: ConnectionId) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        let (mut woken, mut gone) = (Woken::default(), None);
        if held.owner == Owner::Halves {
            held.owner = Owner::Flow;
        } else {
            held.owner = Owner::Nobody;
            let before = held.machine.failure();
            held.machine.detach(now);
            if before.is_none() {
                self.count_failure(held.machine.failure());
            }
            woken = Woken { reader: held.reader.take(), writer: held.writer.take() };
            if held.indexed {
                state.mark(id.slot);
            } else {
                // Nothing is left to be said.
                gone = self.retire(&mut state, now, id.slot);
            }
        }
        drop(state);
        // Their tasks wait no more: the wakers are only dropped.
        drop((woken, gone));
        self.wake_task();
    }
}

/// What the handshake agreed on.
fn passive(half_open: &HalfOpen, offer: &Options, ts_offset: u32, mtu: usize) -> Passive {
    Passive {
        iss: half_open.iss,
        irs: half_open.irs,
        mss: offer.mss.unwrap_or(Mss::DEFAULT),
        window: half_open.window,
        window_scale: offer.window_scale.map(|theirs| (half_open.own_scale, theirs)),
        advertised: half_open.advertised,
        sack_permitted: offer.sack_permitted,
        timestamps: offer.timestamps.map(|t| (ts_offset, t.value)),
        ecn: half_open.ecn,
        // The answer went out, once, a patience before it is due again.
        sent_at: half_open.sent_at(),
        mtu,
    }
}
