//! The send sequence space.

use crate::segment::Segment;
use crate::{Mss, SeqNum, Window, WindowScale};

/// The send sequence space (RFC 9293 §3.3.1).
///
/// ```text
///        acknowledged │ under way   │ may be sent  │ not yet
///       ──────────────┼─────────────┼──────────────┼─────────▶
///                  SND.UNA       SND.NXT    SND.UNA + SND.WND
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SendWindow {
    /// SND.UNA: the oldest number not acknowledged.
    pub(crate) una: SeqNum,
    /// SND.NXT: the next number to be sent.
    pub(crate) nxt: SeqNum,
    /// SND.WND, in bytes.
    pub(crate) wnd: u32,
    /// SND.WL1: SEG.SEQ of the segment that told the window.
    wl1: SeqNum,
    /// MAX.SND.WND: the largest window that the peer has told.
    pub(crate) max_wnd: u32,
    /// What the peer takes in a segment, options included.
    pub(crate) mss: u16,
    /// Snd.Wind.Shift.
    pub(crate) scale: WindowScale,
}

impl SendWindow {
    pub(crate) const fn new(iss: SeqNum) -> Self {
        Self {
            una: iss,
            nxt: iss,
            wnd: 0,
            wl1: SeqNum::new(0),
            max_wnd: 0,
            mss: Mss::DEFAULT.bytes(),
            scale: WindowScale::ZERO,
        }
    }

    /// SND.UNA + SND.WND.
    #[inline]
    pub(crate) fn right_edge(&self) -> SeqNum {
        self.una + self.wnd
    }

    /// Bytes that the peer still has room for.
    #[inline]
    pub(crate) fn usable(&self) -> u32 {
        self.right_edge().since(self.nxt)
    }

    /// Sequence numbers under way.
    #[inline]
    pub(crate) fn outstanding(&self) -> u32 {
        self.nxt.since(self.una)
    }

    /// Takes the window of a segment, unless the segment is older than the one
    /// that told the present window (RFC 9293 §3.10.7.4). Returns whether the
    /// window is another now.
    ///
    /// One that acknowledges something new is newer whatever its number (as in
    /// Linux): data that comes out of order tells windows, too.
    ///
    /// SND.WL2 is not kept: it is never beyond SND.UNA, and a segment whose ACK
    /// is before that is not given here.
    #[inline]
    pub(crate) fn update(&mut self, segment: &Segment<'_>) -> bool {
        let is_newer = self.wl1.before_eq(segment.seq) || segment.ack.is_some_and(|ack| ack.after(self.una));
        is_newer && self.set(segment)
    }

    /// [Updates](Self::update) from a segment that acknowledges nothing new and
    /// tells the same window.
    #[inline]
    pub(crate) fn update_same(&mut self, seq: SeqNum) {
        self.wl1 = self.wl1.later(seq);
    }

    /// [Updates](Self::update) from a segment without SYN that acknowledges
    /// something new.
    #[inline]
    pub(crate) fn update_newer(&mut self, seq: SeqNum, window: Window) {
        self.tell(seq, self.scale.bytes(window));
    }

    /// Takes the window of a segment: the first one, or a newer one.
    pub(crate) fn set(&mut self, segment: &Segment<'_>) -> bool {
        // The window of a SYN is never scaled (RFC 7323 §2.2).
        let scale = match segment.control {
            Some(crate::segment::Control::Syn) => WindowScale::ZERO,
            Some(_) | None => self.scale,
        };
        let before = self.right_edge();
        self.tell(segment.seq, scale.bytes(segment.window));
        before != self.right_edge()
    }

    #[inline]
    fn tell(&mut self, seq: SeqNum, wnd: u32) {
        self.wnd = wnd;
        self.max_wnd = self.max_wnd.max(wnd);
        self.wl1 = seq;
    }

    /// Whether an acknowledgement may be genuine (RFC 5961 §5): of nothing
    /// that was never sent, not older than a window, and not of what lies before
    /// the `acked` numbers that have been acknowledged (as in Linux).
    #[inline]
    pub(crate) fn accepts(&self, ack: SeqNum, acked: u64) -> bool {
        let back = u64::from(self.max_wnd).min(acked) as u32;
        ack.before_eq(self.nxt) && ack.after_eq(self.una - back)
    }

    /// Whether an acknowledgement is no older than the last one, and of nothing
    /// that was never sent.
    #[inline]
    pub(crate) fn expects(&self, ack: SeqNum) -> bool {
        ack.after_eq(self.una) && ack.before_eq(self.nxt)
    }
}
