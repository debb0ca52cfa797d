//! Where connections wait that peers have opened.

use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use traits::{Ip, Never, WakerSet};

use crate::flow::Flow;
use crate::layer::{ConnectionId, Tcp};
use crate::storage::Storage;

/// Who takes the connections to a port: a [`Listener`].
///
/// [`Tcp::input`](crate::Tcp::input) asks its closure for one.
pub trait Accept {
    /// Whether there is room for one more.
    fn has_room(&self) -> bool;

    /// Takes a connection whose handshake has ended; `false` when there is no
    /// room, and it is reset.
    fn offer(&self, connection: ConnectionId) -> bool;

    /// Whether that connection waits here.
    fn holds(&self, connection: ConnectionId) -> bool;
}

/// How many connections wait in a [`Listener::new`].
pub const DEFAULT_BACKLOG: usize = 64;

/// A listener for connections of one [`Tcp`], with a backlog of up to
/// `BACKLOG` whose handshake has ended and that nobody has accepted yet.
///
/// While the backlog is full, SYNs are dropped, and handshakes that end are
/// left half-open, for the peer to try again. Half-open connections take no
/// room in it, so that a flood of SYNs does not keep others out.
///
/// A connection that waits for a minute is reset. When a listener is dropped,
/// those that wait in it are reset as soon as they are heard of, or after that
/// minute.
pub struct Listener<const BACKLOG: usize = DEFAULT_BACKLOG> {
    waiting: RefCell<heapless::Deque<ConnectionId, BACKLOG>>,
    acceptors: WakerSet,
}

impl<const BACKLOG: usize> fmt::Debug for Listener<BACKLOG> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({} of {BACKLOG})", self.len())
    }
}

impl Listener {
    /// A listener with a backlog of [`DEFAULT_BACKLOG`].
    pub const fn new() -> Self {
        Self::with_capacity()
    }
}

impl<const BACKLOG: usize> Default for Listener<BACKLOG> {
    fn default() -> Self {
        Self::with_capacity()
    }
}

impl<const BACKLOG: usize> Listener<BACKLOG> {
    /// A listener with a backlog of one's own size:
    /// `Listener::<8>::with_capacity()`.
    pub const fn with_capacity() -> Self {
        Self { waiting: RefCell::new(heapless::Deque::new()), acceptors: WakerSet::new() }
    }

    /// Connections that wait.
    pub fn len(&self) -> usize {
        self.waiting.borrow().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next connection, as soon as there is one.
    ///
    /// Dropping the future loses none: it is the next one's who accepts.
    pub async fn accept<'t, I: Ip, S: Storage>(&self, tcp: &'t Tcp<I, S>) -> Flow<'t, I, S> {
        poll_fn(|context| self.poll_accept(tcp, context)).await
    }

    fn poll_accept<'t, I: Ip, S: Storage>(
        &self,
        tcp: &'t Tcp<I, S>,
        context: &Context<'_>,
    ) -> Poll<Flow<'t, I, S>> {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            match next {
                // One that was reset meanwhile is passed over.
                Some(id) => {
                    if let Some(flow) = Flow::of_backlog(tcp, id) {
                        return Poll::Ready(flow);
                    }
                }
                None => {
                    self.wait(context.waker());
                    return Poll::Pending;
                }
            }
        }
    }

    fn wait(&self, waker: &Waker) {
        self.acceptors.register(waker);
    }

    /// Accepts connections and runs `handler` for each, at the same time.
    ///
    /// With memory from the allocator, as many as there are connections;
    /// each handler is polled only when it was woken itself. In fixed memory,
    /// as many as that has slots, in an array of handlers within the future
    /// returned.
    ///
    /// When a handler ends, its flow is dropped, and the connection aborted
    /// unless the handler has closed it. Dropping the future drops all
    /// handlers; what waits in the backlog stays there.
    ///
    /// # Errors
    ///
    /// None: the result fits into a `try_join!`.
    pub async fn serve<'t, I: Ip, S: Storage, R>(
        &self,
        tcp: &'t Tcp<I, S>,
        handler: impl AsyncFn(Flow<'t, I, S>) -> R,
    ) -> Result<Never, Never> {
        Ok(S::run_all(|context| self.poll_accept(tcp, context).map(|flow| handler(flow))).await)
    }

    /// Resets all that wait.
    pub fn clear<I: Ip, S: Storage>(&self, tcp: &Tcp<I, S>) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            match next {
                Some(id) => drop(Flow::of_backlog(tcp, id)),
                None => return,
            }
        }
    }
}

impl<const BACKLOG: usize> Accept for Listener<BACKLOG> {
    fn has_room(&self) -> bool {
        !self.waiting.borrow().is_full()
    }

    fn offer(&self, connection: ConnectionId) -> bool {
        let taken = self.waiting.borrow_mut().push_back(connection).is_ok();
        if taken {
            self.acceptors.wake();
        }
        taken
    }

    fn holds(&self, connection: ConnectionId) -> bool {
        self.waiting.borrow().iter().any(|waiting| *waiting == connection)
    }
}
