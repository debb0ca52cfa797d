//! What was dropped and refused, by reason.

use core::cell::Cell;

/// Declares the counters once: as plain values to read, and as cells to count
/// in.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What an Ethernet layer dropped, refused and did, by reason.
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
            $(pub(crate) $name: Count,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Statistics {
                Statistics { $($name: self.$name.0.get(),)* }
            }

            pub(crate) fn reset(&self) {
                $(self.$name.0.set(0);)*
            }
        }
    };
}

counters! {
    /// Frames dropped: shorter than an Ethernet header.
    runt,
    /// Frames dropped: from a group or from nobody, which is no host.
    bad_source,
    /// Frames dropped: for another host (the device is promiscuous).
    other_host,
    /// Frames dropped: IEEE 802.3 length instead of an EtherType (LLC).
    llc,
    /// Frames dropped: with a VLAN tag.
    vlan,
    /// Frames of other EtherTypes, handed to the label `other`.
    other,

    /// ARP packets dropped: too short, wrong hardware or protocol type or
    /// length, or an operation that is neither request nor reply.
    arp_malformed,
    /// ARP packets dropped: a sender that no host can be.
    arp_bad_sender,
    /// ARP packets dropped: they claim to come from this interface.
    arp_own_mac,
    /// ARP packets not learnt from: nobody asked, and no entry to refresh.
    arp_unsolicited,
    /// ARP packets not learnt from: another hardware address for an entry
    /// that was set less than a second ago.
    arp_contested,
    /// ARP requests for an own address not learnt from: the cache is full of
    /// neighbours in use.
    arp_cache_full,
    /// ARP requests answered.
    arp_answered,
    /// ARP requests for an own address not answered: the device was full.
    arp_answer_lost,
    /// ARP packets that claim an own address for another interface.
    conflicts,
    /// Own addresses given up after a conflict.
    addresses_lost,
    /// Conflicts forgotten, since nobody waited for them.
    conflicts_forgotten,

    /// ARP requests sent: questions, refreshes, probes and announcements.
    arp_requests,
    /// Neighbours that did not answer.
    neighbours_failed,
    /// Neighbours pushed out of the cache by others.
    neighbours_evicted,

    /// Packets parked until their host answers.
    parked,
    /// Parked packets sent.
    parked_sent,
    /// Parked packets dropped: the host did not answer, or its entry was
    /// pushed out.
    parked_unanswered,
    /// Parked packets dropped to make room for another host's.
    parked_displaced,
    /// Parked packets dropped: the device would not take them.
    parked_refused,
    /// Packets refused: the host did not answer a moment ago.
    refused_failed,
    /// Packets refused: the host has its bound of parked packets.
    refused_host_bound,
    /// Packets refused: all places for parked packets are taken, none by a
    /// host with more of them.
    refused_no_place,
    /// Packets refused: too large to be parked.
    refused_too_large,
}

/// One counter.
#[derive(Default)]
pub(crate) struct Count(Cell<u64>);

impl Count {
    #[inline]
    pub(crate) fn add(&self) {
        self.add_many(1);
    }

    #[inline]
    pub(crate) fn add_many(&self, count: u64) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        self.0.set(self.0.get().wrapping_add(count));
    }
}
