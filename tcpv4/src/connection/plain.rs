//! The segment that most dialogues consist of.

use traits::Instant;

use super::path::NO_CAP;
use super::stamp::Stamp;
use super::{Connection, Flags, State};
use crate::buffer::{Backing, Side};
use crate::segment::{Ecn, Marks, Purpose, Transmit};
use crate::wire::{Options, SackBlocks};

impl<B: Backing> Connection<B> {
    /// All that is unsent, in one segment, where there is nothing about it that
    /// needs thought: [`Self::put_data`] would come to the same, in five times
    /// as many instructions. Written where it is to be, since moving it costs;
    /// returns whether there is one.
    #[inline]
    pub(crate) fn put_plain(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        #[cfg(all(test, feature = "alloc"))]
        if super::predicted::tests::is_off() {
            return false;
        }
        // Fewest bytes: the general steps come to the same.
        if cfg!(guest_small) {
            return false;
        }
        let len = self.unsent();
        if len == 0 || len > u32::from(self.mss) || self.state != State::Established {
            return false;
        }
        let Some(busy) = self.busy.get() else { return false };
        let thought = Flags::FIN | Flags::ECE_OWED | Flags::CWR_OWED | Flags::PROBE_DUE;
        let outstanding = self.snd.outstanding();
        let is_plain = !self.flags.intersects(thought)
            && self.path_cap == NO_CAP
            && !busy.scoreboard.has_lost()
            && !busy.recovery.tail_probe.is_due
            && !busy.has_blocks()
            && len <= self.snd.usable()
            && busy.scoreboard.pipe(outstanding) + len <= self.window.cwnd
            // Nagle's algorithm.
            && (busy.small_end.is_none() || self.flags.contains(Flags::NODELAY))
            && (outstanding > 0 || !self.has_paused(now));
        if !is_plain {
            return false;
        }
        *place = Some(Transmit {
            seq: self.snd.nxt,
            ack: Some(self.rcv.nxt),
            window: self.offer(),
            control: None,
            marks: Marks::PSH,
            options: Options { timestamps: self.timestamps(now), sack: SackBlocks::NONE, ..Options::NONE },
            ecn: if self.flags.contains(Flags::ECN) { Ecn::Capable0 } else { Ecn::NotCapable },
            offset: outstanding,
            len,
            gso_size: None,
            purpose: Purpose::Plain,
        });
        true
    }

    /// That segment was sent: what [`Self::transmitted`] comes to for it.
    #[inline(never)]
    pub(crate) fn sent_plain(&mut self, now: Instant, transmit: &Transmit) {
        #[cfg(all(test, feature = "alloc"))]
        super::predicted::tests::taken(super::predicted::tests::Way::Sent);
        let (len, end) = (transmit.len, transmit.end());
        let is_alone = transmit.seq == self.snd.una;
        self.counts.sent_plain();
        self.snd.nxt = end;
        self.sent_at = Stamp::of(now);
        self.flags.remove(Flags::PAUSE_COUNTED);
        self.rcv.told(transmit.ack.unwrap_or(self.rcv.nxt), transmit.window);
        let is_small = len < u32::from(self.mss);
        let busy = self.busy.get_or_default();
        self.acks.sent(busy.is_answer(now));
        busy.scoreboard.sent(now, transmit.seq, len, 1);
        busy.recovery.sent(len);
        busy.pushed = Some(end);
        if is_small {
            busy.small_end = Some(end);
        }
        busy.timers.clear_delayed_ack();
        if is_alone || !busy.timers.has_retransmit() {
            // RFC 6298 §5.1.
            self.arm_retransmit(now);
        }
        self.arm_tail_probe(now);
    }
}
