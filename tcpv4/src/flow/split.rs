//! One flow, two tasks.

use core::fmt;
use core::future::Future;

use traits::{FlowError, Ip};

use super::{Flow, Handle};
use crate::connection::Info;
use crate::storage::Storage;

/// The half of a flow that reads.
pub struct ReadHalf<'t, I: Ip, S: Storage> {
    pub(super) handle: Handle<'t, I, S>,
}

/// The half of a flow that writes.
///
/// Dropping it does not close the stream: [`close`](Self::close) does.
pub struct WriteHalf<'t, I: Ip, S: Storage> {
    pub(super) flow: Flow<'t, I, S>,
}

impl<I: Ip, S: Storage> fmt::Debug for ReadHalf<'_, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadHalf")
    }
}

impl<I: Ip, S: Storage> fmt::Debug for WriteHalf<'_, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteHalf")
    }
}

pub(super) fn split<'t, I: Ip, S: Storage>(flow: Flow<'t, I, S>) -> (ReadHalf<'t, I, S>, WriteHalf<'t, I, S>) {
    let Handle { tcp, id } = &flow.handle;
    let (tcp, id) = (*tcp, *id);
    tcp.share(id);
    (ReadHalf { handle: Handle { tcp, id } }, WriteHalf { flow })
}

impl<'t, I: Ip, S: Storage> ReadHalf<'t, I, S> {
    /// Reads as [`Flow::read`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FlowError> {
        self.handle.read(buffer).await
    }

    /// Reads as [`Flow::read_with`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn read_with<R>(
        &mut self,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Result<Option<R>, FlowError> {
        self.handle.read_with(take).await
    }

    /// The whole flow again, or both halves when they are not of one flow.
    ///
    /// # Errors
    ///
    /// The halves as they were.
    pub fn reunite(self, other: WriteHalf<'t, I, S>) -> Result<Flow<'t, I, S>, (Self, WriteHalf<'t, I, S>)> {
        let same =
            self.handle.id == other.flow.handle.id && core::ptr::eq(self.handle.tcp, other.flow.handle.tcp);
        // What is left of this half is dropped: one handle is left.
        if same { Ok(other.flow) } else { Err((self, other)) }
    }
}

impl<I: Ip, S: Storage> WriteHalf<'_, I, S> {
    /// Writes as [`Flow::write`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, FlowError> {
        self.flow.write(bytes).await
    }

    /// Writes as [`Flow::write_with`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_with<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, FlowError> {
        self.flow.write_with(fill).await
    }

    /// Writes as [`Flow::write_static`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_static(&mut self, bytes: &'static [u8]) -> Result<(), FlowError> {
        self.flow.write_static(bytes).await
    }

    /// Writes as [`Flow::write_all`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), FlowError> {
        self.flow.write_all(bytes).await
    }

    /// Writes as [`Flow::write_nodelay`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_nodelay(&mut self, bytes: &[u8]) -> Result<(), FlowError> {
        self.flow.write_nodelay(bytes).await
    }

    /// Waits as [`Flow::flush`].
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn flush(&mut self) -> Result<(), FlowError> {
        self.flow.flush().await
    }

    /// Closes as [`Flow::close`]; the other half reads on.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub fn close(&mut self) -> impl Future<Output = Result<(), FlowError>> {
        self.flow.close()
    }

    /// The connection at a glance, as [`Flow::info`].
    pub fn info(&self) -> Option<Info> {
        self.flow.info()
    }

    /// Ends both directions at once with a reset.
    pub fn abort(&mut self) {
        self.flow.abort();
    }
}
