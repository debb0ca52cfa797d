//! Bytes that are sent from where they lie.

use core::ops::Range;

use crate::buffer::{Bytes, List, Ring};

/// The most pieces in a queue, where lists grow.
const MOST: usize = 64;

/// A piece of the stream that is not copied, and how many copied bytes lie
/// between the piece before, or the beginning of the queue, and this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    before: u32,
    bytes: &'static [u8],
}

/// The pieces among the copied bytes of a queue, which stand in a ring:
///
/// ```text
///  ring   │ before │         │ before │         │ the rest │
///         └────────┤  piece  ├────────┤  piece  ├──────────┘
///  stream  ─────────────────────────────────────────────────▶
/// ```
#[derive(Debug)]
pub(crate) struct Pieces<L>(L);

impl<L: List<Piece>> Default for Pieces<L> {
    fn default() -> Self {
        Self(L::default())
    }
}

impl<L: List<Piece>> Pieces<L> {
    pub(crate) fn len(&self) -> usize {
        self.0.as_slice().len()
    }

    /// Copied bytes before the last piece.
    fn before_last(&self) -> u32 {
        self.0.as_slice().iter().map(|piece| piece.before).sum()
    }

    /// Puts a piece behind all that is queued, of which `copied` bytes are copied
    /// ones, and returns whether there was room.
    pub(crate) fn push(&mut self, bytes: &'static [u8], copied: u32) -> bool {
        // Of a ring on loan, what lies before is not known.
        let Some(before) = copied.checked_sub(self.before_last()) else { return false };
        self.len() < MOST && self.0.push(Piece { before, bytes })
    }

    /// Forgets the first `count` bytes of the stream, and returns how many of
    /// them were copied ones.
    pub(crate) fn advance(&mut self, count: u32) -> u32 {
        let (mut left, mut copied, mut done) = (count, 0, 0);
        for piece in self.0.as_mut_slice() {
            let before = left.min(piece.before);
            piece.before -= before;
            copied += before;
            left -= before;
            let taken = piece.bytes.len().min(left as usize);
            piece.bytes = piece.bytes.get(taken..).unwrap_or_default();
            left -= taken as u32;
            if !piece.bytes.is_empty() {
                break;
            }
            done += 1;
        }
        self.0.remove(0, done);
        copied + left
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Shows `len` bytes of the stream from `offset` on to `each`, run by run
    /// (some of them empty); fewer where there are not as many, or the ring is
    /// lent.
    pub(crate) fn show<'b, B: Bytes>(
        &self,
        ring: &'b Ring<B>,
        offset: u32,
        len: u32,
        each: &mut dyn FnMut(&'b [u8]),
    ) {
        let mut window = Window { skip: offset as usize, left: len as usize };
        let mut copied = 0;
        let mut run = |window: &mut Window, len: usize, each: &mut dyn FnMut(&'b [u8])| {
            let range = window.of(len);
            let (first, second) = ring.slices(copied + range.start, range.len());
            copied += len;
            each(first);
            each(second);
        };
        for piece in self.0.as_slice() {
            if window.left == 0 {
                return;
            }
            run(&mut window, piece.before as usize, each);
            each(piece.bytes.get(window.of(piece.bytes.len())).unwrap_or_default());
        }
        let behind = ring.len().saturating_sub(self.before_last() as usize);
        run(&mut window, behind, each);
    }
}

/// What of the stream is to be shown, seen from where it was looked at last.
struct Window {
    /// Bytes before.
    skip: usize,
    /// Bytes to be shown.
    left: usize,
}

impl Window {
    /// Passes a run of `len` bytes, and returns what of it is to be shown.
    fn of(&mut self, len: usize) -> Range<usize> {
        let start = self.skip.min(len);
        let shown = self.left.min(len - start);
        self.skip -= start;
        self.left -= shown;
        start..start + shown
    }
}
