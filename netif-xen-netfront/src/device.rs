//! The device: what it is made of, and what its parts share.

mod announce;
mod connect;
mod network;
mod serve;

use core::cell::{Cell, RefCell};
use core::fmt;

use traits::{Backlog, NetworkStatistics, Offload, SegmentationKind, SendError, TxMeta, WakerSet};
use wire::MacAddr;

use crate::counters::{Breach, increment};
use crate::frame::ETHERNET_HEADER;
use crate::hypervisor::PAGE;
use crate::protocol::MAX_FRAME;
use crate::receive::RxQueue;
use crate::store::{Path, XenbusState};
use crate::transmit::Transmit;
use crate::{Channel, Counters, DomainId, Exhausted, Hypervisor, Options, StoreError};

/// Frames handed up before the other tasks run.
pub const BATCH: usize = 64;

/// Full batches in a row after which timers wait no more for the rings to be
/// read: more frames than a ring holds.
const BACKLOG_BATCHES: u8 = 8;

/// A network device of a Xen guest.
///
/// `H` is the system under it, `QUEUES` how many queues it uses at most: so
/// many as the backend offers, if it offers fewer. One device serves all of
/// them: a frame goes out through the queue that its flow hashes to.
///
/// Frames are filled in place, in pages that the backend can read, and
/// received through one copy, out of pages that it can write: what is checked
/// must not change afterwards.
///
/// While there is no backend, writes fail with
/// [`Down`](SendError::Down); [`listen`](traits::Network::listen) connects
/// again when there is one. It has to run for anything but sending to work.
pub struct Netfront<H: Hypervisor, const QUEUES: usize = 1> {
    hypervisor: H,
    /// The frontend's directory in xenstore.
    frontend: Path,
    options: Options,
    mac: Cell<MacAddr>,
    mtu: Cell<usize>,
    agreed: Cell<Agreed>,
    link: Cell<Link>,
    /// What the frontend's `state` says, as far as it was written here.
    told: Cell<XenbusState>,
    /// To whom pages are granted.
    peer: Cell<Option<DomainId>>,
    backend: RefCell<Option<Backend<H>>>,
    transmit: RefCell<Option<Transmit<H, QUEUES>>>,
    receive: RefCell<Receive<H, QUEUES>>,
    channels: RefCell<heapless::Vec<Channels<H::Channel>, QUEUES>>,
    room: WakerSet<4>,
    /// Whoever listens, or waits for a turn to.
    idle: WakerSet<2>,
    listening: Cell<bool>,
    /// A backend may have taken rings of this device already.
    was_connected: Cell<bool>,
    backlog: Backlog,
    statistics: Cell<NetworkStatistics>,
    counters: Cell<Counters>,
}

/// Whether frames pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// No backend is connected.
    Down,
    /// The rings are in use.
    Up {
        /// The backend has said that it is connected too.
        confirmed: bool,
    },
    /// The backend has broken the contract of a ring: its rings are not
    /// looked at any more.
    Broken,
    /// Disconnected by the user.
    Ended,
}

/// What the backend and the options have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Agreed {
    offload: Offload,
    /// Frames to send may have several pieces.
    scatter_gather: bool,
}

/// The backend that is connected to.
struct Backend<H: Hypervisor> {
    path: Path,
    /// On its `state`.
    watch: H::Watch,
}

/// The receive sides of all queues, and the buffer that frames are copied to.
struct Receive<H: Hypervisor, const QUEUES: usize> {
    queues: heapless::Vec<RxQueue<H::Shared>, QUEUES>,
    buffer: Option<H::Private>,
    /// The queue that has its turn first.
    first: usize,
}

/// A queue's event channels.
#[derive(Debug)]
struct Channels<C> {
    /// For both directions, unless there is a second one.
    tx: C,
    rx: Option<C>,
}

/// The direction that an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Direction {
    Transmit,
    Receive,
}

impl<C: Channel> Channels<C> {
    fn of(&self, direction: Direction) -> &C {
        match direction {
            Direction::Transmit => &self.tx,
            Direction::Receive => self.rx.as_ref().unwrap_or(&self.tx),
        }
    }
}

/// Why a connection was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// Memory, grants or event channels are used up.
    Exhausted,
    /// Xenstore does not answer, or refuses.
    Store(StoreError),
    /// The backend can't copy into the guest's pages (`feature-rx-copy`).
    NoCopy,
    /// There is no usable `mac`.
    NoMac,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "out of memory, grants or event channels",
            Self::Store(_) => "xenstore refused",
            Self::NoCopy => "the backend does not offer feature-rx-copy",
            Self::NoMac => "xenstore has no address for the device",
        })
    }
}

impl core::error::Error for ConnectError {}

impl From<Exhausted> for ConnectError {
    fn from(Exhausted: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<H: Hypervisor, const QUEUES: usize> fmt::Debug for Netfront<H, QUEUES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netfront")
            .field("frontend", &self.frontend)
            .field("mac", &self.mac)
            .field("mtu", &self.mtu)
            .field("agreed", &self.agreed)
            .field("link", &self.link)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl<H: Hypervisor> Netfront<H> {
    /// Connects the network device of this number, with one queue and the
    /// default [`Options`]: that of the guest's first `vif` is 0.
    ///
    /// Waits until there is a backend.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect(hypervisor: H, number: u32) -> Result<Self, ConnectError> {
        Self::connect_with(hypervisor, number, Options::new()).await
    }
}

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// Connects the network device of this number, with up to `QUEUES`
    /// queues, 1 to 64.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn connect_with(hypervisor: H, number: u32, options: Options) -> Result<Self, ConnectError> {
        const { assert!(QUEUES > 0 && QUEUES <= Queues::MOST, "1 to 64 queues") };
        let device = Self::unconnected(hypervisor, number, options)?;
        device.establish().await?;
        Ok(device)
    }

    /// A device that [`listen`](traits::Network::listen) connects; until then,
    /// it has no address.
    ///
    /// # Errors
    ///
    /// None that can occur: the path of any number fits.
    fn unconnected(hypervisor: H, number: u32, options: Options) -> Result<Self, ConnectError> {
        let frontend = crate::store::join("device/vif", &crate::store::decimal(number))?;
        Ok(Self {
            hypervisor,
            frontend,
            options,
            mac: Cell::new(MacAddr::ZERO),
            mtu: Cell::new(1500),
            agreed: Cell::new(Agreed::default()),
            link: Cell::new(Link::Down),
            told: Cell::new(XenbusState::Unknown),
            peer: Cell::new(None),
            backend: RefCell::new(None),
            transmit: RefCell::new(None),
            receive: RefCell::new(Receive { queues: heapless::Vec::new(), buffer: None, first: 0 }),
            channels: RefCell::new(heapless::Vec::new()),
            room: WakerSet::new(),
            idle: WakerSet::new(),
            listening: Cell::new(false),
            was_connected: Cell::new(false),
            backlog: Backlog::new(BACKLOG_BATCHES),
            statistics: Cell::new(NetworkStatistics::ZERO),
            counters: Cell::new(Counters::ZERO),
        })
    }

    /// What was dropped or broken off, by reason.
    pub fn counters(&self) -> Counters {
        self.counters.get()
    }

    /// Whether a backend is connected.
    pub fn is_up(&self) -> bool {
        matches!(self.link.get(), Link::Up { .. })
    }

    /// How many queues are in use.
    pub fn queues(&self) -> usize {
        self.channels.try_borrow().map_or(0, |channels| channels.len())
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    fn count_statistics(&self, change: impl FnOnce(&mut NetworkStatistics)) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    /// Gives the connection up for what the backend has done; whoever listens
    /// makes a new one.
    fn give_up(&self, breach: Breach) {
        if self.is_up() {
            self.count(|counters| counters.broken(breach));
            self.link.set(Link::Broken);
            self.idle.wake();
            self.room.wake();
        }
    }

    /// Whether a frame like this may be sent.
    fn admit(&self, meta: TxMeta, len: usize) -> Result<(), SendError> {
        if !self.is_up() {
            return Err(SendError::Down);
        }
        let offload = self.agreed.get().offload;
        let segmentation = match meta.segmentation().map(|segmentation| segmentation.kind) {
            None => Offload::empty(),
            Some(SegmentationKind::Tcp4 { cwr: false }) => Offload::TSO4 | Offload::TX_CHECKSUM,
            Some(SegmentationKind::Tcp4 { cwr: true }) => Offload::TSO_ECN,
            Some(SegmentationKind::Udp4) => Offload::USO4,
        };
        let checksum = if meta.checksum().is_some() { Offload::TX_CHECKSUM } else { Offload::empty() };
        // A large frame without a checksum to complete is no valid request.
        let incomplete = meta.segmentation().is_some() && meta.checksum().is_none();
        if incomplete || !offload.contains(segmentation | checksum) {
            return Err(SendError::Unsupported);
        }
        let longest = if meta.segmentation().is_some() { self.gso_max_size() } else { self.longest() };
        if len > longest { Err(SendError::TooLong) } else { Ok(()) }
    }

    /// The longest frame without segmentation.
    fn longest(&self) -> usize {
        let pieces = if self.agreed.get().scatter_gather { MAX_FRAME } else { PAGE };
        (self.mtu.get() + ETHERNET_HEADER).min(pieces).min(self.options.tx_pages * PAGE)
    }

    /// The longest frame with segmentation; 0 where there is none.
    fn gso_max_size(&self) -> usize {
        if !self.agreed.get().offload.contains(Offload::TSO4) {
            return 0;
        }
        MAX_FRAME.min(self.options.tx_pages * PAGE)
    }

    /// The longest frame of all: its length, and whether it is a large one.
    fn largest(&self) -> (usize, bool) {
        let gso = self.gso_max_size();
        if gso > 0 { (gso, true) } else { (self.longest(), false) }
    }

    /// Sends the backend an event for each queue in `queues`.
    fn notify(&self, queues: Queues, direction: Direction) {
        // In use only while a connection is made: nobody is there to be told.
        let Ok(channels) = self.channels.try_borrow() else { return };
        for (index, channels) in channels.iter().enumerate() {
            if queues.contains(index) {
                self.count(|counters| increment(&mut counters.events_sent));
                channels.of(direction).notify();
            }
        }
    }
}

/// Lets the backend see all frames that were put on the rings; which queues
/// want an event.
fn publish<H: Hypervisor, const QUEUES: usize>(transmit: &mut Transmit<H, QUEUES>) -> Queues {
    let mut wanted = Queues::default();
    for (index, queue) in transmit.queues.iter_mut().enumerate() {
        if queue.publish() {
            wanted.insert(index);
        }
    }
    wanted
}

/// A set of queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Queues(u64);

impl Queues {
    const MOST: usize = 64;

    fn insert(&mut self, index: usize) {
        self.0 |= 1 << (index % Self::MOST);
    }

    fn contains(self, index: usize) -> bool {
        self.0 >> (index % Self::MOST) & 1 == 1
    }
}
