//! The bytes from SND.UNA on.

use core::ops::Range;

use crate::buffer::{Bytes, Ring};

/// What an empty ring grows to for a loan, in bytes.
const FIRST_LOAN: usize = 4096;

/// What was written and is not yet acknowledged. It knows of no window and of
/// no sequence number but the first.
#[derive(Debug)]
pub(crate) struct SendQueue<B> {
    ring: Ring<B>,
    /// The bytes in use of a ring that is on loan to the writer.
    lent: u32,
}

impl<B: Bytes> Default for SendQueue<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B: Bytes> SendQueue<B> {
    pub(crate) fn new(bytes: B) -> Self {
        Self { ring: Ring::new(bytes), lent: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ring.len() as u32 + self.lent
    }

    /// Makes room for some bytes more, at most `most` and with at most `limit`
    /// in all, in memory that grows up to `memory` bytes, and takes the ring out,
    /// with the range behind its head that may be written: in one piece. `None`
    /// when there is no room.
    pub(crate) fn lend(&mut self, most: usize, limit: u32, memory: u32) -> Option<(Ring<B>, Range<usize>)> {
        let len = self.ring.len();
        let room = (limit.saturating_sub(self.len()) as usize).min(most);
        if room > 0 && self.ring.capacity() == len {
            // Twice as much, which is how rings grow; not up to the limit, which
            // moves with what is under way: the ring would grow a little each time.
            self.ring.reserve(len + room.min(len.max(FIRST_LOAN)), memory as usize, len);
        }
        let room = room.min(self.ring.free_in_one_piece());
        if room == 0 {
            return None;
        }
        self.lent = len as u32;
        Some((core::mem::take(&mut self.ring), len..len + room))
    }

    /// Takes the ring back, with `count` bytes more in use.
    pub(crate) fn give_back(&mut self, ring: Ring<B>, count: usize) {
        (self.ring, self.lent) = (ring, 0);
        self.ring.extend(count);
    }

    /// Queues as much as there is room for, with at most `limit` bytes in all,
    /// in memory that grows up to `memory` bytes.
    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8], limit: u32, memory: u32) -> usize {
        let room = limit.saturating_sub(self.len()) as usize;
        let bytes = bytes.get(..room).unwrap_or(bytes);
        if self.ring.push_straight(bytes) { bytes.len() } else { self.write_growing(bytes, memory) }
    }

    #[inline(never)]
    fn write_growing(&mut self, bytes: &[u8], memory: u32) -> usize {
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
        self.lent = 0;
        self.acknowledged(self.len());
        self.ring.release();
    }

    #[inline]
    pub(crate) fn slices(&self, offset: u32, len: u32) -> (&[u8], &[u8]) {
        self.ring.slices(offset as usize, (len).min(self.len().saturating_sub(offset)) as usize)
    }

    /// The same, where those are in one piece and all there.
    #[inline]
    pub(crate) fn straight(&self, offset: u32, len: u32) -> Option<&[u8]> {
        let end = offset as usize + len as usize;
        if end > self.len() as usize { None } else { self.ring.straight(offset as usize, len as usize) }
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

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn a_loan_grows_the_ring_by_doubling_however_slowly_the_limit_moves() {
        let mut queue = SendQueue::<alloc::boxed::Box<[u8]>>::default();
        let mut capacities = alloc::vec::Vec::new();
        for limit in (1000..300_000).step_by(1000) {
            let (ring, free) = queue.lend(usize::MAX, limit, 1 << 20).unwrap();
            queue.give_back(ring, free.len());
            capacities.push(queue.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities, [2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288]);
    }
}
