//! What has passed, and one counter for each reason to drop something.

use core::cell::Cell;

/// Defines the counters of a layer, and the snapshot that is shown.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What has passed through the layer since it was connected.
        /// Counters wrap.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Statistics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Statistics {
            /// All counters by name, in the order of the struct.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }

        #[derive(Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.0.get(),)* }
            }
        }
    };
}

counters! {
    /// Segments received, those that were dropped included. A large frame
    /// counts once.
    received,
    /// Segments sent. A large frame counts once.
    sent,
    /// Segments sent again.
    retransmitted,
    /// Connections that this side opened.
    opened,
    /// Connections that a peer opened and a listener took.
    accepted,
    /// Connection attempts that the peer refused.
    connect_refused,
    /// Connections that ended by a reset of the peer's.
    reset_by_peer,
    /// Connections that ended because the peer did not answer.
    timed_out,
    /// Connections that this side aborted, dropped flows included.
    aborted,
    /// Connections that ended because their local address or their path went.
    unreachable,

    /// Dropped: shorter than its header says, or than any header.
    malformed,
    /// Dropped: the checksum is wrong.
    bad_checksum,
    /// Dropped: SYN and FIN together.
    bad_flags,
    /// Dropped: sent to a broadcast address or a group (RFC 1122 §4.2.3.10).
    not_unicast,
    /// Dropped: from an address that can't be a peer's: unspecified,
    /// broadcast, a group, or this host's own address and port (LAND).
    bad_source,
    /// Dropped: from or to port 0.
    bad_port,
    /// Dropped: a reset, or a segment in TIME-WAIT, that belongs to nothing.
    stray,
    /// Dropped: a segment of a handshake that does not fit it (RFC 9293
    /// §3.10.7.4 for SYN-RECEIVED).
    bad_handshake,
    /// Segments of a handshake that ask for an answer, within half a second of
    /// one.
    handshake_throttled,
    /// Dropped: came while the layer was in use by the listener or the filler
    /// that it called.
    reentered,
    /// Segments for no connection and no listener: a reset is owed.
    refused,
    /// Replies without a connection that were not sent: the queue was full.
    replies_lost,

    /// Dropped: for a connection that is closed already.
    closed,
    /// Dropped: no acceptable sequence number (RFC 9293 §3.10.7.4, first).
    sequence,
    /// Dropped: a timestamp older than one seen (RFC 7323 §5).
    paws,
    /// Dropped: a reset in the window that is not exact (RFC 5961 §3).
    reset_inexact,
    /// Dropped: a reset outside of the window.
    reset_ignored,
    /// Dropped: a SYN on a synchronized connection (RFC 5961 §4).
    syn_in_connection,
    /// Dropped: no ACK where one has to be.
    no_ack,
    /// Dropped: an ACK of data never sent, or too old (RFC 5961 §5).
    ack_unacceptable,
    /// Dropped, wholly or in part: data that was received before.
    duplicate,
    /// Dropped, wholly or in part: data beyond the window, or with no place
    /// left to note one more hole.
    beyond_window,
    /// Dropped: data after the stream was closed or the flow is gone, or behind the
    /// peer's FIN.
    unwanted,
    /// Data dropped: the byte budget is used up.
    no_memory,

    /// SYNs dropped: the listener's backlog was full.
    backlog_full,
    /// Handshakes that ended while the backlog was full: left half-open, to be
    /// tried again.
    accept_full,
    /// Half-open connections whose peer never answered.
    half_open_expired,
    /// Half-open connections that the peer, or an ICMP error, ended.
    half_open_reset,
    /// SYNs answered with a cookie, since all half-open entries were taken.
    cookies_sent,
    /// Connections made from a cookie.
    cookies_accepted,
    /// Acknowledgements with what is no cookie of the last two minutes.
    cookies_refused,
    /// Connections not made: the bound of connections was reached.
    no_room,
    /// Connections reset to make room for others or for their data.
    given_up,
    /// Connections reset because no listener took them within a minute, or
    /// the listener that should have has gone.
    not_accepted,

    /// Connections in TIME-WAIT that a new SYN took over (RFC 6191).
    time_wait_reused,
    /// TIME-WAIT entries given up early: all were taken.
    time_wait_evicted,
    /// Segments in TIME-WAIT answered with an acknowledgement.
    time_wait_acknowledged,

    /// ICMP errors dropped: no such connection, or nothing in flight has the
    /// sequence number that is quoted.
    icmp_ignored,
    /// ICMP errors noted: they end a connection attempt, or explain a timeout.
    icmp_soft,
    /// ICMP errors that said that packets are too long for the path.
    icmp_too_long,

    /// Times that the device was full, and transmission stopped until it has
    /// room.
    device_full,
    /// Segments not sent, and treated as lost on the way: no route.
    lost_no_route,
    /// The same: the address to send from is none of this host's any more.
    lost_no_address,
    /// The same: the next hop does not answer ARP.
    lost_unresolved,
    /// The same: longer than the path's MTU, and not cut.
    lost_too_long,
    /// The same: the device is down.
    lost_down,
    /// The same: the layers below do not send to that address, or not so.
    lost_unsupported,
    /// The same: the data was not there any more when it was to be copied, or in
    /// use by whom the layer below called back.
    withheld,
    /// Segments longer than the path's MTU, cut smaller and sent again.
    too_long,
}

/// One counter.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    #[inline]
    pub(crate) fn count(&self) {
        self.count_many(1);
    }

    #[inline]
    pub(crate) fn count_many(&self, n: u64) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        self.add(n);
    }

    /// What was counted last, or is about to be, was none.
    pub(crate) fn take_back(&self) {
        if cfg!(guest_small) {
            return;
        }
        self.0.set(self.0.get().wrapping_sub(1));
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }

    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.set(self.0.get().wrapping_add(n));
    }
}
