//! Counters.

use core::cell::Cell;

/// Declares the counters once, as the plain numbers to read and as the cells
/// to count in.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What has passed through the layer, and what was dropped, by
        /// reason. Counters wrap.
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

        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) const fn new() -> Self {
                Self { $($name: Counter(Cell::new(0)),)* }
            }

            pub(crate) fn get(&self) -> Statistics {
                Statistics { $($name: self.$name.0.get(),)* }
            }

            pub(crate) fn reset(&self) {
                $(self.$name.0.set(0);)*
            }
        }
    };
}

counters! {
    /// Datagrams handed to a receiver; a large one counts once.
    rx_datagrams,
    /// Dropped: shorter than a header, a length below 8 or beyond the packet.
    rx_malformed,
    /// Dropped: the checksum does not hold.
    rx_checksum,
    /// Dropped: nobody receives on the port. Answered with port unreachable
    /// where the datagram was for this host alone.
    rx_no_port,
    /// ICMP errors handed to a receiver.
    rx_errors,
    /// ICMP errors dropped: cut short, or about a port that nobody receives
    /// on.
    rx_errors_dropped,
    /// Datagrams sent; those that the device cuts count once.
    tx_datagrams,
    /// Writes refused with an error.
    tx_refused,
    /// Datagrams of a segmented write lost after the first had been sent.
    tx_segments_dropped,
}

#[derive(Debug)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    #[inline]
    pub(crate) fn bump(&self) {
        // Fewest bytes: nothing is counted.
        if cfg!(guest_small) {
            return;
        }
        self.0.set(self.0.get().wrapping_add(1));
    }
}
