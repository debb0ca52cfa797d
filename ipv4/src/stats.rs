//! One counter per thing that happens, and per reason to drop.

use core::cell::Cell;

/// Makes the enum that names each counter, the cells and the snapshot.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident / $field:ident,)*) => {
        /// A counter.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Count { $($name,)* }

        /// How many counters there are.
        const COUNTERS: usize = [$(Count::$name),*].len();

        /// What has passed, and what was dropped by reason. Counters wrap.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct Statistics { $($(#[$doc])* pub $field: u64,)* }

        impl Statistics {
            /// All counters by name, in the order of the struct.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), self.$field)),*].into_iter()
            }
        }

        impl Counters {
            /// The counters as they stand.
            pub(crate) fn snapshot(&self) -> Statistics {
                Statistics { $($field: self.get(Count::$name),)* }
            }
        }
    };
}

counters! {
    /// Packets and fragments that `input` was given.
    RxPackets / rx_packets,
    /// Packets handed to a label, reassembled ones counted once.
    RxDelivered / rx_delivered,
    /// Dropped: shorter than an IPv4 header.
    RxTruncated / rx_truncated,
    /// Dropped: not version 4.
    RxVersion / rx_version,
    /// Dropped: IHL below 5.
    RxHeaderLength / rx_header_length,
    /// Dropped: total length below the header's or beyond the frame.
    RxTotalLength / rx_total_length,
    /// Dropped: wrong header checksum.
    RxChecksum / rx_checksum,
    /// Dropped: an option of length 0, 1 or past the end of the header.
    RxOptions / rx_options,
    /// Dropped: a loose or strict source route.
    RxSourceRoute / rx_source_route,
    /// Dropped: source is a broadcast, a group, reserved or unspecified.
    RxSource / rx_source,
    /// Dropped: source is an own address (LAND).
    RxOwnSource / rx_own_source,
    /// Dropped: a loopback address on the wire.
    RxLoopback / rx_loopback,
    /// Dropped: for another host; this layer never forwards.
    RxNotLocal / rx_not_local,
    /// Dropped: an own unicast address in a frame to all or to a group
    /// (RFC 1122 §3.3.6).
    RxLinkBroadcast / rx_link_broadcast,
    /// Dropped: its label is not set.
    RxIgnored / rx_ignored,
    /// Answered with protocol unreachable: nobody takes that protocol.
    RxProtocolUnknown / rx_protocol_unknown,

    /// Fragments received, those dropped included.
    RxFragments / rx_fragments,
    /// Packets made whole out of fragments.
    RxReassembled / rx_reassembled,
    /// Fragments that brought nothing new, byte for byte.
    RxFragmentDuplicate / rx_fragment_duplicate,
    /// Packets dropped for fragments that overlap (RFC 5722's reasoning).
    RxFragmentOverlap / rx_fragment_overlap,
    /// Fragments dropped: empty, or not the last and no multiple of 8 bytes.
    RxFragmentLength / rx_fragment_length,
    /// Fragments dropped: they end beyond 65,535 bytes.
    RxFragmentTooLong / rx_fragment_too_long,
    /// Packets dropped: larger than a reassembly buffer, or there is none
    /// free.
    RxFragmentNoBuffer / rx_fragment_no_buffer,
    /// Packets dropped: fragments disagree on where it ends.
    RxFragmentMismatch / rx_fragment_mismatch,
    /// Packets dropped: marks of congestion on some fragments, incapable
    /// others (RFC 3168 §5.3).
    RxFragmentEcn / rx_fragment_ecn,
    /// Packets given up for a newer one: all buffers were in use.
    RxFragmentEvicted / rx_fragment_evicted,
    /// Packets given up for a newer one of the same source, which had its
    /// share of the buffers.
    RxFragmentSourceBound / rx_fragment_source_bound,
    /// Packets given up: not whole after 30 seconds.
    RxFragmentTimeout / rx_fragment_timeout,

    /// ICMP messages received.
    IcmpRx / icmp_rx,
    /// Dropped: wrong ICMP checksum.
    IcmpChecksum / icmp_checksum,
    /// Dropped: an ICMP message shorter than its type needs.
    IcmpTruncated / icmp_truncated,
    /// Echo requests answered.
    IcmpEchoAnswered / icmp_echo_answered,
    /// Echo requests not answered: to a broadcast or a group.
    IcmpEchoIgnored / icmp_echo_ignored,
    /// ICMP errors received and handed to a label.
    IcmpErrorsRx / icmp_errors_rx,
    /// Dropped: an ICMP error whose quote is not of a packet that this host
    /// can have sent.
    IcmpBadQuote / icmp_bad_quote,
    /// Dropped: redirects and source quenches (RFC 6633), and errors to a
    /// broadcast or a group.
    IcmpIgnored / icmp_ignored,
    /// ICMP errors sent.
    IcmpErrorsTx / icmp_errors_tx,
    /// ICMP errors not sent: over the rate.
    IcmpLimited / icmp_limited,
    /// ICMP errors not sent: RFC 1122 §3.2.2 forbids them.
    IcmpSuppressed / icmp_suppressed,
    /// Answers not sent: the device was full, or no way leads back.
    IcmpTxFailed / icmp_tx_failed,

    /// IGMP queries received.
    IgmpQueries / igmp_queries,
    /// IGMP reports of other members received, and messages of other types.
    IgmpHeard / igmp_heard,
    /// Dropped: IGMP messages too short or with a wrong checksum.
    IgmpMalformed / igmp_malformed,
    /// IGMP reports sent.
    IgmpReports / igmp_reports,
    /// IGMP leaves sent.
    IgmpLeaves / igmp_leaves,
    /// IGMP messages that the device would not take.
    IgmpTxFailed / igmp_tx_failed,

    /// Packets and fragments sent.
    TxPackets / tx_packets,
    /// Packets that were cut into fragments.
    TxFragmented / tx_fragmented,
    /// Fragments that the device would not take once the first had gone: the
    /// packet is lost.
    TxFragmentsLost / tx_fragments_lost,
    /// Gateways passed over because they did not answer.
    TxGatewayDead / tx_gateway_dead,
    /// Path MTUs lowered by what a router said.
    PathMtuLowered / path_mtu_lowered,
    /// Path MTUs forgotten for newer ones: the table was full.
    PathMtuEvicted / path_mtu_evicted,
}

/// The counters of a layer.
#[derive(Debug)]
pub(crate) struct Counters([Cell<u64>; COUNTERS]);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self([const { Cell::new(0) }; COUNTERS])
    }

    /// Counts one more.
    #[inline]
    pub(crate) fn add(&self, which: Count) {
        self.add_many(which, 1);
    }

    /// Counts `count` more.
    #[inline]
    pub(crate) fn add_many(&self, which: Count, count: u64) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        if let Some(cell) = self.0.get(which as usize) {
            cell.set(cell.get().wrapping_add(count));
        }
    }

    pub(crate) fn reset(&self) {
        self.0.iter().for_each(|cell| cell.set(0));
    }

    fn get(&self, which: Count) -> u64 {
        self.0.get(which as usize).map_or(0, Cell::get)
    }
}
