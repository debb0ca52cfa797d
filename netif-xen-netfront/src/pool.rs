//! The pages that frames are sent from, and which parts of them are in use.

use crate::hypervisor::{Outgoing, PAGE};
use crate::protocol::MAX_FRAME;
use crate::{DomainId, Exhausted, GrantRef, Hypervisor};

/// Bytes of the unit that is given out: a frame of the usual length fits one.
pub(crate) const UNIT: usize = 2048;

/// Units of a page.
const PER_PAGE: usize = PAGE / UNIT;

/// Pages at most: with 16 units to a word of the map.
pub(crate) const MAX_PAGES: usize = 256;
const MAX_UNITS: usize = MAX_PAGES * PER_PAGE;
const WORD: usize = 64;

/// An answer about a piece that is not out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotInFlight;

/// A frame that has pages and is not with the backend.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) struct Reserved {
    /// Its first unit, by which it is known.
    pub(crate) id: u16,
}

impl Reserved {
    /// Its first byte in the pool.
    pub(crate) fn start(self) -> usize {
        usize::from(self.id) * UNIT
    }
}

/// What is known of the frame that begins at a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Record {
    /// Units that it has; 0: no frame begins here.
    units: u8,
    /// Pieces that the backend has not answered.
    outstanding: u8,
    /// The queue that it was sent through.
    queue: u8,
}

/// The pool: pages in one piece, granted for as long as it lives.
///
/// A frame gets a run of units: a short one from the end of the pool, one
/// longer than a page from the beginning and from a page's first byte, so that
/// short ones do not break the runs that long ones need. Frames that fit a page
/// never cross into another.
#[derive(Debug)]
pub(crate) struct Pool<O> {
    pages: O,
    units: usize,
    used: [u64; MAX_UNITS / WORD],
    records: [Record; MAX_UNITS],
}

impl<O: Outgoing> Pool<O> {
    pub(crate) fn new<H>(hypervisor: &H, peer: DomainId, pages: usize) -> Result<Self, Exhausted>
    where
        H: Hypervisor<Outgoing = O>,
    {
        let count = pages.clamp(1, MAX_PAGES);
        let pages = hypervisor.outgoing(peer, count)?;
        let units = count * PER_PAGE;
        Ok(Self { pages, units, used: [0; _], records: [Record::default(); _] })
    }

    /// Takes everything back: no backend is there any more.
    pub(crate) fn reset(&mut self) {
        self.used = [0; _];
        self.records = [Record::default(); _];
    }

    /// Space for a frame of `len` bytes.
    pub(crate) fn reserve(&mut self, len: usize) -> Option<Reserved> {
        let units = len.div_ceil(UNIT).max(1);
        let first = self.find(units)?;
        let record = self.records.get_mut(first)?;
        *record = Record { units: units as u8, outstanding: 0, queue: 0 };
        self.mark(first, units, true);
        Some(Reserved { id: first as u16 })
    }

    /// Whether a frame of `len` bytes would find space.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.find(len.div_ceil(UNIT).max(1)).is_some()
    }

    /// Gives back all of a frame but its first `len` bytes; everything for 0.
    pub(crate) fn shrink(&mut self, frame: Reserved, len: usize) {
        let first = usize::from(frame.id);
        let units = len.div_ceil(UNIT);
        let Some(record) = self.records.get_mut(first) else { return };
        let had = usize::from(record.units);
        if units < had {
            record.units = units as u8;
            self.mark(first + units, had - units, false);
        }
    }

    /// Notes that a frame is with the backend, in so many pieces.
    pub(crate) fn sent(&mut self, frame: Reserved, queue: u8, pieces: u8) {
        if let Some(record) = self.records.get_mut(usize::from(frame.id)) {
            (record.queue, record.outstanding) = (queue, pieces);
        }
    }

    /// Notes that the backend has answered one piece of a frame; whether it
    /// was the last one.
    pub(crate) fn answered(&mut self, id: u16, queue: u8) -> Result<bool, NotInFlight> {
        let first = usize::from(id);
        let record = self.records.get_mut(first).ok_or(NotInFlight)?;
        if record.outstanding == 0 || record.queue != queue {
            return Err(NotInFlight);
        }
        record.outstanding -= 1;
        if record.outstanding == 0 {
            let units = usize::from(core::mem::take(&mut record.units));
            self.mark(first, units, false);
            return Ok(true);
        }
        Ok(false)
    }

    /// The frame's first `len` bytes, to be filled.
    pub(crate) fn fill<R>(
        &mut self,
        frame: Reserved,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> Option<R> {
        self.pages.fill(frame.start(), len.min(MAX_FRAME), fill)
    }

    /// The grant of the page that the byte at `at` is in.
    pub(crate) fn grant(&self, at: usize) -> Option<GrantRef> {
        self.pages.grant(at / PAGE)
    }

    /// A run of free units.
    fn find(&self, units: usize) -> Option<usize> {
        let last = self.units.checked_sub(units)?;
        match units {
            1 => self.find_last_free(),
            // Within one page.
            2..=PER_PAGE => {
                (0..=last / PER_PAGE).rev().map(|page| page * PER_PAGE).find(|&at| self.is_free(at, units))
            }
            _ => (0..=last / PER_PAGE).map(|page| page * PER_PAGE).find(|&at| self.is_free(at, units)),
        }
    }

    fn find_last_free(&self) -> Option<usize> {
        let words = self.used.iter().enumerate().take(self.units.div_ceil(WORD)).rev();
        for (index, &used) in words {
            let beyond = (WORD * (index + 1)).saturating_sub(self.units);
            let free = !used & (u64::MAX >> beyond);
            if let Some(bit) = free.checked_ilog2() {
                return Some(WORD * index + bit as usize);
            }
        }
        None
    }

    fn is_free(&self, first: usize, units: usize) -> bool {
        (first..first + units)
            .all(|unit| self.used.get(unit / WORD).is_some_and(|word| word >> (unit % WORD) & 1 == 0))
    }

    fn mark(&mut self, first: usize, units: usize, used: bool) {
        for unit in first..first + units {
            if let Some(word) = self.used.get_mut(unit / WORD) {
                let bit = 1 << (unit % WORD);
                if used { *word |= bit } else { *word &= !bit }
            }
        }
    }
}

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use netif_memory::VirtualClock;
    use proptest::prelude::*;

    use crate::simulation::World;

    fn with_pool(pages: usize, test: impl FnOnce(&mut dyn Frames)) {
        let clock = VirtualClock::new();
        let world = World::new(&clock);
        test(&mut Pool::new(&world.guest(DomainId(1)), DomainId(0), pages).unwrap());
    }

    /// What the tests need of a pool, whatever its pages.
    trait Frames {
        fn reserve(&mut self, len: usize) -> Option<Reserved>;
        fn sent(&mut self, frame: Reserved, queue: u8, pieces: u8);
        fn answered(&mut self, id: u16, queue: u8) -> Result<bool, NotInFlight>;
    }

    impl<O: Outgoing> Frames for Pool<O> {
        fn reserve(&mut self, len: usize) -> Option<Reserved> {
            let has_room = self.has_room(len);
            let reserved = Pool::reserve(self, len);
            assert_eq!(reserved.is_some(), has_room);
            reserved
        }

        fn sent(&mut self, frame: Reserved, queue: u8, pieces: u8) {
            Pool::sent(self, frame, queue, pieces);
        }

        fn answered(&mut self, id: u16, queue: u8) -> Result<bool, NotInFlight> {
            Pool::answered(self, id, queue)
        }
    }

    proptest! {
        #[test]
        fn frames_never_overlap_and_all_comes_back(
            pages in 1_usize..70,
            steps in proptest::collection::vec((1_usize..20_000, 0_usize..64, any::<bool>()), 0..300),
        ) {
            with_pool(pages, |pool| {
                let mut out: Vec<(Reserved, usize)> = Vec::new();
                for (len, pick, send) in steps {
                    if send {
                        let Some(frame) = pool.reserve(len) else { continue };
                        let (start, end) = (frame.start(), frame.start() + len);
                        assert!(end <= pages * PAGE);
                        for &(other, other_len) in &out {
                            assert!(end <= other.start() || other.start() + other_len <= start, "overlap");
                        }
                        assert!(len > PAGE || start / PAGE == (end - 1) / PAGE, "across a page's end");
                        pool.sent(frame, 0, 1);
                        out.push((frame, len));
                    } else if !out.is_empty() {
                        let (frame, _) = out.swap_remove(pick % out.len());
                        assert_eq!(pool.answered(frame.id, 1), Err(NotInFlight));
                        assert_eq!(pool.answered(frame.id, 0), Ok(true));
                        assert_eq!(pool.answered(frame.id, 0), Err(NotInFlight));
                    }
                }
                for (frame, _) in out {
                    assert_eq!(pool.answered(frame.id, 0), Ok(true));
                }
                assert!(pool.reserve(pages * PAGE).is_some(), "all free again");
            });
        }
    }

    #[test]
    fn short_frames_leave_room_for_long_ones() {
        with_pool(64, |pool| {
            for _ in 0..64 {
                assert!(pool.reserve(60).is_some());
            }
            // Half of the pool is in short frames, the other half in one piece.
            assert!(pool.reserve(MAX_FRAME).is_some());
            assert!(pool.reserve(MAX_FRAME).is_some());
            assert!(pool.reserve(60).is_none());
        });
    }
}
