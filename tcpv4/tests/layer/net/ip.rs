//! An [`Ip`] that records what it is given.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use traits::{
    Capabilities, Config, Header, Instant, Ip, Layer, Packet, Path, Payload, Run, SegmentationKind, SendError,
    TxMeta, UnreachableCode, WakerSet,
};
use wire::Checksum;

/// The time that all hosts of a test share.
#[derive(Clone, Default)]
pub struct Clock(Rc<Cell<Instant>>);

impl Clock {
    pub fn now(&self) -> Instant {
        self.0.get()
    }

    pub fn set(&self, now: Instant) {
        assert!(now >= self.0.get(), "time goes forward");
        self.0.set(now);
    }
}

/// A packet as it was written.
#[derive(Clone, PartialEq, Debug)]
pub struct Sent {
    pub header: Header,
    pub src: Ipv4Addr,
    pub meta: TxMeta,
    pub bytes: Vec<u8>,
}

/// The layer below the one that is tested.
pub struct MockIp {
    pub clock: Clock,
    pub address: Cell<Ipv4Addr>,
    pub generation: Cell<u32>,
    pub mtu: Cell<usize>,
    pub capabilities: Cell<Capabilities>,
    /// What was written and not taken yet.
    pub sent: RefCell<VecDeque<Sent>>,
    /// How many packets are taken before the device is full.
    pub room: Cell<usize>,
    pub waiting_for_room: WakerSet,
    /// What writes fail with, beside being full.
    pub error: Cell<Option<SendError>>,
    pub writes: Cell<u64>,
    /// Writes whose payload was told, not filled in.
    pub gathered: Cell<u64>,
    /// Whether runs are taken, and how many were.
    pub takes_runs: Cell<bool>,
    pub runs: Cell<u64>,
    pub flushes: Cell<u64>,
    pub polls: Cell<u64>,
    /// Frames wait to be read.
    pub backlog: Cell<bool>,
    /// How often the path was said to work.
    pub confirmed: Cell<u64>,
    /// Called in every write, before the filler.
    pub on_write: RefCell<Option<Box<dyn FnMut()>>>,
}

impl MockIp {
    pub fn new(clock: &Clock, host: u8) -> Self {
        Self {
            clock: clock.clone(),
            address: Cell::new(Ipv4Addr::new(10, 0, 0, host)),
            generation: Cell::new(0),
            mtu: Cell::new(1500),
            capabilities: Cell::new(Capabilities::NONE),
            sent: RefCell::default(),
            room: Cell::new(usize::MAX),
            waiting_for_room: WakerSet::new(),
            error: Cell::new(None),
            writes: Cell::new(0),
            gathered: Cell::new(0),
            takes_runs: Cell::new(true),
            runs: Cell::new(0),
            flushes: Cell::new(0),
            polls: Cell::new(0),
            backlog: Cell::new(false),
            confirmed: Cell::new(0),
            on_write: RefCell::new(None),
        }
    }

    pub fn take(&self) -> Vec<Sent> {
        self.sent.borrow_mut().drain(..).collect()
    }

    /// Lets the device take `room` more packets.
    pub fn give_room(&self, room: usize) {
        self.room.set(room);
        self.waiting_for_room.wake();
    }

    /// Another address, or none when it is unspecified.
    pub fn move_to(&self, address: Ipv4Addr) {
        self.address.set(address);
        self.generation.set(self.generation.get() + 1);
    }
}

impl Layer for MockIp {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.get()
    }

    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        self.polls.set(self.polls.get() + 1);
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.room.get() > 0 {
            return Poll::Ready(());
        }
        self.waiting_for_room.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        self.backlog.get()
    }

    fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }
}

impl Ip for MockIp {
    const GATHERS: bool = true;

    fn write_gathered(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.gathered.set(self.gathered.get() + 1);
        self.write(header, meta, len + payload.payload_len(), |buffer| payload.copy_behind(len, buffer, fill))
    }

    fn write(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        if let Some(hook) = self.on_write.borrow_mut().as_mut() {
            hook();
        }
        self.writes.set(self.writes.get() + 1);
        if let Some(error) = self.error.get() {
            return Err(error);
        }
        let path = self.route(header.dst, header.src)?;
        let large = meta.segmentation().is_some();
        if large && (len > path.capabilities.gso_max_size || meta.checksum().is_none()) {
            return Err(SendError::Unsupported);
        }
        if !large && len + 20 > self.mtu.get() {
            return Err(SendError::TooLong);
        }
        if self.room.get() == 0 {
            return Err(SendError::Full);
        }
        self.room.set(self.room.get() - 1);
        // Whatever was in the buffer before is no business of the filler's.
        let mut bytes = vec![0xa5; len];
        let used = fill(&mut bytes).min(len);
        bytes.truncate(used);
        if used > 0 {
            self.sent.borrow_mut().push_back(Sent { header, src: path.src, meta, bytes });
        }
        Ok(())
    }

    fn write_run(
        &self,
        header: Header,
        meta: TxMeta,
        run: Run,
        mut fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        if !self.takes_runs.get() {
            return None;
        }
        self.runs.set(self.runs.get() + 1);
        for index in 0..run.count {
            let len = run.len_of(index);
            let whole = |buffer: &mut [u8]| if fill(index, buffer) < len { 0 } else { len };
            if let Err(error) = self.write(header, meta, len, whole) {
                return Some((index, Err(error)));
            }
        }
        Some((run.count, Ok(())))
    }

    fn route(&self, _: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Path, SendError> {
        let own = self.address.get();
        if own.is_unspecified() || src.is_some_and(|src| src != own) {
            return Err(SendError::NoAddress);
        }
        Ok(Path::new(own, self.mtu.get(), self.capabilities.get()))
    }

    fn unreachable(&self, _: &Packet<'_>, _: UnreachableCode) {}

    fn configure(&self, _: &Config<'_>) -> usize {
        0
    }

    fn set_ipv4(&self, address: Ipv4Addr) {
        self.move_to(address);
    }

    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        Some(self.address.get()).filter(|a| !a.is_unspecified())
    }

    fn set_ipv4_netmask(&self, _: Ipv4Addr) {}

    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        None
    }

    fn set_ipv4_gateways(&self, _: &[Ipv4Addr]) {}

    fn get_ipv4_gateways(&self, _: impl FnMut(Ipv4Addr)) {}

    fn is_local(&self, address: Ipv4Addr) -> bool {
        address == self.address.get()
    }

    fn generation(&self) -> u32 {
        self.generation.get()
    }

    fn join_group(&self, _: Ipv4Addr) -> Result<(), SendError> {
        Err(SendError::Unsupported)
    }

    fn leave_group(&self, _: Ipv4Addr) {}

    fn confirm(&self, _: Ipv4Addr) {
        self.confirmed.set(self.confirmed.get() + 1);
    }

    fn learn_path_mtu(&self, _: Ipv4Addr, mtu: u16) {
        self.mtu.set(usize::from(mtu));
    }

    fn forget_path_mtu(&self, _: Ipv4Addr) {}
}

impl Sent {
    /// What a device that does the work asked for puts on the wire.
    pub fn on_the_wire(&self) -> Vec<Vec<u8>> {
        let Some(segmentation) = self.meta.segmentation() else {
            let mut bytes = self.bytes.clone();
            if let Some(partial) = self.meta.checksum() {
                assert_eq!((partial.start, partial.offset), (0, 16));
                let sum = Checksum::new().bytes(&bytes).finish();
                bytes[16..18].copy_from_slice(&sum.to_be_bytes());
            }
            return vec![bytes];
        };
        let header_len = usize::from(segmentation.header_len);
        let (header, payload) = self.bytes.split_at(header_len);
        assert_eq!(header_len, usize::from(header[12] >> 4) * 4);
        let cwr_set = header[13] & 0x80 != 0;
        assert_eq!(segmentation.kind, SegmentationKind::Tcp4 { cwr: cwr_set });
        let size = usize::from(segmentation.size.get());
        let count = payload.len().div_ceil(size);
        assert!(count > 1, "a large segment has more than one within");
        let cut = |(i, piece): (usize, &[u8])| {
            let mut bytes = [header, piece].concat();
            let seq = u32::from_be_bytes(bytes[4..8].try_into().unwrap());
            bytes[4..8].copy_from_slice(&seq.wrapping_add((i * size) as u32).to_be_bytes());
            if i + 1 < count {
                bytes[13] &= !0x09;
            }
            if i > 0 {
                bytes[13] &= !0x80;
            }
            seal(self.src, self.header.dst, &mut bytes);
            bytes
        };
        payload.chunks(size).enumerate().map(cut).collect()
    }
}

/// Puts the right checksum into a segment.
pub fn seal(src: Ipv4Addr, dst: Ipv4Addr, segment: &mut [u8]) {
    segment[16..18].fill(0);
    let sum = Checksum::pseudo(src, dst, wire::Protocol::TCP, segment.len()).bytes(segment).finish();
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
}
