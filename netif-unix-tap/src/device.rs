//! The tap: what it is made of, its offloads, and sending.

mod network;
mod pace;
mod receive;

use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::RangeInclusive;
use core::task::{Poll, Waker};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use os::unix::Reactor;
use traits::{Backlog, NetworkStatistics, Offload, SendError, TxMeta, WakerSet};
use wire::MacAddr;

pub use receive::TapError;

use self::pace::Pace;
use crate::header::{ETHERNET_LEN, HEADER_LEN};
use crate::ioctl::{self, InterfaceRequest};
use crate::open::{OpenError, Options};
use crate::transmit::{Sent, Transmit};

/// Frames handed up before the other tasks run; up to four times as many where
/// they are full ones, of 512 to 2,048 bytes.
pub const BATCH: usize = 64;

/// Bytes of what is likely to be a full segment of a stream. Four of them count
/// as one frame of a batch: one acknowledgement answers all that a batch brings,
/// and each wakes the kernel's sender. Small frames want answers of their own, of
/// which those above keep a bounded number, and large ones have joined dozens
/// already.
const FULL: RangeInclusive<usize> = 512..=2048;

/// Full batches in a row after which timers wait no more for the device to be
/// read: together more frames than its queue holds by default.
const BACKLOG_BATCHES: u8 = 16;

/// The largest frame that asks for segmentation: an Ethernet header and an
/// IPv4 packet of the greatest length that its header can tell.
pub const GSO_MAX_SIZE: usize = ETHERNET_LEN + 65_535;

/// Bytes for one frame received, a VLAN tag included, and one more by which a
/// frame that was cut off is known.
const RECEIVE_LEN: usize = GSO_MAX_SIZE + 4 + 1;

/// A tap device.
///
/// `R` watches its descriptor: a reference to the run loop of
/// [`os::unix`], or to an adapter over another executor.
///
/// A frame is sent by one system call. One that another follows
/// ([`TxMeta::more`]) is kept until then: up to [`BATCH`] frames, as far as they
/// fit 64 KiB together, go out one right behind the other, before the next that
/// would be one too many, or with [`Layer::flush`](traits::Layer::flush), or at
/// the end of a batch received. When the device has no room, which happens when
/// its send buffer is bounded and whoever gets its frames is slow, the frame that
/// it had none for is kept, with those behind it, and the next `write` says
/// [`Full`](SendError::Full); whoever listens sends what is kept. What is kept when
/// the tap is dropped is lost. A frame that segmentation cuts
/// counts as one in the statistics, and so does a large one received.
///
/// While the interface is not up, writes fail with
/// [`Down`](SendError::Down); they work again when it is.
pub struct Tap<R: Reactor> {
    reactor: R,
    source: R::Source,
    link: Option<Link>,
    mac: MacAddr,
    mtu: usize,
    vnet_header: bool,
    /// The kernel knows UDP segmentation: Linux 6.2.
    knows_uso: bool,
    offload: Cell<Offload>,
    state: Cell<State>,
    receive: RefCell<Box<[u8]>>,
    transmit: RefCell<Transmit>,
    listening: Cell<bool>,
    arrivals: Pace,
    departures: Pace,
    backlog: Backlog,
    /// Listeners whose turn it is not, or that nothing reaches any more.
    idle: WakerSet<2>,
    /// The one whose turn it is.
    listener: WakerSet<1>,
    room: WakerSet<4>,
    statistics: Cell<NetworkStatistics>,
}

/// The interface, to ask about by name.
pub(crate) struct Link {
    pub(crate) socket: OwnedFd,
    pub(crate) about: InterfaceRequest,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Frames pass.
    Up,
    /// The interface may be down: ask before the next frame is filled.
    Doubtful,
    /// Disconnected, or the interface was deleted.
    Down,
}

impl<R: Reactor> fmt::Debug for Tap<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("name", &self.name())
            .field("mac", &self.mac)
            .field("mtu", &self.mtu)
            .field("offload", &self.offload)
            .field("state", &self.state)
            .field("statistics", &self.statistics)
            .finish_non_exhaustive()
    }
}

impl<R: Reactor> Tap<R> {
    /// Attaches to the tap `name`, or creates it, with the default
    /// [`Options`].
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(reactor: R, name: &str) -> Result<Self, OpenError> {
        Options::new().open(reactor, name)
    }

    pub(crate) fn new(
        reactor: R,
        source: R::Source,
        link: Option<Link>,
        mac: MacAddr,
        mtu: usize,
        vnet_header: bool,
        offload: Offload,
    ) -> Self {
        let all = ioctl::TUN_F_CSUM | ioctl::TUN_F_USO;
        let knows_uso = vnet_header && (link.is_none() || ioctl::set_offload(&source, all).is_ok());
        let tap = Self {
            reactor,
            source,
            link,
            mac,
            mtu,
            vnet_header,
            knows_uso,
            offload: Cell::new(Offload::empty()),
            state: Cell::new(State::Doubtful),
            receive: RefCell::new(vec![0; HEADER_LEN + RECEIVE_LEN].into()),
            transmit: RefCell::new(Transmit::new(vnet_header)),
            listening: Cell::new(false),
            arrivals: Pace::default(),
            departures: Pace::default(),
            backlog: Backlog::new(BACKLOG_BATCHES),
            idle: WakerSet::new(),
            listener: WakerSet::new(),
            room: WakerSet::new(),
            statistics: Cell::new(NetworkStatistics::ZERO),
        };
        // What the kernel refuses stays off, and the capabilities say so.
        let _ = tap.set_offload(offload);
        tap
    }

    /// The interface's name; empty for a descriptor that is none.
    pub fn name(&self) -> String {
        self.link.as_ref().map(|link| link.about.name()).unwrap_or_default()
    }

    /// Switches offloads: on those in `wanted` as far as the kernel has them,
    /// off all others. Returns what is on.
    ///
    /// Segmentation needs [`Offload::TX_CHECKSUM`] and large receive needs
    /// [`Offload::RX_CHECKSUM`]: without it, they are off. Frames that wait
    /// already may still come as before. The receive side is a setting of the
    /// interface, and the same for all its queues.
    ///
    /// # Errors
    ///
    /// The system's. Nothing has changed then.
    pub fn set_offload(&self, wanted: Offload) -> io::Result<Offload> {
        let offload = self.possible(wanted);
        // Without the header too: what a former owner has set must not stay.
        if self.link.is_some() {
            ioctl::set_offload(&self.source, receive_flags(offload, self.knows_uso))?;
        }
        self.offload.set(offload);
        Ok(offload)
    }

    /// The part of `wanted` that this device can do.
    fn possible(&self, wanted: Offload) -> Offload {
        if !self.vnet_header {
            return Offload::empty();
        }
        let mut possible = wanted;
        possible.set(Offload::USO4, wanted.contains(Offload::USO4) && self.knows_uso);
        if !wanted.contains(Offload::TX_CHECKSUM) {
            possible.remove(Offload::TSO4 | Offload::TSO_ECN | Offload::USO4);
        }
        if !possible.contains(Offload::TSO4) {
            possible.remove(Offload::TSO_ECN);
        }
        if !wanted.contains(Offload::RX_CHECKSUM) {
            possible.remove(Offload::LARGE_RECEIVE);
        }
        possible
    }

    /// Whether a frame of this kind may be filled now.
    fn admit(&self, meta: TxMeta, len: usize) -> Result<(), SendError> {
        match self.state.get() {
            State::Up => {}
            State::Doubtful if self.link_is_up() => self.state.set(State::Up),
            State::Doubtful | State::Down => return Err(SendError::Down),
        }
        if !self.offload.get().contains(requested(meta)) {
            return Err(SendError::Unsupported);
        }
        let longest = if meta.segmentation().is_some() { GSO_MAX_SIZE } else { ETHERNET_LEN + self.mtu };
        if len > longest.min(GSO_MAX_SIZE) {
            return Err(SendError::TooLong);
        }
        Ok(())
    }

    fn link_is_up(&self) -> bool {
        let Some(Link { socket, about }) = &self.link else { return true };
        ioctl::interface_flags(socket, *about).is_ok_and(|flags| flags & ioctl::IFF_UP != 0)
    }

    fn refuse_full(&self) -> SendError {
        self.count(|statistics| statistics.tx_full = statistics.tx_full.wrapping_add(1));
        SendError::Full
    }

    fn count(&self, change: impl FnOnce(&mut NetworkStatistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    /// Takes note of what became of a frame of `len` bytes.
    fn settle(&self, sent: Sent, len: usize) {
        match sent {
            Sent::Held => return,
            Sent::Taken => {
                return self.count(|statistics| {
                    statistics.tx_packets = statistics.tx_packets.wrapping_add(1);
                    statistics.tx_bytes = statistics.tx_bytes.wrapping_add(len as u64);
                });
            }
            Sent::LinkDown => self.state.set(State::Doubtful),
            Sent::Gone => self.state.set(State::Down),
            Sent::Refused => {}
        }
        self.count(|statistics| statistics.tx_dropped = statistics.tx_dropped.wrapping_add(1));
    }

    /// Sends the frames that wait. `true` when none waits any more; otherwise the
    /// listener waits for room, since nobody else may.
    fn send_or_leave(&self, transmit: &mut Transmit) -> bool {
        let is_done = self.send_waiting(transmit);
        if !is_done {
            self.listener.wake();
        }
        is_done
    }

    /// Sends the frames that wait. `true` when none waits any more.
    fn send_waiting(&self, transmit: &mut Transmit) -> bool {
        while let Some(len) = transmit.oldest() {
            let sent = transmit.send_oldest(&self.source, len);
            self.settle(sent, len);
            if sent == Sent::Held {
                return false;
            }
        }
        true
    }

    /// Sends the frames that wait, or has `waker` woken when it is worth
    /// another try.
    fn poll_waiting(&self, waker: &Waker) -> Poll<()> {
        // In use by a filler, which wakes all who wait when it is done.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Poll::Pending };
        if transmit.oldest().is_none() {
            return Poll::Ready(());
        }
        while !self.send_waiting(&mut transmit) {
            match self.reactor.poll_writable(&self.source, waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.give_up(&mut transmit),
            }
        }
        drop(transmit);
        self.room.wake();
        Poll::Ready(())
    }

    /// The device is left, and the frames that wait are lost.
    fn give_up(&self, transmit: &mut Transmit) {
        self.state.set(State::Down);
        (0..transmit.clear()).for_each(|_| self.settle(Sent::Gone, 0));
    }
}

/// What the kernel may hand over unfinished.
fn receive_flags(offload: Offload, knows_uso: bool) -> u32 {
    let mut flags = 0;
    if offload.contains(Offload::RX_CHECKSUM) {
        flags |= ioctl::TUN_F_CSUM;
    }
    if offload.contains(Offload::LARGE_RECEIVE) {
        flags |= ioctl::TUN_F_TSO4 | ioctl::TUN_F_TSO_ECN;
        if knows_uso {
            flags |= ioctl::TUN_F_USO;
        }
    }
    flags
}

/// The offloads that a request needs.
fn requested(meta: TxMeta) -> Offload {
    use traits::SegmentationKind::{Tcp4, Udp4};
    let checksum = match meta.checksum() {
        Some(_) => Offload::TX_CHECKSUM,
        None => Offload::empty(),
    };
    let segmentation = match meta.segmentation().map(|segmentation| segmentation.kind) {
        Some(Tcp4 { cwr: false }) => Offload::TX_CHECKSUM | Offload::TSO4,
        Some(Tcp4 { cwr: true }) => Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN,
        Some(Udp4) => Offload::TX_CHECKSUM | Offload::USO4,
        None => Offload::empty(),
    };
    checksum | segmentation
}

impl<R: Reactor> AsFd for Tap<R> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.as_fd()
    }
}
