//! Reading where the data lies.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use embedded_io_async::{BufRead, ErrorType, Read, ReadReady, Write, WriteReady};
use traits::{FlowError, Ip};

use super::poll::register;
use super::{Flow, IoError};
use crate::buffer::{Backing, Ring};
use crate::layer::{ConnectionId, Tcp};
use crate::storage::{Fixed, Storage};

type Bytes<S> = <<S as Storage>::Backing as Backing>::Bytes;

/// A flow that is read in place: it has a spare buffer, which it swaps with
/// the one that the connection receives into, so that nothing is copied.
///
/// What it shows and was not [consumed](BufRead::consume) counts in the window
/// that the peer is told. Where something is missing at the moment, what came
/// before that is copied instead.
///
/// Dropping it is dropping the flow: with data not consumed, the connection is
/// reset.
pub struct Buffered<'t, I: Ip, S: Storage> {
    flow: Flow<'t, I, S>,
    ring: Ring<Bytes<S>>,
}

impl<I: Ip, S: Storage> fmt::Debug for Buffered<'_, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffered({:?})", self.flow)
    }
}

#[cfg(feature = "alloc")]
impl<'t, I: Ip> Flow<'t, I, crate::Heap> {
    /// The flow, to be read in place. The second buffer grows as the first.
    pub fn buffered(self) -> Buffered<'t, I, crate::Heap> {
        Buffered { flow: self, ring: Ring::default() }
    }
}

impl<'t, 'm, I: Ip, const SLOTS: usize, const LIST: usize, const REPLIES: usize>
    Flow<'t, I, Fixed<'m, SLOTS, LIST, REPLIES>>
{
    /// The flow, to be read in place, with `spare` as the second buffer. One
    /// that is smaller than the connection's own, the receiving share of a slot
    /// of [`Memory`](crate::Memory), is copied into instead.
    ///
    /// # Errors
    ///
    /// The flow, where `spare` is empty.
    pub fn buffered_in(
        self,
        spare: &'m mut [u8],
    ) -> Result<Buffered<'t, I, Fixed<'m, SLOTS, LIST, REPLIES>>, Self> {
        if spare.is_empty() {
            return Err(self);
        }
        Ok(Buffered { flow: self, ring: Ring::new(spare) })
    }
}

impl<'t, I: Ip, S: Storage> Buffered<'t, I, S> {
    /// The flow, to write to it. What is read from it directly comes after
    /// what is shown here.
    pub fn get_mut(&mut self) -> &mut Flow<'t, I, S> {
        &mut self.flow
    }

    /// The flow again, and the buffer. What was shown and not consumed is
    /// lost.
    pub fn into_inner(mut self) -> (Flow<'t, I, S>, Bytes<S>) {
        let rest = self.ring.len();
        self.consume_bytes(rest);
        let (bytes, _, _) = self.ring.replace(Default::default());
        (self.flow, bytes)
    }

    /// Waits for data and shows what is in one piece; empty when the peer has
    /// closed and all is read. Dropping the future loses no data.
    ///
    /// # Errors
    ///
    /// See [`FlowError`]; only after all that has arrived is read.
    pub async fn fill(&mut self) -> Result<&[u8], FlowError> {
        if self.ring.is_empty() {
            let Self { flow, ring } = self;
            poll_fn(|context| flow.handle.tcp.poll_take(flow.handle.id, ring, context)).await?;
        }
        Ok(self.ring.slices(0, self.ring.len()).0)
    }

    fn consume_bytes(&mut self, count: usize) {
        let count = count.min(self.ring.len());
        self.ring.advance(count);
        if count > 0 {
            self.flow.handle.tcp.consume_taken(self.flow.handle.id, count);
        }
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    fn poll_take(
        &self,
        id: ConnectionId,
        ring: &mut Ring<Bytes<S>>,
        context: &Context<'_>,
    ) -> Poll<Result<(), FlowError>> {
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return Poll::Ready(Err(FlowError::Closed)) };
        if held.machine.readable() > 0 {
            held.machine.take_received(ring);
            state.account(id.slot);
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = held.end_of_stream() {
            return Poll::Ready(end);
        }
        let displaced = register(&mut held.reader, context.waker());
        drop(state);
        drop(displaced);
        Poll::Pending
    }

    fn consume_taken(&self, id: ConnectionId, count: usize) {
        let now = self.ip.now();
        let mut state = self.state.borrow_mut();
        let Some(held) = state.get_mut(id) else { return };
        held.machine.consume_taken(now, count);
        self.was_read(state, id);
    }
}

impl<I: Ip, S: Storage> ErrorType for Buffered<'_, I, S> {
    type Error = IoError;
}

impl<I: Ip, S: Storage> BufRead for Buffered<'_, I, S> {
    async fn fill_buf(&mut self) -> Result<&[u8], IoError> {
        Ok(self.fill().await?)
    }

    fn consume(&mut self, count: usize) {
        self.consume_bytes(count);
    }
}

impl<I: Ip, S: Storage> Read for Buffered<'_, I, S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let shown = self.fill().await?;
        let count = shown.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), shown.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume_bytes(count);
        Ok(count)
    }
}

impl<I: Ip, S: Storage> Write for Buffered<'_, I, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, IoError> {
        Write::write(&mut self.flow, bytes).await
    }

    /// Returns at once, as for a [`Flow`].
    async fn flush(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// As for a [`Flow`]; ready too while something is shown.
impl<I: Ip, S: Storage> ReadReady for Buffered<'_, I, S> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        if self.ring.is_empty() { self.flow.read_ready() } else { Ok(true) }
    }
}

/// As for a [`Flow`].
impl<I: Ip, S: Storage> WriteReady for Buffered<'_, I, S> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        self.flow.write_ready()
    }
}
