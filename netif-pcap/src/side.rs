//! Who of those in a recording is played.

use wire::MacAddr;

use crate::{Direction, Recorded};

/// Which host of a recording the stack plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The machine that captured: it gets what is marked inbound and is
    /// expected to send what is marked outbound.
    Inbound,
    /// The other end, the other way round.
    Outbound,
    /// The host with this address: it gets all that others sent to it or to a
    /// group, and is expected to send what it sent.
    Host(MacAddr),
}

impl Side {
    /// Whether the host got this frame.
    pub fn receives(self, frame: &Recorded) -> bool {
        match self {
            Self::Inbound => frame.direction == Some(Direction::Inbound),
            Self::Outbound => frame.direction == Some(Direction::Outbound),
            Self::Host(mac) => {
                frame.src() != Some(mac) && frame.dst().is_some_and(|dst| dst == mac || dst.is_multicast())
            }
        }
    }

    /// Whether the host sent this frame.
    pub fn sends(self, frame: &Recorded) -> bool {
        match self {
            Self::Inbound => frame.direction == Some(Direction::Outbound),
            Self::Outbound => frame.direction == Some(Direction::Inbound),
            Self::Host(mac) => frame.src() == Some(mac),
        }
    }
}
