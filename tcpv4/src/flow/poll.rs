//! What flows ask of the layer.

use core::cell::RefMut;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::task::{Context, Poll, Waker};

use traits::{ConnectError, FlowError, Ip};

use crate::connection::{self, Failure, Info, SendLoan, Settings};
use crate::layer::{ConnectionId, Held, Lent, Owner, State, Tcp, Want};
use crate::storage::Storage;

/// What a connection may write at once while memory is short.
const SHORT_WRITE: usize = 4096;

/// Keeps `waker` in `place`; what it displaces is to be dropped after the
/// borrow.
pub(super) fn register(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(kept) if kept.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}

impl<S: Storage> Held<S> {
    /// Why it ended before its time, if it did.
    pub(super) fn error(&self) -> Option<FlowError> {
        self.machine.failure().map(Failure::flow_error)
    }

    /// How much may be written at once when so many bytes of the layer's
    /// memory are free, and what a writer waits for: no more than half of what
    /// is left; and when that is little, a little at a time, each when the one
    /// before was acknowledged.
    pub(super) fn share(&self, free: usize) -> (usize, Want) {
        match free / 2 {
            share @ SHORT_WRITE.. => (share, Want::WRITE),
            _ if self.machine.is_flushed() => (SHORT_WRITE, Want::FLUSH),
            _ => (0, Want::FLUSH),
        }
    }

    /// Something was read: counts what it holds by now among the `bytes` of all.
    /// Whether the task has to know: only if the peer is to be told, or the
    /// connection is over with that.
    #[inline]
    fn was_read(&mut self, bytes: &mut usize) -> bool {
        self.account(bytes);
        self.machine.is_ack_due() || (self.indexed && self.machine.time_wait().is_some())
    }

    /// Whether nothing more can be read after what has arrived. A stream that
    /// came to its end has come to it, whatever fails later (as in Linux).
    pub(super) fn end_of_stream(&self) -> Option<Result<(), FlowError>> {
        if self.machine.has_peer_ended() {
            return Some(Ok(()));
        }
        match self.error() {
            Some(error) => Some(Err(error)),
            None => self.machine.is_read_closed().then_some(Ok(())),
        }
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Both ends of a connection: local and remote.
    pub(super) fn ends(&self, id: ConnectionId) -> (SocketAddrV4, SocketAddrV4) {
        const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let state = self.state.borrow();
        state.get(id).map_or((NOWHERE, NOWHERE), |held| (held.tuple.local(), held.tuple.remote()))
    }

    /// The flow becomes two halves.
    pub(super) fn share(&self, id: ConnectionId) {
        if let Some(held) = self.state.borrow_mut().get_mut(id)
            && held.owner == Owner::Flow
        {
            held.owner = Owner::Halves;
        }
    }

    pub(super) fn poll_connected(
        &self,
        id: ConnectionId,
        context: &Context<'_>,
    ) -> Poll<Result<(), ConnectError>> {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(ConnectError::Unreachable)) };
        if let Some(failure) = held.machine.failure() {
            return Poll::Ready(Err(match failure {
                Failure::Refused | Failure::Reset | Failure::Aborted => ConnectError::Refused,
                Failure::TimedOut => ConnectError::Timeout,
                Failure::Unreachable => ConnectError::Unreachable,
            }));
        }
        use connection::State::*;
        match held.machine.state() {
            SynSent | SynReceived => {}
            Established | FinWait1 | FinWait2 | CloseWait | Closing | LastAck | TimeWait | Closed => {
                return Poll::Ready(Ok(()));
            }
        }
        held.wants = Want::CONNECT;
        let displaced = register(&mut held.writer, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    pub(super) fn poll_read(
        &self,
        id: ConnectionId,
        buffer: &mut [u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, FlowError>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let state_ref = &mut *state;
        let Some(held) = state_ref.connections.get_if(id.slot, id.generation) else {
            return Poll::Ready(Err(FlowError::Closed));
        };
        let count = held.machine.read(now, buffer);
        if count > 0 {
            if held.was_read(&mut state_ref.bytes) {
                self.accounted(state, id);
            }
            return Poll::Ready(Ok(count));
        }
        if let Some(end) = held.end_of_stream() {
            return Poll::Ready(end.map(|()| 0));
        }
        let displaced = register(&mut held.reader, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    /// Whether there is something to read: `false` at the end of the stream.
    pub(super) fn poll_readable(
        &self,
        id: ConnectionId,
        context: &Context<'_>,
    ) -> Poll<Result<bool, FlowError>> {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        if held.machine.readable() > 0 {
            return Poll::Ready(Ok(true));
        }
        if let Some(end) = held.end_of_stream() {
            return Poll::Ready(end.map(|()| false));
        }
        let displaced = register(&mut held.reader, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    /// The reader has made room.
    pub(super) fn was_read(&self, mut state: RefMut<'_, State<S>>, id: ConnectionId) {
        let state_ref = &mut *state;
        let Some(held) = state_ref.connections.get_if(id.slot, id.generation) else { return };
        if held.was_read(&mut state_ref.bytes) {
            self.accounted(state, id);
        }
    }

    pub(super) fn poll_write(
        &self,
        id: ConnectionId,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, FlowError>> {
        let now = self.ip.now();
        self.poll_writer(id, context, |held, most| {
            let count = held.machine.write(now, bytes.get(..most).unwrap_or(bytes))?;
            Ok((count > 0 || bytes.is_empty()).then_some(count))
        })
    }

    pub(super) fn poll_write_static(
        &self,
        id: ConnectionId,
        bytes: &'static [u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, FlowError>> {
        let now = self.ip.now();
        self.poll_writer(id, context, |held, most| {
            let count = match held.machine.write_static(now, bytes)? {
                0 => held.machine.write(now, bytes.get(..most).unwrap_or(bytes))?,
                count => count,
            };
            Ok((count > 0 || bytes.is_empty()).then_some(count))
        })
    }

    pub(super) fn poll_send_loan(
        &self,
        id: ConnectionId,
        context: &Context<'_>,
    ) -> Poll<Result<SendLoan<S::Backing>, FlowError>> {
        self.poll_writer(id, context, |held, most| {
            let loan = held.machine.lend_send(most)?;
            held.lent.set(Lent::SEND, loan.is_some());
            Ok(loan)
        })
    }

    /// What `attempt` makes of a connection to which so many bytes may be
    /// written; waits while that is nothing.
    #[inline]
    fn poll_writer<R>(
        &self,
        id: ConnectionId,
        context: &Context<'_>,
        attempt: impl FnOnce(&mut Held<S>, usize) -> Result<Option<R>, Failure>,
    ) -> Poll<Result<R, FlowError>> {
        let mut state = self.state.borrow_mut();
        let state_ref = &mut *state;
        let free = state_ref.limits.bytes.saturating_sub(state_ref.bytes);
        let Some(held) = state_ref.connections.get_if(id.slot, id.generation) else {
            return Poll::Ready(Err(FlowError::Closed));
        };
        if let Some(error) = held.error() {
            return Poll::Ready(Err(error));
        }
        let (most, want) = held.share(free);
        match attempt(held, most) {
            Err(failure) => return Poll::Ready(Err(failure.flow_error())),
            Ok(Some(done)) => {
                held.account(&mut state_ref.bytes);
                self.accounted(state, id);
                return Poll::Ready(Ok(done));
            }
            Ok(None) => {}
        }
        held.wants = want;
        let displaced = register(&mut held.writer, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    pub(super) fn poll_flushed(
        &self,
        id: ConnectionId,
        want: Want,
        context: &Context<'_>,
    ) -> Poll<Result<(), FlowError>> {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        if let Some(error) = held.error() {
            return Poll::Ready(Err(error));
        }
        if held.machine.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        held.wants = want;
        let displaced = register(&mut held.writer, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    pub(super) fn close(&self, id: ConnectionId) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        let events = held.machine.close(now);
        let woken = held.wake_for(events);
        self.changed(state, id);
        woken.wake();
    }

    pub(super) fn abort(&self, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        if held.machine.failure().is_none() {
            self.counters.aborted.count();
        }
        held.machine.abort();
        let woken = held.wake_for(connection::Events::FAILED);
        self.changed(state, id);
        woken.wake();
    }

    pub(super) fn info(&self, id: ConnectionId) -> Option<Info> {
        self.state.borrow().get(id).map(|held| held.machine.info())
    }

    pub(super) fn configure(&self, id: ConnectionId, settings: &Settings) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        held.machine.configure(now, settings);
        self.changed(state, id);
    }
}
