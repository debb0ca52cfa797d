//! Settings of the driver.

use traits::Offload;

use crate::pool::MAX_PAGES;
use crate::ring::SLOTS;

/// Settings of a [`Netfront`](crate::Netfront).
///
/// Memory is taken once, when a backend is first connected to, and kept: the
/// pages that frames are sent from, those for each queue that frames are
/// received into, and two pages for each queue's rings. All of it is granted
/// to the backend for as long as the driver lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    pub(crate) tx_pages: usize,
    pub(crate) rx_pages: usize,
    pub(crate) offload: Offload,
    pub(crate) split: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// Everything that the driver can do for the layers.
    pub const OFFLOAD: Offload =
        Offload::TX_CHECKSUM.union(Offload::TSO4).union(Offload::RX_CHECKSUM).union(Offload::LARGE_RECEIVE);

    /// 64 pages to send from, 128 to receive into, all offloads, an event
    /// channel for each direction where the backend offers it.
    pub const fn new() -> Self {
        Self { tx_pages: 64, rx_pages: 128, offload: Self::OFFLOAD, split: true }
    }

    /// What a guest of little memory needs to be reached: 4 pages to send
    /// from, 8 to receive into, and no large frames.
    pub const fn small() -> Self {
        Self {
            tx_pages: 4,
            rx_pages: 8,
            offload: Offload::TX_CHECKSUM.union(Offload::RX_CHECKSUM),
            split: true,
        }
    }

    /// How many pages frames are sent from, by all queues together: 1 to 256.
    ///
    /// A page holds two frames of the usual length. A large frame takes up to
    /// 16 in a row; with fewer pages than that, no longer one is offered.
    #[must_use]
    pub const fn with_tx_pages(mut self, pages: usize) -> Self {
        self.tx_pages = if pages == 0 {
            1
        } else if pages > MAX_PAGES {
            MAX_PAGES
        } else {
            pages
        };
        self
    }

    /// How many pages each queue receives into: 4 to 256, rounded up to a
    /// power of two.
    ///
    /// A frame takes one page at least, a large one up to 18. With fewer than
    /// 32 pages no large frames are asked for.
    #[must_use]
    pub const fn with_rx_pages(mut self, pages: usize) -> Self {
        const MOST: usize = SLOTS as usize;
        self.rx_pages = if pages < 4 {
            4
        } else if pages > MOST {
            MOST
        } else {
            pages.next_power_of_two()
        };
        self
    }

    /// Offloads at most these; the backend has to offer them too.
    #[must_use]
    pub const fn with_offload(mut self, offload: Offload) -> Self {
        self.offload = offload.intersection(Self::OFFLOAD);
        self
    }

    /// One event channel for both directions, even where the backend offers
    /// two.
    ///
    /// With one, Linux 6.1's backend was seen to take no event after the first any
    /// more: of 29 guests created one after the other, the last was never heard.
    #[must_use]
    pub const fn with_one_channel(mut self) -> Self {
        self.split = false;
        self
    }

    /// The offloads that the driver takes where the backend offers them.
    #[must_use]
    pub const fn offload(&self) -> Offload {
        self.offload
    }

    /// Whether frames of several pages may be received.
    pub(crate) const fn takes_large(&self) -> bool {
        self.rx_pages >= 32
    }
}
