//! What flows ask of the layer.

use core::cell::RefMut;
use core::future::{Future, poll_fn};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::task::{Context, Poll, Waker, ready};

use traits::{ConnectError, FlowError, Ip};

use super::Handle;
use crate::buffer::{Backing, Ring};
use crate::connection::{self, Failure, Info, SendLoan, Settings};
use crate::layer::{ConnectionId, Held, Lent, Owner, State, Tcp, Want};
use crate::storage::Storage;

/// What a connection may write at once while memory is short.
const SHORT_WRITE: usize = 4096;

impl<I: Ip, S: Storage> Handle<'_, I, S> {
    // Not an `async fn`, as neither is what calls it: a state machine around
    // another one is asked for its state at each poll.
    pub(super) fn read(&self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, FlowError>> {
        poll_fn(move |context| self.tcp.poll_read(self.id, buffer, context))
    }

    pub(super) async fn read_with<R>(
        &self,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Result<Option<R>, FlowError> {
        if !poll_fn(|context| self.tcp.poll_readable(self.id, context)).await? {
            return Ok(None);
        }
        let mut loan = Loan { tcp: self.tcp, id: self.id, ring: Ring::default(), used: 0 };
        loan.swap();
        let (bytes, _) = loan.ring.slices(0, loan.ring.len());
        let (used, result) = take(bytes);
        loan.used = used.min(bytes.len());
        Ok(Some(result))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> impl Future<Output = Result<usize, FlowError>> {
        poll_fn(move |context| self.tcp.poll_write(self.id, bytes, context))
    }

    pub(super) async fn write_with<R>(
        &self,
        fill: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Result<R, FlowError> {
        let (ring, free) = poll_fn(|context| self.tcp.poll_send_loan(self.id, context)).await?;
        let mut lending = Lending { tcp: self.tcp, id: self.id, ring, filled: 0 };
        let bytes = lending.ring.piece_mut(free);
        let room = bytes.len();
        let (filled, result) = fill(bytes);
        lending.filled = filled.min(room);
        Ok(result)
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> impl Future<Output = Result<(), FlowError>> {
        let mut rest = bytes;
        poll_fn(move |context| self.poll_write_all(&mut rest, context))
    }

    /// Queues all of `rest`, which is left without what was queued.
    #[inline]
    pub(super) fn poll_write_all(
        &self,
        rest: &mut &[u8],
        context: &Context<'_>,
    ) -> Poll<Result<(), FlowError>> {
        while !rest.is_empty() {
            let used = ready!(self.tcp.poll_write(self.id, rest, context))?;
            *rest = rest.get(used..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }

    pub(super) async fn flush(&self) -> Result<(), FlowError> {
        poll_fn(|context| self.tcp.poll_flushed(self.id, Want::FLUSH, context)).await
    }

    pub(super) async fn close(&self) -> Result<(), FlowError> {
        self.tcp.close(self.id);
        poll_fn(|context| self.tcp.poll_flushed(self.id, Want::CLOSE, context)).await
    }
}

/// What was received, while its reader looks at it: outside of the state, so
/// that the reader may call back into the layer. Comes back when dropped.
struct Loan<'t, I: Ip, S: Storage> {
    tcp: &'t Tcp<I, S>,
    id: ConnectionId,
    ring: Ring<<S::Backing as Backing>::Bytes>,
    /// Bytes read of it.
    used: usize,
}

impl<I: Ip, S: Storage> Loan<'_, I, S> {
    fn swap(&mut self) {
        if let Some(held) = self.tcp.state.borrow_mut().get_mut(self.id) {
            held.machine.swap_received(&mut self.ring);
            held.lent.toggle(Lent::RECEIVED);
        }
    }
}

impl<I: Ip, S: Storage> Drop for Loan<'_, I, S> {
    fn drop(&mut self) {
        self.swap();
        let now = self.tcp.ip.now();
        let mut state = self.tcp.state.borrow_mut();
        let Some(held) = state.get_mut(self.id) else { return };
        // Aborted meanwhile: then all of it goes.
        let used = if held.machine.failure().is_some() { usize::MAX } else { self.used };
        held.machine.consume(now, used);
        self.tcp.was_read(state, self.id);
    }
}

/// The send buffer, while its writer fills it: outside of the state, so that
/// the writer may call back into the layer. Goes back when dropped; of a
/// writer that panicked nothing is sent.
struct Lending<'t, I: Ip, S: Storage> {
    tcp: &'t Tcp<I, S>,
    id: ConnectionId,
    ring: Ring<<S::Backing as Backing>::Bytes>,
    /// Bytes written to it.
    filled: usize,
}

impl<I: Ip, S: Storage> Drop for Lending<'_, I, S> {
    fn drop(&mut self) {
        let ring = core::mem::take(&mut self.ring);
        let mut state = self.tcp.state.borrow_mut();
        let Some(held) = state.get_mut(self.id) else { return };
        held.lent.remove(Lent::SEND);
        held.machine.give_send_back(ring, self.filled);
        self.tcp.changed(state, self.id);
    }
}

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
    fn error(&self) -> Option<FlowError> {
        self.machine.failure().map(Failure::flow_error)
    }

    /// How much may be written at once when so many bytes of the layer's
    /// memory are free, and what a writer waits for: no more than half of what
    /// is left; and when that is little, a little at a time, each when the one
    /// before was acknowledged.
    fn share(&self, free: usize) -> (usize, Want) {
        match free / 2 {
            share @ SHORT_WRITE.. => (share, Want::WRITE),
            _ if self.machine.is_flushed() => (SHORT_WRITE, Want::FLUSH),
            _ => (0, Want::FLUSH),
        }
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

/// Whether the user would have to wait.
impl<I: Ip, S: Storage> Handle<'_, I, S> {
    /// Whether a read would end at once with bytes, or at the end of the
    /// stream.
    pub(super) fn read_ready(&self) -> Result<bool, FlowError> {
        let state = self.tcp.state.borrow();
        let held = state.get(self.id).ok_or(FlowError::Closed)?;
        if held.machine.readable() > 0 {
            return Ok(true);
        }
        held.end_of_stream().map_or(Ok(false), |end| end.map(|()| true))
    }

    /// Whether a write would end at once with bytes taken.
    pub(super) fn write_ready(&self) -> Result<bool, FlowError> {
        let state = self.tcp.state.borrow();
        let free = state.limits.bytes.saturating_sub(state.bytes);
        let held = state.get(self.id).ok_or(FlowError::Closed)?;
        if let Some(error) = held.error() {
            return Err(error);
        }
        held.machine.check_writing().map_err(Failure::flow_error)?;
        Ok(held.machine.writable() > 0 && held.share(free).0 > 0)
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

    fn poll_read(
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
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        let count = held.machine.read(now, buffer);
        if count > 0 {
            self.was_read(state, id);
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
    fn poll_readable(&self, id: ConnectionId, context: &Context<'_>) -> Poll<Result<bool, FlowError>> {
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

    /// The reader has made room: the task has to know only if the peer is to
    /// be told, or the connection is over with that.
    pub(super) fn was_read(&self, mut state: RefMut<'_, State<S>>, id: ConnectionId) {
        let state_ref = &mut *state;
        let Some(held) = state_ref.connections.get_if(id.slot, id.generation) else { return };
        held.account(&mut state_ref.bytes);
        if held.machine.is_ack_due() || (held.indexed && held.machine.time_wait().is_some()) {
            self.changed(state, id);
        }
    }

    fn poll_write(
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

    fn poll_send_loan(
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
        let free = state.limits.bytes.saturating_sub(state.bytes);
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        if let Some(error) = held.error() {
            return Poll::Ready(Err(error));
        }
        let (most, want) = held.share(free);
        match attempt(held, most) {
            Err(failure) => return Poll::Ready(Err(failure.flow_error())),
            Ok(Some(done)) => {
                self.changed(state, id);
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

    fn poll_flushed(&self, id: ConnectionId, want: Want, context: &Context<'_>) -> Poll<Result<(), FlowError>> {
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

    fn close(&self, id: ConnectionId) {
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
