//! A device of virtual time that keeps what is sent, and frames written out
//! by hand rather than by the crate that is under test.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, pending};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ethif::{Ethif, Neighbour, NeighbourState, listeners};
use traits::{
    Capabilities, Ethernet, Frame, Instant, Layer, Network, NetworkStatistics, Never, Payload, SendError, To,
    TxMeta, WakerSet,
};
use wire::{EtherType, MacAddr};

/// The interface's own address.
pub const OWN: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xff]);
/// Its IPv4 address, where the test gives it one.
pub const OWN_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

pub struct Mock {
    pub now: Cell<Instant>,
    pub sent: RefCell<Vec<Sent>>,
    /// Refuses everything with this.
    pub refuses: Cell<Option<SendError>>,
    /// Takes so many more frames, then is full.
    pub room: Cell<usize>,
    pub capabilities: Cell<Capabilities>,
    pub mtu: Cell<usize>,
    pub writing: Cell<bool>,
    /// Frames whose payload was told, not filled in.
    pub gathered: Cell<usize>,
    pub waiting: WakerSet,
    pub flushes: Cell<usize>,
    /// Empties its queue when asked for room.
    pub drains: Cell<bool>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub at: Instant,
    pub meta: TxMeta,
    pub bytes: Vec<u8>,
}

impl Mock {
    pub fn new() -> Self {
        Self {
            now: Cell::new(Instant::from_secs(100)),
            sent: RefCell::default(),
            refuses: Cell::new(None),
            room: Cell::new(usize::MAX),
            capabilities: Cell::new(Capabilities::NONE),
            mtu: Cell::new(1500),
            writing: Cell::new(false),
            gathered: Cell::new(0),
            waiting: WakerSet::new(),
            flushes: Cell::new(0),
            drains: Cell::new(false),
        }
    }

    /// All that was sent since last asked.
    pub fn take(&self) -> Vec<Sent> {
        self.sent.take()
    }

    pub fn pass(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }

    /// Lets the device take `frames` frames more.
    pub fn set_room(&self, frames: usize) {
        self.room.set(frames);
        if frames > 0 {
            self.waiting.wake();
        }
    }
}

impl Layer for Mock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.get()
    }

    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.drains.get() {
            self.room.set(usize::MAX);
        }
        if self.room.get() > 0 {
            return Poll::Ready(());
        }
        self.waiting.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }
}

impl Network for Mock {
    type Error = Infallible;

    const GATHERS: bool = true;

    fn write_gathered(
        &self,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.gathered.set(self.gathered.get() + 1);
        self.write(meta, len + payload.payload_len(), |buffer| payload.copy_behind(len, buffer, fill))
    }

    fn mac(&self) -> MacAddr {
        OWN
    }

    fn mtu(&self) -> usize {
        self.mtu.get()
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        if let Some(error) = self.refuses.get() {
            return Err(error);
        }
        if len > self.mtu.get() + 14 && meta.segmentation().is_none() {
            return Err(SendError::TooLong);
        }
        if self.room.get() == 0 || self.writing.replace(true) {
            return Err(SendError::Full);
        }
        self.room.set(self.room.get() - 1);
        let mut bytes = vec![0xee; len];
        let used = fill(&mut bytes).min(len);
        bytes.truncate(used);
        self.writing.set(false);
        if used > 0 {
            self.sent.borrow_mut().push(Sent { at: self.now.get(), meta, bytes });
        }
        Ok(())
    }

    fn listen(&self, _: impl FnMut(Frame<'_>)) -> impl Future<Output = Result<Never, Infallible>> {
        pending()
    }

    fn statistics(&self) -> NetworkStatistics {
        NetworkStatistics::ZERO
    }

    fn reset_statistics(&self) {}

    fn disconnect(&self) {}
}

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The hardware address of host `n`.
pub fn mac(n: u8) -> MacAddr {
    MacAddr([0x02, 0, 0, 0, 1, n])
}

/// The address of host `n`.
pub fn ip(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n)
}

pub fn frame(destination: MacAddr, source: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(destination.0);
    bytes.extend(source.0);
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// An ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    pub op: u16,
    pub sender: (MacAddr, Ipv4Addr),
    pub target: (MacAddr, Ipv4Addr),
}

impl Arp {
    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.op.to_be_bytes());
        for (mac, ip) in [self.sender, self.target] {
            bytes.extend(mac.0);
            bytes.extend(ip.octets());
        }
        bytes
    }

    /// In a frame to `destination`, padded to 60 bytes as on a real wire.
    pub fn frame(&self, destination: MacAddr) -> Vec<u8> {
        let mut bytes = frame(destination, self.sender.0, 0x0806, &self.payload());
        bytes.resize(60, 0);
        bytes
    }

    /// What `sent` carries, if it is ARP.
    pub fn of(sent: &Sent) -> Option<Self> {
        let bytes = &sent.bytes;
        if bytes[12..14] != [8, 6] {
            return None;
        }
        assert_eq!(bytes.len(), 42);
        assert_eq!(bytes[14..20], [0, 1, 8, 0, 6, 4]);
        assert_eq!(bytes[6..12], OWN.0);
        assert_eq!(bytes[22..28], OWN.0);
        let side = |at: usize| {
            let address: [u8; 4] = bytes[at + 6..at + 10].try_into().unwrap();
            (MacAddr(bytes[at..at + 6].try_into().unwrap()), Ipv4Addr::from(address))
        };
        let op = u16::from_be_bytes([bytes[20], bytes[21]]);
        Some(Self { op, sender: side(22), target: side(32) })
    }
}

pub fn destination(sent: &Sent) -> MacAddr {
    MacAddr(sent.bytes[..6].try_into().unwrap())
}

/// Host `n` asks for `target`.
pub fn request(n: u8, target: Ipv4Addr) -> Arp {
    Arp { op: 1, sender: (mac(n), ip(n)), target: (MacAddr::ZERO, target) }
}

/// Host `n` answers this interface.
pub fn reply(n: u8) -> Arp {
    Arp { op: 2, sender: (mac(n), ip(n)), target: (OWN, OWN_IP) }
}

/// Takes a frame in, with all labels ignored.
pub fn input<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>, bytes: &[u8]) {
    e.input(Frame::from(bytes), listeners());
}

/// Host `n` answers.
pub fn answer<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>, n: u8) {
    input(e, &reply(n).frame(OWN));
}

/// Polls without being woken.
pub fn poll<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>) -> Option<Instant> {
    e.poll(e.now(), Waker::noop())
}

/// Polls at each deadline until `duration` has passed.
pub fn run<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>, duration: Duration) {
    let end = e.now() + duration;
    let mut polls = 0;
    while let Some(next) = poll(e).filter(|next| *next <= end) {
        assert!(next > e.now(), "a deadline that does not lie after now");
        e.network().now.set(next);
        polls += 1;
        assert!(polls < 10_000, "deadlines without end");
    }
    e.network().now.set(end);
    poll(e);
}

/// Sends `bytes` to host `n` as IPv4.
pub fn send<const A: usize, const B: usize>(
    e: &Ethif<&Mock, A, B>,
    n: u8,
    bytes: &[u8],
) -> Result<(), SendError> {
    send_to(e, ip(n), bytes)
}

pub fn send_to<const A: usize, const B: usize>(
    e: &Ethif<&Mock, A, B>,
    to: Ipv4Addr,
    bytes: &[u8],
) -> Result<(), SendError> {
    let mut filled = false;
    let result = e.write(To::Host(to), EtherType::IPV4, TxMeta::NONE, bytes.len(), |buffer| {
        filled = true;
        buffer.copy_from_slice(bytes);
        bytes.len()
    });
    assert_eq!(filled, result.is_ok(), "Err means that the filler was not called");
    result
}

/// The neighbour `n`, as the cache knows it.
pub fn neighbour<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>, n: u8) -> Option<Neighbour> {
    let mut found = None;
    e.neighbours(|neighbour| {
        if neighbour.address == ip(n) {
            assert!(found.is_none(), "two entries for one address");
            found = Some(neighbour);
        }
    });
    found
}

pub fn state<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>, n: u8) -> Option<NeighbourState> {
    neighbour(e, n).map(|neighbour| neighbour.state)
}

pub fn neighbours<const A: usize, const B: usize>(e: &Ethif<&Mock, A, B>) -> usize {
    let mut count = 0;
    e.neighbours(|_| count += 1);
    count
}

/// Only the packets that are not ARP.
pub fn payloads(sent: &[Sent]) -> Vec<&[u8]> {
    sent.iter().filter(|sent| Arp::of(sent).is_none()).map(|sent| &sent.bytes[14..]).collect()
}

/// Only the ARP packets, with their time in milliseconds since second 100.
pub fn arps(sent: &[Sent]) -> Vec<(u64, MacAddr, Arp)> {
    let at = |sent: &Sent| sent.at.as_millis() - 100_000;
    sent.iter().filter_map(|sent| Some((at(sent), destination(sent), Arp::of(sent)?))).collect()
}

/// A waker that counts.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls a future once.
pub fn once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
