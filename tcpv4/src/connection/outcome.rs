//! What a connection tells of what happened to it.

use bitflags::bitflags;
use traits::FlowError;

bitflags! {
    /// What happened to a connection, for those who wait.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Events: u16 {
        /// The handshake has completed.
        const ESTABLISHED = 1 << 0;
        /// There is more to read.
        const READABLE = 1 << 1;
        /// There is room to write: a third of the limit, or all.
        const WRITABLE = 1 << 2;
        /// All that was written is acknowledged, the FIN too if there was one.
        const FLUSHED = 1 << 3;
        /// The peer has ended its stream; what it sent before can be read.
        const PEER_CLOSED = 1 << 4;
        /// The connection failed; see [`Connection::failure`](super::Connection::failure).
        const FAILED = 1 << 5;
        /// TIME-WAIT was entered; see [`Connection::time_wait`](super::Connection::time_wait).
        const TIME_WAIT = 1 << 6;
        /// CLOSED was entered: nothing more is received. What is left to read
        /// can be read, and a reset may still be due.
        const CLOSED = 1 << 7;
        /// The path works both ways: the peer acknowledged something new.
        const CONFIRMED = 1 << 8;
        /// Retransmissions go unanswered: the path may have changed
        /// (RFC 1122 §3.3.1.4).
        const DOUBTFUL = 1 << 9;
    }
}

/// Why a connection ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The peer refused to connect.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The peer did not answer in time.
    TimedOut,
    /// ICMP says that no way leads to the peer.
    Unreachable,
    /// This side aborted.
    Aborted,
}

impl Failure {
    /// The same as a user of a flow is told.
    pub const fn flow_error(self) -> FlowError {
        match self {
            Self::Refused | Self::Reset => FlowError::Reset,
            Self::TimedOut => FlowError::Timeout,
            Self::Unreachable => FlowError::Unreachable,
            Self::Aborted => FlowError::Closed,
        }
    }
}

/// Why a segment was not taken, wholly or in part; for statistics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// The connection is closed.
    Closed,
    /// No acceptable sequence number (RFC 9293 §3.10.7.4, first).
    Sequence,
    /// The timestamp is older than one seen (RFC 7323 §5).
    Paws,
    /// RST in the window that is not exact (RFC 5961 §3).
    ResetInexact,
    /// RST outside of the window, or in TIME-WAIT (RFC 1337).
    ResetIgnored,
    /// SYN on a synchronized connection (RFC 5961 §4).
    Syn,
    /// No ACK where one has to be.
    NoAck,
    /// An ACK of data never sent, or too old (RFC 5961 §5).
    AckUnacceptable,
    /// Data that was received before.
    Duplicate,
    /// Data beyond the window, or with no place left for one more hole.
    NoRoom,
    /// Data after the stream was closed or the flow is gone, or behind the
    /// peer's FIN.
    Unwanted,
}

/// What came of a segment.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// For those who wait.
    pub events: Events,
    /// Why the segment, or some of it, was not taken.
    pub dropped: Option<Dropped>,
    /// The segment belongs to no connection, or to none any more: send
    /// [`Segment::reset`](crate::segment::Segment::reset) for it.
    pub reset_owed: bool,
}

impl Outcome {
    pub(super) const fn events(events: Events) -> Self {
        Self { events, dropped: None, reset_owed: false }
    }

    pub(super) const fn dropped(why: Dropped) -> Self {
        Self { events: Events::empty(), dropped: Some(why), reset_owed: false }
    }
}
