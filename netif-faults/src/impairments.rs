//! What goes wrong, how often, and how often it did.

use core::time::Duration;

/// How likely something is, for each frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Probability(u64);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1 << 32);

    /// In so many of a hundred cases; more than 100 counts as 100.
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent.saturating_mul(10_000))
    }

    /// In so many of a million cases; more than a million counts as a million.
    pub const fn per_million(parts: u32) -> Self {
        let parts = if parts > 1_000_000 { 1_000_000 } else { parts };
        Self(((parts as u64) << 32) / 1_000_000)
    }

    /// Whether a number drawn evenly from all of `u32` is a hit.
    pub(crate) const fn hit(self, drawn: u32) -> bool {
        (drawn as u64) < self.0
    }
}

/// What happens to the frames of one direction.
///
/// A frame meets the faults in this order: loss, truncation, the mark of
/// congestion, bit errors, duplication, delay. Each frame draws the same number
/// of random numbers whatever is set, so that setting one of those faults leaves
/// the others where they were. That does not hold of setting the first one:
/// where nothing but [`full`](Self::full) can happen, frames draw for that alone. Nor of
/// `full`, which draws for each attempt to write, before the frame does; nor
/// where the device below has no room itself, since a frame that it refuses
/// draws anew when it comes again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Impairments {
    /// The frame vanishes.
    pub loss: Probability,
    /// The frame comes twice.
    pub duplication: Probability,
    /// The frame is held for a random time up to `reordering_hold`, and those
    /// behind it overtake.
    pub reordering: Probability,
    /// The longest such time.
    pub reordering_hold: Duration,
    /// One bit is flipped. The device below never hides it: a checksum left
    /// to it is completed before.
    pub bit_error: Probability,
    /// The frame's end is cut off, at a random place; a byte at least is left.
    pub truncation: Probability,
    /// The IPv4 packet is marked as a congested router does it (RFC 3168 §5), if it
    /// is ECN-capable, the frame is not [cut short](Self::truncation), and nobody
    /// has marked it before. The header's checksum is brought up to date (RFC 1624).
    pub marking: Probability,
    /// Every frame takes so much longer.
    pub delay: Duration,
    /// Every frame takes longer by a random time up to this, order kept.
    pub jitter: Duration,
    /// `write` says [`Full`](traits::SendError::Full), though the device is
    /// not. Of transmission only.
    pub full: Probability,
    /// How long the device then stays full; zero: for that one write.
    pub full_for: Duration,
}

impl Default for Impairments {
    fn default() -> Self {
        Self::NONE
    }
}

impl Impairments {
    /// All goes well.
    pub const NONE: Self = Self {
        loss: Probability::NEVER,
        duplication: Probability::NEVER,
        reordering: Probability::NEVER,
        reordering_hold: Duration::ZERO,
        bit_error: Probability::NEVER,
        truncation: Probability::NEVER,
        marking: Probability::NEVER,
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        full: Probability::NEVER,
        full_for: Duration::ZERO,
    };

    /// With loss.
    #[must_use]
    pub const fn with_loss(mut self, loss: Probability) -> Self {
        self.loss = loss;
        self
    }

    /// With duplication.
    #[must_use]
    pub const fn with_duplication(mut self, duplication: Probability) -> Self {
        self.duplication = duplication;
        self
    }

    /// With reordering, by holding a frame for up to `hold`.
    #[must_use]
    pub const fn with_reordering(mut self, reordering: Probability, hold: Duration) -> Self {
        self.reordering = reordering;
        self.reordering_hold = hold;
        self
    }

    /// With a flipped bit.
    #[must_use]
    pub const fn with_bit_error(mut self, bit_error: Probability) -> Self {
        self.bit_error = bit_error;
        self
    }

    /// With truncation.
    #[must_use]
    pub const fn with_truncation(mut self, truncation: Probability) -> Self {
        self.truncation = truncation;
        self
    }

    /// With marks of congestion on ECN-capable packets.
    #[must_use]
    pub const fn with_marking(mut self, marking: Probability) -> Self {
        self.marking = marking;
        self
    }

    /// With a delay, and a random time up to `jitter` more.
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration, jitter: Duration) -> Self {
        self.delay = delay;
        self.jitter = jitter;
        self
    }

    /// With a device that is full at random, for so long each time.
    #[must_use]
    pub const fn with_full(mut self, full: Probability, full_for: Duration) -> Self {
        self.full = full;
        self.full_for = full_for;
        self
    }

    /// Whether frames pass unharmed.
    pub(crate) fn is_none(&self) -> bool {
        Self { full: Probability::NEVER, full_for: Duration::ZERO, ..*self } == Self::NONE
    }
}

/// What happened to the frames of one direction. Counters wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Frames that came, the pieces of cut ones each.
    pub frames: u64,
    /// Frames lost.
    pub lost: u64,
    /// Frames sent twice.
    pub duplicated: u64,
    /// Frames held so that others overtake them.
    pub reordered: u64,
    /// Frames with a bit flipped.
    pub bit_errors: u64,
    /// Frames cut short.
    pub truncated: u64,
    /// Frames marked; not those that could not be, or were already.
    pub marked: u64,
    /// Writes refused though the device had room.
    pub full: u64,
    /// Frames dropped because too much was held already, or because the
    /// device refused them for good when their time came.
    pub overflow: u64,
}

/// What happened both ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct FaultStatistics {
    /// On the way out.
    pub transmit: Counts,
    /// On the way in.
    pub receive: Counts,
}
