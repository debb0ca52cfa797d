//! A bound queue of datagrams with an `async` end.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::SocketAddrV4;
use core::task::{Poll, Waker};

use heapless::Deque;
use traits::{Cast, Datagram, DatagramError, Receive, WakerSet};

/// Keeps the datagrams of a port until somebody reads them.
///
/// At most `PACKETS` datagrams and `BYTES` bytes of payload wait. What comes
/// in beyond either is dropped and counted ([`SocketStatistics`]), the
/// datagrams that wait already stay. A datagram of more than `BYTES` never
/// fits.
///
/// Up to four tasks may wait in [`recv`](Socket::recv) without any being woken
/// in vain; each datagram goes to one of them.
#[derive(Debug)]
pub struct Socket<const BYTES: usize, const PACKETS: usize> {
    queue: RefCell<Queue<BYTES, PACKETS>>,
    error: Cell<Option<DatagramError>>,
    statistics: Cell<SocketStatistics>,
    readers: WakerSet,
}

/// What came into a [`Socket`]. Counters wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SocketStatistics {
    /// Datagrams queued.
    pub queued: u64,
    /// Datagrams dropped: `PACKETS` wait already.
    pub dropped_packets: u64,
    /// Datagrams dropped: no room in `BYTES`.
    pub dropped_bytes: u64,
    /// ICMP errors reported.
    pub errors: u64,
}

/// What [`Socket::recv`] tells of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Received {
    /// Bytes put into the caller's buffer.
    pub len: usize,
    /// Bytes that the caller's buffer had no room for; they are gone.
    pub truncated: usize,
    /// Who sent it.
    pub src: SocketAddrV4,
    /// Whom it was for.
    pub dst: SocketAddrV4,
    /// What kind of address that is.
    pub cast: Cast,
    /// Hops left.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
}

impl Socket<8192, 16> {
    /// A socket for 16 datagrams and 8,192 bytes.
    pub const fn new() -> Self {
        Self::with_capacity()
    }
}

impl Default for Socket<8192, 16> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize, const PACKETS: usize> Socket<BYTES, PACKETS> {
    /// A socket of the size that its type says. `PACKETS` of 0 does not
    /// compile.
    pub const fn with_capacity() -> Self {
        Self {
            queue: RefCell::new(Queue::new()),
            error: Cell::new(None),
            statistics: Cell::new(SocketStatistics {
                queued: 0,
                dropped_packets: 0,
                dropped_bytes: 0,
                errors: 0,
            }),
            readers: WakerSet::new(),
        }
    }

    /// Waits for a datagram and copies it into `buffer`; what does not fit is
    /// lost and told in [`Received::truncated`]. Dropping the future loses
    /// nothing.
    pub async fn recv(&self, buffer: &mut [u8]) -> Received {
        poll_fn(|context| self.poll_recv(buffer, context.waker())).await
    }

    /// Takes a datagram if one waits.
    pub fn try_recv(&self, buffer: &mut [u8]) -> Option<Received> {
        self.queue.borrow_mut().pop(buffer)
    }

    /// Takes a datagram if one waits; `waker` is kept and woken when one
    /// comes in.
    pub fn poll_recv(&self, buffer: &mut [u8], waker: &Waker) -> Poll<Received> {
        match self.try_recv(buffer) {
            Some(received) => Poll::Ready(received),
            None => {
                self.readers.register(waker);
                Poll::Pending
            }
        }
    }

    /// The last ICMP error reported since the last call.
    pub fn take_error(&self) -> Option<DatagramError> {
        self.error.take()
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.queue.borrow().packets.len()
    }

    /// Whether no datagram waits.
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().packets.is_empty()
    }

    /// What came in and what was dropped.
    pub fn statistics(&self) -> SocketStatistics {
        self.statistics.get()
    }

    fn push(&self, datagram: &Datagram<'_>, payload: &[u8]) {
        let outcome = self.queue.borrow_mut().push(datagram, payload);
        let mut statistics = self.statistics.get();
        match outcome {
            Ok(()) => statistics.queued = statistics.queued.wrapping_add(1),
            Err(QueueFull::Packets) => {
                statistics.dropped_packets = statistics.dropped_packets.wrapping_add(1);
            }
            Err(QueueFull::Bytes) => {
                statistics.dropped_bytes = statistics.dropped_bytes.wrapping_add(1);
            }
        }
        self.statistics.set(statistics);
    }
}

impl<const BYTES: usize, const PACKETS: usize> Receive for Socket<BYTES, PACKETS> {
    /// Queues the datagram; one made of several is queued as these.
    fn receive(&self, datagram: Datagram<'_>) {
        match datagram.segment_size {
            None => self.push(&datagram, datagram.payload),
            Some(size) => {
                datagram
                    .payload
                    .chunks(usize::from(size.get()))
                    .for_each(|segment| self.push(&datagram, segment));
            }
        }
        self.readers.wake();
    }

    fn error(&self, error: DatagramError) {
        self.error.set(Some(error));
        let mut statistics = self.statistics.get();
        statistics.errors = statistics.errors.wrapping_add(1);
        self.statistics.set(statistics);
    }
}

enum QueueFull {
    Packets,
    Bytes,
}

/// The payloads one after the other in a ring of bytes, and what to tell of
/// each in a ring of its own.
///
/// ```text
///          start          start + used (mod BYTES)
///            ▼                 ▼
/// ┌──────────┬─────┬─────┬─────┬──────────┐
/// │   free   │ 1st │ 2nd │ 3rd │   free   │
/// └──────────┴─────┴─────┴─────┴──────────┘
/// ```
#[derive(Debug)]
struct Queue<const BYTES: usize, const PACKETS: usize> {
    bytes: [u8; BYTES],
    start: usize,
    used: usize,
    packets: Deque<Received, PACKETS>,
}

impl<const BYTES: usize, const PACKETS: usize> Queue<BYTES, PACKETS> {
    const fn new() -> Self {
        Self { bytes: [0; BYTES], start: 0, used: 0, packets: Deque::new() }
    }

    fn push(&mut self, datagram: &Datagram<'_>, payload: &[u8]) -> Result<(), QueueFull> {
        if self.packets.is_full() {
            return Err(QueueFull::Packets);
        }
        if payload.len() > BYTES - self.used {
            return Err(QueueFull::Bytes);
        }
        let entry = Received {
            len: payload.len(),
            truncated: 0,
            src: datagram.src,
            dst: datagram.dst,
            cast: datagram.cast,
            ttl: datagram.ttl,
            tos: datagram.tos,
        };
        self.packets.push_back(entry).map_err(|_| QueueFull::Packets)?;
        let end = wrap::<BYTES>(self.start + self.used);
        let (to_end, from_start) = payload.split_at(payload.len().min(BYTES - end));
        put(&mut self.bytes, end, to_end);
        put(&mut self.bytes, 0, from_start);
        self.used += payload.len();
        Ok(())
    }

    fn pop(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let mut entry = self.packets.pop_front()?;
        let whole = entry.len;
        entry.len = whole.min(buffer.len());
        entry.truncated = whole - entry.len;
        let (to_end, from_start) = buffer.split_at_mut(entry.len.min(BYTES - self.start));
        get(&self.bytes, self.start, to_end);
        if let Some(rest) = from_start.get_mut(..entry.len - to_end.len()) {
            get(&self.bytes, 0, rest);
        }
        self.start = wrap::<BYTES>(self.start + whole);
        self.used -= whole;
        Some(entry)
    }
}

/// A place in the ring, from one less than twice its length.
const fn wrap<const BYTES: usize>(place: usize) -> usize {
    if place >= BYTES { place - BYTES } else { place }
}

fn put(ring: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = ring.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn get(ring: &[u8], at: usize, bytes: &mut [u8]) {
    if let Some(place) = ring.get(at..at + bytes.len()) {
        bytes.copy_from_slice(place);
    }
}
