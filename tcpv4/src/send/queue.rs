//! The bytes from SND.UNA on.

use crate::buffer::{Bytes, Ring};

/// What was written and is not yet acknowledged. It knows of no window and of
/// no sequence number but the first.
#[derive(Debug)]
pub(crate) struct SendQueue<B> {
    ring: Ring<B>,
}

impl<B: Bytes> Default for SendQueue<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: Bytes> SendQueue<B> {
    pub(crate) fn new(bytes: B) -> Self {
        Self { ring: Ring::new(bytes) }
    }

    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ring.len() as u32
    }

    /// Queues as much as there is room for, with at most `limit` bytes in all,
    /// in memory that grows up to `memory` bytes.
    pub(crate) fn write(&mut self, bytes: &[u8], limit: u32, memory: u32) -> usize {
        let room = limit.saturating_sub(self.len()) as usize;
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let wanted = self.ring.len() + bytes.len();
        self.ring.reserve(wanted, memory as usize, self.ring.len());
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

    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    pub(crate) fn into_bytes(mut self) -> B {
        self.ring.replace(B::default()).0
    }
}
