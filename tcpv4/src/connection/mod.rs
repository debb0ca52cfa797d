//! The state machine.

mod ack;
mod busy;
mod close;
mod commands;
mod handshake;
mod icmp;
mod info;
mod input;
mod limits;
mod outcome;
mod output;
mod path;
mod pause;
mod plain;
mod predicted;
mod recover;
mod resend;
mod settings;
mod shell;
mod stamp;
mod state;
mod text;
mod timeout;
mod timers;
mod totals;
mod transmitted;

use bitflags::bitflags;
use traits::Instant;

pub use info::Info;
pub use outcome::{Dropped, Events, Failure, Outcome};
pub use settings::{Budget, Buffers, Keepalive, Open, Passive, Remains, Settings};
pub(crate) use shell::SendLoan;
pub use state::State;
pub use totals::Totals;

use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::congestion::{Algorithm, Cwnd};
use crate::receive::{AckPolicy, ReceiveWindow};
use crate::recovery::RttEstimator;
use crate::segment::Transmit;
use crate::send::SendWindow;
use busy::Busy;
use limits::Limits;
use stamp::{HEARD_BITS, SENT_BITS, Stamp};
use totals::Counts;

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
///
/// Bounds: the bytes of each direction by [`Settings`], the records of what is
/// under way and the holes in what has arrived by
/// [`List::LIMIT`](crate::buffer::List::LIMIT) each.
pub struct Connection<B: Backing> {
    state: State,
    failure: Option<Failure>,
    algorithm: Algorithm,
    flags: Flags,
    snd: SendWindow,
    rcv: ReceiveWindow,
    acks: AckPolicy,
    ts: Clock,
    rtt: RttEstimator,
    window: Cwnd,
    /// The largest packet of the path.
    mtu: u16,
    /// The largest packet that is known to arrive, where the path was found
    /// to swallow larger ones.
    path_cap: u16,
    /// When that is put to the test again, in seconds.
    path_probe_after: u16,
    /// Data in a full segment: what peer and path take, less the timestamps.
    mss: u16,
    /// Timeouts, or probes, without an answer.
    retries: u8,
    /// Keepalive probes without an answer.
    keepalive_probes: u8,
    /// So many of those end the connection. Apart from the rest of what the
    /// user chose, where it would cost four bytes.
    keepalive_limit: u8,
    user: User,
    /// When the peer was heard last.
    heard_at: Stamp<HEARD_BITS>,
    /// When something was sent last that asks for an answer.
    sent_at: Stamp<SENT_BITS>,
    /// The one timer that an idle connection may have.
    liveness: Instant,
    limits: Limits,
    counts: Counts,
    busy: B::Side<Busy<B>>,
}

bitflags! {
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Flags: u16 {
        /// Both sides understand SACK.
        const SACK = 1 << 0;
        /// Both sides use timestamps.
        const TIMESTAMPS = 1 << 1;
        /// Both sides use ECN; in SYN-SENT, this one would.
        const ECN = 1 << 2;
        const NODELAY = 1 << 3;
        /// A FIN follows what is queued.
        const FIN = 1 << 4;
        /// That FIN is acknowledged.
        const FIN_ACKED = 1 << 5;
        /// A SYN, or SYN and ACK, is to be sent.
        const HANDSHAKE_DUE = 1 << 6;
        const RESET_DUE = 1 << 7;
        /// The peer is to be asked for an acknowledgement.
        const PROBE_DUE = 1 << 8;
        /// Nobody reads or writes any more.
        const DETACHED = 1 << 9;
        /// Opened by the peer.
        const PASSIVE = 1 << 10;
        /// The peer is told of congestion until it answers (RFC 3168 §6.1.3).
        const ECE_OWED = 1 << 11;
        /// The peer is told that the window was reduced.
        const CWR_OWED = 1 << 12;
        /// All of the peer's stream has come, its FIN included.
        const PEER_ENDED = 1 << 13;
        /// Not all was taken of what was written last.
        const FULL = 1 << 14;
        /// The congestion window is what it should be after the present pause.
        const PAUSE_COUNTED = 1 << 15;
    }
}

/// Timestamps (RFC 7323).
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// Added to the own clock, which ticks in milliseconds.
    offset: u32,
    /// TS.Recent.
    recent: u32,
}

/// What the user chose, packed.
#[derive(Clone, Copy, Debug)]
struct User {
    /// In milliseconds; 0 for none.
    timeout: u32,
    /// In seconds; 0 for no keepalive.
    keepalive_idle: u16,
    keepalive_interval: u16,
}

/// Getters.
impl<B: Backing> Connection<B> {
    /// The state.
    #[inline]
    pub fn state(&self) -> State {
        self.state
    }

    /// Bytes that can be read now.
    pub fn readable(&self) -> usize {
        self.busy.get().map_or(0, |busy| busy.receive.len() as usize)
    }

    /// Bytes that can be written now; 0 too when this side has closed.
    pub fn writable(&self) -> usize {
        if self.state.can_write() && !self.flags.contains(Flags::FIN) { self.send_room() as usize } else { 0 }
    }

    /// Whether the peer has ended its stream, or the connection is over: what
    /// is [readable](Self::readable) is all there will be.
    pub fn is_read_closed(&self) -> bool {
        self.state != State::SynSent && !self.state.can_receive()
    }

    /// Whether the peer has ended its stream, all of which has come, whatever
    /// became of the connection since.
    pub fn has_peer_ended(&self) -> bool {
        self.flags.contains(Flags::PEER_ENDED)
    }

    /// Whether all that was written is acknowledged, the FIN included if this
    /// side has closed.
    pub fn is_flushed(&self) -> bool {
        // A reset that meets a side which has closed ends it without a failure
        // (RFC 9293 §3.10.7.4): nothing will be acknowledged any more.
        let closed = self.flags.contains(Flags::FIN_ACKED) || self.state == State::Closed;
        self.queued() == 0 && (!self.flags.contains(Flags::FIN) || closed)
    }

    /// Why the connection ended before its time, if it did.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether the machine may be thrown away: CLOSED and nothing left to
    /// send (not: to read).
    pub fn is_done(&self) -> bool {
        self.state == State::Closed && !self.flags.contains(Flags::RESET_DUE)
    }

    /// Bytes of memory held beyond the size of the type for data: buffers and
    /// what comes with being busy. In fixed memory, 0.
    pub fn held(&self) -> usize {
        self.busy.held() + self.busy.get().map_or(0, Busy::held)
    }

    /// The data of a segment to be sent, in two pieces that follow each other;
    /// `None` where not all of it is in the queue any more, or it is in more
    /// pieces, to be [copied](Self::copy_payload).
    pub fn payload(&self, transmit: &Transmit) -> Option<(&[u8], &[u8])> {
        if transmit.len == 0 {
            return Some((&[], &[]));
        }
        self.data_at(transmit.seq, transmit.len)
    }

    /// The `len` bytes of data from `seq` on, likewise.
    #[inline]
    pub(crate) fn data_at(&self, seq: SeqNum, len: u32) -> Option<(&[u8], &[u8])> {
        let offset = self.offset_of(seq)?;
        let queue = &self.busy.get()?.send;
        if let Some(straight) = queue.straight(offset, len) {
            return Some((straight, &[]));
        }
        let (first, second) = queue.slices(offset, len)?;
        (first.len() + second.len() == len as usize).then_some((first, second))
    }

    /// Copies the data of a segment to be sent to `to`, which has its length;
    /// whether all of it is in the queue.
    pub fn copy_payload(&self, transmit: &Transmit, to: &mut [u8]) -> bool {
        self.copy_data_at(transmit.seq, to)
    }

    /// The data from `seq` on, likewise.
    #[cold]
    #[inline(never)]
    pub(crate) fn copy_data_at(&self, seq: SeqNum, to: &mut [u8]) -> bool {
        let offset = self.offset_of(seq);
        offset.zip(self.busy.get()).is_some_and(|(offset, busy)| busy.send.copy_to(offset, to))
    }

    /// Where in the queue the data from `seq` on is. What is acknowledged by now is
    /// not there any more.
    #[inline]
    fn offset_of(&self, seq: SeqNum) -> Option<u32> {
        (!seq.before(self.snd.una)).then(|| seq.since(self.snd.una))
    }

    /// The data that can be read, in two pieces that follow each other.
    pub fn peek(&self) -> (&[u8], &[u8]) {
        self.busy.get().map_or((&[], &[]), |busy| busy.receive.slices())
    }

    /// The number after the last byte that was written.
    fn data_end(&self) -> SeqNum {
        self.snd.una + self.queued()
    }

    /// Bytes written and never sent.
    fn unsent(&self) -> u32 {
        self.data_end().since(self.snd.nxt)
    }

    /// Whether a FIN is to be sent that never was.
    fn is_fin_unsent(&self) -> bool {
        self.flags.contains(Flags::FIN)
            && !self.flags.contains(Flags::FIN_ACKED)
            && self.snd.nxt == self.data_end()
    }

    /// The own clock for timestamps and throttling.
    fn millis(now: Instant) -> u32 {
        now.as_millis() as u32
    }

    /// Takes the path's MTU.
    fn set_mtu(&mut self, mtu: usize) {
        let mtu = mtu.min(usize::from(self.path_cap)) as u16;
        if self.mtu != mtu {
            self.mtu = mtu;
            self.update_mss();
        }
    }

    fn update_mss(&mut self) {
        self.mss = self.mss_for(self.mtu);
    }
}
