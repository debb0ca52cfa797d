//! Flows behind the traits of `embedded_io_async` and `embedded_nal_async`.

use core::net::SocketAddr;

use embedded_io_async::{ErrorType, Read, ReadReady, Write, WriteReady};
use traits::Ip;

use super::{Flow, IoError, ReadHalf, WriteHalf};
use crate::layer::Tcp;
use crate::storage::Storage;

impl<I: Ip, S: Storage> ErrorType for Flow<'_, I, S> {
    type Error = IoError;
}

impl<I: Ip, S: Storage> ErrorType for ReadHalf<'_, I, S> {
    type Error = IoError;
}

impl<I: Ip, S: Storage> ErrorType for WriteHalf<'_, I, S> {
    type Error = IoError;
}

impl<I: Ip, S: Storage> Read for Flow<'_, I, S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        Ok(Flow::read(self, buffer).await?)
    }
}

impl<I: Ip, S: Storage> Read for ReadHalf<'_, I, S> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, IoError> {
        Ok(ReadHalf::read(self, buffer).await?)
    }
}

impl<I: Ip, S: Storage> Write for Flow<'_, I, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, IoError> {
        Ok(Flow::write(self, bytes).await?)
    }

    /// Returns at once: what is queued is on its way. [`Flow::flush`] waits
    /// until it has arrived.
    async fn flush(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

impl<I: Ip, S: Storage> Write for WriteHalf<'_, I, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, IoError> {
        Ok(WriteHalf::write(self, bytes).await?)
    }

    /// Returns at once, as for a [`Flow`].
    async fn flush(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}

/// Ready at the end of the stream, too; a connection that is lost is ready
/// with its error.
impl<I: Ip, S: Storage> ReadReady for Flow<'_, I, S> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        Ok(self.handle.read_ready()?)
    }
}

/// As for a [`Flow`].
impl<I: Ip, S: Storage> ReadReady for ReadHalf<'_, I, S> {
    fn read_ready(&mut self) -> Result<bool, IoError> {
        Ok(self.handle.read_ready()?)
    }
}

/// Ready for one byte at least; after a close, and when the connection is
/// lost, ready with the error that a write would have.
impl<I: Ip, S: Storage> WriteReady for Flow<'_, I, S> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        Ok(self.handle.write_ready()?)
    }
}

/// As for a [`Flow`].
impl<I: Ip, S: Storage> WriteReady for WriteHalf<'_, I, S> {
    fn write_ready(&mut self) -> Result<bool, IoError> {
        WriteReady::write_ready(&mut self.flow)
    }
}

impl<I: Ip, S: Storage> embedded_nal_async::TcpConnect for Tcp<I, S> {
    type Error = IoError;
    type Connection<'a>
        = Flow<'a, I, S>
    where
        Self: 'a;

    async fn connect(&self, remote: SocketAddr) -> Result<Flow<'_, I, S>, IoError> {
        match remote {
            SocketAddr::V4(remote) => Ok(self.create_connection(remote).await?),
            SocketAddr::V6(_) => Err(IoError::Ipv6),
        }
    }
}
