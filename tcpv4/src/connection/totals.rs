//! What a connection has sent and received since it began.

use core::num::NonZeroU16;

use super::{Connection, Flags, State};
use crate::buffer::Backing;
use crate::segment::{Purpose, Transmit};

/// What a connection has sent and received since it began. The names of
/// Linux's `tcp_info` stand beside. All wrap.
///
/// As there, what the layers below did not take counts as sent, and lost on the
/// way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Bytes of data sent, those sent again included (`tcpi_bytes_sent`).
    pub bytes_sent: u64,
    /// Bytes of data sent again (`tcpi_bytes_retrans`).
    pub bytes_retransmitted: u64,
    /// Bytes of data that the peer has acknowledged (`tcpi_bytes_acked`).
    pub bytes_acknowledged: u64,
    /// Bytes of data received in order (`tcpi_bytes_received`).
    pub bytes_received: u64,
    /// Segments with data sent, those sent again included
    /// (`tcpi_data_segs_out`). A large one counts as those that it becomes.
    pub data_segments_sent: u32,
    /// Segments with data that came within the window, or twice
    /// (`tcpi_data_segs_in`). A large one counts as those that it was.
    pub data_segments_received: u32,
    /// Segments sent again (`tcpi_total_retrans`).
    pub retransmissions: u32,
}

/// A `u64` that may stand anywhere a `u32` may: among the fields of an idle
/// connection no byte is lost to alignment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed(4))]
struct Wide(u64);

impl Wide {
    fn get(self) -> u64 {
        self.0
    }

    #[inline]
    fn add(&mut self, count: u64) {
        self.0 = self.0.wrapping_add(count);
    }
}

/// [`Totals`] as a connection keeps them. What was sent follows from the rest:
/// it is acknowledged, under way, or was sent again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    retransmitted: Wide,
    acknowledged: Wide,
    received: Wide,
    data_segments_sent: u32,
    data_segments_received: u32,
    retransmissions: u32,
}

impl Counts {
    /// A segment goes out.
    #[inline]
    pub(super) fn sent(&mut self, transmit: &Transmit) {
        let pieces = transmit.pieces();
        let with_data = if transmit.len > 0 { pieces } else { 0 };
        self.data_segments_sent = self.data_segments_sent.wrapping_add(with_data);
        match transmit.purpose {
            Purpose::Retransmission | Purpose::TailProbe => {
                self.retransmitted.add(u64::from(transmit.len));
                self.retransmissions = self.retransmissions.wrapping_add(pieces);
            }
            Purpose::Handshake
            | Purpose::New
            | Purpose::Plain
            | Purpose::Probe
            | Purpose::Ack
            | Purpose::Reset => {}
        }
    }

    /// A segment of data goes out for the first time.
    #[inline]
    pub(super) fn sent_plain(&mut self) {
        self.data_segments_sent = self.data_segments_sent.wrapping_add(1);
    }

    /// Bytes of data are acknowledged.
    #[inline]
    pub(super) fn acknowledged(&mut self, bytes: u32) {
        self.acknowledged.add(u64::from(bytes));
    }

    #[inline]
    pub(super) fn bytes_acknowledged(&self) -> u64 {
        self.acknowledged.get()
    }

    /// A segment with data has come.
    #[inline]
    pub(super) fn segment_received(&mut self, payload: &[u8], segment_size: Option<NonZeroU16>) {
        let pieces = segment_size.map_or(1, |size| payload.len().div_ceil(usize::from(size.get())));
        self.data_segments_received = self.data_segments_received.wrapping_add(pieces as u32);
    }

    /// Bytes of data have come in order.
    #[inline]
    pub(super) fn received(&mut self, bytes: u32) {
        self.received.add(u64::from(bytes));
    }
}

impl<B: Backing> Connection<B> {
    pub(super) fn totals(&self) -> Totals {
        let counts = &self.counts;
        let (acknowledged, retransmitted) = (counts.acknowledged.get(), counts.retransmitted.get());
        let sent = acknowledged.wrapping_add(retransmitted).wrapping_add(u64::from(self.data_under_way()));
        Totals {
            bytes_sent: sent,
            bytes_retransmitted: retransmitted,
            bytes_acknowledged: acknowledged,
            bytes_received: counts.received.get(),
            data_segments_sent: counts.data_segments_sent,
            data_segments_received: counts.data_segments_received,
            retransmissions: counts.retransmissions,
        }
    }

    /// Bytes of data sent and not acknowledged: neither SYN nor FIN.
    fn data_under_way(&self) -> u32 {
        match self.state {
            State::SynSent | State::SynReceived => 0,
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => {
                let is_fin_under_way = self.flags.contains(Flags::FIN)
                    && !self.flags.contains(Flags::FIN_ACKED)
                    && !self.is_fin_unsent();
                self.snd.outstanding().saturating_sub(u32::from(is_fin_under_way))
            }
        }
    }
}
