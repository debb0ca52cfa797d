//! Where connections wait that peers have opened.

use core::cell::{Cell, RefCell};
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

    /// Takes a connection whose handshake has ended, to a place in line; `None`
    /// when there is no room, and it is reset.
    fn offer(&self, connection: ConnectionId) -> Option<Place>;

    /// Whether that connection waits here, at the place that it was given.
    /// Asked for each of its segments.
    fn holds(&self, connection: ConnectionId, place: Place) -> bool;
}

/// A connection's place in the line of an [`Accept`]: the number of those
/// before it since the beginning, modulo 2¹⁶.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place(pub u16);

/// How many connections wait in a [`Listener::new`].
pub const DEFAULT_BACKLOG: usize = 64;

/// So many can be told apart by their [`Place`].
const MAX_BACKLOG: usize = 1 << 16;

/// A listener for connections of one [`Tcp`], with a backlog of up to
/// `BACKLOG`, 65,536 at most, whose handshake has ended and that nobody has
/// accepted yet.
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
    /// The place of the first that waits.
    first: Cell<Place>,
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
        const { assert!(BACKLOG <= MAX_BACKLOG) };
        Self {
            waiting: RefCell::new(heapless::Deque::new()),
            first: Cell::new(Place(0)),
            acceptors: WakerSet::new(),
        }
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
            match self.take_next() {
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

    /// Takes the first in line.
    fn take_next(&self) -> Option<ConnectionId> {
        let next = self.waiting.borrow_mut().pop_front()?;
        self.first.set(Place(self.first.get().0.wrapping_add(1)));
        Some(next)
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
        while let Some(id) = self.take_next() {
            drop(Flow::of_backlog(tcp, id));
        }
    }
}

impl<const BACKLOG: usize> Accept for Listener<BACKLOG> {
    fn has_room(&self) -> bool {
        !self.waiting.borrow().is_full()
    }

    fn offer(&self, connection: ConnectionId) -> Option<Place> {
        let mut waiting = self.waiting.borrow_mut();
        let place = Place(self.first.get().0.wrapping_add(waiting.len() as u16));
        waiting.push_back(connection).ok()?;
        drop(waiting);
        self.acceptors.wake();
        Some(place)
    }

    fn holds(&self, connection: ConnectionId, place: Place) -> bool {
        #[cfg(all(test, feature = "alloc"))]
        crate::table::count_waiting();
        let at = place.0.wrapping_sub(self.first.get().0);
        self.waiting.borrow().get(usize::from(at)) == Some(&connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(slot: u32) -> ConnectionId {
        ConnectionId { slot, generation: 0 }
    }

    /// Also where places wrap, and behind others that went.
    #[test]
    fn who_waits_is_found_by_its_place_and_nobody_else() {
        let listener = Listener::<3>::with_capacity();
        let mut line = std::collections::VecDeque::new();
        for n in 0..150_000 {
            if line.len() == 3 {
                assert_eq!(listener.offer(id(n)), None);
            }
            if line.len() == 3 || n % 5 == 0 {
                let gone: Option<(ConnectionId, Place)> = line.pop_front();
                assert_eq!(listener.take_next(), gone.map(|(id, _)| id));
                assert!(gone.is_none_or(|(id, place)| !listener.holds(id, place)));
            }
            line.push_back((id(n), listener.offer(id(n)).unwrap()));
            for (waiting, place) in &line {
                assert!(listener.holds(*waiting, *place));
                assert!(!listener.holds(id(n + 1), *place));
                let other = ConnectionId { generation: 1, ..*waiting };
                assert!(!listener.holds(other, *place), "a slot that was used again");
            }
        }
    }
}
