//! Packets of one length, one after the other.

/// The lengths of packets that are sent as a run: all the same, but that the last
/// may have another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// How many packets.
    pub count: usize,
    /// Bytes of each but the last.
    pub len: usize,
    /// Bytes of the last.
    pub last_len: usize,
}

impl Run {
    /// Bytes of the packet with that `index`.
    #[inline]
    pub const fn len_of(&self, index: usize) -> usize {
        if self.is_last(index) { self.last_len } else { self.len }
    }

    /// Whether no packet comes after that with this `index`.
    #[inline]
    pub const fn is_last(&self, index: usize) -> bool {
        index + 1 >= self.count
    }

    /// The same run as the layer below sees it, which puts `header_len` bytes in
    /// front of each packet.
    #[must_use]
    #[inline]
    pub const fn below(mut self, header_len: usize) -> Self {
        self.len = self.len.saturating_add(header_len);
        self.last_len = self.last_len.saturating_add(header_len);
        self
    }

    /// Bytes of the longest.
    #[inline]
    pub const fn longest(&self) -> usize {
        if self.len > self.last_len { self.len } else { self.last_len }
    }
}
