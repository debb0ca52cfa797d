//! The bytes from SND.UNA on.

use crate::buffer::{Bytes, Ring};

/// What was written and is not yet acknowledged: at most `limit` bytes. It
/// knows of no window and of no sequence number but the first.
#[derive(Debug)]
pub(crate) struct SendQueue<B> {
    ring: Ring<B>,
    limit: u32,
}

impl<B: Bytes> SendQueue<B> {
    pub(crate) fn new(bytes: B, limit: u32) -> Self {
        let mut queue = Self { ring: Ring::new(bytes), limit };
        queue.set_limit(limit);
        queue
    }

    /// The most bytes kept; the size of the memory where that does not grow.
    pub(crate) fn set_limit(&mut self, limit: u32) {
        // More than a quarter of the sequence space could not be told apart.
        let limit = limit.clamp(1, 1 << 30);
        self.limit = if B::GROWS { limit } else { limit.min(self.ring.capacity() as u32) };
    }

    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ring.len() as u32
    }

    /// Bytes that may be written now.
    #[inline]
    pub(crate) fn room(&self) -> u32 {
        self.limit.saturating_sub(self.len())
    }

    /// Whether there is enough room to wake a writer for: a third of the
    /// limit, or all. Waking for every acknowledged segment would have it
    /// write crumbs.
    pub(crate) fn is_roomy(&self) -> bool {
        self.room() >= self.limit / 3 || self.ring.is_empty()
    }

    /// Queues as much as there is room for.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let bytes = bytes.get(..self.room() as usize).unwrap_or(bytes);
        let wanted = self.ring.len() + bytes.len();
        self.ring.reserve(wanted, self.limit as usize, self.ring.len());
        self.ring.push(bytes)
    }

    /// Forgets the first `count` bytes: the peer has them.
    #[inline]
    pub(crate) fn acknowledged(&mut self, count: u32) {
        self.ring.advance(count as usize);
        if self.ring.is_empty() {
            self.ring.rewind();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.acknowledged(self.len());
        self.ring.release();
    }

    #[inline]
    pub(crate) fn slices(&self, offset: u32, len: u32) -> (&[u8], &[u8]) {
        self.ring.slices(offset as usize, (len).min(self.len().saturating_sub(offset)) as usize)
    }

    pub(crate) fn release(&mut self) {
        self.ring.release();
    }

    pub(crate) fn held(&self) -> usize {
        if B::GROWS { self.ring.capacity() } else { 0 }
    }

    pub(crate) fn into_bytes(mut self) -> B {
        self.ring.replace(B::default()).0
    }
}
