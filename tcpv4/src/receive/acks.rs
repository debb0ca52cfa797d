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
    /// Data in a full segment of the peer's, as far as is known.
    pub(crate) peer_segment: u16,
}

/// Data in the peer's last segment, if that was smaller than a full one and may
/// have been one all the same; 0 else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LastSmaller(u16);

/// The size of a segment that came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    /// Bytes of data; of those that a large frame carries, of one.
    pub(crate) data: u16,
    /// Bytes that SACK blocks took from it.
    pub(crate) blocks: u16,
    /// Its sender had no more at the time (PSH or FIN).
    pub(crate) is_last: bool,
}

/// The size that any host takes (RFC 9293 §3.7.1): smaller segments are seldom
/// full ones.
const DEFAULT_SIZE: u16 = 536;
/// Those of paths with the least MTU that is met with. Where their sender has
/// more to send, they are full ones.
const LEAST_SIZE: u16 = 88;

impl AckPolicy {
    pub(crate) const fn new() -> Self {
        Self { due: Urgency::None, quick: QUICK, peer_segment: DEFAULT_SIZE }
    }

    /// Data came in order: `unacknowledged` bytes since the last
    /// acknowledgement, by segments of `size`.
    ///
    /// At once for every second full segment (RFC 9293 §3.8.6.3), and while
    /// quick ones are left.
    #[inline]
    pub(crate) fn data(&mut self, size: Size, last: &mut LastSmaller, unacknowledged: u32) {
        if size.data >= self.peer_segment {
            (self.peer_segment, last.0) = (size.data, 0);
        } else {
            self.smaller(size, last);
        }
        let urgency = if self.quick > 0 || unacknowledged >= 2 * u32::from(self.peer_segment) {
            Urgency::Now
        } else {
            Urgency::Delayed
        };
        self.due = self.due.max(urgency);
    }

    /// A segment came that is smaller than a full one, as far as is known. When
    /// two in a row that may be full ones have the same size, those are: the
    /// path has become narrower (as Linux estimates it).
    fn smaller(&mut self, size: Size, last: &mut LastSmaller) {
        let full = size.data.saturating_add(size.blocks);
        let may_be_full = full >= if size.is_last { DEFAULT_SIZE } else { LEAST_SIZE };
        if may_be_full && full == last.0 {
            self.peer_segment = full;
        }
        last.0 = if may_be_full { full } else { 0 };
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
