//! Queues of frames on their way to a port.

use core::cell::{Cell, RefCell};

#[cfg(feature = "alloc")]
use alloc::{collections::VecDeque, vec::Vec};
use traits::{Instant, RxMeta};

/// A frame on its way, without its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InFlight {
    /// When its last bit leaves.
    pub departure: Instant,
    /// When its last bit arrives.
    pub arrival: Instant,
    /// What the port will say of it.
    pub meta: RxMeta,
    /// Counts the frames of a queue.
    serial: u64,
}

impl InFlight {
    pub(crate) const fn new(departure: Instant, arrival: Instant, meta: RxMeta) -> Self {
        Self { departure, arrival, meta, serial: 0 }
    }
}

/// Where a port keeps the frames on their way to it, first in first out.
///
/// Implemented by [`Heap`] and [`Fixed`], and by nothing else.
pub trait Queue: Default + sealed::Sealed {
    /// Frames that fit.
    const FRAMES: usize;
    /// Bytes that fit in each.
    const BYTES: usize;

    /// The frames within.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next frame to come out.
    fn front(&self) -> Option<InFlight>;

    /// The `n`th frame from the back; 0 is the one that went in last.
    fn nth_back(&self, n: usize) -> Option<InFlight>;

    /// Puts a frame in; `false` where it does not fit.
    fn push(&self, frame: InFlight, bytes: &[u8]) -> bool;

    /// Takes the next frame out and hands it to `take`, which may use the
    /// queue meanwhile.
    fn pop(&self, take: impl FnOnce(InFlight, &[u8]));

    /// Throws all frames away.
    fn clear(&self);

    /// Lends `len` bytes in which the port composes a frame; `None` while
    /// they are lent already.
    fn compose<R>(&self, len: usize, lend: impl FnOnce(&mut [u8]) -> R) -> Option<R>;
}

mod sealed {
    /// Keeps the trait closed, so that it can change.
    pub trait Sealed {}
    #[cfg(feature = "alloc")]
    impl Sealed for super::Heap {}
    impl<const FRAMES: usize, const BYTES: usize> Sealed for super::Fixed<FRAMES, BYTES> {}
}

/// A queue that grows; buffers are used again, so that it allocates nothing
/// once it has seen its largest load.
#[cfg(feature = "alloc")]
#[derive(Debug, Default)]
pub struct Heap {
    frames: RefCell<VecDeque<(InFlight, Vec<u8>)>>,
    spare: RefCell<Vec<Vec<u8>>>,
    composed: RefCell<Vec<u8>>,
}

#[cfg(feature = "alloc")]
impl Queue for Heap {
    const FRAMES: usize = usize::MAX;
    const BYTES: usize = usize::MAX;

    fn len(&self) -> usize {
        self.frames.borrow().len()
    }

    fn front(&self) -> Option<InFlight> {
        self.frames.borrow().front().map(|(frame, _)| *frame)
    }

    fn nth_back(&self, n: usize) -> Option<InFlight> {
        self.frames.borrow().iter().nth_back(n).map(|(frame, _)| *frame)
    }

    fn push(&self, frame: InFlight, bytes: &[u8]) -> bool {
        let mut buffer = self.spare.borrow_mut().pop().unwrap_or_default();
        buffer.extend_from_slice(bytes);
        self.frames.borrow_mut().push_back((frame, buffer));
        true
    }

    fn pop(&self, take: impl FnOnce(InFlight, &[u8])) {
        let front = self.frames.borrow_mut().pop_front();
        if let Some((frame, mut buffer)) = front {
            take(frame, &buffer);
            buffer.clear();
            self.spare.borrow_mut().push(buffer);
        }
    }

    fn clear(&self) {
        self.frames.take();
        self.spare.take();
    }

    fn compose<R>(&self, len: usize, lend: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut buffer = self.composed.try_borrow_mut().ok()?;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        buffer.get_mut(..len).map(lend)
    }
}

/// A ring of `FRAMES` frames of up to `BYTES` bytes each (1514 for an MTU of
/// 1500), inside the switch: no allocator is needed.
///
/// A longer frame can't be sent through it
/// ([`TooLong`](traits::SendError::TooLong)).
#[derive(Debug)]
pub struct Fixed<const FRAMES: usize, const BYTES: usize> {
    slots: [Slot<BYTES>; FRAMES],
    head: Cell<usize>,
    len: Cell<usize>,
    serial: Cell<u64>,
    composed: RefCell<[u8; BYTES]>,
}

#[derive(Debug)]
struct Slot<const BYTES: usize> {
    frame: Cell<InFlight>,
    len: Cell<usize>,
    bytes: RefCell<[u8; BYTES]>,
}

impl<const FRAMES: usize, const BYTES: usize> Default for Fixed<FRAMES, BYTES> {
    fn default() -> Self {
        Self {
            slots: core::array::from_fn(|_| Slot {
                frame: Cell::default(),
                len: Cell::new(0),
                bytes: RefCell::new([0; BYTES]),
            }),
            head: Cell::new(0),
            len: Cell::new(0),
            serial: Cell::new(0),
            composed: RefCell::new([0; BYTES]),
        }
    }
}

impl<const FRAMES: usize, const BYTES: usize> Fixed<FRAMES, BYTES> {
    /// The slot of the `n`th frame from the front.
    fn slot(&self, n: usize) -> Option<&Slot<BYTES>> {
        let index = (self.head.get() + n).checked_rem(FRAMES)?;
        self.slots.get(index)
    }
}

impl<const FRAMES: usize, const BYTES: usize> Queue for Fixed<FRAMES, BYTES> {
    const FRAMES: usize = FRAMES;
    const BYTES: usize = BYTES;

    fn len(&self) -> usize {
        self.len.get()
    }

    fn front(&self) -> Option<InFlight> {
        if self.len.get() == 0 { None } else { self.slot(0).map(|slot| slot.frame.get()) }
    }

    fn nth_back(&self, n: usize) -> Option<InFlight> {
        let from_front = self.len.get().checked_sub(n + 1)?;
        self.slot(from_front).map(|slot| slot.frame.get())
    }

    fn push(&self, frame: InFlight, bytes: &[u8]) -> bool {
        if self.len.get() == FRAMES {
            return false;
        }
        let Some(slot) = self.slot(self.len.get()) else {
            return false;
        };
        // In use where its frame was thrown away while being handed up.
        let Ok(mut buffer) = slot.bytes.try_borrow_mut() else {
            return false;
        };
        let Some(room) = buffer.get_mut(..bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        let serial = self.serial.get();
        self.serial.set(serial.wrapping_add(1));
        slot.frame.set(InFlight { serial, ..frame });
        slot.len.set(bytes.len());
        self.len.set(self.len.get() + 1);
        true
    }

    fn pop(&self, take: impl FnOnce(InFlight, &[u8])) {
        let (Some(frame), Some(slot)) = (self.front(), self.slot(0)) else {
            return;
        };
        if let Ok(bytes) = slot.bytes.try_borrow() {
            take(frame, bytes.get(..slot.len.get()).unwrap_or_default());
        }
        // `take` may have thrown all frames away.
        if self.front().is_some_and(|front| front.serial == frame.serial) {
            self.head.set((self.head.get() + 1) % FRAMES);
            self.len.set(self.len.get() - 1);
        }
    }

    fn clear(&self) {
        self.len.set(0);
    }

    fn compose<R>(&self, len: usize, lend: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let mut buffer = self.composed.try_borrow_mut().ok()?;
        buffer.get_mut(..len).map(lend)
    }
}
