//! What flows ask of the layer.

use core::future::poll_fn;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::task::{Context, Poll, Waker};

use traits::{ConnectError, FlowError, Ip};

use super::Handle;
use crate::connection::{Failure, Settings, State};
use crate::layer::{ConnectionId, Held, Owner, Tcp, Want};
use crate::storage::Storage;

/// What a connection may write at once while memory is short.
const SHORT_WRITE: usize = 4096;

impl<I: Ip, S: Storage> Handle<'_, I, S> {
    pub(super) async fn read(&self, buffer: &mut [u8]) -> Result<usize, FlowError> {
        poll_fn(|context| self.tcp.poll_read(self.id, buffer, context)).await
    }

    pub(super) async fn write(&self, bytes: &[u8]) -> Result<usize, FlowError> {
        poll_fn(|context| self.tcp.poll_write(self.id, bytes, context)).await
    }

    pub(super) async fn write_all(&self, bytes: &[u8]) -> Result<(), FlowError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = self.write(rest).await?;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) async fn flush(&self) -> Result<(), FlowError> {
        poll_fn(|context| self.tcp.poll_flushed(self.id, Want::FLUSH, context)).await
    }

    pub(super) async fn close(&self) -> Result<(), FlowError> {
        self.tcp.close(self.id);
        poll_fn(|context| self.tcp.poll_flushed(self.id, Want::CLOSE, context)).await
    }
}

/// Keeps `waker` in `place`; what it displaces is to be dropped after the
/// borrow.
fn register(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(kept) if kept.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}

impl<S: Storage> Held<S> {
    /// Why it ended before its time, if it did.
    fn error(&self) -> Option<FlowError> {
        self.fate.or_else(|| self.machine.failure().map(Failure::flow_error))
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Both ends of a connection: local and remote.
    pub(super) fn ends(&self, id: ConnectionId) -> (SocketAddrV4, SocketAddrV4) {
        const NOWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let state = self.state.borrow();
        state.get(id).map_or((NOWHERE, NOWHERE), |held| (held.tuple.local(), held.tuple.remote()))
    }

    /// One more handle.
    pub(super) fn share(&self, id: ConnectionId) {
        if let Some(held) = self.state.borrow_mut().get_mut(id) {
            held.owner = match held.owner {
                Owner::Flow(handles) => Owner::Flow(handles.saturating_add(1)),
                owner @ (Owner::Listener(_) | Owner::Nobody) => owner,
            };
        }
    }

    pub(super) fn poll_connected(
        &self,
        id: ConnectionId,
        context: &Context<'_>,
    ) -> Poll<Result<(), ConnectError>> {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(ConnectError::Unreachable)) };
        if held.fate.is_some() {
            return Poll::Ready(Err(ConnectError::Unreachable));
        }
        if let Some(failure) = held.machine.failure() {
            return Poll::Ready(Err(match failure {
                Failure::Refused | Failure::Reset | Failure::Aborted => ConnectError::Refused,
                Failure::TimedOut => ConnectError::Timeout,
                Failure::Unreachable => ConnectError::Unreachable,
            }));
        }
        match held.machine.state() {
            State::SynSent | State::SynReceived => {}
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => return Poll::Ready(Ok(())),
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
            self.changed(state, id);
            return Poll::Ready(Ok(count));
        }
        if let Some(error) = held.error() {
            return Poll::Ready(Err(error));
        }
        if held.machine.is_read_closed() {
            return Poll::Ready(Ok(0));
        }
        let displaced = register(&mut held.reader, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    fn poll_write(
        &self,
        id: ConnectionId,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Poll<Result<usize, FlowError>> {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let short = state.is_short_of_memory();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        if let Some(error) = held.error() {
            return Poll::Ready(Err(error));
        }
        // While memory is short, a little at a time, each when the one before
        // was acknowledged.
        let (bytes_now, want) = match short {
            false => (bytes, Want::WRITE),
            true if held.machine.is_flushed() => (bytes.get(..SHORT_WRITE).unwrap_or(bytes), Want::FLUSH),
            true => (&bytes[..0], Want::FLUSH),
        };
        match held.machine.write(now, bytes_now) {
            Err(failure) => return Poll::Ready(Err(failure.flow_error())),
            Ok(count) if count > 0 || bytes.is_empty() => {
                self.changed(state, id);
                return Poll::Ready(Ok(count));
            }
            Ok(_) => {}
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
        let woken = held.wake_for(crate::connection::Events::FAILED);
        self.changed(state, id);
        woken.wake();
    }

    pub(super) fn configure(&self, id: ConnectionId, settings: &Settings) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        held.machine.configure(now, settings);
        self.changed(state, id);
    }
}
