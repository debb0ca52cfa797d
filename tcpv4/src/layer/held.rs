//! What the layer knows of one connection.

use core::task::Waker;

use bitflags::bitflags;
use traits::Instant;

use crate::connection::{Connection, Events};
use crate::listener::Place;
use crate::storage::Storage;
use crate::table::Tuple;

/// A connection with what the layer knows of it.
pub(crate) struct Held<S: Storage> {
    pub(crate) machine: Connection<S::Backing>,
    pub(crate) tuple: Tuple,
    pub(crate) owner: Owner,
    /// Whether the index still leads here.
    pub(crate) indexed: bool,
    /// What is on loan to the user.
    pub(crate) lent: Lent,
    /// What the writer waits for.
    pub(crate) wants: Want,
    /// In whole seconds, modulo 2¹⁶: while it waits for a listener's `accept`,
    /// since when; then, when the layer below was last told that the path works.
    pub(crate) seconds: u16,
    /// Where in its listener's line it waits.
    pub(crate) place: Place,
    /// Bytes counted in [`State::bytes`].
    pub(crate) bytes: u32,
    /// Who waits to read.
    pub(crate) reader: Option<Waker>,
    /// Who waits to connect, write, flush or close: all of them borrow the
    /// one write half, so one at a time does.
    pub(crate) writer: Option<Waker>,
}

/// Whose a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A listener's, which has not accepted it yet.
    Listener,
    /// A flow's, or that of the half of one that is left.
    Flow,
    /// That of both halves of a flow.
    Halves,
    /// Nobody's: it ends by itself.
    Nobody,
}

bitflags! {
    /// What the user of a write half waits for.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Want: u8 {
        const CONNECT = 1 << 0;
        const WRITE = 1 << 1;
        const FLUSH = 1 << 2;
        const CLOSE = 1 << 3;
    }
}

impl Want {
    /// What is waited for.
    fn events(self) -> Events {
        let mut events = Events::empty();
        events.set(Events::ESTABLISHED, self.contains(Self::CONNECT));
        events.set(Events::WRITABLE, self.contains(Self::WRITE));
        events.set(Events::FLUSHED, self.intersects(Self::FLUSH | Self::CLOSE));
        events.set(Events::TIME_WAIT, self.contains(Self::CLOSE));
        events
    }
}

bitflags! {
    /// Buffers that the user of a connection looks at or writes in place, and
    /// may call back into the layer meanwhile.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub(crate) struct Lent: u8 {
        /// What was received: data that comes is dropped.
        const RECEIVED = 1 << 0;
        /// What is to be sent: nothing is taken and nothing sent.
        const SEND = 1 << 1;
    }
}

/// Wakers that left a borrow, to be woken (or dropped) after it.
#[derive(Default)]
#[must_use]
pub(crate) struct Woken {
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl Woken {
    #[inline]
    pub(crate) fn wake(self) {
        if let Some(reader) = self.reader {
            reader.wake();
        }
        if let Some(writer) = self.writer {
            writer.wake();
        }
    }
}

impl<S: Storage> Held<S> {
    /// Takes those who wait for `events`.
    #[inline]
    pub(crate) fn wake_for(&mut self, events: Events) -> Woken {
        let over = Events::FAILED | Events::CLOSED;
        let read = over | Events::READABLE | Events::PEER_CLOSED;
        let reader = if events.intersects(read) { self.reader.take() } else { None };
        let wakes = self.writer.is_some() && events.intersects(over | self.wants.events());
        Woken { reader, writer: if wakes { self.writer.take() } else { None } }
    }

    /// Whether the layer below is to be told that the path works: once a second at
    /// most, but for a connection that waits to be accepted.
    #[inline]
    pub(crate) fn is_to_confirm(&mut self, now: Instant, events: Events) -> bool {
        if !events.contains(Events::CONFIRMED) {
            return false;
        }
        let seconds = seconds(now);
        let waits = self.owner == Owner::Listener;
        let confirms = waits || self.seconds != seconds;
        if confirms && !waits {
            self.seconds = seconds;
        }
        confirms
    }

    /// Counts what it holds by now among the `bytes` of all.
    #[inline]
    pub(crate) fn account(&mut self, bytes: &mut usize) {
        let held = self.machine.held();
        *bytes = (*bytes + held).saturating_sub(self.bytes as usize);
        self.bytes = held as u32;
    }

    /// When the layer has to look at it, beside the machine's own timers.
    pub(crate) fn accept_deadline(&self, now: Instant) -> Option<Instant> {
        match self.owner {
            Owner::Listener => {
                // It may have been seen a little after `now`; but a layer that was
                // not run for hours lets nobody wait for hours more.
                let waited = match seconds(now).wrapping_sub(self.seconds) {
                    0xff00.. => 0,
                    waited => u64::from(waited),
                };
                Some(Instant::from_secs((now.as_millis() / 1000).saturating_sub(waited) + ACCEPT_SECONDS))
            }
            Owner::Flow | Owner::Halves | Owner::Nobody => None,
        }
    }

    /// When the layer has to look at it.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let own = if self.indexed { self.machine.next_timeout() } else { None };
        Instant::earliest(own, self.accept_deadline(now))
    }
}

/// Whole seconds, as [`Held::seconds`] counts them.
pub(crate) fn seconds(now: Instant) -> u16 {
    (now.as_millis() / 1000) as u16
}

/// How long a connection waits in a listener's backlog before it is reset, in
/// seconds.
const ACCEPT_SECONDS: u64 = 60;

/// A connection as the layer starts it at `now`.
pub(crate) fn held<S: Storage>(
    now: Instant,
    machine: Connection<S::Backing>,
    tuple: Tuple,
    owner: Owner,
) -> Held<S> {
    Held {
        machine,
        tuple,
        owner,
        indexed: true,
        lent: Lent::empty(),
        wants: Want::empty(),
        seconds: match owner {
            // The layer below was told of nothing yet.
            Owner::Flow | Owner::Halves => seconds(now).wrapping_sub(1),
            Owner::Listener | Owner::Nobody => seconds(now),
        },
        place: Place::default(),
        bytes: 0,
        reader: None,
        writer: None,
    }
}
