//! The shell around the machines: finds the one a segment is for, and sends
//! what they want to say.
//!
//! No function here calls a layer, a listener, a filler or a waker while it
//! borrows the state: what is to be called leaves the borrow first.

mod burst;
mod emit;
mod held;
mod icmp;
mod input;
mod list;
mod open;
mod output;
mod predicted;
mod run;
mod settle;
mod state;
mod syn;
mod timeout;
#[cfg(all(test, feature = "alloc"))]
mod work;

use core::cell::{Cell, RefCell};
use core::fmt;
use core::task::{Poll, Waker};

use traits::{Capabilities, Instant, Ip, Layer, Rng, WakerSet};

use crate::connection::Settings;
use crate::isn::Secret;
use crate::ports::Ports;
use crate::stats::{Counters, Statistics};
use crate::storage::{Fixed, Limits, Memory, Storage};

pub(crate) use held::{Held, Lent, Owner, Want};
pub use list::Remembered;
pub use state::ConnectionId;
pub(crate) use state::State;

/// TCP over an [`Ip`].
///
/// [`input`](Self::input) takes what arrives and remembers what is to be said;
/// the task, [`run`](Layer::run), says it: once for a whole batch of segments.
/// Connections come from [`create_connection`](Self::create_connection) and
/// from [`Listener`](crate::Listener)s.
///
/// Its memory is bounded by [`Limits`].
///
#[cfg_attr(feature = "alloc", doc = "```")]
#[cfg_attr(not(feature = "alloc"), doc = "```ignore")]
/// # use traits::{Inbound, Ip, Layer, Rng, Time};
/// use tcpv4::{Listener, Tcp};
///
/// # async fn example<I: Ip>(i: I, mut random: impl Rng, time: &impl Time, packets: &[Inbound<'_>]) {
/// let tcp = Tcp::connect(&i, &mut random);
/// let http = Listener::new();
///
/// // From within `i.input(…)`:
/// # for s in packets.iter().copied() {
/// tcp.input(s, |port| match port {
///     80 => Some(&http),
///     _ => None,
/// });
/// # }
///
/// let web = http.serve(&tcp, async |mut flow| {
///     let (dst, port) = (flow.dest().ip(), flow.dest().port());
///     let mut buf = [0; 1024];
///     match flow.read(&mut buf).await {
///         Ok(0) => { /* the end of the stream */ }
///         Ok(n) => drop(flow.write_all(&buf[..n]).await),
///         Err(error) => { /* the connection is lost */ }
///     }
///     let _ = flow.close().await;
/// });
///
/// embassy_futures::join::join(web, tcp.run(time)).await;
/// # }
/// ```
pub struct Tcp<I, S: Storage = crate::DefaultStorage> {
    pub(crate) ip: I,
    pub(crate) state: RefCell<State<S>>,
    /// The tasks that transmit.
    tasks: WakerSet,
    secret: Secret,
    ports: Ports,
    settings: Cell<Settings>,
    pub(crate) counters: Counters,
    /// Of the addresses of `ip`, as last seen.
    generation: Cell<u32>,
    /// The task is at it.
    is_polled: Cell<bool>,
    /// Replies that were sent since another had its turn.
    replied: Cell<u8>,
}

impl<I, S: Storage> fmt::Debug for Tcp<I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tcp")
    }
}

#[cfg(feature = "alloc")]
impl<I: Ip> Tcp<I, crate::Heap> {
    /// TCP over `ip`, with memory from the allocator.
    ///
    /// `random` draws the key behind sequence numbers, ports and cookies, and
    /// is not kept.
    pub fn connect(ip: I, random: &mut impl Rng) -> Self {
        Self::with_storage(ip, random, crate::Heap::default(), Limits::default())
    }

    /// The same, with bounds of one's own.
    pub fn connect_with_limits(ip: I, random: &mut impl Rng, limits: Limits) -> Self {
        Self::with_storage(ip, random, crate::Heap::default(), limits)
    }
}

impl<'m, I: Ip, const SLOTS: usize, const LIST: usize, const REPLIES: usize>
    Tcp<I, Fixed<'m, SLOTS, LIST, REPLIES>>
{
    /// TCP over `ip`, in `memory` that the caller hands over: needs no
    /// allocator. The tables stand in the layer itself; [`Memory`] says how
    /// large that makes it.
    pub fn connect_in<const BYTES: usize>(
        ip: I,
        random: &mut impl Rng,
        memory: &'m mut Memory<SLOTS, BYTES, LIST, REPLIES>,
    ) -> Self {
        let limits = Limits { connections: SLOTS, half_open: SLOTS, time_wait: SLOTS, bytes: usize::MAX };
        let (send, receive) = memory.shares();
        let tcp = Self::with_storage(ip, random, Fixed::new(memory), limits);
        let (send_limit, receive_limit) = (send as u32, receive as u32);
        tcp.settings.set(Settings { send_limit, receive_limit, ..Settings::default() });
        tcp
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    fn with_storage(ip: I, random: &mut impl Rng, storage: S, limits: Limits) -> Self {
        Self {
            generation: Cell::new(ip.generation()),
            ip,
            state: RefCell::new(State::new(storage, limits)),
            tasks: WakerSet::new(),
            secret: Secret::new(random),
            ports: Ports::new(random),
            settings: Cell::default(),
            counters: Counters::default(),
            is_polled: Cell::new(false),
            replied: Cell::new(0),
        }
    }

    /// What new connections start with.
    pub fn settings(&self) -> Settings {
        self.settings.get()
    }

    /// Changes what new connections start with.
    pub fn set_settings(&self, settings: Settings) {
        self.settings.set(settings);
    }

    /// What has passed.
    pub fn statistics(&self) -> Statistics {
        self.counters.snapshot()
    }

    /// How much is remembered at the moment.
    pub fn usage(&self) -> Usage {
        // A listener's closure may ask: then the state is not borrowed.
        self.state.try_borrow().map(|state| state.usage()).unwrap_or_default()
    }

    /// Bytes that one connection takes in the tables while it is idle, beside
    /// 11 to 12 of the index, and 32 of the index in fixed memory; and how many
    /// of them are the state machine's.
    pub const fn connection_size() -> (usize, usize) {
        (size_of::<crate::table::Slot<Held<S>>>(), size_of::<crate::connection::Connection<S::Backing>>())
    }

    /// The layer below.
    pub fn ip(&self) -> &I {
        &self.ip
    }
}

/// How much a layer remembers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Usage {
    /// Connections, closed ones whose flow is still held included.
    pub connections: usize,
    /// Half-open connections.
    pub half_open: usize,
    /// Connections in TIME-WAIT.
    pub time_wait: usize,
    /// Bytes held by connections for data, beside the tables.
    pub bytes: usize,
}

impl<I: Ip, S: Storage> Layer for Tcp<I, S> {
    fn now(&self) -> Instant {
        self.ip.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.ip.capabilities()
    }

    /// Fires timers, then sends what connections want to say: all of them in
    /// turn, a bounded burst each, until none has more or the device is full.
    fn poll(&self, now: Instant, waker: &Waker) -> Option<Instant> {
        self.tasks.register(waker);
        // From within a `write` of the layer below: whoever called it goes on.
        if !self.is_polled.replace(true) {
            self.check_addresses();
            // The acknowledgement that a timer misses may wait to be read. The
            // other timers wait as well: for some batches, which none of them minds.
            if self.is_timer_due(now) && !self.ip.has_backlog() {
                self.handle_timeouts(now);
            }
            self.transmit(now, waker);
            self.is_polled.set(false);
        }
        let own = self.next_timeout(now);
        let below = self.ip.poll(now, waker);
        Instant::earliest(own, below)
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        self.ip.poll_room(waker)
    }

    fn has_backlog(&self) -> bool {
        self.ip.has_backlog()
    }

    fn flush(&self) {
        self.ip.flush();
    }
}
