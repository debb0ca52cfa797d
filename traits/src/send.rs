//! The one error of sending.

use core::fmt;

/// Why a `write` sent nothing. The same flat type through all layers; the
/// filler was not called.
///
/// A device's own error ends [`Network::listen`](crate::Network::listen).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SendError {
    /// A queue or buffer is in use or full. Try again after
    /// [`Layer::poll_room`](crate::Layer::poll_room).
    Full,
    /// No route leads to the destination.
    NoRoute,
    /// The layer has no address to send from yet, or not the one asked for.
    NoAddress,
    /// The next hop does not answer ARP, or is being asked and the packet is
    /// too large to keep meanwhile.
    Unresolved,
    /// Longer than the path takes, and may not be cut.
    TooLong,
    /// The device is disconnected or gone.
    Down,
    /// The request names something that the device does not offer, or an
    /// address that cannot be sent to.
    Unsupported,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no room at the moment",
            Self::NoRoute => "no route to the destination",
            Self::NoAddress => "no such source address",
            Self::Unresolved => "the next hop does not answer",
            Self::TooLong => "too long for the path",
            Self::Down => "the device is down",
            Self::Unsupported => "not supported by the device or the address",
        })
    }
}

impl core::error::Error for SendError {}
