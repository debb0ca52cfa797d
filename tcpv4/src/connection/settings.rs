//! What a connection is made of and with.

use core::time::Duration;

use traits::Instant;

use crate::buffer::Backing;
use crate::congestion::Algorithm;
use crate::{Mss, SeqNum, Window, WindowScale};

/// What a user may choose for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Sends small segments at once instead of gathering them (Nagle's
    /// algorithm, RFC 9293 §3.7.4).
    pub nodelay: bool,
    /// Asks a silent peer whether it is still there; off by default.
    pub keepalive: Option<Keepalive>,
    /// How long data may stay unacknowledged (RFC 5482, on this side alone); `None` for 15
    /// retransmissions, 15 minutes at most.
    pub user_timeout: Option<Duration>,
    /// The most bytes kept that are written and not yet acknowledged; within
    /// that, twice the congestion window, and 128 KiB at least. In fixed
    /// memory, the buffer's size where that is less.
    pub send_limit: u32,
    /// The most bytes kept that are received and not yet read: the largest
    /// window. In fixed memory, the buffer's size where that is less.
    pub receive_limit: u32,
    /// The congestion control.
    pub congestion: Algorithm,
    /// Offers explicit congestion notification when connecting (RFC 3168);
    /// off by default, as in Linux. A peer's offer is always taken up.
    pub ecn: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodelay: false,
            keepalive: None,
            user_timeout: None,
            send_limit: 4 << 20,
            receive_limit: 6 << 20,
            congestion: Algorithm::default(),
            ecn: false,
        }
    }
}

/// When to ask a silent peer whether it is still there (RFC 9293 §3.8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    /// Silence before the first probe; counted in seconds, 1 to 65,535.
    pub idle: Duration,
    /// Between probes; counted in seconds, 1 to 65,535.
    pub interval: Duration,
    /// Probes without an answer before the connection is given up, at least 1.
    pub probes: u8,
}

impl Default for Keepalive {
    /// Two hours, 75 seconds, 9 probes.
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), probes: 9 }
    }
}

/// The two buffers of a connection: empty ones where memory grows.
pub struct Buffers<B: Backing> {
    /// For what is written.
    pub send: B::Bytes,
    /// For what is received.
    pub receive: B::Bytes,
}

impl<B: Backing> Default for Buffers<B> {
    fn default() -> Self {
        Self { send: Default::default(), receive: Default::default() }
    }
}

/// What an active open needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Open {
    /// The initial sequence number (RFC 6528).
    pub iss: SeqNum,
    /// Added to the clock for timestamps, unforeseeable (RFC 7323 §5.4).
    pub ts_offset: u32,
    /// The largest packet of the route in bytes.
    pub mtu: usize,
}

/// What a half-open entry learnt, for a passive open. The peer's ACK is then
/// given to [`Connection::handle_segment`](super::Connection::handle_segment).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Passive {
    /// The own initial sequence number, as sent.
    pub iss: SeqNum,
    /// The peer's.
    pub irs: SeqNum,
    /// What the peer's SYN asked for: its option, or [`Mss::DEFAULT`].
    pub mss: Mss,
    /// The window of the peer's SYN, which is never scaled.
    pub window: Window,
    /// Own scale and the peer's, where both sides sent the option.
    pub window_scale: Option<(WindowScale, WindowScale)>,
    /// The window that the own SYN-ACK told, which is never scaled.
    pub advertised: Window,
    /// Both sides sent SACK-permitted.
    pub sack_permitted: bool,
    /// Where both sides sent timestamps: the own offset and the peer's TSval.
    pub timestamps: Option<(u32, u32)>,
    /// Both sides agreed on ECN (RFC 3168 §6.1.1).
    pub ecn: bool,
    /// When the SYN-ACK was sent, for the first RTT sample; `None` if it was
    /// sent more than once and no sample can be had (Karn's rule).
    pub sent_at: Option<Instant>,
    /// The largest packet of the route in bytes.
    pub mtu: usize,
}

/// What the path takes at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The largest packet in bytes, IPv4 header included.
    pub mtu: usize,
    /// The largest large segment that may be asked for, in bytes of TCP
    /// header and data; 0 where none may.
    pub gso_max_size: usize,
}

/// What is left of a connection in TIME-WAIT, for a small entry of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remains {
    /// SND.NXT.
    pub snd_nxt: SeqNum,
    /// RCV.NXT.
    pub rcv_nxt: SeqNum,
    /// The window to tell.
    pub window: Window,
    /// Own offset and the latest TSval of the peer, where timestamps are used.
    pub timestamps: Option<(u32, u32)>,
    /// When it may be forgotten.
    pub expires: Instant,
}
