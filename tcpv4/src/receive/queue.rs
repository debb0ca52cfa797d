//! The bytes received and not yet read.

use crate::buffer::{Bytes, Ring};

/// What was received in order and not yet read, and behind it, in its place
/// already, what came out of order.
///
/// ```text
///        │◀─ readable ─▶│      hole      │ out of order │
///       ─┴──────────────┴────────────────┴──────────────┴──▶
///       read         RCV.NXT                      up to the window's edge
/// ```
#[derive(Debug)]
pub(crate) struct ReceiveQueue<B> {
    ring: Ring<B>,
}

impl<B: Bytes> Default for ReceiveQueue<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: Bytes> ReceiveQueue<B> {
    pub(crate) fn new(bytes: B) -> Self {
        Self { ring: Ring::new(bytes) }
    }

    /// Swaps the bytes with those of `ring`.
    pub(crate) fn swap(&mut self, ring: &mut Ring<B>) {
        core::mem::swap(&mut self.ring, ring);
    }

    /// Bytes that can be read.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ring.len() as u32
    }

    /// Whether [`push`](Self::push) takes `count` bytes without growing.
    #[inline]
    pub(crate) fn has_straight_room(&self, count: usize) -> bool {
        self.ring.has_straight_room(count)
    }

    /// The same for bytes that there is [room](Self::has_straight_room) for.
    #[inline]
    pub(crate) fn push_straight(&mut self, bytes: &[u8]) {
        let has_room = self.ring.push_straight(bytes);
        debug_assert!(has_room, "whoever asks looks first");
    }

    /// Takes the next bytes, and returns how many there was room for, with
    /// at most `limit` bytes in all.
    ///
    /// The room may exceed the space offered: a window told before it shrank,
    /// or rounded up to the scale, is honoured.
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8], limit: u32) -> usize {
        if self.ring.push_straight(bytes) { bytes.len() } else { self.push_growing(bytes, limit) }
    }

    #[inline(never)]
    fn push_growing(&mut self, bytes: &[u8], limit: u32) -> usize {
        self.write(0, bytes, limit);
        let taken = bytes.len().min(self.ring.capacity() - self.ring.len());
        self.ring.extend(taken);
        taken
    }

    /// Puts bytes `offset` behind the readable ones, and returns how many of
    /// them there was room for.
    pub(crate) fn write(&mut self, offset: u32, bytes: &[u8], limit: u32) -> usize {
        let at = self.ring.len() + offset as usize;
        // The limit and what rounding to the window's scale may add.
        let limit = limit as usize + (1 << 14);
        let room = self.ring.reserve(at + bytes.len(), limit, usize::MAX).saturating_sub(at);
        self.ring.write_at(at, bytes);
        room.min(bytes.len())
    }

    /// Bytes written ahead have become readable.
    pub(crate) fn extend(&mut self, count: u32) {
        self.ring.extend(count as usize);
    }

    #[inline]
    pub(crate) fn slices(&self) -> (&[u8], &[u8]) {
        self.ring.slices(0, self.ring.len())
    }

    /// Forgets bytes that were read. `ahead`: there are bytes written ahead.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize, ahead: bool) {
        self.ring.advance(count);
        if !ahead && self.ring.is_empty() {
            self.ring.rewind();
        }
    }

    pub(crate) fn release(&mut self) {
        self.ring.release();
    }

    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    pub(crate) fn into_bytes(mut self) -> B {
        self.ring.replace(B::default()).0
    }
}
