//! What becomes of one frame.

use core::time::Duration;

use netif_memory::segment::complete_checksum;
use rand_core::Rng;
use traits::{ChecksumVerdict, PartialChecksum, RxMeta, TxMeta};

use crate::mark::mark;
use crate::{Counts, Impairments};

/// What becomes of one frame, drawn before its length is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) lost: bool,
    pub(crate) duplicated: bool,
    pub(crate) reordered: bool,
    truncated: Option<u32>,
    /// Whether the frame is marked, if it can be.
    marked: bool,
    flipped: Option<u32>,
    /// How long the frame is held, and whether others may overtake it.
    pub(crate) hold: Duration,
}

impl Fate {
    /// Draws nine numbers, whatever is set.
    pub(crate) fn draw(random: &mut impl Rng, set: &Impairments) -> Self {
        let mut draw = || random.next_u32();
        let lost = set.loss.hit(draw());
        let (cut, place) = (set.truncation.hit(draw()), draw());
        let truncated = cut.then_some(place);
        // What is cut is not marked: one number does for both.
        let marked = !cut && !lost && set.marking.hit(place);
        let (flip, place) = (set.bit_error.hit(draw()), draw());
        let flipped = flip.then_some(place);
        let duplicated = set.duplication.hit(draw());
        let (reordered, held) = (set.reordering.hit(draw()), draw());
        let jitter = portion(set.jitter, draw());
        let extra = if reordered { portion(set.reordering_hold, held) } else { Duration::ZERO };
        let hold = set.delay.saturating_add(jitter).saturating_add(extra);
        Self { lost, duplicated, reordered, truncated, marked, flipped, hold }
    }

    /// Whether the bytes may change.
    pub(crate) const fn alters(&self) -> bool {
        self.spoils() || self.marked
    }

    /// Whether the bytes are damaged.
    pub(crate) const fn spoils(&self) -> bool {
        self.truncated.is_some() || self.flipped.is_some()
    }

    /// Spoils the bytes as decided, and returns how many are left.
    pub(crate) fn spoil(&self, frame: &mut [u8]) -> usize {
        let mut len = frame.len();
        if let Some(place) = self.truncated
            && len > 1
        {
            len = 1 + below(place, len - 1);
        }
        if let Some(place) = self.flipped {
            let bit = below(place, len * 8);
            if let Some(byte) = frame.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        len
    }

    /// Marks the frame, if that is its fate and it can be; whether it did.
    pub(crate) fn mark(&self, frame: &mut [u8]) -> bool {
        self.marked && mark(frame)
    }

    pub(crate) fn count(&self, counts: &mut Counts) {
        let add = |counter: &mut u64, happened: bool| *counter = counter.wrapping_add(happened.into());
        add(&mut counts.frames, true);
        add(&mut counts.lost, self.lost);
        // What is lost meets nothing else.
        add(&mut counts.duplicated, self.duplicated && !self.lost);
        add(&mut counts.reordered, self.reordered && !self.lost);
        add(&mut counts.truncated, self.truncated.is_some() && !self.lost);
        add(&mut counts.bit_errors, self.flipped.is_some() && !self.lost);
    }
}

/// A place below `bound`, from a number drawn evenly from all of `u32`.
fn below(drawn: u32, bound: usize) -> usize {
    ((u64::from(drawn) * bound as u64) >> 32) as usize
}

/// A time from zero to `longest`, from a number drawn.
fn portion(longest: Duration, drawn: u32) -> Duration {
    let nanos = (longest.as_nanos() * u128::from(drawn)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Does the device's work on a frame that is sent before it is spoilt: after
/// that, a checksum completed by the device would hide the damage.
pub(crate) fn harden_tx(meta: TxMeta, frame: &mut [u8]) -> TxMeta {
    complete(meta.checksum(), frame);
    TxMeta::NONE.with_more(meta.more())
}

/// Takes the device's word off a frame received before it is spoilt.
pub(crate) fn harden_rx(meta: RxMeta, frame: &mut [u8]) -> RxMeta {
    match meta.checksum {
        ChecksumVerdict::Blank(request) => complete(Some(request), frame),
        ChecksumVerdict::Verified | ChecksumVerdict::Unchecked => {}
    }
    meta.with_checksum(ChecksumVerdict::Unchecked)
}

fn complete(request: Option<PartialChecksum>, frame: &mut [u8]) {
    if let Some(request) = request {
        // One that does not fit the frame is the device's to refuse, and the
        // frame is about to be spoilt anyhow.
        let _ = complete_checksum(frame, request);
    }
}
