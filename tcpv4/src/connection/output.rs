//! What is to be sent.

use core::time::Duration;

use traits::Instant;

use super::busy::Busy;
use super::path::NO_CAP;
use super::timers::Timer;
use super::{Budget, Connection, Flags, State};
use crate::SeqNum;
use crate::buffer::{Backing, Bytes, Side};
use crate::receive::Urgency;
use crate::recovery::Watch;
use crate::segment::{Control, Ecn, Marks, Purpose, Transmit};
use crate::wire::{Options, SackBlocks, Timestamps, nonzero};

/// Idle connections keep their memory this long.
pub(super) const IDLE: Duration = Duration::from_secs(1);

impl<B: Backing> Connection<B> {
    /// The next segment to send, if there is one.
    pub fn poll_transmit(&mut self, now: Instant, budget: &Budget) -> Option<Transmit> {
        let mut segment = None;
        self.put_next(now, budget, &mut segment);
        segment
    }

    /// [`Self::poll_transmit`], to a place.
    #[inline]
    pub(crate) fn put_next(&mut self, now: Instant, budget: &Budget, place: &mut Option<Transmit>) {
        self.set_mtu(budget.mtu);
        if self.put_plain(now, place) {
            return;
        }
        if self.rests(now) || !self.put_due(now, budget, place) {
            *place = None;
        }
    }

    /// What is due, to a place; `false`, with anything there, where nothing is. So
    /// with all that this calls: a segment is large, and is not moved.
    #[inline(never)]
    fn put_due(&mut self, now: Instant, budget: &Budget, place: &mut Option<Transmit>) -> bool {
        let is_put = match self.state {
            State::Established | State::FinWait1 | State::CloseWait | State::Closing | State::LastAck => {
                self.put_data(now, budget, place)
            }
            State::Closed | State::SynSent | State::SynReceived | State::FinWait2 | State::TimeWait => false,
        };
        if is_put || self.put_without_data(now, place) {
            return true;
        }
        self.settle(now);
        false
    }

    fn put_without_data(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        match self.state {
            State::Closed => self.put_reset(now, place),
            State::SynSent | State::SynReceived => self.put_handshake(now, place) || self.put_ack(now, place),
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.put_probe(now, place) || self.put_ack(now, place),
        }
    }

    /// Whether it is plain that nothing is to be sent, as behind the last
    /// segment of a burst or after an acknowledgement; then the connection
    /// waits.
    #[inline]
    pub(crate) fn rests(&mut self, now: Instant) -> bool {
        let due = Flags::RESET_DUE | Flags::HANDSHAKE_DUE | Flags::PROBE_DUE;
        let rests = self.acks.due != Urgency::Now
            && !self.flags.intersects(due)
            && self.unsent() == 0
            && !self.is_fin_unsent()
            && self
                .busy
                .get()
                .is_none_or(|busy| !busy.scoreboard.has_lost() && !busy.recovery.tail_probe.is_due);
        if rests {
            self.settle(now);
        }
        rests
    }

    /// Nothing is to be sent at present: arms the timers of waiting.
    fn settle(&mut self, now: Instant) {
        let is_waiting =
            self.state.can_send() && self.snd.outstanding() == 0 && (self.unsent() > 0 || self.is_fin_unsent());
        if is_waiting && self.timer(Timer::Retransmit).is_none() {
            // The window is closed, or too small to bother: the persist timer
            // (RFC 9293 §3.8.6.1).
            self.arm_retransmit(now);
        }
        if <B::Bytes as Bytes>::GROWS
            && self.state != State::Closed
            && self.timer(Timer::Idle).is_none()
            && self.held() > 0
        {
            self.set_timer(Timer::Idle, now + IDLE);
        }
    }

    /// A segment with all that every segment has, to a place; without data.
    #[inline(never)]
    pub(super) fn put_blank<'p>(
        &self,
        now: Instant,
        seq: SeqNum,
        purpose: Purpose,
        place: &'p mut Option<Transmit>,
    ) -> &'p mut Transmit {
        place.insert(Transmit {
            seq,
            ack: Some(self.rcv.nxt),
            window: self.offer(),
            control: None,
            marks: if self.flags.contains(Flags::ECE_OWED) { Marks::ECE } else { Marks::empty() },
            options: Options { timestamps: self.timestamps(now), sack: self.blocks(), ..Options::NONE },
            ecn: Ecn::NotCapable,
            offset: 0,
            len: 0,
            gso_size: None,
            purpose,
        })
    }

    #[inline]
    pub(super) fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.flags
            .contains(Flags::TIMESTAMPS)
            .then(|| Timestamps { value: Self::millis(now).wrapping_add(self.ts.offset), echo: self.ts.recent })
    }

    /// The SACK blocks to report (RFC 2018 §3: three beside timestamps).
    #[inline]
    pub(super) fn blocks(&self) -> SackBlocks {
        match self.busy.get() {
            Some(busy) if busy.has_blocks() && self.flags.contains(Flags::SACK) => self.blocks_of(busy),
            Some(_) | None => SackBlocks::NONE,
        }
    }

    #[inline(never)]
    fn blocks_of(&self, busy: &Busy<B>) -> SackBlocks {
        let max = if self.flags.contains(Flags::TIMESTAMPS) { 3 } else { 4 };
        busy.assembler.blocks(max, busy.fin_at)
    }

    fn put_reset(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        let is_due = self.flags.contains(Flags::RESET_DUE);
        if is_due {
            let reset = self.put_blank(now, self.snd.nxt, Purpose::Reset, place);
            reset.control = Some(Control::Rst);
            reset.window = crate::Window(0);
            reset.marks = Marks::empty();
        }
        is_due
    }

    fn put_handshake(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        if !self.flags.contains(Flags::HANDSHAKE_DUE) {
            return false;
        }
        let syn = self.put_blank(now, self.snd.una, Purpose::Handshake, place);
        syn.control = Some(Control::Syn);
        syn.ack = (self.state == State::SynReceived).then_some(self.rcv.nxt);
        // The window of a SYN is not scaled (RFC 7323 §2.2).
        syn.window = crate::Window(self.receive_room().min(u32::from(u16::MAX)) as u16);
        syn.marks = self.syn_marks();
        syn.options = self.syn_options(now);
        true
    }

    /// An acknowledgement on its own.
    fn put_ack(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        match self.acks.due {
            Urgency::Now => {
                self.put_blank(now, self.acceptable_seq(), Purpose::Ack, place);
                true
            }
            Urgency::None | Urgency::Delayed | Urgency::Small | Urgency::SmallTwice => false,
        }
    }

    /// The number for a segment without data: SND.NXT, or the edge of a
    /// window that the peer has shrunk, beyond which it would not be taken.
    fn acceptable_seq(&self) -> SeqNum {
        let edge = self.snd.right_edge();
        if self.state.is_synchronized() && edge.before(self.snd.nxt) { edge } else { self.snd.nxt }
    }

    /// Asks for an acknowledgement with a number that the peer has already, as
    /// Linux does (RFC 9293 §3.8.4): for a window, or as keepalive.
    fn put_probe(&self, now: Instant, place: &mut Option<Transmit>) -> bool {
        let is_due = self.flags.contains(Flags::PROBE_DUE);
        if is_due {
            self.put_blank(now, self.snd.una - 1, Purpose::Probe, place);
        }
        is_due
    }

    /// Data or a FIN: what was lost first, then what is new.
    fn put_data(&mut self, now: Instant, budget: &Budget, place: &mut Option<Transmit>) -> bool {
        let sizes = self.sizes(budget);
        let busy = self.busy.get();
        let is_probe_due = busy.is_some_and(|busy| busy.recovery.tail_probe.is_due);
        let has_lost = busy.is_some_and(|busy| busy.scoreboard.has_lost());
        // F-RTO asks with something new (RFC 5682 §2.1, step 2b).
        let is_new_first = busy.is_some_and(|busy| busy.recovery.watch == Watch::NewData);
        if has_lost && !is_new_first {
            // Nothing new overtakes it, though that be small enough for what the
            // window leaves (RFC 6675 §4, NextSeg).
            return self.put_lost(now, &sizes, place);
        }
        if self.put_new(now, &sizes, budget.mtu, is_probe_due, place) {
            return true;
        }
        if has_lost {
            let is_put = self.put_lost(now, &sizes, place);
            if is_put {
                self.busy.get_or_default().recovery.watch = Watch::Off;
            }
            return is_put;
        }
        is_probe_due && self.put_tail(now, &sizes, place)
    }

    fn sizes(&self, budget: &Budget) -> Sizes {
        let sack = self.blocks();
        let sack_len = sack.encoded_len() as u32;
        let timestamps_len = if self.flags.contains(Flags::TIMESTAMPS) { 12 } else { 0 };
        let mss = self.full_size(&sack);
        // A large segment has to fit into what the device takes and into an
        // IPv4 packet.
        let most = budget.gso_max_size.min(65_535 - 20) as u32;
        Sizes { mss, most: most.saturating_sub(20 + timestamps_len + sack_len) }
    }

    /// Data in a full segment that reports `sack`.
    pub(super) fn full_size(&self, sack: &SackBlocks) -> u32 {
        u32::from(self.mss).saturating_sub(sack.encoded_len() as u32).max(1)
    }

    /// Bytes that the congestion window leaves.
    pub(super) fn congestion_room(&self) -> u32 {
        let outstanding = self.snd.outstanding();
        let pipe = self.busy.get().map_or(outstanding, |busy| busy.scoreboard.pipe(outstanding));
        self.window.cwnd.saturating_sub(pipe)
    }

    /// Numbers that were not sent before. `is_probe`: one segment beyond the
    /// congestion window.
    fn put_new(
        &mut self,
        now: Instant,
        sizes: &Sizes,
        mtu: usize,
        is_probe: bool,
        place: &mut Option<Transmit>,
    ) -> bool {
        let unsent = self.unsent();
        if unsent == 0 && !self.is_fin_unsent() {
            return false;
        }
        self.restart_after_idle(now);
        let room = if is_probe { sizes.mss } else { self.congestion_room() };
        if self.path_cap != NO_CAP && self.put_path_probe(now, mtu, room, place) {
            return true;
        }
        let usable = self.snd.usable();
        let is_empty = self.snd.outstanding() == 0;
        if room < sizes.mss.min(unsent) && !is_empty {
            // It is the congestion window that limits.
            let nxt = self.snd.nxt;
            self.busy.get_or_default().limited = Some(nxt);
            return false;
        }
        let len = sizes.within(unsent.min(usable), room);
        let is_last = len == unsent;
        // It takes a number of the window, too.
        let fin = is_last && self.is_fin_wanted() && usable > len;
        if len == 0 && !fin {
            return false;
        }
        let Some(len) = self.whole(len, is_last, fin, sizes) else { return false };
        let fin = fin && len == unsent;
        let transmit = self.put_with_data(now, self.snd.nxt, len, sizes, Purpose::New, place);
        if fin {
            transmit.control = Some(Control::Fin);
        }
        if self.flags.contains(Flags::ECN) && len > 0 {
            transmit.ecn = Ecn::Capable0;
            if self.flags.contains(Flags::CWR_OWED) {
                transmit.marks |= Marks::CWR;
            }
        }
        true
    }

    fn is_fin_wanted(&self) -> bool {
        self.flags.contains(Flags::FIN) && !self.flags.contains(Flags::FIN_ACKED)
    }

    /// How much of `len` bytes is sent now: whole segments, and a smaller one
    /// only where neither Nagle's algorithm (RFC 9293 §3.7.4) nor the silly
    /// window syndrome (§3.8.6.2.1) is against it.
    fn whole(&self, len: u32, is_last: bool, fin: bool, sizes: &Sizes) -> Option<u32> {
        let tail = if len < sizes.mss { len } else { len % sizes.mss };
        if tail == 0 {
            return Some(len);
        }
        let is_small_under_way = self.busy.get().is_some_and(|busy| busy.small_end.is_some());
        let may_be_small =
            if is_last { fin || self.flags.contains(Flags::NODELAY) || !is_small_under_way } else { false };
        if may_be_small {
            return Some(len);
        }
        if len > tail {
            return Some(len - tail);
        }
        // The window lets no more: half the largest one is enough, and so is
        // anything when the persist timer has fired.
        let is_enough = !is_last && len >= self.snd.max_wnd / 2;
        (is_enough || self.flags.contains(Flags::PROBE_DUE)).then_some(len)
    }

    pub(super) fn put_with_data<'p>(
        &self,
        now: Instant,
        seq: SeqNum,
        len: u32,
        sizes: &Sizes,
        purpose: Purpose,
        place: &'p mut Option<Transmit>,
    ) -> &'p mut Transmit {
        let transmit = self.put_blank(now, seq, purpose, place);
        transmit.offset = seq.since(self.snd.una);
        transmit.len = len;
        if len > sizes.mss {
            transmit.gso_size = nonzero(sizes.mss);
        }
        if len > 0 && (seq + len == self.data_end() || self.is_push_overdue(seq, seq + len)) {
            transmit.marks |= Marks::PSH;
        }
        transmit
    }

    /// Whether new data is pushed though more follows: so that a receiver which
    /// hands on what is pushed never waits for more than half of the largest
    /// window (as in Linux: `forced_push`).
    ///
    /// Else what is pushed is the end of what is written by the time it is sent.
    /// Linux, too, takes the mark off again where another write adds to a
    /// segment that waits.
    fn is_push_overdue(&self, start: SeqNum, end: SeqNum) -> bool {
        let pushed = self.busy.get().and_then(|busy| busy.pushed).unwrap_or(start);
        start == self.snd.nxt && end.since(pushed) > self.snd.max_wnd / 2
    }
}

/// The sizes of segments at present, in bytes of data.
pub(super) struct Sizes {
    /// Of one segment.
    pub(super) mss: u32,
    /// The most that a large segment may have.
    most: u32,
}

impl Sizes {
    /// How much of `len` bytes goes into one segment: where that is more than
    /// a plain one, whole ones that the congestion window has `room` for.
    #[inline]
    pub(super) fn within(&self, len: u32, room: u32) -> u32 {
        if len <= self.mss {
            return len;
        }
        let whole = room.min(self.most) / self.mss * self.mss;
        len.min(whole.max(self.mss))
    }
}
