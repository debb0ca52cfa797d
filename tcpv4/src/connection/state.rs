//! The states.

use super::Connection;
use crate::buffer::Backing;

/// The state of a connection (RFC 9293 §3.3.2).
///
/// ```text
///                active open                       (passive open: the layer's
///                    │ snd SYN                      half-open entry, on its ACK)
///                    ▼                                        │
///    rcv SYN    ┌─────────┐                                   │
///   ┌───────────│SYN-SENT │                                   │
///   │ snd       └────┬────┘                                   │
///   │ SYN,ACK        │ rcv SYN,ACK                            │
///   ▼                │ snd ACK                                ▼
/// ┌──────────┐       │              ┌───────────┐  rcv ACK of SYN
/// │SYN-RECVD │───────┼─────────────▶│ESTABLISHED│◀──────────────
/// └────┬─────┘       └─────────────▶└─────┬─────┘
///      │ close                   close    │   rcv FIN
///      │ snd FIN                 snd FIN  │   snd ACK
///      │               ┌─────────────────┴┬────────────────┐
///      ▼               ▼                                   ▼
///   ┌─────────────────────┐   rcv FIN     ┌─────────┐  ┌──────────┐
///   │     FIN-WAIT-1      │──────────────▶│ CLOSING │  │CLOSE-WAIT│
///   └──────────┬──────────┘   snd ACK     └────┬────┘  └────┬─────┘
///              │ rcv ACK of FIN                │ rcv        │ close
///              ▼                               │ ACK        │ snd FIN
///   ┌─────────────────────┐                    │ of FIN     ▼
///   │     FIN-WAIT-2      │                    │       ┌──────────┐
///   └──────────┬──────────┘                    │       │ LAST-ACK │
///              │ rcv FIN                       ▼       └────┬─────┘
///              │ snd ACK               ┌───────────┐        │ rcv ACK
///              └──────────────────────▶│ TIME-WAIT │        │ of FIN
///                                      └─────┬─────┘        ▼
///                                            │ 2 MSL   ┌────────┐
///                                            └────────▶│ CLOSED │
///                                                      └────────┘
/// ```
///
/// A reset, an abort or a timer that gives up leads from any of them to
/// CLOSED. LISTEN is the listener's, not a connection's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Over, or never begun.
    Closed,
    /// SYN sent, waiting for the peer's.
    SynSent,
    /// SYN received and sent, waiting for the acknowledgement of it.
    SynReceived,
    /// Open.
    Established,
    /// Closed here, not yet acknowledged.
    FinWait1,
    /// Closed here and acknowledged; the peer still sends.
    FinWait2,
    /// Closed by the peer; this side still sends.
    CloseWait,
    /// Closed by both at the same time; the own FIN is not acknowledged yet.
    Closing,
    /// Closed by the peer, then here; the own FIN is not acknowledged yet.
    LastAck,
    /// Closed; waits until no segment of it can be under way.
    TimeWait,
}

impl State {
    /// Whether both sides know each other's sequence numbers.
    pub const fn is_synchronized(self) -> bool {
        match self {
            Self::Closed | Self::SynSent | Self::SynReceived => false,
            Self::Established
            | Self::FinWait1
            | Self::FinWait2
            | Self::CloseWait
            | Self::Closing
            | Self::LastAck
            | Self::TimeWait => true,
        }
    }

    /// Whether the peer may still send data.
    pub const fn can_receive(self) -> bool {
        match self {
            Self::SynReceived | Self::Established | Self::FinWait1 | Self::FinWait2 => true,
            Self::Closed | Self::SynSent | Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait => {
                false
            }
        }
    }

    /// Whether this side may still write data.
    pub const fn can_write(self) -> bool {
        match self {
            Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait => true,
            Self::Closed | Self::FinWait1 | Self::FinWait2 | Self::Closing | Self::LastAck | Self::TimeWait => {
                false
            }
        }
    }

    /// Whether data or a FIN may be under way from this side.
    pub(crate) const fn can_send(self) -> bool {
        match self {
            Self::Established | Self::CloseWait | Self::FinWait1 | Self::Closing | Self::LastAck => true,
            Self::Closed | Self::SynSent | Self::SynReceived | Self::FinWait2 | Self::TimeWait => false,
        }
    }
}

impl<B: Backing> Connection<B> {
    /// The one place that assigns the state.
    pub(super) fn enter(&mut self, state: State) {
        self.state = state;
    }
}
