//! The link in memory under both stacks: a ring of frames each way, whose
//! buffers are used again. Both write their frames straight into it and read
//! them where they lie.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use anyhow::{Result, bail};
use fata::traits::WakerSet;

use crate::meter::{Meter, Report};
use crate::{Arguments, Row};

/// Frames that fit: a device's usual ring.
const FRAMES: usize = 256;
/// Bytes of a frame's place.
const BYTES: usize = 2048;
/// The largest Ethernet frame.
pub(crate) const FRAME_MAX: usize = 1514;

/// Frames on their way from one end to the other.
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    head: Cell<usize>,
    len: Cell<usize>,
    /// Who waits for a frame.
    pub(crate) readers: WakerSet<2>,
    /// Who waits for room.
    pub(crate) writers: WakerSet<2>,
}

struct Slot {
    len: Cell<usize>,
    bytes: RefCell<Box<[u8; BYTES]>>,
}

impl Ring {
    pub(crate) fn new() -> Self {
        let slot = |_| Slot { len: Cell::new(0), bytes: RefCell::new(Box::new([0; BYTES])) };
        Self {
            slots: (0..FRAMES).map(slot).collect(),
            head: Cell::new(0),
            len: Cell::new(0),
            readers: WakerSet::new(),
            writers: WakerSet::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len.get() == FRAMES
    }

    /// Puts a frame in; there has to be room.
    #[inline]
    pub(crate) fn push<R>(&self, len: usize, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> R {
        let slot = &self.slots[(self.head.get() + self.len.get()) % FRAMES];
        let (used, result) = fill(&mut slot.bytes.borrow_mut()[..len]);
        slot.len.set(used.min(len));
        self.len.set(self.len.get() + 1);
        if self.len.get() == 1 {
            self.readers.wake();
        }
        result
    }

    /// Takes the next frame out; there has to be one.
    #[inline]
    pub(crate) fn pop<R>(&self, take: impl FnOnce(&[u8]) -> R) -> R {
        let slot = &self.slots[self.head.get()];
        let result = take(&slot.bytes.borrow()[..slot.len.get()]);
        if self.is_full() {
            self.writers.wake();
        }
        self.head.set((self.head.get() + 1) % FRAMES);
        self.len.set(self.len.get() - 1);
        result
    }
}

/// The link without a stack: frames of the same sizes, copied in and out where
/// the stacks copy payload.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let (there, back) = (Ring::new(), Ring::new());
    match arguments.row {
        Row::MemoryBulk => Ok(bulk(arguments, &there, &back)),
        Row::MemoryUdp => Ok(datagrams(arguments, &there)),
        Row::MemoryRoundTrips => Ok(round_trips(arguments, &there, &back)),
        _ => bail!("a device has no connections"),
    }
}

/// Bytes of payload in a full segment with timestamps.
const SEGMENT: usize = 1448;

/// Source to send queue, send queue to frame, frame to receive queue, receive
/// queue to reader: as both stacks do.
fn bulk(arguments: &Arguments, there: &Ring, back: &Ring) -> Report {
    let meter = Meter::cpu(arguments, 1 << 20);
    let (source, mut sent) = (vec![1; 64 * SEGMENT], vec![0; 64 * SEGMENT]);
    let (mut received, mut sink) = (vec![0; 64 * SEGMENT], vec![0; 64 * SEGMENT]);
    loop {
        sent.copy_from_slice(black_box(&source));
        for segment in sent.chunks(SEGMENT) {
            there.push(FRAME_MAX, |frame| {
                frame[66..].copy_from_slice(segment);
                (FRAME_MAX, ())
            });
        }
        for segment in received.chunks_mut(SEGMENT) {
            there.pop(|frame| segment.copy_from_slice(&frame[66..]));
        }
        back.push(66, |frame| (black_box(frame).len(), ()));
        back.pop(|frame| black_box(frame).len());
        if !arguments.in_place {
            sink.copy_from_slice(black_box(&received));
        }
        black_box((&received, &sink));
        if meter.add(sink.len() as u64) {
            return meter.report();
        }
    }
}

fn datagrams(arguments: &Arguments, there: &Ring) -> Report {
    let meter = Meter::cpu(arguments, 4096);
    loop {
        for _ in 0..64 {
            there.push(60, |frame| {
                frame[42..].copy_from_slice(&black_box([1; 18]));
                (60, ())
            });
        }
        for _ in 0..64 {
            there.pop(|frame| black_box(&frame[42..]).len());
        }
        if meter.add(64) {
            return meter.report();
        }
    }
}

fn round_trips(arguments: &Arguments, there: &Ring, back: &Ring) -> Report {
    let meter = Meter::cpu(arguments, 4096);
    loop {
        there.push(67, |frame| (black_box(frame).len(), ()));
        there.pop(|frame| {
            back.push(67, |answer| {
                answer.copy_from_slice(frame);
                (67, ())
            });
        });
        back.pop(|frame| black_box(frame).len());
        if meter.add(1) {
            return meter.report();
        }
    }
}
