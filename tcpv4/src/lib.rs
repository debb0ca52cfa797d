//! TCP (RFC 9293) over any [`Ip`](traits::Ip).
//!
//! ```text
//!              input                                      poll (the task)
//!                │                                               │
//!    wire: header, checksum, options ─▶ Segment          timers that are due
//!                │                                               │
//!    table: which connection?                      replies · SYN-ACKs · dirty list
//!     │         │            │         │                         │
//!  TIME-WAIT  half-open  Connection  nobody              Connection::poll_transmit
//!     │         │ ACK        │         │                         │ ranges
//!     │         ▼            │      listener? ── SYN ─▶ half-open│
//!     │     Listener         │         │  no                     ▼
//!     ▼         │            ▼         ▼              one emit site ──▶ Ip::write
//!   reply      Flow     dirty, woken  reset owed       header, options, data copied
//!                │                                     once from the send queue
//!   read, write, close ◀─▶ Connection                            │
//!                                                      Connection::transmitted
//! ```
//!
//! **`input` learns, the task speaks.** Segments of a batch only change state;
//! [`Layer::poll`](traits::Layer::poll) then answers all of them at once, and
//! looks only at connections that have something to say.
//!
//! | room | what it owns | what it never knows |
//! |---|---|---|
//! | [`connection`] | a connection's state, without I/O | the table, wakers, IP |
//! | [`send`], [`receive`] | bytes, windows, what was sent and what is missing | timers |
//! | [`recovery`] | what was lost | the congestion window |
//! | [`congestion`] | how much may be under way | which bytes |
//! | [`wire`], [`segment`] | bytes and their meaning | connections |
//! | `table`, `timers` | tuple → slot, lists, deadlines | the protocol |
//! | `half_open`, `cookie`, `time_wait` | small entries before and after a connection | buffers |
//! | `layer` | all of these, and the one emit site | what they decide |
//! | [`Listener`], [`Flow`] | who waits; a name of a connection | segments |
//!
//! # Memory
//!
//! [`Tcp::connect`] grows on demand (feature `alloc`):
//! buffers exist while there is data in them. [`Tcp::connect_in`] lives in
//! [`Memory`] that the caller hands over and needs no allocator. Both are
//! bounded; see [`Limits`].
//!
//! # Data on a SYN
//!
//! It is not taken: only the SYN is acknowledged, so that its sender sends the
//! data again once the connection is there, as with Linux where TCP Fast Open
//! (RFC 7413) is off. RFC 9293 §3.10.7.2 would have it queued until then, which
//! would give memory to whoever sends SYNs. Nor does a SYN carry data here.
//!
//! # Where it departs
//!
//! Knowingly, from an RFC or from what Linux does:
//!
//! * Data with a timestamp behind TS.Recent is taken where it is newer than what
//!   came 2²⁹ bytes before (RFC 7323 §5.3 drops it; Linux takes one tick): a
//!   late original that a retransmission has overtaken is not lost by it.
//! * A user timeout is this side's alone: the option of RFC 5482 is neither sent
//!   nor read, as in Linux.
//! * What congestion control has learnt of a path is forgotten with a second of
//!   idleness, when the connection gives its memory back; see [`congestion`].
//! * A connection that nobody accepts is reset after a minute; Linux keeps it.
//! * Of stray segments, in whatever state, some are answered otherwise than by
//!   Linux, each for a reason: `tests/tests/beside/departures.rs` has the list,
//!   and the test that all others are answered alike.
//!
//! # Under attack
//!
//! Half-open connections are entries of 64 bytes and no part of a listener's
//! backlog; when all are taken, SYNs are answered with cookies that keep MSS,
//! window scale and SACK. Initial sequence numbers (RFC 6528), timestamp
//! offsets, ports (RFC 6056), cookies and the table's hash come from one key
//! drawn at `connect`. Resets have no quota, which would tell whoever uses
//! it up of others. Everything dropped is counted by its reason: [`Statistics`].

// Tests of the inside share the harness of those outside, which has std; those
// of one form of memory alone are there with that.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(test, allow(unused_qualifications, reason = "no_std names what std's prelude has"))]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate self as tcpv4;
#[cfg(test)]
extern crate std;

#[cfg(all(test, feature = "alloc"))]
#[path = "../tests/layer/net/mod.rs"]
mod layer_net;
#[cfg(all(test, feature = "alloc"))]
#[path = "../tests/machine/harness/mod.rs"]
mod machine;

pub mod buffer;
pub mod congestion;
pub mod connection;
mod cookie;
mod flow;
mod half_open;
mod isn;
mod layer;
mod listener;
mod ports;
pub mod receive;
pub mod recovery;
mod reply;
pub mod segment;
pub mod send;
mod seq;
mod stats;
mod storage;
mod table;
mod time_wait;
mod timers;
pub mod wire;

pub use flow::{Buffered, Flow, IoError, ReadHalf, WriteHalf};
pub use layer::{ConnectionId, Remembered, Tcp, Usage};
pub use listener::{Accept, DEFAULT_BACKLOG, Listener, Place};
pub use seq::{Mss, SeqNum, Window, WindowScale};
pub use stats::Statistics;
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{DefaultStorage, FIXED_REPLIES, Fixed, Limits, Memory, Storage};
