//! A device that plays a host of a recording.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, Waker};

use netif_memory::segment;
use traits::{
    Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, RxMeta, SendError, Time, TxMeta,
    WakerSet,
};
use wire::MacAddr;

use crate::{Recorded, Recording, Side};

/// The Ethernet header, in bytes.
const ETHERNET_HEADER: usize = 14;

/// Frames handed up before others run.
const BATCH: usize = 64;

/// Turns that the stack gets at most to send what the host sent at a time.
const TURNS: u8 = 16;

/// A frame that the stack sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// The frame as on a wire: checksums completed, large frames cut.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}", self.at, crate::summary(&self.bytes))
    }
}

/// A device that hands up what a host of `recording` received, at the
/// recording's own times, and collects what the stack sends.
///
/// Its clock is `time`, which stands at the recording's first frame when it
/// is at zero: timers run as they did then. Of frames with the same time,
/// those that stand after one that the host sent are handed up once the stack
/// had its turn. After the last frame, nothing more arrives.
///
/// It collects up to a million frames and 256 MiB, unless
/// [set](Replay::with_collected) otherwise; then writes are refused with
/// [`SendError::Full`]. They are as well, until something is handed up, once
/// the stack has sent 10,000 frames more than the host did in a time in which
/// nothing arrived: a silence of years costs no more than those, whatever
/// timers go on in it, and leaves room for what comes after.
#[derive(Debug)]
pub struct Replay<'r, T> {
    time: T,
    recording: &'r Recording,
    side: Side,
    mac: Cell<MacAddr>,
    mtu: Cell<usize>,
    capabilities: Cell<Capabilities>,
    next: Cell<usize>,
    /// A place in the recording, and the turns that the stack had before it.
    turns: Cell<(usize, u8)>,
    sent: RefCell<Vec<Sent>>,
    /// In all of those.
    sent_bytes: Cell<usize>,
    /// Frames and bytes.
    max_sent: (usize, usize),
    /// Frames sent since one was handed up.
    unprompted: Cell<usize>,
    /// For each frame sent, [`next`](Self::next) by then.
    places: RefCell<Vec<usize>>,
    statistics: Cell<NetworkStatistics>,
    down: Cell<bool>,
    listeners: WakerSet<2>,
    waiters: WakerSet<4>,
}

impl<'r, T: Time> Replay<'r, T> {
    /// The most frames collected, unless [set](Replay::with_collected).
    pub const MAX_SENT: usize = 1_000_000;
    /// The most bytes in them, unless [set](Replay::with_collected).
    pub const MAX_SENT_BYTES: usize = 256 << 20;
    /// The most frames collected while nothing arrives, beside as many as the
    /// host sent then.
    pub const MAX_UNPROMPTED: usize = 10_000;

    /// Plays one side of `recording`.
    ///
    /// Its address is the one that the host sends from, or gets unicast
    /// frames at, in the recording; [`MacAddr::ZERO`] where neither occurs.
    pub fn new(time: T, recording: &'r Recording, side: Side) -> Self {
        let frames = recording.frames();
        let own = match side {
            Side::Host(mac) => Some(mac),
            Side::Inbound | Side::Outbound => {
                let sent = frames.iter().filter(|frame| side.sends(frame)).find_map(Recorded::src);
                let received = || frames.iter().filter(|frame| side.receives(frame)).filter_map(Recorded::dst);
                sent.or_else(|| received().find(|dst| dst.is_unicast()))
            }
        };
        Self {
            time,
            recording,
            side,
            mac: Cell::new(own.unwrap_or_default()),
            mtu: Cell::new(1500),
            capabilities: Cell::new(Capabilities::NONE),
            next: Cell::new(0),
            turns: Cell::new((0, 0)),
            sent: RefCell::default(),
            sent_bytes: Cell::new(0),
            max_sent: (Self::MAX_SENT, Self::MAX_SENT_BYTES),
            unprompted: Cell::new(0),
            places: RefCell::default(),
            statistics: Cell::new(NetworkStatistics::ZERO),
            down: Cell::new(false),
            listeners: WakerSet::new(),
            waiters: WakerSet::new(),
        }
    }

    /// With other bounds of what is collected.
    #[must_use]
    pub const fn with_collected(mut self, frames: usize, bytes: usize) -> Self {
        self.max_sent = (frames, bytes);
        self
    }

    /// With another hardware address.
    #[must_use]
    pub fn with_mac(self, mac: MacAddr) -> Self {
        self.mac.set(mac);
        self
    }

    /// With an MTU in bytes, 1500 unless set.
    #[must_use]
    pub fn with_mtu(self, mtu: usize) -> Self {
        self.mtu.set(mtu);
        self
    }

    /// With offloads on transmit, none unless set; their work is done before
    /// a frame is collected.
    #[must_use]
    pub fn with_capabilities(self, capabilities: Capabilities) -> Self {
        self.capabilities.set(capabilities);
        self
    }

    /// The recording.
    pub const fn recording(&self) -> &'r Recording {
        self.recording
    }

    /// The side that is played.
    pub const fn side(&self) -> Side {
        self.side
    }

    /// What the stack has sent so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// For each frame that the stack has [sent](Replay::sent), how many frames
    /// of the recording stand before the next that was to be handed up.
    pub fn places(&self) -> Vec<usize> {
        self.places.borrow().clone()
    }

    /// What the host sent in the recording.
    pub fn expected(&self) -> impl Iterator<Item = &'r Recorded> + use<'r, T> {
        let side = self.side;
        self.recording.frames().iter().filter(move |frame| side.sends(frame))
    }

    /// Whether all has been handed up.
    pub fn is_over(&self) -> bool {
        self.upcoming().is_none()
    }

    /// The next frame for the host, with its place in the recording.
    fn upcoming(&self) -> Option<(usize, &'r Recorded)> {
        let frames = self.recording.frames().iter().enumerate().skip(self.next.get());
        let mut received = frames.filter(|(_, frame)| self.side.receives(frame));
        received.next().filter(|_| !self.down.get())
    }

    /// Hands up what was received by `now` and before the host sent anything
    /// more; when the next is due.
    fn receive(&self, now: Instant, input: &mut impl FnMut(Frame<'_>)) -> Option<Instant> {
        for handed_up in 0..BATCH {
            let (index, frame) = self.upcoming()?;
            if frame.at > now || self.is_stacks_turn(handed_up > 0, index, frame.at) {
                return Some(frame.at);
            }
            self.next.set(index + 1);
            self.count(|statistics| {
                statistics.rx_packets = statistics.rx_packets.wrapping_add(1);
                statistics.rx_bytes = statistics.rx_bytes.wrapping_add(frame.bytes.len() as u64);
            });
            self.unprompted.set(0);
            self.waiters.wake();
            input(Frame::new(&frame.bytes, RxMeta::NONE));
        }
        self.upcoming().map(|(_, frame)| frame.at)
    }

    /// Whether the stack is to be polled before the frame at `index` is handed
    /// up, since the host sent something at the same time but before that.
    /// It may take the stack a few turns.
    fn is_stacks_turn(&self, handed_up: bool, index: usize, at: Instant) -> bool {
        let frames = self.recording.frames();
        let between = frames.get(self.next.get()..index).unwrap_or_default();
        let sends = |frame: &&Recorded| self.side.sends(frame) && (handed_up || frame.at == at);
        let turns = match self.turns.get() {
            (place, turns) if place == index => turns,
            _ => 0,
        };
        self.turns.set((index, turns + 1));
        let expected = || frames.iter().take(index).filter(|frame| self.side.sends(frame)).count();
        let some = between.iter().any(|frame| sends(&frame));
        some && (turns == 0 || turns < TURNS && self.sent.borrow().len() < expected())
    }

    fn count(&self, change: impl FnOnce(&mut NetworkStatistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    /// Whether a frame of `len` bytes is collected.
    fn has_room(&self, len: usize) -> bool {
        let (frames, bytes) = self.max_sent;
        let fits = self.sent.borrow().len() < frames && self.sent_bytes.get().saturating_add(len) <= bytes;
        fits && (self.unprompted.get() < Self::MAX_UNPROMPTED || self.unprompted.get() < self.may_send())
    }

    /// Frames that the stack may send before the next is handed up.
    fn may_send(&self) -> usize {
        let frames = self.recording.frames().get(self.next.get()..).unwrap_or_default();
        let silence = frames.iter().take_while(|frame| !self.side.receives(frame));
        silence.filter(|frame| self.side.sends(frame)).count().saturating_add(Self::MAX_UNPROMPTED)
    }

    fn collect(&self, meta: TxMeta, frame: &mut [u8]) {
        let at = self.time.now();
        let keep = |piece: &mut [u8]| {
            self.sent_bytes.set(self.sent_bytes.get() + piece.len());
            self.unprompted.set(self.unprompted.get() + 1);
            self.sent.borrow_mut().push(Sent { at, bytes: piece.to_vec() });
            self.places.borrow_mut().push(self.next.get());
        };
        let cut = meta.segmentation().map(|by| segment::cut(frame, by, keep));
        if cut.is_none_or(|cut| cut.is_err()) {
            // What does not fit the frame shows in the comparison.
            let _ = meta.checksum().map(|request| segment::complete_checksum(frame, request));
            keep(frame);
        }
    }
}

impl<T: Time> Layer for Replay<'_, T> {
    fn now(&self) -> Instant {
        self.time.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.get()
    }

    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        // For a frame of the usual length; a longer one is refused again.
        if self.has_room(self.mtu.get().saturating_add(ETHERNET_HEADER)) {
            return Poll::Ready(());
        }
        // Comes back after a silence only.
        self.waiters.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl<T: Time> Network for Replay<'_, T> {
    type Error = Never;

    fn mac(&self) -> MacAddr {
        self.mac.get()
    }

    fn mtu(&self) -> usize {
        self.mtu.get()
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        if self.down.get() {
            return Err(SendError::Down);
        }
        let longest = match meta.segmentation() {
            None => self.mtu.get().saturating_add(ETHERNET_HEADER),
            Some(_) => self.capabilities.get().gso_max_size,
        };
        if len > longest {
            return Err(SendError::TooLong);
        }
        if !self.has_room(len) {
            self.count(|statistics| statistics.tx_full = statistics.tx_full.wrapping_add(1));
            return Err(SendError::Full);
        }
        let mut buffer = vec![0; len];
        let used = fill(&mut buffer).min(len);
        let frame = buffer.get_mut(..used).unwrap_or_default();
        if !frame.is_empty() {
            self.count(|statistics| {
                statistics.tx_packets = statistics.tx_packets.wrapping_add(1);
                statistics.tx_bytes = statistics.tx_bytes.wrapping_add(used as u64);
            });
            self.collect(meta, frame);
        }
        Ok(())
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        let mut sleep = pin!(None);
        let mut armed = None;
        poll_fn(|context| {
            self.listeners.register(context.waker());
            let now = self.time.now();
            let next = self.receive(now, &mut input);
            if next.is_some_and(|at| at <= now) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if next != armed {
                armed = next;
                sleep.set(next.map(|at| self.time.sleep_until(at)));
            }
            if let Some(due) = sleep.as_mut().as_pin_mut()
                && due.poll(context).is_ready()
            {
                armed = None;
                sleep.set(None);
                context.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    fn statistics(&self) -> NetworkStatistics {
        self.statistics.get()
    }

    fn reset_statistics(&self) {
        self.statistics.set(NetworkStatistics::ZERO);
    }

    fn disconnect(&self) {
        self.down.set(true);
        self.listeners.wake();
        self.waiters.wake();
    }
}
