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
    #[doc(hidden)]
    type Queue<T>: crate::reply::Queue<T>;

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
/// What is given up when the bytes are short, in this order:
///
/// 1. writers wait: no write takes more than half of what is left, and when that
///    is less than 4096 bytes, each takes so many once all before is acknowledged;
/// 2. with nothing left, new connections are refused, and those half-open stay so;
/// 3. data that arrives is dropped, for the peer to send again; and each time a
///    connection is reset that was closed here and waits for its peer with data,
///    while there is one.
///
/// Never given up are connections that somebody holds, with what was written and
/// received. Entries have bounds of their own: when half-open ones are used up,
/// SYNs are answered by cookies; the oldest in TIME-WAIT makes room for a new
/// one; when all connections are, new ones are refused. Each is counted.
///
/// In fixed memory each connection has bytes of its own: only the bounds of
/// entries are there.
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
    /// track of them. The last buffer to grow may go beyond it: to twice what
    /// it had, at most.
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
    type Queue<T> = crate::reply::Grown<T>;

    fn take_buffers(&mut self) -> Option<Buffers<buffer::Growing>> {
        Some(Buffers::default())
    }

    fn give_buffers(&mut self, _: Buffers<buffer::Growing>) {}

    async fn run_all<F: Future>(next: impl Fn(&mut Context<'_>) -> Poll<F>) -> Never {
        use futures_util::future::{Either, pending};
        use futures_util::stream::{FuturesUnordered, StreamExt as _};

        // Each future has a waker of its own: a busy one does not cost a poll
        // of all the others.
        let mut running = FuturesUnordered::new();
        // A set gives way, and wakes itself for another pass of the whole program,
        // once it has polled as many as it has. Beside one that is never woken, that
        // is where some wake each other over and over, and not after each poll.
        running.push(Either::Right(pending()));
        core::future::poll_fn(|context| {
            while let Poll::Ready(future) = next(context) {
                running.push(Either::Left(future));
            }
            while let Poll::Ready(Some(_)) = running.poll_next_unpin(context) {}
            Poll::Pending
        })
        .await
    }
}

/// Replies in [`Memory`] that names no number: a batch of small frames of a Linux tap.
pub const FIXED_REPLIES: usize = 64;

/// Memory for `SLOTS` connections, each with `BYTES` bytes for data and lists
/// of `LIST` entries.
///
/// * `SLOTS`: connections, open and closing ones and those in a backlog. As
///   many half-open ones and as many in TIME-WAIT have room beside them.
/// * `BYTES`: of each connection, one half for what is sent and the other for
///   what is received, unless [`with_send_bytes`](Self::with_send_bytes) says
///   otherwise. Each half is the most that is under way, so it limits the
///   rate to half a `BYTES` in a round trip.
/// * `LIST`: segments that a connection tells apart under way, and holes in
///   what has arrived; see [`buffer::Fixed`]. [`new`](Memory::new) takes
///   [`buffer::FIXED_LIST`], [`with_lists`](Self::with_lists) any number.
/// * `REPLIES`: answers to what belongs to no connection that wait for the
///   device, of 32 bytes each: resets, cookies, acknowledgements in TIME-WAIT.
///   Beyond that they are lost (`Statistics::replies_lost`); so it had better be
///   as many as the device hands up in one go, [`FIXED_REPLIES`] as
///   [`with_lists`](Self::with_lists) has it.
///
/// The bytes stand here, the rest in the [`Tcp`](crate::Tcp) itself: for each
/// slot [`Tcp::connection_size`](crate::Tcp::connection_size), which is about
/// 1000 bytes and 48 for each entry of `LIST`, and 200 for the small entries,
/// timers and the index; and 512 once for local ports. What only a busy
/// connection needs is there for each: a connection never waits for another's
/// memory.
///
/// ```
/// use tcpv4::Memory;
///
/// // Four connections, 4 KiB each way.
/// let mut memory = Memory::<4, 8192>::new();
/// // A server that answers short requests with long pages.
/// let mut memory = Memory::<64, 20_000, 16>::with_lists().with_send_bytes(18_000);
/// // A sensor on a device that hands up four frames in one go.
/// let mut memory = Memory::<2, 2048, 8, 4>::with_replies();
/// ```
pub struct Memory<
    const SLOTS: usize,
    const BYTES: usize,
    const LIST: usize = { buffer::FIXED_LIST },
    const REPLIES: usize = FIXED_REPLIES,
> {
    bytes: [[u8; BYTES]; SLOTS],
    /// Of each slot, for what is sent.
    send: usize,
}

impl<const SLOTS: usize, const BYTES: usize> Memory<SLOTS, BYTES> {
    /// Memory, zeroed; fit for a `static`.
    pub const fn new() -> Self {
        Self::with_lists()
    }
}

impl<const SLOTS: usize, const BYTES: usize, const LIST: usize> Memory<SLOTS, BYTES, LIST> {
    /// The same with lists of one's own length:
    /// `Memory::<4, 8192, 8>::with_lists()`.
    pub const fn with_lists() -> Self {
        Self::with_replies()
    }
}

impl<const SLOTS: usize, const BYTES: usize, const LIST: usize, const REPLIES: usize>
    Memory<SLOTS, BYTES, LIST, REPLIES>
{
    /// The same with a queue of one's own length:
    /// `Memory::<4, 8192, 8, 16>::with_replies()`.
    pub const fn with_replies() -> Self {
        const { assert!(SLOTS > 0 && BYTES >= 2 && LIST > 0 && REPLIES > 0) };
        Self { bytes: [[0; BYTES]; SLOTS], send: BYTES / 2 }
    }

    /// Keeps `send` bytes of each slot, 1 to `BYTES` - 1, for what is sent, and
    /// the rest for what is received.
    #[must_use]
    pub const fn with_send_bytes(mut self, send: usize) -> Self {
        self.send = if send == 0 {
            1
        } else if send < BYTES {
            send
        } else {
            BYTES - 1
        };
        self
    }

    /// Bytes of a slot for what is sent, and for what is received.
    pub(crate) const fn shares(&self) -> (usize, usize) {
        (self.send, BYTES - self.send)
    }
}

impl<const SLOTS: usize, const BYTES: usize> Default for Memory<SLOTS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const SLOTS: usize, const BYTES: usize, const LIST: usize, const REPLIES: usize> fmt::Debug
    for Memory<SLOTS, BYTES, LIST, REPLIES>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

/// [`Memory`] that the caller handed over, for `SLOTS` connections with lists
/// of `LIST` entries: no allocator.
pub struct Fixed<
    'm,
    const SLOTS: usize,
    const LIST: usize = { buffer::FIXED_LIST },
    const REPLIES: usize = FIXED_REPLIES,
> {
    free: heapless::Vec<Buffers<buffer::Fixed<'m, LIST>>, SLOTS>,
}

impl<const SLOTS: usize, const LIST: usize, const REPLIES: usize> fmt::Debug
    for Fixed<'_, SLOTS, LIST, REPLIES>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fixed")
    }
}

impl<'m, const SLOTS: usize, const LIST: usize, const REPLIES: usize> Fixed<'m, SLOTS, LIST, REPLIES> {
    pub(crate) fn new<const BYTES: usize>(memory: &'m mut Memory<SLOTS, BYTES, LIST, REPLIES>) -> Self {
        let mut free = heapless::Vec::new();
        for bytes in &mut memory.bytes {
            let (send, receive) = bytes.split_at_mut(memory.send);
            // As many as there is room for: both are `SLOTS`.
            let _ = free.push(Buffers { send, receive });
        }
        Self { free }
    }
}

impl<'m, const SLOTS: usize, const LIST: usize, const REPLIES: usize> Storage
    for Fixed<'m, SLOTS, LIST, REPLIES>
{
    type Backing = buffer::Fixed<'m, LIST>;
    type Arena<T> = heapless::Vec<crate::table::Slot<T>, SLOTS>;
    type Array<T> = heapless::Vec<T, SLOTS>;
    type Cells = heapless::Vec<[u64; 4], SLOTS>;
    type Queue<T> = heapless::Deque<T, REPLIES>;

    fn take_buffers(&mut self) -> Option<Buffers<buffer::Fixed<'m, LIST>>> {
        self.free.pop()
    }

    fn give_buffers(&mut self, buffers: Buffers<buffer::Fixed<'m, LIST>>) {
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
pub(crate) type Timers<S> = crate::timers::Timers<<S as Storage>::Array<(Instant, u32)>>;

/// The storage of a [`Tcp`](crate::Tcp) that names none.
#[cfg(feature = "alloc")]
pub type DefaultStorage = Heap;

/// The storage of a [`Tcp`](crate::Tcp) that names none.
#[cfg(not(feature = "alloc"))]
pub type DefaultStorage = Fixed<'static, 16>;

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use alloc::task::Wake;
    use core::cell::Cell;
    use core::pin::pin;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use core::task::Waker;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whoever runs them is woken when one of them is, and not once more since it
    /// was polled.
    #[test]
    fn futures_that_wait_do_not_wake_who_runs_them() {
        let (count, left, waiting) = (Arc::new(Count::default()), Cell::new(0_u32), Cell::new(None));
        let waker = Waker::from(count.clone());
        let future = || {
            core::future::poll_fn(|context| {
                waiting.set(Some(context.waker().clone()));
                Poll::<()>::Pending
            })
        };
        let mut all = pin!(Heap::run_all(|_| {
            let next = if left.get() > 0 { Poll::Ready(future()) } else { Poll::Pending };
            left.set(left.get().saturating_sub(1));
            next
        }));
        assert!(all.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        left.set(3);
        let before = count.0.load(Ordering::Relaxed);
        for woken in 0..5 {
            assert!(all.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert_eq!(count.0.load(Ordering::Relaxed) - before, woken);
            waiting.take().expect("it was polled").wake();
        }
    }
}
