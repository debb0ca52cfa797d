//! The receive sequence space.

use crate::{SeqNum, Window, WindowScale};

/// The receive sequence space (RFC 9293 §3.3.1).
///
/// ```text
///        received, acknowledged │ received │ may come    │ not yet
///       ────────────────────────┼──────────┼─────────────┼─────────▶
///                             acked     RCV.NXT     advertised
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ReceiveWindow {
    /// RCV.NXT: the next number expected.
    pub(crate) nxt: SeqNum,
    /// RCV.NXT + RCV.WND: the right edge that the peer was told. It never
    /// moves back (RFC 9293 §3.8.6).
    pub(crate) advertised: SeqNum,
    /// Last.ACK.sent: RCV.NXT as the peer was told it.
    pub(crate) acked: SeqNum,
    /// Rcv.Wind.Shift.
    pub(crate) scale: WindowScale,
}

impl ReceiveWindow {
    pub(crate) const fn new(scale: WindowScale) -> Self {
        let zero = SeqNum::new(0);
        Self { nxt: zero, advertised: zero, acked: zero, scale }
    }

    /// The peer's SYN has come.
    pub(crate) fn start(&mut self, irs: SeqNum, advertised: u32) {
        self.nxt = irs + 1;
        self.acked = self.nxt;
        self.advertised = self.nxt + advertised;
    }

    /// RCV.WND, in bytes.
    #[inline]
    pub(crate) fn wnd(&self) -> u32 {
        self.advertised.since(self.nxt)
    }

    /// Whether a segment is acceptable (RFC 9293 §3.10.7.4, first).
    ///
    /// As in Linux, a segment counts that touches the window: one at its right
    /// edge, which with a closed window is where a genuine one is, and one that
    /// ends where the last acknowledgement sent says. Its ACK is good, and data
    /// outside is trimmed.
    #[inline]
    pub(crate) fn accepts(&self, seq: SeqNum, end: SeqNum) -> bool {
        end.after_eq(self.acked) && seq.before_eq(self.advertised)
    }

    /// Whether a number lies in the window: where a reset has to be.
    #[inline]
    pub(crate) fn contains(&self, seq: SeqNum) -> bool {
        seq.after_eq(self.nxt) && (seq.before(self.advertised) || seq == self.nxt)
    }

    /// The window to tell, with `space` bytes free in a buffer of `limit`.
    ///
    /// It grows only by a worthwhile amount: a segment or half the buffer
    /// (RFC 9293 §3.8.6.2.2).
    pub(crate) fn offer(&self, space: u32, limit: u32, mss: u32) -> Window {
        let told = self.wnd();
        let window = if space >= told + mss.min(limit / 2).max(1) { space } else { told };
        let shift = self.scale.shift();
        let offer = self.scale.window(window);
        if self.scale.bytes(offer) < told {
            // Rounded down it would move the edge back (RFC 7323 §2.4).
            return self.scale.window(told.saturating_add((1 << shift) - 1));
        }
        offer
    }

    /// Whether a reader has made enough room for the peer to be told at once:
    /// two segments or half the buffer, and the peer knows of less than half.
    pub(crate) fn is_update_due(&self, space: u32, limit: u32, mss: u32) -> bool {
        let told = self.wnd();
        if told > limit / 2 {
            return false;
        }
        // Of a large buffer, more cannot be told (where the peer does not scale
        // windows, 65,535 bytes).
        let most = self.scale.bytes(Window(u16::MAX));
        let (space, limit) = (space.min(most), limit.min(most));
        told < limit / 2 + 1
            && space >= told + (2 * mss).min(limit / 2).max(1)
            && self.scale.bytes(self.offer(space, limit, mss)) > told
    }

    /// The peer was told `window` with an acknowledgement of RCV.NXT.
    #[inline]
    pub(crate) fn told(&mut self, ack: SeqNum, window: Window) {
        self.acked = self.acked.later(ack);
        self.advertised = self.advertised.later(ack + self.scale.bytes(window));
    }
}
