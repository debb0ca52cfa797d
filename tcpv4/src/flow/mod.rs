//! Connections from the application's side.

mod buffered;
mod error;
mod handle;
mod io;
mod poll;
mod split;

use core::fmt;
use core::future::{Future, poll_fn};
use core::net::SocketAddrV4;
use core::time::Duration;

use traits::{ConnectError, Connections, FlowError, Ip};

use crate::congestion::Algorithm;
use crate::connection::{Info, Keepalive, Settings};
use crate::layer::{ConnectionId, Tcp};
use crate::storage::Storage;

pub use buffered::Buffered;
pub use error::IoError;
pub use split::{ReadHalf, WriteHalf};

/// A connection.
///
/// Dropping one that was not closed, or that has data left to read, resets
/// it; dropping one that was closed lets the close run its course, for a
/// bounded time. Of split halves, and of [`Buffered`], the same when the last
/// half goes.
///
/// # When a future is dropped
///
/// | future | dropped before it completes |
/// |---|---|
/// | [`create_connection`](Tcp::create_connection) | the attempt is given up; a SYN-ACK that still comes is answered with a reset |
/// | [`accept`](crate::Listener::accept) | no connection is lost: it is the next one's who accepts |
/// | [`serve`](crate::Listener::serve) | its handlers are dropped, with their flows; what waits in the backlog stays |
/// | [`read`](Flow::read), [`read_with`](Flow::read_with), [`Buffered::fill`] | nothing was taken |
/// | [`write`](Flow::write), [`write_with`](Flow::write_with) | nothing was queued, and the filler not called |
/// | [`write_all`](Flow::write_all), [`write_nodelay`](Flow::write_nodelay), [`write_static`](Flow::write_static) | some part of the bytes may be queued, from the first on |
/// | [`flush`](Flow::flush) | nothing: what is queued is sent all the same |
/// | [`close`](Flow::close) | the stream is closed and goes on to its end |
///
/// A future that was never polled has done nothing at all, `close` included.
/// The task may be woken once more for what it no longer waits for.
pub struct Flow<'t, I: Ip, S: Storage> {
    handle: Handle<'t, I, S>,
    dest: SocketAddrV4,
    local: SocketAddrV4,
    settings: Settings,
    /// Nagle's algorithm is off until the next plain write.
    nodelay_once: bool,
}

impl<I: Ip, S: Storage> fmt::Debug for Flow<'_, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({} - {})", self.local, self.dest)
    }
}

/// One of the owners of a connection, which goes when the last one is dropped.
struct Handle<'t, I: Ip, S: Storage> {
    tcp: &'t Tcp<I, S>,
    id: ConnectionId,
}

impl<I: Ip, S: Storage> Drop for Handle<'_, I, S> {
    fn drop(&mut self) {
        self.tcp.detach(self.id);
    }
}

impl<'t, I: Ip, S: Storage> Flow<'t, I, S> {
    /// The flow of a connection in a backlog, if that still waits.
    pub(crate) fn of_backlog(tcp: &'t Tcp<I, S>, id: ConnectionId) -> Option<Self> {
        tcp.attach(id).then(|| Self::new(tcp, id))
    }

    /// Takes over the one handle that the connection counts.
    fn new(tcp: &'t Tcp<I, S>, id: ConnectionId) -> Self {
        let (local, dest) = tcp.ends(id);
        let handle = Handle { tcp, id };
        Self { handle, dest, local, settings: tcp.settings(), nodelay_once: false }
    }

    /// The other side.
    pub const fn dest(&self) -> SocketAddrV4 {
        self.dest
    }

    /// This side.
    pub const fn local(&self) -> SocketAddrV4 {
        self.local
    }

    /// Its name in the layer, which no other connection has at the time.
    pub const fn id(&self) -> ConnectionId {
        self.handle.id
    }

    /// Reads what has arrived, up to `buffer.len()` bytes; waits for at least
    /// one. `Ok(0)`: the peer has closed and all is read, or `buffer` is
    /// empty. Dropping the future loses no data.
    ///
    /// # Errors
    ///
    /// See [`FlowError`]; only after all that has arrived is read.
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, FlowError>> {
        self.handle.read(buffer)
    }

    /// Waits for data and shows it to `take` where it lies: nothing is copied.
    /// `take` returns how many bytes it has used (more than shown counts as
    /// all) and a result. `None` when the peer has closed and all is read.
    ///
    /// What is shown may be less than all that can be read, where that is not
    /// in one piece. `take` may call back into the layer. When the future is
    /// dropped before it completes, `take` was not called.
    ///
    /// # Errors
    ///
    /// See [`FlowError`]; only after all that has arrived is read.
    pub async fn read_with<R>(
        &mut self,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Result<Option<R>, FlowError> {
        self.handle.read_with(take).await
    }

    /// Queues bytes to be sent and returns how many, at least one; waits for
    /// room. `Ok(0)` only for empty `bytes`. When the future is dropped before
    /// it completes, nothing was queued.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, FlowError> {
        self.end_nodelay_once();
        self.handle.write(bytes).await
    }

    /// Waits for room in the send buffer and lends it to `fill`, to be written
    /// in place: nothing is copied. `fill` returns how many bytes it has
    /// written from the start on (more than lent counts as all; 0 sends
    /// nothing) and a result.
    ///
    /// What is lent, one byte at least, may be less than all the room there
    /// is, where that is not in one piece, and holds whatever was there before.
    /// `fill` may call back into the layer. Until it returns, the connection
    /// itself stands still: what arrives for it then counts as lost on the way
    /// ([`reentered`](crate::Statistics::reentered)). When the future is
    /// dropped before it completes, `fill` was not called; of a `fill` that
    /// panics nothing is sent.
    ///
    /// # Errors
    ///
    /// See [`FlowError`]; then `fill` was not called.
    pub async fn write_with<R>(&mut self, fill: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, FlowError> {
        self.end_nodelay_once();
        self.handle.write_with(fill).await
    }

    /// Queues all of `bytes`. When the future is dropped before it completes,
    /// some part may have been queued.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub fn write_all(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), FlowError>> {
        let mut rest = bytes;
        poll_fn(move |context| {
            self.end_nodelay_once();
            self.handle.poll_write_all(&mut rest, context)
        })
    }

    /// Queues all of `bytes`, to be sent from where they lie: nothing is copied
    /// but into the frames, and into large ones not even there where the device
    /// gathers. For pages, files, and whatever else is a part of the program.
    ///
    /// Waits until there is room for a byte, and then takes them all, up to 2²⁹ at
    /// once: the send limit may be exceeded by as much, since they take no memory.
    /// Up to 64 such pieces are kept apart, one in fixed memory; what comes beyond,
    /// and fewer than 1024 bytes, is copied as by [`write_all`](Self::write_all).
    /// When the future is dropped before it completes, some part of `bytes` may be
    /// queued, from the first on.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_static(&mut self, bytes: &'static [u8]) -> Result<(), FlowError> {
        self.end_nodelay_once();
        self.handle.write_static(bytes).await
    }

    /// Queues all of `bytes` and sends them without waiting for more to fill
    /// a segment, along with what was queued before: Nagle's algorithm is off
    /// until the next plain write. When the future is dropped before it
    /// completes, some part may have been queued.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn write_nodelay(&mut self, bytes: &[u8]) -> Result<(), FlowError> {
        if !self.settings.nodelay {
            self.nodelay_once = true;
            self.handle.tcp.configure(self.handle.id, &Settings { nodelay: true, ..self.settings });
        }
        self.handle.write_all(bytes).await
    }

    /// Waits until all that was written has been acknowledged. It is sent
    /// without that, too: dropping the future stops nothing.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub async fn flush(&mut self) -> Result<(), FlowError> {
        self.handle.flush().await
    }

    /// Sends what is queued, then tells the peer that no more comes; reading
    /// goes on. Completes when the peer has acknowledged it all. Dropped
    /// early, the close goes on by itself, if the future was polled at all.
    ///
    /// # Errors
    ///
    /// See [`FlowError`].
    pub fn close(&mut self) -> impl Future<Output = Result<(), FlowError>> {
        self.handle.close()
    }

    /// Ends both directions at once with a reset.
    pub fn abort(&mut self) {
        self.handle.tcp.abort(self.handle.id);
    }

    /// Two halves, to read and to write in different tasks. The connection
    /// has the fate of a dropped flow when both are dropped.
    pub fn split(self) -> (ReadHalf<'t, I, S>, WriteHalf<'t, I, S>) {
        split::split(self)
    }

    /// The connection at a glance: state, round-trip time, windows, losses.
    pub fn info(&self) -> Option<Info> {
        self.handle.tcp.info(self.handle.id)
    }

    /// What was chosen for the connection.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Changes what was chosen: takes effect at once.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.nodelay_once = false;
        self.handle.tcp.configure(self.handle.id, &settings);
    }

    /// Whether small segments are sent at once, instead of being gathered
    /// while others are under way (Nagle's algorithm, RFC 9293 §3.7.4). What
    /// was gathered goes at once.
    pub fn set_nodelay(&mut self, nodelay: bool) {
        self.set_settings(Settings { nodelay, ..self.settings });
    }

    /// When to ask a silent peer whether it is still there (RFC 9293 §3.8.4);
    /// `None`: never. The silence counts from now on.
    pub fn set_keepalive(&mut self, keepalive: Option<Keepalive>) {
        self.set_settings(Settings { keepalive, ..self.settings });
    }

    /// How long data may stay unacknowledged before the connection is given
    /// up (RFC 5482), in milliseconds, 1 at least; `None` for 15
    /// retransmissions. Looked at when the retransmission timer fires.
    pub fn set_user_timeout(&mut self, user_timeout: Option<Duration>) {
        self.set_settings(Settings { user_timeout, ..self.settings });
    }

    /// The most bytes kept that are written and not yet acknowledged, 1 to
    /// 2³⁰; in fixed memory, the buffer's size at most. Below what is kept
    /// already, nothing more is taken until that is acknowledged.
    pub fn set_send_limit(&mut self, send_limit: u32) {
        self.set_settings(Settings { send_limit, ..self.settings });
    }

    /// The most bytes kept that are received and not yet read, 1 to 2³⁰; in
    /// fixed memory, the buffer's size at most. The window that the peer was
    /// told is not taken back: a smaller limit comes with what it sends
    /// (RFC 9293 §3.8.6). Nor can the window grow beyond the scale of the
    /// handshake, which the layer's [settings](Tcp::set_settings) chose.
    pub fn set_receive_limit(&mut self, receive_limit: u32) {
        self.set_settings(Settings { receive_limit, ..self.settings });
    }

    /// The congestion control. It begins with the window of the one before.
    pub fn set_congestion(&mut self, congestion: Algorithm) {
        self.set_settings(Settings { congestion, ..self.settings });
    }

    fn end_nodelay_once(&mut self) {
        if self.nodelay_once {
            self.set_settings(self.settings);
        }
    }
}

impl<I: Ip, S: Storage> traits::Flow for Flow<'_, I, S> {
    fn dest(&self) -> SocketAddrV4 {
        self.dest
    }

    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FlowError> {
        Flow::read(self, buffer).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<usize, FlowError> {
        Flow::write(self, bytes).await
    }

    async fn write_static(&mut self, bytes: &'static [u8]) -> Result<(), FlowError> {
        Flow::write_static(self, bytes).await
    }

    async fn flush(&mut self) -> Result<(), FlowError> {
        Flow::flush(self).await
    }

    async fn close(&mut self) -> Result<(), FlowError> {
        Flow::close(self).await
    }

    fn abort(&mut self) {
        Flow::abort(self);
    }
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Connects to `dst` from a port of the layer's choice; completes when the
    /// handshake has. Dropping the future gives the attempt up; polled for the
    /// first time, it takes its port.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    pub async fn create_connection(&self, dst: SocketAddrV4) -> Result<Flow<'_, I, S>, ConnectError> {
        self.connected(self.open(dst, None)?).await
    }

    /// The same from a port of one's own choice, with which two hosts can
    /// also open a connection both at once.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`]; [`PortsExhausted`](ConnectError::PortsExhausted)
    /// when the port is in use towards that peer.
    pub async fn create_connection_from(
        &self,
        port: u16,
        dst: SocketAddrV4,
    ) -> Result<Flow<'_, I, S>, ConnectError> {
        self.connected(self.open(dst, Some(port))?).await
    }

    async fn connected(&self, id: ConnectionId) -> Result<Flow<'_, I, S>, ConnectError> {
        let flow = Flow::new(self, id);
        poll_fn(|context| self.poll_connected(id, context)).await?;
        Ok(flow)
    }
}

impl<I: Ip, S: Storage> Connections for Tcp<I, S> {
    type Flow<'a>
        = Flow<'a, I, S>
    where
        Self: 'a;

    async fn create_connection(&self, dst: SocketAddrV4) -> Result<Flow<'_, I, S>, ConnectError> {
        Tcp::create_connection(self, dst).await
    }
}
