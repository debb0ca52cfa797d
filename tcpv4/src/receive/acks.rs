//! When to acknowledge.

use core::time::Duration;

/// The longest that an acknowledgement waits (as Linux; RFC 9293 §3.8.6.3
/// allows 500 ms).
pub(crate) const MAX_DELAY: Duration = Duration::from_millis(40);

/// Acknowledgements sent at once when a connection begins: the peer is in slow
/// start, which every delay stretches.
const QUICK: u8 = 16;

/// How soon an acknowledgement is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Urgency {
    /// None is.
    #[default]
    None,
    /// By the timer, or with the next segment.
    Delayed,
    /// Now.
    Now,
}

/// What decides when to acknowledge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AckPolicy {
    pub(crate) due: Urgency,
    /// Quick acknowledgements left.
    quick: u8,
    /// The largest segment that the peer has sent: a full one, as far as is
    /// known.
    pub(crate) peer_segment: u16,
}

impl AckPolicy {
    pub(crate) const fn new() -> Self {
        Self { due: Urgency::None, quick: QUICK, peer_segment: 536 }
    }

    /// Data came in order: `unacknowledged` bytes since the last
    /// acknowledgement, by segments of up to `segment` bytes.
    ///
    /// At once for every second full segment (RFC 9293 §3.8.6.3), and while
    /// quick ones are left.
    #[inline]
    pub(crate) fn data(&mut self, segment: usize, unacknowledged: u32) {
        self.peer_segment = self.peer_segment.max(segment.min(usize::from(u16::MAX)) as u16);
        let urgency = if self.quick > 0 || unacknowledged >= 2 * u32::from(self.peer_segment) {
            Urgency::Now
        } else {
            Urgency::Delayed
        };
        self.due = self.due.max(urgency);
    }

    #[inline]
    pub(crate) fn now(&mut self) {
        self.due = Urgency::Now;
    }

    /// An acknowledgement was sent; `with_data` if data went with it, which is
    /// the sign of a dialogue, where waiting saves a segment.
    #[inline]
    pub(crate) fn sent(&mut self, with_data: bool) {
        if self.due != Urgency::None {
            self.quick = if with_data { 0 } else { self.quick.saturating_sub(1) };
        }
        self.due = Urgency::None;
    }
}
