//! Rings of bytes in a page: the console's and xenstore's
//! (`io/console.h`, `io/xs_wire.h`).
//!
//! Both indices run on and wrap at 2³²; the ring's size is a power of two. The
//! other side's index is copied, then checked: more than a ring's worth between
//! the two is [`Jumped`].

use super::window::Window;

/// Where a ring and its indices are in the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) bytes: usize,
    pub(super) size: u32,
    pub(super) consumed: usize,
    pub(super) produced: usize,
}

/// The other side's index makes no sense: the ring is of no use any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Jumped;

/// A ring in a page, from either end.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByteRing {
    page: Window,
    layout: Layout,
}

impl ByteRing {
    pub(super) const fn new(page: Window, layout: Layout) -> Self {
        Self { page, layout }
    }

    /// Bytes put and not taken.
    fn used(&self) -> Result<u32, Jumped> {
        let produced = self.page.load(self.layout.produced);
        let used = produced.wrapping_sub(self.page.load(self.layout.consumed));
        if used > self.layout.size { Err(Jumped) } else { Ok(used) }
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.used() == Ok(0)
    }

    /// Puts as many of `bytes` as there is room for; how many.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<usize, Jumped> {
        let room = self.layout.size - self.used()?;
        let bytes = bytes.get(..room as usize).unwrap_or(bytes);
        let produced = self.page.load(self.layout.produced);
        let (at, first) = self.split(produced, bytes.len());
        let (first, second) = bytes.split_at(first);
        self.page.copy_in(self.layout.bytes + at, first);
        self.page.copy_in(self.layout.bytes, second);
        self.page.store(self.layout.produced, produced.wrapping_add(bytes.len() as u32));
        Ok(bytes.len())
    }

    /// Takes as many bytes as there are and `into` has space for; how many.
    pub(super) fn take(&self, into: &mut [u8]) -> Result<usize, Jumped> {
        let len = into.len().min(self.used()? as usize);
        let consumed = self.page.load(self.layout.consumed);
        let (at, first) = self.split(consumed, len);
        let (first, second) = into.get_mut(..len).unwrap_or_default().split_at_mut(first);
        self.page.copy_out(self.layout.bytes + at, first);
        self.page.copy_out(self.layout.bytes, second);
        self.page.store(self.layout.consumed, consumed.wrapping_add(len as u32));
        Ok(len)
    }

    /// Where `index` is, and how many of `len` bytes lie before the ring's end.
    const fn split(&self, index: u32, len: usize) -> (usize, usize) {
        let at = (index % self.layout.size) as usize;
        let before_end = self.layout.size as usize - at;
        (at, if len < before_end { len } else { before_end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::window;
    use alloc::vec::Vec;

    const LAYOUT: Layout = Layout { bytes: 64, size: 16, consumed: 0, produced: 4 };

    #[test]
    fn bytes_pass_in_order_around_the_end_and_past_the_wrap() {
        let page = window::tests::page();
        let start = u32::MAX - 20;
        page.store(0, start);
        page.store(4, start);
        let ring = ByteRing::new(page, LAYOUT);
        let (mut next, mut got) = (0_u8, Vec::new());
        for round in 1..40_usize {
            let bytes: Vec<u8> = (0..round % 23).map(|i| next.wrapping_add(i as u8)).collect();
            let put = ring.put(&bytes).unwrap();
            assert!(put == bytes.len() || put <= 16);
            next = next.wrapping_add(put as u8);
            let mut into = [0; 11];
            let taken = ring.take(&mut into).unwrap();
            got.extend_from_slice(&into[..taken]);
        }
        assert!(got.len() > 200);
        assert!(got.iter().enumerate().all(|(i, &byte)| byte == i as u8));
    }

    #[test]
    fn a_full_ring_takes_nothing_and_an_empty_one_gives_nothing() {
        let ring = ByteRing::new(window::tests::page(), LAYOUT);
        assert_eq!(ring.take(&mut [0; 4]), Ok(0));
        assert_eq!((ring.put(&[1; 20]), ring.put(&[1])), (Ok(16), Ok(0)));
        assert_eq!((ring.take(&mut [0; 4]), ring.put(&[1; 20])), (Ok(4), Ok(4)));
    }

    #[test]
    fn an_index_that_jumped_is_an_error_both_ways() {
        let page = window::tests::page();
        let ring = ByteRing::new(page, LAYOUT);
        page.store(4, 17);
        assert_eq!((ring.put(&[1]), ring.take(&mut [0])), (Err(Jumped), Err(Jumped)));
        page.store(4, u32::MAX);
        assert_eq!((ring.put(&[1]), ring.take(&mut [0])), (Err(Jumped), Err(Jumped)));
    }
}
