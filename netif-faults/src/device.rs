//! The device.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use netif_memory::segment;
use rand_core::Rng;
use traits::{
    Frame, Instant, Network, Offload, RxMeta, Segmentation, SegmentationKind, SendError, TxMeta, WakerSet,
};

use crate::fate::{Fate, harden_rx, harden_tx};
use crate::held::HeldQueue;
use crate::way::Way;
use crate::{FaultStatistics, Impairments};

/// The Ethernet header, in bytes.
const ETHERNET_HEADER: usize = 14;

/// Frames held back that are handed up before others run.
const BATCH: usize = 64;

/// A device `N` with faults from the generator `R`.
///
/// Large frames sent through it are cut first, so that each piece has its own
/// fate; what the device received as one large frame has one. With no
/// impairments set, everything passes as it is.
///
/// [`Network::statistics`] are the device's own: what it was given and what
/// it handed up, before faults on the way in.
#[derive(Debug)]
pub struct Faults<N, R> {
    pub(crate) device: N,
    pub(crate) random: RefCell<R>,
    pub(crate) transmit: Way<TxMeta>,
    pub(crate) receive: Way<RxMeta>,
    /// Until when the device plays full.
    pub(crate) full_until: Cell<Instant>,
    pub(crate) down: Cell<bool>,
    /// Where a frame is composed that is not written at once.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) pollers: WakerSet<4>,
    pub(crate) listeners: WakerSet<2>,
    pub(crate) waiters: WakerSet<4>,
}

impl<N: Network, R: Rng> Faults<N, R> {
    /// Puts faults between `device` and what stands on it.
    pub const fn new(device: N, random: R, transmit: Impairments, receive: Impairments) -> Self {
        Self {
            device,
            random: RefCell::new(random),
            transmit: Way::new(transmit),
            receive: Way::new(receive),
            full_until: Cell::new(Instant::ZERO),
            down: Cell::new(false),
            scratch: RefCell::new(Vec::new()),
            pollers: WakerSet::new(),
            listeners: WakerSet::new(),
            waiters: WakerSet::new(),
        }
    }

    /// With other bounds of what is held back in each direction.
    #[must_use]
    pub fn with_held(mut self, frames: usize, bytes: usize) -> Self {
        self.transmit.held = RefCell::new(HeldQueue::new(frames, bytes));
        self.receive.held = RefCell::new(HeldQueue::new(frames, bytes));
        self
    }

    /// Changes the faults on the way out, for frames sent from now on.
    pub fn set_transmit(&self, impairments: Impairments) {
        self.transmit.set.set(impairments);
    }

    /// Changes the faults on the way in, for frames received from now on.
    pub fn set_receive(&self, impairments: Impairments) {
        self.receive.set.set(impairments);
    }

    /// The device below.
    pub const fn device(&self) -> &N {
        &self.device
    }

    /// What went wrong so far.
    pub fn faults(&self) -> FaultStatistics {
        FaultStatistics { transmit: self.transmit.counts.get(), receive: self.receive.counts.get() }
    }

    pub(crate) fn fate(&self, set: &Impairments) -> Fate {
        Fate::draw(&mut *self.random.borrow_mut(), set)
    }

    /// Whether the device is, or plays, full: asked before a fate is drawn.
    pub(crate) fn is_full(&self, now: Instant, set: &Impairments) -> bool {
        if self.full_until.get() > now || self.send_due(now) {
            return true;
        }
        let full = set.full.hit(self.random.borrow_mut().next_u32());
        if full {
            self.full_until.set(now + set.full_for);
            self.transmit.count(|counts| counts.full = counts.full.wrapping_add(1));
        }
        full
    }

    /// Whether the device below would refuse a frame like this for good.
    pub(crate) fn admit(&self, meta: TxMeta, len: usize) -> Result<(), SendError> {
        let capabilities = self.device.capabilities();
        let needed = match meta.segmentation().map(|segmentation| segmentation.kind) {
            None => Offload::empty(),
            Some(SegmentationKind::Tcp4 { cwr: false }) => Offload::TSO4,
            Some(SegmentationKind::Tcp4 { cwr: true }) => Offload::TSO_ECN,
            Some(SegmentationKind::Udp4) => Offload::USO4,
        };
        let checksum = if meta.checksum().is_some() { Offload::TX_CHECKSUM } else { Offload::empty() };
        if !capabilities.offload.contains(needed | checksum) {
            return Err(SendError::Unsupported);
        }
        let longest = match meta.segmentation() {
            None => self.device.mtu().saturating_add(ETHERNET_HEADER),
            Some(_) => capabilities.gso_max_size,
        };
        if len > longest { Err(SendError::TooLong) } else { Ok(()) }
    }

    /// Has `fill` write into a buffer of this layer's own and hands what it
    /// wrote to `take`.
    pub(crate) fn compose(
        &self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
        take: impl FnOnce(&mut [u8]),
    ) {
        // Taken out, so that a filler may write again.
        let mut buffer = self.scratch.take();
        buffer.resize(len, 0);
        let used = fill(&mut buffer).min(len);
        take(buffer.get_mut(..used).unwrap_or_default());
        self.scratch.replace(buffer);
    }

    /// Sends a frame at once, spoilt in the device's own buffer where that is
    /// its fate, so that the device's errors are the caller's.
    pub(crate) fn write_through(
        &self,
        fate: &Fate,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let hardened = if fate.spoils() { TxMeta::NONE.with_more(meta.more()) } else { meta };
        self.device.write(hardened, len, |buffer| {
            let used = fill(buffer).min(len);
            let frame = buffer.get_mut(..used).unwrap_or_default();
            if frame.is_empty() {
                return 0;
            }
            self.transmit.count(|counts| fate.count(counts));
            self.transmit.count_mark(fate.mark(frame));
            if !fate.spoils() {
                return used;
            }
            let _ = harden_tx(meta, frame);
            fate.spoil(frame)
        })
    }

    /// Lets a composed frame meet its fate, no earlier than `due`.
    pub(crate) fn transmit(
        &self,
        now: Instant,
        fate: &Fate,
        due: Option<Instant>,
        meta: TxMeta,
        frame: &mut [u8],
    ) {
        if frame.is_empty() {
            return;
        }
        self.transmit.count(|counts| fate.count(counts));
        if !meta.more() && (fate.lost || due.is_some()) {
            // Those before wait for it, below.
            self.device.flush();
        }
        if fate.lost {
            return;
        }
        self.transmit.count_mark(fate.mark(frame));
        let (meta, len) =
            if fate.spoils() { (harden_tx(meta, frame), fate.spoil(frame)) } else { (meta, frame.len()) };
        let frame = frame.get(..len).unwrap_or_default();
        for _ in 0..1 + u8::from(fate.duplicated) {
            match due {
                None => self.send(now, meta, frame),
                Some(due) => self.hold_to_send(due, meta, frame),
            }
        }
    }

    /// Cuts a large frame; each piece meets its own fate.
    pub(crate) fn transmit_pieces(
        &self,
        now: Instant,
        set: &Impairments,
        segmentation: Segmentation,
        frame: &mut [u8],
    ) {
        let cut = segment::cut(frame, segmentation, |piece| {
            let fate = self.fate(set);
            let due = if fate.lost { None } else { self.transmit.due(now, &fate) };
            self.transmit(now, &fate, due, TxMeta::NONE, piece);
        });
        if cut.is_err() {
            self.transmit.count_overflow();
        }
    }

    fn hold_to_send(&self, due: Instant, meta: TxMeta, frame: &[u8]) {
        if self.transmit.hold(due, meta.with_more(false), frame) {
            self.pollers.wake();
        }
    }

    /// Writes to the device; what it has no room for waits until it has.
    fn send(&self, now: Instant, meta: TxMeta, frame: &[u8]) {
        match copy_to(&self.device, meta, frame) {
            Ok(()) => {}
            Err(SendError::Full) => self.hold_to_send(now, meta, frame),
            Err(_) => self.transmit.count_overflow(),
        }
    }

    /// Sends what was held back and is due; whether some had no room.
    pub(crate) fn send_due(&self, now: Instant) -> bool {
        loop {
            let due = self.transmit.held.borrow_mut().take_due(now);
            let Some(held) = due else {
                return false;
            };
            match copy_to(&self.device, held.meta, &held.bytes) {
                Ok(()) => {}
                Err(SendError::Full) => {
                    self.transmit.held.borrow_mut().put_back(held);
                    return true;
                }
                Err(_) => self.transmit.count_overflow(),
            }
        }
    }

    /// Lets a received frame meet its fate.
    pub(crate) fn receive(&self, frame: Frame<'_>, input: &RefCell<impl FnMut(Frame<'_>)>) {
        let set = self.receive.set.get();
        let fate = self.fate(&set);
        self.receive.count(|counts| fate.count(counts));
        if fate.lost {
            return;
        }
        let mut spoilt = Vec::new();
        let frame = if fate.alters() {
            spoilt.extend_from_slice(frame.bytes);
            self.receive.count_mark(fate.mark(&mut spoilt));
            let meta = if fate.spoils() { harden_rx(frame.meta, &mut spoilt) } else { frame.meta };
            let len = fate.spoil(&mut spoilt);
            Frame::new(spoilt.get(..len).unwrap_or_default(), meta)
        } else {
            frame
        };
        let due = self.receive.due(self.device.now(), &fate);
        for _ in 0..1 + u8::from(fate.duplicated) {
            match due {
                None => hand_up(input, frame),
                Some(due) => {
                    if self.receive.hold(due, frame.meta, frame.bytes) {
                        self.pollers.wake();
                    }
                }
            }
        }
    }

    /// Hands up what was held back and is due; whether more waits.
    pub(crate) fn receive_due(&self, input: &RefCell<impl FnMut(Frame<'_>)>) -> bool {
        let now = self.device.now();
        for _ in 0..BATCH {
            let due = self.receive.held.borrow_mut().take_due(now);
            let Some(held) = due else {
                return false;
            };
            hand_up(input, Frame::new(&held.bytes, held.meta));
        }
        self.receive.held.borrow().first_due().is_some_and(|due| due <= now)
    }
}

fn copy_to(device: &impl Network, meta: TxMeta, frame: &[u8]) -> Result<(), SendError> {
    device.write(meta, frame.len(), |buffer| {
        buffer.copy_from_slice(frame);
        frame.len()
    })
}

fn hand_up(input: &RefCell<impl FnMut(Frame<'_>)>, frame: Frame<'_>) {
    // In use only by a device that hands up from within handing up.
    if let Ok(mut input) = input.try_borrow_mut() {
        input(frame);
    }
}
