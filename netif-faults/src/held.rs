//! Frames held back.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use traits::Instant;

/// A frame held back until its time.
#[derive(Debug)]
pub(crate) struct Held<M> {
    pub(crate) due: Instant,
    pub(crate) meta: M,
    pub(crate) bytes: Vec<u8>,
}

/// Frames held back in one direction, by time and then by age.
#[derive(Debug)]
pub(crate) struct HeldQueue<M> {
    frames: VecDeque<Held<M>>,
    bytes: usize,
    max_frames: usize,
    max_bytes: usize,
    /// The latest time of a frame whose order is kept.
    last_in_order: Instant,
}

impl<M> HeldQueue<M> {
    pub(crate) const fn new(max_frames: usize, max_bytes: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, max_frames, max_bytes, last_in_order: Instant::ZERO }
    }

    /// Holds a frame; `false` where it would be too much.
    pub(crate) fn hold(&mut self, frame: Held<M>) -> bool {
        let bytes = self.bytes.saturating_add(frame.bytes.len());
        if self.frames.len() >= self.max_frames || bytes > self.max_bytes {
            return false;
        }
        self.bytes = bytes;
        let place = self.frames.partition_point(|held| held.due <= frame.due);
        self.frames.insert(place, frame);
        true
    }

    /// When a frame that is to be held until `due` may leave without
    /// overtaking those before it.
    pub(crate) fn in_order(&mut self, due: Instant) -> Instant {
        self.last_in_order = self.last_in_order.max(due);
        self.last_in_order
    }

    /// The earliest time a frame is held until.
    pub(crate) fn first_due(&self) -> Option<Instant> {
        self.frames.front().map(|frame| frame.due)
    }

    /// Takes the next frame whose time has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Held<M>> {
        let frame = self.frames.pop_front_if(|frame| frame.due <= now)?;
        self.bytes -= frame.bytes.len();
        Some(frame)
    }

    /// Puts back what was just taken.
    pub(crate) fn put_back(&mut self, frame: Held<M>) {
        self.bytes += frame.bytes.len();
        self.frames.push_front(frame);
    }

    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }
}
