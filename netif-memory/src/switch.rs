//! Ports joined together.

use core::array;
use core::cell::Cell;

use traits::{
    ChecksumVerdict, Instant, NetworkStatistics, Offload, PartialChecksum, RxMeta, Time, TxMeta, WakerSet,
};
use wire::MacAddr;

#[cfg(feature = "alloc")]
use crate::Heap;
use crate::segment;
use crate::{Forwarding, InFlight, Port, Queue, Settings, WhenFull};

/// A cable with two ends: a [`Switch`] of two ports that floods.
#[cfg(feature = "alloc")]
pub type Link<T, Q = Heap> = Switch<T, 2, Q>;
/// A cable with two ends: a [`Switch`] of two ports that floods.
#[cfg(not(feature = "alloc"))]
pub type Link<T, Q> = Switch<T, 2, Q>;

/// `PORTS` ports joined together, on the clock `T`, with queues `Q`.
#[derive(Debug)]
pub struct Switch<T, const PORTS: usize, Q> {
    time: T,
    forwarding: Forwarding,
    lines: [Line<Q>; PORTS],
}

/// A port's state and the line that leads to it.
#[derive(Debug)]
pub(crate) struct Line<Q> {
    pub(crate) settings: Cell<Settings>,
    pub(crate) mac: Cell<MacAddr>,
    pub(crate) queue: Q,
    /// When the line has sent all that it was given.
    free_at: Cell<Instant>,
    /// The first frame has just been put on an idle line.
    arriving: Cell<bool>,
    pub(crate) dropped: Cell<u64>,
    pub(crate) statistics: Cell<NetworkStatistics>,
    pub(crate) down: Cell<bool>,
    pub(crate) listeners: WakerSet<2>,
    /// Who waits at this port for room towards the others.
    pub(crate) waiters: WakerSet<8>,
}

#[cfg(feature = "alloc")]
impl<T: Time> Switch<T, 2, Heap> {
    /// A link of two ports with the same settings, with queues that grow.
    pub fn new(time: T, settings: Settings) -> Self {
        Self::with_storage(time, settings, Forwarding::Flood)
    }
}

#[cfg(feature = "alloc")]
impl<T: Time, const PORTS: usize> Switch<T, PORTS, Heap> {
    /// A switch of `PORTS` ports with the same settings, which forwards by
    /// address, with queues that grow.
    pub fn by_address(time: T, settings: Settings) -> Self {
        Self::with_storage(time, settings, Forwarding::ByAddress)
    }
}

impl<T: Time, Q: Queue> Switch<T, 2, Q> {
    /// A link of two ports with the same settings, with the storage that its
    /// type names: `Link::<_, Fixed<64, 1514>>::fixed(…)`.
    pub fn fixed(time: T, settings: Settings) -> Self {
        Self::with_storage(time, settings, Forwarding::Flood)
    }
}

impl<T: Time, const PORTS: usize, Q: Queue> Switch<T, PORTS, Q> {
    /// A switch of `PORTS` ports with the same settings, with the storage
    /// that its type names.
    ///
    /// The ports' addresses are `02:00:00:00:00:01` and so on.
    pub fn with_storage(time: T, settings: Settings, forwarding: Forwarding) -> Self {
        let lines = array::from_fn(|index| Line::new(index, settings));
        Self { time, forwarding, lines }
    }

    /// All ports, in order.
    pub fn ports(&self) -> [Port<'_, T, PORTS, Q>; PORTS] {
        array::from_fn(|index| Port::new(self, index))
    }

    /// One port; those past the end are the last.
    pub fn port(&self, index: usize) -> Port<'_, T, PORTS, Q> {
        Port::new(self, index.min(PORTS.saturating_sub(1)))
    }

    /// The clock.
    pub fn time(&self) -> &T {
        &self.time
    }

    /// Changes the settings of a port, for frames sent from now on.
    pub fn configure(&self, port: usize, settings: Settings) {
        if let Some(line) = self.lines.get(port) {
            line.settings.set(settings);
        }
        self.wake_waiters(self.time.now());
    }

    /// Frames dropped on their way to a port, for want of room or because
    /// what the sender asked of the device made no sense.
    pub fn dropped(&self, port: usize) -> u64 {
        self.lines.get(port).map_or(0, |line| line.dropped.get())
    }

    /// Frames on their way to a port: waiting, in flight, and arrived but not
    /// yet handed up.
    pub fn in_flight(&self, port: usize) -> usize {
        self.lines.get(port).map_or(0, |line| line.queue.len())
    }

    pub(crate) fn line(&self, index: usize) -> Option<&Line<Q>> {
        self.lines.get(index)
    }

    /// The lines of all ports but one, those that are down left out.
    fn others(&self, index: usize) -> impl Iterator<Item = &Line<Q>> {
        let others = self.lines.iter().enumerate().filter(move |(other, _)| *other != index);
        others.map(|(_, line)| line).filter(|line| !line.down.get())
    }

    /// When the port `from` has room to send; `None`: now;
    /// [`Instant::MAX`]: when a receiver has taken something.
    pub(crate) fn room_at(&self, from: usize, now: Instant) -> Option<Instant> {
        self.others(from).filter_map(|line| line.room_at(now)).max()
    }

    /// The earliest time at which a port gets room for which somebody waits.
    pub(crate) fn next_room(&self, now: Instant) -> Option<Instant> {
        let waited = self.lines.iter().enumerate().filter(|(_, line)| !line.waiters.is_empty());
        waited.filter_map(|(index, _)| self.room_at(index, now)).filter(|at| *at != Instant::MAX).min()
    }

    /// Wakes whoever waits for room at a port that has some.
    pub(crate) fn wake_waiters(&self, now: Instant) {
        for (index, line) in self.lines.iter().enumerate() {
            if !line.waiters.is_empty() && self.room_at(index, now).is_none() {
                line.waiters.wake();
            }
        }
    }

    /// Wakes whoever listens at a port to which the first frame is on its way.
    pub(crate) fn wake_listeners(&self) {
        self.lines.iter().filter(|line| line.arriving.take()).for_each(|line| line.listeners.wake());
    }

    /// Wakes all who listen, so that they look at what to wait for.
    pub(crate) fn wake_all_listeners(&self) {
        self.lines.iter().for_each(|line| line.listeners.wake());
    }

    /// Sends a frame from the port `from` to whom it is for, with the work
    /// done that the sender left to the device and the receiver does not take
    /// as it is. Leaves arbitrary bytes in `frame`.
    pub(crate) fn forward(&self, from: usize, frame: &mut [u8], meta: TxMeta) {
        let now = self.time.now();
        let known = match self.forwarding {
            Forwarding::Flood => None,
            Forwarding::ByAddress => frame.first_chunk().and_then(|octets| self.port_of(MacAddr(*octets))),
        };
        let lines = || self.others(from).filter(|line| known.is_none_or(|known| known == line.mac.get()));
        match (meta.segmentation(), meta.checksum()) {
            (None, None) => lines().for_each(|line| line.send(now, frame, RxMeta::NONE)),
            (None, Some(checksum)) => send_blank(lines, now, frame, checksum, RxMeta::NONE, Offload::empty()),
            (Some(segmentation), checksum) => {
                let many = frame.len().saturating_sub(usize::from(segmentation.header_len))
                    > usize::from(segmentation.size.get());
                let meta = RxMeta::NONE.with_segment_size(many.then_some(segmentation.size));
                if let Some(checksum) = checksum {
                    send_blank(lines, now, frame, checksum, meta, Offload::LARGE_RECEIVE);
                }
                let small = || lines().filter(|line| !line.offers(Offload::LARGE_RECEIVE));
                let cut = segment::cut(frame, segmentation, |piece| {
                    small().for_each(|line| line.send(now, piece, line.verified()));
                });
                if cut.is_err() {
                    small().for_each(Line::count_drop);
                }
            }
        }
    }

    fn port_of(&self, mac: MacAddr) -> Option<MacAddr> {
        self.lines.iter().map(|line| line.mac.get()).find(|known| *known == mac)
    }
}

/// Sends a frame whose checksum is left to the device to the lines that offer
/// `needed`: as it is where the receiver takes it so, completed elsewhere.
fn send_blank<'a, Q: Queue + 'a, I: Iterator<Item = &'a Line<Q>>>(
    lines: impl Fn() -> I,
    now: Instant,
    frame: &mut [u8],
    checksum: PartialChecksum,
    meta: RxMeta,
    needed: Offload,
) {
    let lines = || lines().filter(move |line| line.offers(needed));
    let (takes, lacks) = (Offload::RX_CHECKSUM, |line: &&Line<Q>| !line.offers(Offload::RX_CHECKSUM));
    let blank = meta.with_checksum(ChecksumVerdict::Blank(checksum));
    lines().filter(|line| line.offers(takes)).for_each(|line| line.send(now, frame, blank));
    if !lines().any(|line| lacks(&line)) {
        return;
    }
    match segment::complete_checksum(frame, checksum) {
        Ok(()) => lines().filter(lacks).for_each(|line| line.send(now, frame, meta)),
        Err(_) => lines().filter(lacks).for_each(Line::count_drop),
    }
}

impl<Q: Queue> Line<Q> {
    fn new(index: usize, settings: Settings) -> Self {
        let [high, low] = (index as u16).wrapping_add(1).to_be_bytes();
        Self {
            settings: Cell::new(settings),
            mac: Cell::new(MacAddr([0x02, 0, 0, 0, high, low])),
            queue: Q::default(),
            free_at: Cell::new(Instant::ZERO),
            arriving: Cell::new(false),
            dropped: Cell::new(0),
            statistics: Cell::new(NetworkStatistics::ZERO),
            down: Cell::new(false),
            listeners: WakerSet::new(),
            waiters: WakerSet::new(),
        }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut NetworkStatistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    fn count_drop(&self) {
        self.dropped.set(self.dropped.get().wrapping_add(1));
    }

    fn offers(&self, offload: Offload) -> bool {
        self.settings.get().capabilities.offload.contains(offload)
    }

    /// The device's word on a frame that this module completed itself.
    fn verified(&self) -> RxMeta {
        let verified = self.offers(Offload::RX_CHECKSUM);
        RxMeta::NONE.with_checksum(if verified {
            ChecksumVerdict::Verified
        } else {
            ChecksumVerdict::Unchecked
        })
    }

    /// Why no frame fits now: when one does.
    fn full_until(&self, now: Instant) -> Option<Instant> {
        let settings = self.settings.get();
        if self.queue.len() >= settings.capacity.clamp(1, Q::FRAMES.max(1)) {
            return Some(Instant::MAX);
        }
        // Departures ascend: where the frame that many from the back has
        // left, fewer than the bound are waiting.
        let waiting = self.queue.nth_back(settings.queue.saturating_sub(1));
        waiting.map(|frame| frame.departure).filter(|departure| *departure > now)
    }

    /// When this line has room, as far as senders have to wait for it.
    fn room_at(&self, now: Instant) -> Option<Instant> {
        match self.settings.get().when_full {
            WhenFull::Drop => None,
            WhenFull::Refuse => self.full_until(now),
        }
    }

    /// Puts a frame on the line.
    fn send(&self, now: Instant, bytes: &[u8], meta: RxMeta) {
        let settings = self.settings.get();
        // A line that refuses has said yes to the whole write: the pieces of
        // a large frame may go over its bound.
        if settings.when_full == WhenFull::Drop && self.full_until(now).is_some() {
            return self.count_drop();
        }
        let departure = settings.departure(self.free_at.get().max(now), bytes.len());
        // First in, first out, even after the delay was made shorter.
        let last = self.queue.nth_back(0).map_or(Instant::ZERO, |last| last.arrival);
        let arrival = (departure + settings.delay).max(last);
        let first = self.queue.is_empty();
        if !self.queue.push(InFlight::new(departure, arrival, meta), bytes) {
            return self.count_drop();
        }
        self.free_at.set(departure);
        if first {
            self.arriving.set(true);
        }
    }
}
