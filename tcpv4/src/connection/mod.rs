//! The state machine.

mod outcome;
mod settings;
mod state;

use traits::Instant;

pub use outcome::{Dropped, Events, Failure, Outcome};
pub use settings::{Budget, Buffers, Keepalive, Open, Passive, Remains, Settings};
pub use state::State;

use crate::buffer::Backing;
use crate::segment::{Segment, Transmit};

/// One connection, without I/O: time and segments go in; segments to send,
/// events and a deadline come out.
///
/// **`input` learns, `poll_transmit` speaks**: nothing but
/// [`poll_transmit`](Self::poll_transmit) yields a segment.
///
/// * *Getters* tell of the state and change nothing: [`state`](Self::state),
///   [`readable`](Self::readable), [`failure`](Self::failure)…
/// * *Commands* are what a user wants: [`connect`](Self::connect),
///   [`accept`](Self::accept), [`write`](Self::write), [`read`](Self::read),
///   [`close`](Self::close), [`abort`](Self::abort), [`detach`](Self::detach).
/// * *`handle_…`* takes what happened: a [segment](Self::handle_segment),
///   [time](Self::handle_timeout), an [ICMP error](Self::handle_icmp).
/// * *`poll_…`*: what is to be done: [`poll_transmit`](Self::poll_transmit)
///   and [`next_timeout`](Self::next_timeout).
///
/// After any command or `handle_…`, call `poll_transmit` until it returns
/// `None`, each time sending what it describes and, if that worked,
/// [`transmitted`](Self::transmitted); then ask for `next_timeout`. What could
/// not be sent is simply not committed, and comes again.
pub struct Connection<B: Backing> {
    state: State,
    buffers: Buffers<B>,
}

/// Getters.
impl<B: Backing> Connection<B> {
    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> usize {
        todo!()
    }

    /// Bytes that can be written now; 0 too when this side has closed.
    pub fn writable(&self) -> usize {
        todo!()
    }

    /// Whether the peer has ended its stream, or the connection is over: what
    /// is [readable](Self::readable) is all there will be.
    pub fn is_read_closed(&self) -> bool {
        todo!()
    }

    /// Whether all that was written is acknowledged, the FIN included if this
    /// side has closed.
    pub fn is_flushed(&self) -> bool {
        todo!()
    }

    /// Why the connection ended before its time, if it did.
    pub fn failure(&self) -> Option<Failure> {
        todo!()
    }

    /// Whether the machine may be thrown away: CLOSED and nothing left to
    /// send (not: to read).
    pub fn is_done(&self) -> bool {
        todo!()
    }

    /// In TIME-WAIT with nothing left to read: what a small entry needs to
    /// take over. The connection may then be thrown away.
    pub fn time_wait(&self) -> Option<Remains> {
        todo!()
    }

    /// In TIME-WAIT: whether a SYN may open the connection anew (RFC 6191,
    /// RFC 9293 §3.10.7.4).
    pub fn may_be_reopened_by(&self, syn: &Segment<'_>) -> bool {
        let _ = syn;
        todo!()
    }

    /// Bytes of memory held beyond the size of the type: buffers and what
    /// comes with being busy. In fixed memory, 0.
    pub fn held(&self) -> usize {
        todo!()
    }

    /// The data of a segment to be sent, in two pieces that follow each other.
    pub fn payload(&self, transmit: &Transmit) -> (&[u8], &[u8]) {
        let _ = transmit;
        todo!()
    }

    /// The data that can be read, in two pieces that follow each other.
    pub fn peek(&self) -> (&[u8], &[u8]) {
        todo!()
    }
}

/// Commands.
impl<B: Backing> Connection<B> {
    /// An active open: SYN-SENT.
    pub fn connect(now: Instant, open: &Open, settings: &Settings, buffers: Buffers<B>) -> Self {
        let _ = (now, open, settings);
        Self { state: State::SynSent, buffers }
    }

    /// A passive open: SYN-RECEIVED, from what a half-open entry learnt. The
    /// segment that completes the handshake is then given to
    /// [`handle_segment`](Self::handle_segment).
    pub fn accept(now: Instant, passive: &Passive, settings: &Settings, buffers: Buffers<B>) -> Self {
        let _ = (now, passive, settings);
        Self { state: State::SynReceived, buffers }
    }

    /// Queues bytes to be sent and returns how many there was room for.
    ///
    /// # Errors
    ///
    /// The [`Failure`] that ended the connection; [`Failure::Aborted`] too
    /// when this side has closed.
    pub fn write(&mut self, now: Instant, bytes: &[u8]) -> Result<usize, Failure> {
        let _ = (now, bytes);
        todo!()
    }

    /// Moves data that was received into `buffer` and returns how many bytes.
    pub fn read(&mut self, now: Instant, buffer: &mut [u8]) -> usize {
        let _ = (now, buffer);
        todo!()
    }

    /// Takes the first `count` bytes of what [`peek`](Self::peek) shows as read.
    pub fn consume(&mut self, now: Instant, count: usize) {
        let _ = (now, count);
        todo!()
    }

    /// Ends the own stream: a FIN follows what is queued. Reading goes on.
    /// Does nothing when this side has closed before.
    pub fn close(&mut self, now: Instant) -> Events {
        let _ = now;
        todo!()
    }

    /// Ends both directions: CLOSED at once, with a reset due where the peer
    /// knows of the connection.
    pub fn abort(&mut self) {
        todo!()
    }

    /// Says that nobody will read or write any more. A connection that is not
    /// closed, or has data left to read, is aborted; one that is closed ends
    /// by itself in bounded time, and answers data with a reset.
    pub fn detach(&mut self, now: Instant) {
        let _ = now;
        todo!()
    }

    /// Changes settings. The congestion control takes effect at once; limits
    /// below what is held do when it is used up.
    pub fn configure(&mut self, now: Instant, settings: &Settings) {
        let _ = (now, settings);
        todo!()
    }

    /// Ends, and gives the buffers back.
    pub fn into_buffers(self) -> Buffers<B> {
        self.buffers
    }
}

/// What happened.
impl<B: Backing> Connection<B> {
    /// Takes a segment of this connection.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        let _ = (now, segment);
        todo!()
    }

    /// Takes the time: does what was due at or before `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Events {
        let _ = now;
        todo!()
    }

    /// Takes an ICMP error about a segment of this connection; `seq` is the
    /// sequence number quoted, which must be one that is under way (RFC 5927
    /// §4.1). A smaller MTU is learnt by the layer below and comes with the
    /// next [`Budget`].
    pub fn handle_icmp(&mut self, now: Instant, kind: traits::IcmpErrorKind, seq: crate::SeqNum) -> Outcome {
        let _ = (now, kind, seq);
        todo!()
    }
}

/// What is to be done.
impl<B: Backing> Connection<B> {
    /// The next segment to send, if there is one.
    pub fn poll_transmit(&mut self, now: Instant, budget: &Budget) -> Option<Transmit> {
        let _ = (now, budget);
        todo!()
    }

    /// Takes note that what [`poll_transmit`](Self::poll_transmit) returned
    /// last was sent.
    pub fn transmitted(&mut self, now: Instant, transmit: &Transmit) {
        let _ = (now, transmit);
        todo!()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        todo!()
    }
}
