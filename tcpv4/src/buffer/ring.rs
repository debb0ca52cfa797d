//! Bytes in a circle.

use core::fmt;
use core::ops::Range;

use super::Bytes;

/// Bytes in a circle: the first `len` from the head on are in use, and what
/// lies behind them may be written ahead of time.
pub struct Ring<B> {
    bytes: B,
    head: u32,
    len: u32,
}

impl<B: Bytes> Default for Ring<B> {
    fn default() -> Self {
        Self::new(B::default())
    }
}

impl<B> fmt::Debug for Ring<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({} bytes from {})", self.len, self.head)
    }
}

impl<B: Bytes> Ring<B> {
    /// An empty ring in `bytes`.
    pub fn new(bytes: B) -> Self {
        Self { bytes, head: 0, len: 0 }
    }

    /// Bytes in use.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether none is in use.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that fit without growing.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len()
    }

    /// Makes room for `wanted` bytes in all, within `limit`, and returns how
    /// many fit now. Bytes up to `keep` from the head on survive.
    ///
    /// Grows by doubling, so that each byte is moved a bounded number of times.
    pub fn reserve(&mut self, wanted: usize, limit: usize, keep: usize) -> usize {
        let capacity = self.capacity();
        if wanted <= capacity || !B::GROWS || capacity >= limit {
            return capacity;
        }
        let target = wanted.max(capacity * 2).max(2048).next_power_of_two().min(limit.max(capacity));
        if let Some(mut larger) = B::allocate(target) {
            let (first, second) = self.slices(0, keep.min(capacity));
            let (to_first, rest) = larger.as_mut().split_at_mut(first.len());
            to_first.copy_from_slice(first);
            if let Some(to_second) = rest.get_mut(..second.len()) {
                to_second.copy_from_slice(second);
            }
            self.bytes = larger;
            self.head = 0;
        }
        self.capacity()
    }

    /// Gives the memory of an empty ring back, where memory grows.
    pub fn release(&mut self) {
        if B::GROWS && self.len == 0 {
            *self = Self::default();
        }
    }

    /// Takes the bytes out, and leaves `other` in their place with nothing in
    /// use. Returns them with the place of the first one in use.
    pub fn replace(&mut self, other: B) -> (B, usize, usize) {
        let old = core::mem::replace(self, Self::new(other));
        (old.bytes, old.head as usize, old.len as usize)
    }

    /// Puts bytes behind those in use, and returns how many fitted.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let room = self.capacity().saturating_sub(self.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.write_at(self.len(), taken);
        self.extend(taken.len());
        taken.len()
    }

    /// Whether [`push_straight`](Self::push_straight) takes `count` bytes.
    #[inline]
    pub(crate) fn has_straight_room(&self, count: usize) -> bool {
        self.head as usize + self.len() + count <= self.capacity()
    }

    /// [Pushes](Self::push) all of `bytes` where they fit in one piece without
    /// going round; `false`, with nothing changed, where not.
    #[inline]
    pub fn push_straight(&mut self, bytes: &[u8]) -> bool {
        let start = self.head as usize + self.len();
        let Some(to) = self.bytes.as_mut().get_mut(start..start + bytes.len()) else { return false };
        to.copy_from_slice(bytes);
        self.len += bytes.len() as u32;
        true
    }

    /// Counts `count` bytes, written ahead already, among those in use.
    #[inline]
    pub fn extend(&mut self, count: usize) {
        self.len = (self.len() + count).min(self.capacity()) as u32;
    }

    /// Writes bytes `offset` behind the head; what does not fit is left out.
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let capacity = self.capacity();
        let room = capacity.saturating_sub(offset);
        let bytes = bytes.get(..room).unwrap_or(bytes);
        let start = self.position(offset);
        let (first, second) = bytes.split_at(bytes.len().min(capacity - start));
        let all = self.bytes.as_mut();
        if let Some(to) = all.get_mut(start..start + first.len()) {
            to.copy_from_slice(first);
        }
        if let Some(to) = all.get_mut(..second.len()).filter(|to| !to.is_empty()) {
            to.copy_from_slice(second);
        }
    }

    /// Bytes that are free behind those in use, in one piece.
    pub fn free_in_one_piece(&self) -> usize {
        let free = self.capacity().saturating_sub(self.len());
        free.min(self.capacity() - self.position(self.len()))
    }

    /// The bytes `range`, counted from the head on, to be written; none where
    /// they are not in one piece.
    pub fn piece_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        let start = self.position(range.start);
        self.bytes.as_mut().get_mut(start..start + range.len()).unwrap_or_default()
    }

    /// Up to `len` bytes from `offset` behind the head on, in two pieces.
    pub fn slices(&self, offset: usize, len: usize) -> (&[u8], &[u8]) {
        let capacity = self.capacity();
        let len = len.min(capacity.saturating_sub(offset));
        let start = self.position(offset);
        let first = len.min(capacity - start);
        let all = self.bytes.as_ref();
        (all.get(start..start + first).unwrap_or_default(), all.get(..len - first).unwrap_or_default())
    }

    /// `len` bytes from `offset` behind the head on, where they are in one piece.
    #[inline]
    pub fn straight(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let at = self.head as usize + offset;
        let start = at.checked_sub(self.capacity()).unwrap_or(at);
        self.bytes.as_ref().get(start..start + len)
    }

    /// Forgets the first `count` bytes in use.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        let count = count.min(self.len());
        self.head = self.position(count) as u32;
        self.len -= count as u32;
    }

    /// Starts at the beginning of the memory again, which keeps what is
    /// written next in one piece. Only where nothing is in use or written
    /// ahead.
    #[inline]
    pub fn rewind(&mut self) {
        if self.len == 0 {
            self.head = 0;
        }
    }

    /// Where the byte `offset` behind the head is; below the capacity, or 0.
    #[inline]
    fn position(&self, offset: usize) -> usize {
        let capacity = self.capacity();
        let at = self.head as usize + offset.min(capacity);
        if at >= capacity { at - capacity } else { at }
    }
}
