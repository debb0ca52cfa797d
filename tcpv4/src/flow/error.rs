//! The errors of the `embedded_io_async` and `embedded_nal_async` traits.

use core::fmt;

use embedded_io_async::{Error, ErrorKind};
use traits::{ConnectError, FlowError};

/// What ended an operation of a flow, for the traits of other crates, which
/// know of kinds of errors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IoError {
    /// No connection came about.
    Connect(ConnectError),
    /// The connection ended.
    Flow(FlowError),
    /// An IPv6 address was given.
    Ipv6,
}

impl From<FlowError> for IoError {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}

impl From<ConnectError> for IoError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Flow(error) => error.fmt(f),
            Self::Ipv6 => f.write_str("IPv6 is not supported"),
        }
    }
}

impl core::error::Error for IoError {}

impl Error for IoError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect(error) => match error {
                ConnectError::Refused => ErrorKind::ConnectionRefused,
                ConnectError::Timeout => ErrorKind::TimedOut,
                ConnectError::PortsExhausted => ErrorKind::AddrInUse,
                ConnectError::NoRoom => ErrorKind::OutOfMemory,
                ConnectError::NoAddress => ErrorKind::AddrNotAvailable,
                ConnectError::InvalidAddress => ErrorKind::InvalidInput,
                _ => ErrorKind::Other,
            },
            Self::Flow(error) => match error {
                FlowError::Reset => ErrorKind::ConnectionReset,
                FlowError::Timeout => ErrorKind::TimedOut,
                FlowError::Closed => ErrorKind::NotConnected,
                _ => ErrorKind::Other,
            },
            Self::Ipv6 => ErrorKind::Unsupported,
        }
    }
}
