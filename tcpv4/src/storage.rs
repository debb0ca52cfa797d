//! Where a layer keeps what it remembers.

use core::fmt;
use core::future::Future;
use core::task::{Context, Poll};

use traits::{Instant, Never};

use crate::buffer::{self, Backing};
use crate::connection::Buffers;
use crate::table::{Arena, Cells};
use crate::timers::Array;

/// The form of a layer's memory: [`Heap`], which grows on demand, or
/// [`Fixed`], which the caller hands over.
///
/// The trait is the crate's own business: nobody else can implement it.
pub trait Storage: Sized {
    /// What a connection keeps its bytes in.
    #[doc(hidden)]
    type Backing: Backing;
    #[doc(hidden)]
    type Arena<T>: Arena<T>;
    #[doc(hidden)]
    type Array<T>: Array<T>;
    #[doc(hidden)]
    type Cells: Cells;

    /// The buffers of a new connection.
    #[doc(hidden)]
    fn take_buffers(&mut self) -> Option<Buffers<Self::Backing>>;

    /// The buffers of one that is gone.
    #[doc(hidden)]
    fn give_buffers(&mut self, buffers: Buffers<Self::Backing>);

    /// Runs all that `next` yields, at the same time.
    #[doc(hidden)]
    fn run_all<F: Future>(next: impl Fn(&mut Context<'_>) -> Poll<F>) -> impl Future<Output = Never>;
}

/// The bounds of a layer.
///
/// What is given up when memory is short, in this order: new SYNs are answered
/// by cookies instead of half-open entries; the oldest TIME-WAIT entry makes
/// room for a new one; no more is taken from writers until something is
/// acknowledged; data that arrives is dropped, for the peer to send again;
/// connections that were closed here and wait for the peer are reset; new
/// connections are refused. Each is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Connections, those that wait for a listener's `accept` included.
    pub connections: usize,
    /// Half-open connections, of 64 bytes each.
    pub half_open: usize,
    /// Connections in TIME-WAIT, of 64 bytes each.
    pub time_wait: usize,
    /// Bytes of data that all connections together hold, written and not
    /// acknowledged or received and not read, with what is needed to keep
    /// track of them. One segment more for each connection at most.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1 << 20, half_open: 4096, time_wait: 1 << 16, bytes: 1 << 30 }
    }
}

/// Memory from the allocator: tables grow with what they hold, and buffers
/// exist only while there is data in them.
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap(());

#[cfg(feature = "alloc")]
impl Storage for Heap {
    type Backing = buffer::Growing;
    type Arena<T> = crate::table::Pages<T>;
    type Array<T> = alloc::vec::Vec<T>;
    type Cells = alloc::vec::Vec<crate::table::Cell>;

    fn take_buffers(&mut self) -> Option<Buffers<buffer::Growing>> {
        Some(Buffers::default())
    }

    fn give_buffers(&mut self, _: Buffers<buffer::Growing>) {}

    async fn run_all<F: Future>(next: impl Fn(&mut Context<'_>) -> Poll<F>) -> Never {
        use futures_util::stream::{FuturesUnordered, StreamExt as _};

        // Each future has a waker of its own: a busy one does not cost a poll
        // of all the others.
        let mut running = FuturesUnordered::new();
        core::future::poll_fn(|context| {
            loop {
                while let Poll::Ready(future) = next(context) {
                    running.push(future);
                }
                match running.poll_next_unpin(context) {
                    Poll::Ready(Some(_)) => {}
                    Poll::Ready(None) | Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}

/// Memory for `SLOTS` connections, each with `BYTES` bytes for data, of which
/// one half is for what is sent and the other for what is received.
///
/// As many half-open connections and as many in TIME-WAIT have room beside
/// them; those entries stand in the layer itself.
///
/// ```
/// let mut memory = tcpv4::Memory::<4, 8192>::new();
/// ```
pub struct Memory<const SLOTS: usize, const BYTES: usize> {
    bytes: [[u8; BYTES]; SLOTS],
}

impl<const SLOTS: usize, const BYTES: usize> Memory<SLOTS, BYTES> {
    /// Memory, zeroed; fit for a `static`.
    pub const fn new() -> Self {
        Self { bytes: [[0; BYTES]; SLOTS] }
    }
}

impl<const SLOTS: usize, const BYTES: usize> Default for Memory<SLOTS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const BYTES: usize> fmt::Debug for Memory<SLOTS, BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// Memory that the caller handed over, for `SLOTS` connections: no allocator.
pub struct Fixed<'m, const SLOTS: usize> {
    free: heapless::Vec<Buffers<buffer::Fixed<'m>>, SLOTS>,
}

impl<const SLOTS: usize> fmt::Debug for Fixed<'_, SLOTS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fixed")
    }
}

impl<'m, const SLOTS: usize> Fixed<'m, SLOTS> {
    pub(crate) fn new<const BYTES: usize>(memory: &'m mut Memory<SLOTS, BYTES>) -> Self {
        let mut free = heapless::Vec::new();
        for bytes in &mut memory.bytes {
            let (send, receive) = bytes.split_at_mut(BYTES / 2);
            // As many as there is room for: both are `SLOTS`.
            let _ = free.push(Buffers { send, receive });
        }
        Self { free }
    }
}

impl<'m, const SLOTS: usize> Storage for Fixed<'m, SLOTS> {
    type Backing = buffer::Fixed<'m>;
    type Arena<T> = heapless::Vec<T, SLOTS>;
    type Array<T> = heapless::Vec<T, SLOTS>;
    type Cells = heapless::Vec<[u64; 4], SLOTS>;

    fn take_buffers(&mut self) -> Option<Buffers<buffer::Fixed<'m>>> {
        self.free.pop()
    }

    fn give_buffers(&mut self, buffers: Buffers<buffer::Fixed<'m>>) {
        // Room is there: the buffers were taken from here.
        let _ = self.free.push(buffers);
    }

    async fn run_all<F: Future>(next: impl Fn(&mut Context<'_>) -> Poll<F>) -> Never {
        // One worker for each connection that there can be.
        let worker = || async {
            loop {
                core::future::poll_fn(&next).await.await;
            }
        };
        match embassy_futures::join::join_array([(); SLOTS].map(|()| worker())).await.first() {
            Some(never) => *never,
            None => core::future::pending().await,
        }
    }
}

/// Deadlines by slot.
pub(crate) type Timers<S> =
    crate::timers::Timers<<S as Storage>::Array<(Instant, u32)>, <S as Storage>::Array<u32>>;

/// The storage of a [`Tcp`](crate::Tcp) that names none.
#[cfg(feature = "alloc")]
pub type DefaultStorage = Heap;

/// The storage of a [`Tcp`](crate::Tcp) that names none.
#[cfg(not(feature = "alloc"))]
pub type DefaultStorage = Fixed<'static, 16>;
