//! UDP (RFC 768) over any [`Ip`].
//!
//! ```text
//!            input                                   write
//!   Ip ──────────────▶ header, checksum      Endpoint ─▶ route, offloads
//!                          │                               │
//!      ip.unreachable ◀── port? ──▶ Receive          one emit site ──▶ Ip
//!                                    │
//!                      Socket (queue, async) · callback (no copy)
//! ```
//!
//! The layer remembers nothing but its counters: what listens on a port is
//! what the closure given to [`Udp::input`] says, asked for each datagram.
//!
//! ```
//! # use traits::{Datagrams, Inbound, Ip, Receive};
//! # fn example<I: Ip>(ip: I, packets: &[Inbound<'_>]) {
//! use udpv4::{Socket, Udp, callback};
//!
//! let udp = Udp::connect(ip);
//! let names = Socket::new();
//! let echo = callback(|d| {
//!     let _ = udp.send(7, d.src, d.payload);
//! });
//! # for packet in packets.iter().copied() {
//! udp.input(packet, |port| match port {
//!     7 => Some(&echo),
//!     5353 => Some(&names),
//!     _ => None,
//! });
//! # }
//! # }
//! ```
//!
//! Neither `std` nor an allocator is needed.
//!
//! # Bounds
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | a datagram sent | 65,507 bytes of payload | [`TooLong`](traits::SendError::TooLong) |
//! | a segmented write that the device does not cut | [`SOFTWARE_SEGMENTATION_MAX`] | [`TooLong`](traits::SendError::TooLong) |
//! | a [`Socket`] | its bytes and packets | the newest dropped, counted |
//! | tasks that wait for a [`Socket`] | 4 | more wake each other |
//! | ephemeral ports | [`EPHEMERAL_PORTS`] | `None` |

#![no_std]
#![forbid(unsafe_code)]

mod callback;
mod header;
mod input;
mod output;
mod port;
mod socket;
mod statistics;

use traits::{Capabilities, Ip, Layer};

pub use callback::{Callback, callback};
pub use output::SOFTWARE_SEGMENTATION_MAX;
pub use port::{EPHEMERAL_PORTS, ephemeral_port};
pub use socket::{Received, Socket, SocketStatistics};
pub use statistics::Statistics;

use header::HEADER_LEN;
use statistics::Counters;

/// UDP over the layer `I`.
#[derive(Debug)]
pub struct Udp<I> {
    ip: I,
    counters: Counters,
}

impl<I: Ip> Udp<I> {
    /// UDP over `ip`: `&ip`, an `Rc` of it, or the layer itself.
    pub const fn connect(ip: I) -> Self {
        Self { ip, counters: Counters::new() }
    }

    /// The layer below.
    pub const fn ip(&self) -> &I {
        &self.ip
    }

    /// What has passed and what was dropped, by reason, since the start or
    /// the last reset.
    pub fn statistics(&self) -> Statistics {
        self.counters.get()
    }

    /// Sets all counters to zero.
    pub fn reset_statistics(&self) {
        self.counters.reset();
    }
}

impl<I: Ip> Layer for Udp<I> {
    traits::forward_layer!(ip, except capabilities);

    #[inline]
    fn capabilities(&self) -> Capabilities {
        self.ip.capabilities().below(HEADER_LEN)
    }
}
