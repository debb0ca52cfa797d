//! What is sent again.

use traits::Instant;

use super::Connection;
use super::output::Sizes;
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::segment::{Control, Purpose, Transmit};

impl<B: Backing> Connection<B> {
    /// What was lost.
    #[inline(never)]
    pub(super) fn put_lost(&mut self, now: Instant, sizes: &Sizes, place: &mut Option<Transmit>) -> bool {
        let room = self.congestion_room();
        let (outstanding, nxt) = (self.snd.outstanding(), self.snd.nxt);
        let Some(busy) = self.busy.get_mut() else { return false };
        let Some(lost) = busy.scoreboard.first_lost() else { return false };
        let is_lone = busy.scoreboard.pipe(outstanding) == 0;
        if !is_lone && room < sizes.mss.min(lost.len) {
            // It is the congestion window that limits.
            busy.limited = Some(nxt);
            return false;
        }
        // A shrunk window holds it back, but for the first (RFC 9293 §3.8.6).
        let edge = self.snd.right_edge();
        if lost.start != self.snd.una && !lost.start.before(edge) {
            return false;
        }
        let len = sizes.within(lost.len, room);
        self.put_old(now, lost.start, len, sizes, Purpose::Retransmission, place);
        true
    }

    /// The tail loss probe, where there is nothing new to send: the last
    /// segment once more (RFC 8985 §7.3).
    pub(super) fn put_tail(&self, now: Instant, sizes: &Sizes, place: &mut Option<Transmit>) -> bool {
        let len = self.snd.outstanding().min(sizes.mss);
        if len > 0 {
            self.put_old(now, self.snd.nxt - len, len, sizes, Purpose::TailProbe, place);
        }
        len > 0
    }

    /// Numbers that were sent before.
    fn put_old(
        &self,
        now: Instant,
        start: SeqNum,
        len: u32,
        sizes: &Sizes,
        purpose: Purpose,
        place: &mut Option<Transmit>,
    ) {
        let end = start + len;
        let data_end = self.data_end();
        let has_fin = end.after(data_end);
        let len = if has_fin { data_end.since(start) } else { len };
        let transmit = self.put_with_data(now, start, len, sizes, purpose, place);
        if has_fin {
            transmit.control = Some(Control::Fin);
        }
    }
}
