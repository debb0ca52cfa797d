//! What flows and their halves do alike, and what is on loan meanwhile.

use core::future::{Future, poll_fn};
use core::task::{Context, Poll, ready};

use traits::{FlowError, Ip};

use super::Handle;
use crate::buffer::{Backing, Ring};
use crate::connection::Failure;
use crate::layer::{ConnectionId, Lent, Tcp, Want};
use crate::storage::Storage;

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

    pub(super) fn write_static(&self, bytes: &'static [u8]) -> impl Future<Output = Result<(), FlowError>> {
        let mut rest = bytes;
        poll_fn(move |context| {
            while !rest.is_empty() {
                let used = ready!(self.tcp.poll_write_static(self.id, rest, context))?;
                rest = rest.get(used..).unwrap_or_default();
            }
            Poll::Ready(Ok(()))
        })
    }

    pub(super) async fn flush(&self) -> Result<(), FlowError> {
        poll_fn(|context| self.tcp.poll_flushed(self.id, Want::FLUSH, context)).await
    }

    pub(super) fn close(&self) -> impl Future<Output = Result<(), FlowError>> {
        let mut is_closed = false;
        poll_fn(move |context| {
            if !core::mem::replace(&mut is_closed, true) {
                self.tcp.close(self.id);
            }
            self.tcp.poll_flushed(self.id, Want::CLOSE, context)
        })
    }

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
