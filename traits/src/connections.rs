//! TCPV4 and FLOW.

use core::fmt;
use core::future::Future;
use core::net::SocketAddrV4;

/// Connections, as TCP makes them.
///
/// Incoming ones come through the layer's own `input` and listeners.
pub trait Connections {
    /// A connection, from the application's side.
    type Flow<'a>: Flow
    where
        Self: 'a;

    /// Connects to `dst` from a port of the layer's choice; completes when
    /// the handshake has. Dropping the future aborts the attempt.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    fn create_connection(
        &self,
        dst: SocketAddrV4,
    ) -> impl Future<Output = Result<Self::Flow<'_>, ConnectError>>;
}

/// A stream of bytes each way.
///
/// Dropping a flow that is not closed aborts it; dropping one that is closed
/// lets the close run its course.
pub trait Flow {
    /// The other side.
    fn dest(&self) -> SocketAddrV4;

    /// Reads what has arrived, up to `buffer.len()` bytes; waits for at least
    /// one. `Ok(0)`: the peer has closed and all is read, or `buffer` is
    /// empty. Dropping the future loses no data.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, FlowError>>;

    /// Queues bytes to be sent and returns how many, at least one; waits for
    /// room. `Ok(0)` only for an empty `bytes`. When the future is dropped
    /// before it completes, nothing was queued.
    fn write(&mut self, bytes: &[u8]) -> impl Future<Output = Result<usize, FlowError>>;

    /// Queues all of `bytes`. When the future is dropped before it completes,
    /// some part may have been queued.
    fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), FlowError>> {
        async move {
            let mut rest = bytes;
            while !rest.is_empty() {
                let used = self.write(rest).await?;
                rest = rest.get(used..).unwrap_or_default();
            }
            Ok(())
        }
    }

    /// Queues all of `bytes`, which stay where they are: a stack that can sends them
    /// from there, others copy them as [`write_all`](Self::write_all) does.
    fn write_static(&mut self, bytes: &'static [u8]) -> impl Future<Output = Result<(), FlowError>> {
        self.write_all(bytes)
    }

    /// Waits until all that was written has been acknowledged.
    fn flush(&mut self) -> impl Future<Output = Result<(), FlowError>>;

    /// Sends what is queued, then tells the peer that no more comes; reading
    /// goes on. Completes when the peer has acknowledged it all. Dropped
    /// early, the close goes on by itself.
    fn close(&mut self) -> impl Future<Output = Result<(), FlowError>>;

    /// Ends both directions at once with a reset.
    fn abort(&mut self);
}

/// Why no connection came about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The peer refused.
    Refused,
    /// Nobody answered in time.
    Timeout,
    /// No way leads there.
    Unreachable,
    /// All local ports towards that peer are in use.
    PortsExhausted,
    /// The layer's bound of connections is reached.
    NoRoom,
    /// The layer has no address yet.
    NoAddress,
    /// An address that can't be connected to: a broadcast, a group, port 0.
    InvalidAddress,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::Timeout => "connection timed out",
            Self::Unreachable => "destination unreachable",
            Self::PortsExhausted => "no free local port towards the peer",
            Self::NoRoom => "no room for another connection",
            Self::NoAddress => "no local address yet",
            Self::InvalidAddress => "not an address to connect to",
        })
    }
}

impl core::error::Error for ConnectError {}

/// Why a connection ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FlowError {
    /// The peer reset it.
    Reset,
    /// The peer stopped answering.
    Timeout,
    /// The path to the peer is gone, or the own address is.
    Unreachable,
    /// This side has closed or aborted it.
    Closed,
}

impl fmt::Display for FlowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "connection reset by the peer",
            Self::Timeout => "connection timed out",
            Self::Unreachable => "destination unreachable",
            Self::Closed => "connection closed on this side",
        })
    }
}

impl core::error::Error for FlowError {}
