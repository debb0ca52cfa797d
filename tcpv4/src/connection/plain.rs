//! The segment that most dialogues consist of.

use traits::Instant;

use super::path::NO_CAP;
use super::{Connection, Flags, State};
use crate::buffer::{Backing, Side};
use crate::segment::{Ecn, Marks, Purpose, Transmit};
use crate::wire::{Options, SackBlocks};

impl<B: Backing> Connection<B> {
    /// All that is unsent, in one segment, where there is nothing about it that
    /// needs thought: [`Self::due_data`] would come to the same, in five times
    /// as many instructions. Written where it is to be, since moving it costs;
    /// returns whether there is one.
    #[inline]
    pub(super) fn put_plain(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
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
            && !busy.assembler.has_blocks()
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
            purpose: Purpose::New,
        });
        true
    }
}
