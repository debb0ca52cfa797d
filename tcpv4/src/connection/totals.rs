//! What a connection has sent and received since it began.

use super::Connection;
use crate::buffer::{Backing, Side};
use crate::segment::{Purpose, Segment, Transmit};

/// Counts since the connection began, or since it was last idle. The names of
/// Linux's `tcp_info` stand beside. They wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    /// `bytes_sent`.
    pub(super) bytes_sent: u64,
    /// `bytes_retrans`.
    pub(super) bytes_retransmitted: u64,
    /// `bytes_acked`.
    pub(super) bytes_acknowledged: u64,
    /// `bytes_received`.
    pub(super) bytes_received: u64,
    /// `data_segs_out`.
    pub(super) data_segments_sent: u32,
    /// `data_segs_in`.
    pub(super) data_segments_received: u32,
    /// `total_retrans`.
    pub(super) retransmissions: u32,
}

impl Totals {
    fn plus(&self, other: &Self) -> Self {
        let Self {
            bytes_sent,
            bytes_retransmitted,
            bytes_acknowledged,
            bytes_received,
            data_segments_sent,
            data_segments_received,
            retransmissions,
        } = *other;
        Self {
            bytes_sent: self.bytes_sent.wrapping_add(bytes_sent),
            bytes_retransmitted: self.bytes_retransmitted.wrapping_add(bytes_retransmitted),
            bytes_acknowledged: self.bytes_acknowledged.wrapping_add(bytes_acknowledged),
            bytes_received: self.bytes_received.wrapping_add(bytes_received),
            data_segments_sent: self.data_segments_sent.wrapping_add(data_segments_sent),
            data_segments_received: self.data_segments_received.wrapping_add(data_segments_received),
            retransmissions: self.retransmissions.wrapping_add(retransmissions),
        }
    }

    /// A segment goes out.
    #[inline]
    pub(super) fn sent(&mut self, transmit: &Transmit) {
        let len = u64::from(transmit.len);
        self.bytes_sent = self.bytes_sent.wrapping_add(len);
        let pieces = transmit.gso_size.map_or(1, |size| transmit.len.div_ceil(u32::from(size.get())));
        let with_data = if transmit.len > 0 { pieces } else { 0 };
        self.data_segments_sent = self.data_segments_sent.wrapping_add(with_data);
        match transmit.purpose {
            Purpose::Retransmission | Purpose::TailProbe => {
                self.bytes_retransmitted = self.bytes_retransmitted.wrapping_add(len);
                self.retransmissions = self.retransmissions.wrapping_add(pieces);
            }
            Purpose::Handshake | Purpose::New | Purpose::Probe | Purpose::Ack | Purpose::Reset => {}
        }
    }

    /// A segment with data has come.
    #[inline]
    pub(super) fn received(&mut self, segment: &Segment<'_>) {
        let len = segment.payload.len();
        let pieces = segment.segment_size.map_or(1, |size| len.div_ceil(usize::from(size.get())));
        self.data_segments_received = self.data_segments_received.wrapping_add(pieces as u32);
    }
}

impl<B: Backing> Connection<B> {
    pub(super) fn totals(&self) -> Totals {
        let past = self.past.get().copied().unwrap_or_default();
        self.busy.get().map_or(past, |busy| past.plus(&busy.totals))
    }

    /// Keeps the counts apart before the busy part goes.
    pub(super) fn keep_totals(&mut self) {
        let totals = self.totals();
        if totals != Totals::default() {
            *self.past.get_or_default() = totals;
        }
    }
}
