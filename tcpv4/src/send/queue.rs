//! The bytes from SND.UNA on.

use core::fmt;
use core::ops::Range;

use super::pieces::{Piece, Pieces};
use crate::buffer::{Backing, Ring};

/// What an empty ring grows to for a loan, in bytes.
const FIRST_LOAN: usize = 4096;

/// The longest piece, so that no sum of lengths is half of the sequence space.
const LONGEST_PIECE: usize = 1 << 29;

/// Whether bytes are sent from where they lie. Where the fewest bytes of code
/// count, they are copied.
const HAS_PIECES: bool = !cfg!(guest_small);

/// What was written and is not yet acknowledged. It knows of no window and of
/// no sequence number but the first.
pub(crate) struct SendQueue<B: Backing> {
    ring: Ring<B::Bytes>,
    /// Bytes outside of the ring: those in `pieces`, and those in use of a ring
    /// that is on loan to the writer.
    outside: u32,
    pieces: Pieces<B::Few<Piece>>,
}

impl<B: Backing> fmt::Debug for SendQueue<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ring, outside, pieces } = self;
        write!(f, "SendQueue({ring:?}, {outside} bytes elsewhere, {} pieces)", pieces.len())
    }
}

impl<B: Backing> Default for SendQueue<B> {
    fn default() -> Self {
        Self::new(B::Bytes::default())
    }
}

impl<B: Backing> SendQueue<B> {
    pub(crate) fn new(bytes: B::Bytes) -> Self {
        Self { ring: Ring::new(bytes), outside: 0, pieces: Pieces::default() }
    }

    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.ring.len() as u32 + self.outside
    }

    /// Makes room for some bytes more, at most `most` and with at most `limit`
    /// in all, in memory that grows up to `memory` bytes, and takes the ring out,
    /// with the range behind its head that may be written: in one piece. `None`
    /// when there is no room.
    pub(crate) fn lend(
        &mut self,
        most: usize,
        limit: u32,
        memory: u32,
    ) -> Option<(Ring<B::Bytes>, Range<usize>)> {
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
        self.outside += len as u32;
        Some((core::mem::take(&mut self.ring), len..len + room))
    }

    /// Takes the ring back, with `count` bytes more in use.
    pub(crate) fn give_back(&mut self, ring: Ring<B::Bytes>, count: usize) {
        // Nothing is outside where the queue was cleared meanwhile.
        self.outside = self.outside.saturating_sub(ring.len() as u32);
        self.ring = ring;
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

    /// Queues `bytes` to be sent from where they lie, and returns how many: all of
    /// them up to [`LONGEST_PIECE`], or none, where `limit` bytes are queued already
    /// or there are as many pieces as are kept.
    pub(crate) fn write_static(&mut self, bytes: &'static [u8], limit: u32) -> usize {
        let piece = bytes.get(..LONGEST_PIECE).unwrap_or(bytes);
        let has_room = HAS_PIECES && self.len() < limit && !piece.is_empty();
        if !has_room || !self.pieces.push(piece, self.ring.len() as u32) {
            return 0;
        }
        self.outside += piece.len() as u32;
        piece.len()
    }

    /// Forgets the first `count` bytes: the peer has them.
    #[inline(always)]
    pub(crate) fn acknowledged(&mut self, count: u32) {
        let copied = if self.outside > 0 { self.acknowledged_pieces(count) } else { count };
        self.ring.advance(copied as usize);
        if self.ring.is_empty() {
            self.ring.rewind();
        }
    }

    #[cold]
    #[inline(never)]
    fn acknowledged_pieces(&mut self, count: u32) -> u32 {
        if !HAS_PIECES {
            return count;
        }
        let copied = self.pieces.advance(count);
        self.outside -= count - copied;
        copied
    }

    pub(crate) fn clear(&mut self) {
        self.outside = 0;
        self.pieces.clear();
        self.ring.advance(usize::MAX);
        self.ring.release();
    }

    /// Up to `len` bytes from `offset` on in two pieces, if they are in no more.
    #[inline]
    pub(crate) fn slices(&self, offset: u32, len: u32) -> Option<(&[u8], &[u8])> {
        if self.outside > 0 {
            return self.slices_of_pieces(offset, len);
        }
        let len = len.min(self.len().saturating_sub(offset));
        Some(self.ring.slices(offset as usize, len as usize))
    }

    #[cold]
    #[inline(never)]
    fn slices_of_pieces(&self, offset: u32, len: u32) -> Option<(&[u8], &[u8])> {
        let mut shown: heapless::Vec<&[u8], 2> = heapless::Vec::new();
        let mut fits = HAS_PIECES;
        if HAS_PIECES {
            self.pieces.show(&self.ring, offset, len, &mut |run| {
                fits &= run.is_empty() || shown.push(run).is_ok();
            });
        }
        let at = |index| shown.get(index).copied().unwrap_or_default();
        fits.then(|| (at(0), at(1)))
    }

    /// Copies the bytes from `offset` on to all of `to`, in however many pieces
    /// they are; whether there are as many.
    pub(crate) fn copy_to(&self, offset: u32, to: &mut [u8]) -> bool {
        let mut rest = to;
        if HAS_PIECES {
            self.pieces.show(&self.ring, offset, rest.len() as u32, &mut |run| {
                let (filled, behind) = core::mem::take(&mut rest).split_at_mut(run.len());
                filled.copy_from_slice(run);
                rest = behind;
            });
        }
        rest.is_empty()
    }

    /// The same, where those are in one piece and all there.
    #[inline]
    pub(crate) fn straight(&self, offset: u32, len: u32) -> Option<&[u8]> {
        let end = offset as usize + len as usize;
        if self.outside > 0 || end > self.ring.len() {
            return None;
        }
        self.ring.straight(offset as usize, len as usize)
    }

    pub(crate) fn release(&mut self) {
        self.ring.release();
    }

    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    pub(crate) fn into_bytes(mut self) -> B::Bytes {
        self.ring.replace(B::Bytes::default()).0
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests;
