//! The tap as a [`Network`].

use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use os::unix::Reactor;
use rustix::io::Errno;
use traits::{
    Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, Offload, RxMeta, SendError, TxMeta,
    WakerSet,
};
use wire::MacAddr;
use zerocopy::FromBytes;

use crate::header::{ETHERNET_LEN, HEADER_LEN, VnetHeader};
use crate::ioctl::{self, InterfaceRequest};
use crate::open::{OpenError, Options};
use crate::transmit::{Sent, Transmit};

/// Frames handed up before the other tasks run.
pub const BATCH: usize = 64;

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
/// A frame is sent by one system call, at once: [`TxMeta::more`] makes no
/// difference. When the device has no room, which happens when its send buffer
/// is bounded and whoever gets its frames is slow, one frame is kept and the
/// next `write` says [`Full`](SendError::Full). A frame that segmentation cuts
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
    /// Listeners whose turn it is not, or that nothing reaches any more.
    idle: WakerSet<2>,
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

/// What ends [`Tap`]'s `listen`.
#[derive(Debug)]
#[non_exhaustive]
pub enum TapError {
    /// The interface was deleted.
    Gone,
    /// Reading failed otherwise.
    Io(io::Error),
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the tap interface was deleted"),
            Self::Io(error) => write!(f, "reading from the tap failed: {error}"),
        }
    }
}

impl core::error::Error for TapError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Gone => None,
            Self::Io(error) => Some(error),
        }
    }
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

    #[allow(clippy::too_many_arguments)]
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
        let knows_uso = link.is_none() || ioctl::set_offload(&source, all).is_ok();
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
            idle: WakerSet::new(),
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
        if self.vnet_header && self.link.is_some() {
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
        let longest = if meta.segmentation.is_some() { GSO_MAX_SIZE } else { ETHERNET_LEN + self.mtu };
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

    /// Sends the frame that waits. `true` when none waits any more.
    fn send_held(&self, transmit: &mut Transmit) -> bool {
        let len = transmit.held();
        if len > 0 {
            let sent = transmit.flush(&self.source);
            self.settle(sent, len);
        }
        transmit.held() == 0
    }

    /// Sends the frame that waits, or has `waker` woken when it is worth
    /// another try.
    fn poll_held(&self, waker: &Waker) -> Poll<()> {
        // In use by a filler, which wakes all who wait when it is done.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Poll::Pending };
        if transmit.held() == 0 {
            return Poll::Ready(());
        }
        while !self.send_held(&mut transmit) {
            match self.reactor.poll_writable(&self.source, waker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    transmit.clear();
                    self.settle(Sent::Gone, 0);
                }
            }
        }
        drop(transmit);
        self.room.wake();
        Poll::Ready(())
    }

    /// One batch of frames.
    fn poll_listen(
        &self,
        context: &mut Context<'_>,
        input: &mut impl FnMut(Frame<'_>),
    ) -> Poll<Result<Never, TapError>> {
        // Whoever waits for room is served here too, whatever became of the
        // task whose waker the reactor keeps.
        let _ = self.poll_held(context.waker());
        let Ok(mut receive) = self.receive.try_borrow_mut() else { return Poll::Pending };
        for _ in 0..BATCH {
            if self.state.get() == State::Down {
                self.idle.register(context.waker());
                return Poll::Pending;
            }
            match self.read(&mut receive) {
                Ok(Some((frame, meta))) => input(Frame::new(frame, meta)),
                Ok(None) => {}
                Err(Errno::AGAIN) => match self.reactor.poll_readable(&self.source, context.waker()) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(TapError::Io(error))),
                },
                Err(errno) => return Poll::Ready(Err(self.ended(errno))),
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads one frame; `None`: it was malformed, and counted.
    fn read<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<(&'a [u8], RxMeta)>, Errno> {
        let space =
            if self.vnet_header { &mut *buffer } else { buffer.get_mut(HEADER_LEN..).unwrap_or_default() };
        let whole = space.len();
        let len = loop {
            match rustix::io::read(&self.source, &mut *space) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        if len == 0 {
            return Err(Errno::BADFD);
        }
        let bytes = space.get(..len).unwrap_or_default();
        let parsed = if len < whole { self.parse(bytes) } else { None };
        self.count(|statistics| match parsed {
            Some((frame, _)) => {
                statistics.rx_packets = statistics.rx_packets.wrapping_add(1);
                statistics.rx_bytes = statistics.rx_bytes.wrapping_add(frame.len() as u64);
            }
            None => statistics.rx_dropped = statistics.rx_dropped.wrapping_add(1),
        });
        Ok(parsed)
    }

    fn parse<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], RxMeta)> {
        let (frame, meta) = if self.vnet_header {
            let (header, frame) = VnetHeader::read_from_prefix(bytes).ok()?;
            let believe = self.offload.get().contains(Offload::RX_CHECKSUM);
            (frame, header.on_receive(frame, believe).ok()?)
        } else {
            (bytes, RxMeta::NONE)
        };
        (frame.len() >= ETHERNET_LEN).then_some((frame, meta))
    }

    fn ended(&self, errno: Errno) -> TapError {
        self.state.set(State::Down);
        match errno {
            Errno::BADFD | Errno::FAULT | Errno::CONNRESET => TapError::Gone,
            _ => TapError::Io(errno.into()),
        }
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
    let checksum = match meta.checksum {
        Some(_) => Offload::TX_CHECKSUM,
        None => Offload::empty(),
    };
    let segmentation = match meta.segmentation.map(|segmentation| segmentation.kind) {
        Some(Tcp4 { cwr: false }) => Offload::TX_CHECKSUM | Offload::TSO4,
        Some(Tcp4 { cwr: true }) => Offload::TX_CHECKSUM | Offload::TSO4 | Offload::TSO_ECN,
        Some(Udp4) => Offload::TX_CHECKSUM | Offload::USO4,
        None => Offload::empty(),
    };
    checksum | segmentation
}

impl<R: Reactor> Layer for Tap<R> {
    fn now(&self) -> Instant {
        self.reactor.now()
    }

    fn capabilities(&self) -> Capabilities {
        let offload = self.offload.get();
        let large = if offload.intersects(Offload::TSO4 | Offload::USO4) { GSO_MAX_SIZE } else { 0 };
        Capabilities::new(offload, large)
    }

    /// Nothing is ever due: the descriptor wakes whoever waits for it.
    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.poll_held(waker).is_ready() {
            return Poll::Ready(());
        }
        self.room.register(waker);
        Poll::Pending
    }

    fn flush(&self) {}
}

impl<R: Reactor> Network for Tap<R> {
    type Error = TapError;

    fn mac(&self) -> MacAddr {
        self.mac
    }

    /// As the interface had it when it was opened.
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.admit(meta, len)?;
        // A filler that writes again finds the buffer in use.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Err(self.refuse_full()) };
        if !self.send_held(&mut transmit) {
            return Err(self.refuse_full());
        }
        let Some(buffer) = transmit.frame(len) else { return Err(SendError::TooLong) };
        let used = fill(buffer).min(len);
        if used > 0 {
            let sent = transmit.send(&self.source, meta, used);
            self.settle(sent, used);
        }
        drop(transmit);
        self.room.wake();
        Ok(())
    }

    /// Hands up to [`BATCH`] frames over, then yields.
    ///
    /// After [`Network::disconnect`] it waits for ever.
    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, TapError> {
        let mut turn = Turn { tap: self, mine: false };
        poll_fn(|context| {
            if !turn.take() {
                self.idle.register(context.waker());
                return Poll::Pending;
            }
            self.poll_listen(context, &mut input)
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
        self.state.set(State::Down);
        if let Ok(mut transmit) = self.transmit.try_borrow_mut() {
            transmit.clear();
        }
        self.room.wake();
    }
}

/// The turn to listen, which one future at a time has.
struct Turn<'a, R: Reactor> {
    tap: &'a Tap<R>,
    mine: bool,
}

impl<R: Reactor> Turn<'_, R> {
    fn take(&mut self) -> bool {
        if !self.mine && !self.tap.listening.replace(true) {
            self.mine = true;
        }
        self.mine
    }
}

impl<R: Reactor> Drop for Turn<'_, R> {
    fn drop(&mut self) {
        if self.mine {
            self.tap.listening.set(false);
            self.tap.idle.wake();
        }
    }
}

impl<R: Reactor> AsFd for Tap<R> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.as_fd()
    }
}
