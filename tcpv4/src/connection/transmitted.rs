//! What was sent.

use traits::Instant;

use super::stamp::Stamp;
use super::timers::Timer;
use super::{Connection, Flags};
use crate::buffer::{Backing, Side};
use crate::segment::{Marks, Purpose, Transmit};

impl<B: Backing> Connection<B> {
    /// Takes note that what [`poll_transmit`](Self::poll_transmit) returned
    /// last was sent.
    pub fn transmitted(&mut self, now: Instant, transmit: &Transmit) {
        match transmit.purpose {
            Purpose::Plain => return self.sent_plain(now, transmit),
            Purpose::Handshake => self.sent_handshake(now, transmit),
            Purpose::New => self.sent_new(now, transmit),
            Purpose::Retransmission | Purpose::TailProbe => self.sent_again(now, transmit),
            Purpose::Probe => self.flags.remove(Flags::PROBE_DUE),
            Purpose::Ack => self.age_sent_at(now),
            Purpose::Reset => {
                self.flags.remove(Flags::RESET_DUE);
                return;
            }
        }
        if let Some(ack) = transmit.ack {
            let window = match transmit.purpose {
                // Not scaled; the peer was told of it when its SYN came.
                Purpose::Handshake => crate::Window(0),
                _ => transmit.window,
            };
            self.rcv.told(ack, window);
            let is_answer = transmit.len > 0 && self.busy.get().is_some_and(|busy| busy.is_answer(now));
            self.acks.sent(is_answer);
            self.clear_timer(Timer::DelayedAck);
            if !transmit.options.sack.is_empty()
                && let Some(busy) = self.busy.get_mut()
            {
                busy.assembler.reported();
            }
        }
    }

    fn sent_handshake(&mut self, now: Instant, transmit: &Transmit) {
        self.flags.remove(Flags::HANDSHAKE_DUE);
        self.snd.nxt = self.snd.nxt.later(transmit.end());
        self.sent_at = Stamp::of(now);
        self.arm_retransmit(now);
    }

    fn sent_new(&mut self, now: Instant, transmit: &Transmit) {
        self.counts.sent(transmit);
        let end = transmit.end();
        let len = end.since(transmit.seq);
        let busy = self.busy.get_or_default();
        busy.scoreboard.sent(now, transmit.seq, len, transmit.pieces());
        busy.recovery.sent(len);
        let is_pushed = transmit.marks.contains(Marks::PSH);
        busy.pushed = if is_pushed { Some(end) } else { busy.pushed.or(Some(transmit.seq)) };
        if busy.recovery.tail_probe.is_due {
            busy.recovery.tail_probe.sent(end, false);
            self.arm_retransmit(now);
        }
        self.snd.nxt = end;
        if self.has_small(transmit) {
            self.busy.get_or_default().small_end = Some(end);
        }
        if transmit.marks.contains(Marks::CWR) {
            self.flags.remove(Flags::CWR_OWED);
        }
        self.flags.remove(Flags::PROBE_DUE | Flags::PAUSE_COUNTED);
        self.sent_at = Stamp::of(now);
        if self.timer(Timer::Retransmit).is_none() || self.snd.outstanding() == len {
            // RFC 6298 §5.1.
            self.arm_retransmit(now);
        }
        self.arm_tail_probe(now);
    }

    /// Whether its last segment is smaller than a full one, as the segments were
    /// cut: SACK blocks take their room from the data.
    fn has_small(&self, transmit: &Transmit) -> bool {
        match transmit.gso_size {
            Some(size) => !transmit.len.is_multiple_of(u32::from(size.get())),
            None => transmit.len > 0 && transmit.len < self.full_size(&transmit.options.sack),
        }
    }

    fn sent_again(&mut self, now: Instant, transmit: &Transmit) {
        self.counts.sent(transmit);
        let (start, end) = (transmit.seq, transmit.end());
        let len = end.since(start);
        let nxt = self.snd.nxt;
        self.path_probe_lost(now, start, end);
        let busy = self.busy.get_or_default();
        busy.scoreboard.retransmitted(now, start, end);
        busy.recovery.unreported = busy.recovery.unreported.saturating_add(transmit.pieces());
        busy.recovery.undo.retransmitted(Self::millis(now), start, end);
        busy.recovery.sent(len);
        if transmit.purpose == Purpose::TailProbe {
            busy.recovery.tail_probe.sent(nxt, true);
        }
        let is_first_sacked = busy.scoreboard.is_first_sacked();
        self.sent_at = Stamp::of(now);
        // The timer of what the peer may have given up goes on.
        if !is_first_sacked {
            self.arm_retransmit(now);
        }
    }
}
