//! NewReno's window (RFC 5681 §3.1, RFC 6582).

use core::time::Duration;

use super::{Ack, Controller, Cwnd};

/// Grows by a segment per round trip, halves on congestion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NewReno {
    /// Bytes acknowledged towards the next segment of growth (RFC 3465 §2.1).
    bytes_acked: u32,
}

impl Controller for NewReno {
    fn acknowledged(&mut self, window: &mut Cwnd, ack: &Ack) {
        let mut acked = ack.acked;
        if window.is_slow_start() {
            acked = window.slow_start(acked);
        }
        self.bytes_acked = self.bytes_acked.saturating_add(acked);
        if self.bytes_acked >= window.cwnd {
            self.bytes_acked -= window.cwnd;
            window.grow(ack.mss);
        }
    }

    fn congested(&mut self, window: &Cwnd, flight: u32, mss: u32) -> u32 {
        self.bytes_acked = 0;
        // RFC 5681 §3.1, equation 4.
        (flight.min(window.cwnd) / 2).max(2 * mss)
    }

    fn undone(&mut self) {}

    fn idled(&mut self, _: Duration) {}
}
