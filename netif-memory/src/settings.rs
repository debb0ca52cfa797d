//! What a port and the line to it are like.

use core::num::NonZeroU64;
use core::time::Duration;

use traits::{Capabilities, Instant};

/// A port, and the line that leads to it.
///
/// Rate, delay, queue and capacity concern frames *towards* the port: a link
/// with different settings at its two ends is an asymmetric one. The way from
/// a port to the switch costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Bits per second, of the frames as they are written (no preamble, frame
    /// check sequence or gap); `None`: they take no time.
    pub rate: Option<NonZeroU64>,
    /// From a frame's last bit leaving to its last bit arriving.
    pub delay: Duration,
    /// Frames that may wait for the line, the one being sent included. With
    /// no rate nothing ever waits.
    pub queue: usize,
    /// What happens to a frame beyond `queue` or `capacity`.
    pub when_full: WhenFull,
    /// Frames held in all: waiting, in flight, and arrived but not yet
    /// handed up. [`Fixed`](crate::Fixed) storage may hold fewer.
    pub capacity: usize,
    /// The largest Ethernet payload that the port sends, in bytes.
    pub mtu: usize,
    /// What the port offers the layers above.
    pub capabilities: Capabilities,
}

/// What happens to a frame for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// It is dropped and counted ([`Switch::dropped`](crate::Switch::dropped)),
    /// as a router does.
    Drop,
    /// The sender's `write` says [`Full`](traits::SendError::Full), as a
    /// device does whose ring is full. One full port holds all senders up,
    /// since whom a frame is for is not known before it is filled.
    Refuse,
}

/// Which ports get a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forwarding {
    /// All but the sender's.
    Flood,
    /// The one whose address is the destination; all but the sender's for
    /// groups and for destinations that no port has.
    ByAddress,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// No rate limit, no delay, a queue of 256 frames, refusing when full,
    /// 4096 frames in all, an MTU of 1500 bytes, no offloads.
    pub const fn new() -> Self {
        Self {
            rate: None,
            delay: Duration::ZERO,
            queue: 256,
            when_full: WhenFull::Refuse,
            capacity: 4096,
            mtu: 1500,
            capabilities: Capabilities::NONE,
        }
    }

    /// With a rate in bits per second; 0 means without limit.
    #[must_use]
    pub const fn with_rate(mut self, bits_per_second: u64) -> Self {
        self.rate = NonZeroU64::new(bits_per_second);
        self
    }

    /// With a propagation delay.
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// With a queue of so many frames; 0 counts as 1, the one being sent.
    #[must_use]
    pub const fn with_queue(mut self, frames: usize, when_full: WhenFull) -> Self {
        self.queue = frames;
        self.when_full = when_full;
        self
    }

    /// With so many frames held in all; 0 counts as 1.
    #[must_use]
    pub const fn with_capacity(mut self, frames: usize) -> Self {
        self.capacity = frames;
        self
    }

    /// With an MTU in bytes.
    #[must_use]
    pub const fn with_mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// With offloads.
    #[must_use]
    pub const fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// When a frame of `len` bytes has left a line that is free at `start`.
    pub(crate) fn departure(&self, start: Instant, len: usize) -> Instant {
        let Some(rate) = self.rate else {
            return start;
        };
        // Rounded up, so that a line never carries more than its rate.
        let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.get()));
        start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
