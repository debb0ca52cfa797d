//! When to acknowledge.

use core::num::NonZeroU16;
use core::time::Duration;

/// The longest that an acknowledgement waits (as Linux; RFC 9293 §3.8.6.3
/// allows 500 ms).
pub(crate) const MAX_DELAY: Duration = Duration::from_millis(40);

/// Acknowledgements sent at once when a connection begins: the peer is in slow
/// start, which every delay stretches.
const QUICK: u8 = 16;

/// The same, when the peer is told of congestion, as Linux has it.
const QUICK_CONGESTED: u8 = 2;

/// How soon an acknowledgement is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Urgency {
    /// None is.
    #[default]
    None,
    /// By the timer, or with the next segment.
    Delayed,
    /// The same, and a segment was there that is smaller than a full one: its
    /// sender may wait for the acknowledgement (Nagle's algorithm). So when all
    /// is read, it is due, unless the reader is about to answer.
    Small,
    /// The same with two of those: no dialogue.
    SmallTwice,
    /// Now.
    Now,
}

impl Urgency {
    /// By the timer.
    #[inline]
    pub(crate) const fn is_delayed(self) -> bool {
        match self {
            Self::Delayed | Self::Small | Self::SmallTwice => true,
            Self::None | Self::Now => false,
        }
    }
}

/// In place of a number of quick acknowledgements: none, since data goes both
/// ways by turns, where waiting saves a segment.
const DIALOGUE: u8 = u8::MAX;

/// What decides when to acknowledge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AckPolicy {
    pub(crate) due: Urgency,
    /// Quick acknowledgements left, or [`DIALOGUE`].
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

impl Size {
    /// That of a segment of `payload`, or of those that it carries of
    /// `segment_size` each; no SACK blocks beside.
    #[inline]
    pub(crate) fn of(payload: &[u8], segment_size: Option<NonZeroU16>, is_last: bool) -> Self {
        let len = payload.len().min(usize::from(u16::MAX)) as u16;
        let data = segment_size.map_or(len, |size| len.min(size.get()));
        Self { data, blocks: 0, is_last }
    }
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
        if self.due == Urgency::Now {
            return;
        }
        let is_full = size.data.saturating_add(size.blocks) >= self.peer_segment;
        let is_quick = self.quick > 0 && self.quick != DIALOGUE;
        let urgency = if is_quick || unacknowledged >= 2 * u32::from(self.peer_segment) {
            Urgency::Now
        } else if is_full {
            Urgency::Delayed
        } else {
            match self.due {
                Urgency::None | Urgency::Delayed => Urgency::Small,
                Urgency::Small | Urgency::SmallTwice | Urgency::Now => Urgency::SmallTwice,
            }
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

    /// A reader took data; `drained` if all, of which `unacknowledged` bytes are
    /// not acknowledged (as Linux: `tcp_cleanup_rbuf`).
    pub(crate) fn read(&mut self, drained: bool, unacknowledged: u32) {
        let is_due = match self.due {
            Urgency::None | Urgency::Now => return,
            Urgency::Delayed => false,
            Urgency::Small => drained && self.quick != DIALOGUE,
            Urgency::SmallTwice => drained,
        };
        if is_due || unacknowledged > u32::from(self.peer_segment) {
            self.due = Urgency::Now;
        }
    }

    /// Whether no quick acknowledgements are left, outside of a dialogue.
    #[inline]
    pub(crate) const fn is_used_up(&self) -> bool {
        self.quick == 0
    }

    /// Quick acknowledgements from now on: the peer begins anew, or lacks some.
    pub(crate) fn restart(&mut self) {
        self.quick = QUICK;
    }

    /// The peer was told of congestion: it may have little under way, for which
    /// every delay counts.
    pub(crate) fn congested(&mut self) {
        self.quick = if self.quick == DIALOGUE { QUICK_CONGESTED } else { self.quick.max(QUICK_CONGESTED) };
    }

    /// The time of an acknowledgement came before an answer with data did: it is
    /// no dialogue.
    pub(crate) fn missed(&mut self) {
        if self.quick == DIALOGUE {
            self.quick = 0;
        }
        self.due = Urgency::Now;
    }

    /// An acknowledgement was sent; `is_answer` if data went with it, within
    /// [`MAX_DELAY`] of data that came: the sign of a dialogue, whether that was
    /// acknowledged before or not (as Linux: `tcp_event_data_sent`).
    #[inline]
    pub(crate) fn sent(&mut self, is_answer: bool) {
        if is_answer {
            self.quick = DIALOGUE;
        } else if self.due != Urgency::None && self.quick != DIALOGUE {
            self.quick = self.quick.saturating_sub(1);
        }
        self.due = Urgency::None;
    }
}
