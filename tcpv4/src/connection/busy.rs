//! What only a connection has that sends, or misses something.

use traits::Instant;

use super::Buffers;
use super::path::PathProbe;
use super::timers::Timers;
use crate::SeqNum;
use crate::buffer::{Backing, Bytes};
use crate::congestion::{Algorithm, Control};
use crate::receive::{Assembler, LastSmaller, MAX_DELAY, Range, ReceiveQueue};
use crate::recovery::Recovery;
use crate::send::{Record, Resent, Scoreboard, SendQueue};

/// The part of a connection that is given back when it is idle.
pub(super) struct Busy<B: Backing> {
    pub(super) send: SendQueue<B>,
    pub(super) receive: ReceiveQueue<B::Bytes>,
    /// Bytes that the reader has taken out of `receive` and not read yet: they
    /// count in the window.
    pub(super) taken: u32,
    pub(super) timers: Timers,
    pub(super) scoreboard: Scoreboard<B::List<Record>, B::List<Resent>>,
    pub(super) recovery: Recovery,
    pub(super) control: Option<Control>,
    /// What has arrived out of order.
    pub(super) assembler: Assembler<B::List<Range>>,
    /// Where the peer's FIN is, when it came before what precedes it.
    pub(super) fin_at: Option<SeqNum>,
    pub(super) last_smaller: LastSmaller,
    /// When data came in order last; [`Instant::MAX`] before the first.
    pub(super) received_at: Instant,
    /// What is newer than this has numbers that have not wrapped.
    pub(super) landmark: Option<Landmark>,
    /// The congestion window was what kept data from being sent, up to this
    /// number: only then does it grow (RFC 9293 §3.8.2, RFC 7661).
    pub(super) limited: Option<SeqNum>,
    /// How much of the congestion window was in use, while it was not what
    /// limited the sender.
    pub(super) used: Option<Used>,
    /// The end of the last segment sent that was smaller than the MSS, while
    /// it is under way: then no other such is sent (Nagle's algorithm as
    /// Minshall amends it, which Linux does too).
    pub(super) small_end: Option<SeqNum>,
    /// The end of what was pushed last.
    pub(super) pushed: Option<SeqNum>,
    /// Without SACK: duplicate acknowledgements up to here are echoes of a
    /// recovery that has ended (RFC 6582 §3.2, step 1).
    pub(super) barrier: Option<SeqNum>,
    /// When a closed window was probed first, since it closed.
    pub(super) persist_since: Option<Instant>,
    /// When the last challenge ACK was sent: they are throttled per
    /// connection.
    pub(super) challenged_at: Option<Instant>,
    /// A larger segment that is under way, to see whether it arrives.
    pub(super) path_probe: Option<PathProbe>,
    pub(super) tuning: Tuning,
}

/// How much of the congestion window is in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) since: Instant,
    /// The most bytes under way since then.
    pub(super) most: u32,
}

/// A point in the peer's stream, and TS.Recent at that time: no segment with
/// that timestamp or a newer one was sent before. It moves on before it is so
/// far behind that numbers could be mistaken for those of another turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landmark {
    pub(super) seq: SeqNum,
    pub(super) ts: u32,
}

impl Landmark {
    /// How far the stream goes on before there is a new one. What was sent since
    /// then begins two windows before it at the least (one that was missing, one
    /// sent again) and ends one window from here, of 2³⁰ bytes at most each
    /// (RFC 7323 §2.3): seven eighths of all numbers together.
    pub(super) const REACH: u32 = 1 << 29;
}

/// How fast the user reads.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tuning {
    /// When the present round trip began.
    pub(super) since: Instant,
    /// Bytes read in it.
    pub(super) read: u32,
}

impl<B: Backing> Default for Busy<B> {
    fn default() -> Self {
        Self {
            send: SendQueue::default(),
            receive: ReceiveQueue::default(),
            taken: 0,
            timers: Timers::default(),
            scoreboard: Scoreboard::default(),
            recovery: Recovery::default(),
            control: None,
            assembler: Assembler::default(),
            fin_at: None,
            last_smaller: LastSmaller::default(),
            received_at: Instant::MAX,
            landmark: None,
            limited: None,
            used: None,
            small_end: None,
            pushed: None,
            barrier: None,
            persist_since: None,
            challenged_at: None,
            path_probe: None,
            tuning: Tuning::default(),
        }
    }
}

impl<B: Backing> Busy<B> {
    /// Whether what is sent now answers what was received.
    #[inline]
    pub(super) fn is_answer(&self, now: Instant) -> bool {
        self.received_at != Instant::MAX && now.nanos_since(self.received_at) < MAX_DELAY.as_nanos() as u64
    }

    /// Whether there is anything to tell in SACK blocks.
    #[inline]
    pub(super) fn has_blocks(&self) -> bool {
        self.assembler.has_blocks() || self.fin_at.is_some()
    }

    /// Bytes of the buffers, where those grow.
    pub(super) fn held(&self) -> usize {
        if B::Bytes::GROWS { self.send.capacity() + self.receive.capacity() + self.taken as usize } else { 0 }
    }

    /// The sizes of the buffers at present, in bytes.
    pub(super) fn capacities(&self) -> (usize, usize) {
        (self.send.capacity(), self.receive.capacity())
    }

    pub(super) fn take_buffers(&mut self) -> Buffers<B> {
        let (send, receive) = (core::mem::take(&mut self.send), core::mem::take(&mut self.receive));
        Buffers { send: send.into_bytes(), receive: receive.into_bytes() }
    }

    /// Forgets all but the data.
    pub(super) fn reset(&mut self) {
        let (send, receive) = (core::mem::take(&mut self.send), core::mem::take(&mut self.receive));
        *self = Self { send, receive, ..Self::default() };
    }

    /// The congestion control, made anew after it was given back.
    pub(super) fn control(&mut self, algorithm: Algorithm) -> &mut Control {
        self.control.get_or_insert_with(|| Control::of(algorithm))
    }

    pub(super) fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.control = Some(Control::of(algorithm));
    }
}
