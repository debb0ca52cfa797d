//! The segment that nearly always comes next, in straight functions (Van
//! Jacobson's header prediction).
//!
//! Where nothing is missing, nothing was sent twice and no doubt is left of
//! what was, data goes behind what is there, and an acknowledgement of something
//! new moves SND.UNA, gives samples of the round trip, lets the window grow and
//! sets the timers. That is what [`handle_any`](Connection::handle_any) comes to
//! then, by way of steps that all find nothing to do; a test compares the two.

use traits::Instant;

use super::ack::News;
use super::busy::Busy;
use super::stamp::Stamp;
use super::timers::Timer;
use super::{Connection, Events, Flags, State};
use crate::buffer::{Backing, Side};
use crate::receive::Size;
use crate::recovery::Phase;
use crate::segment::Plain;
use crate::{SeqNum, Window};

impl<B: Backing> Connection<B> {
    /// Takes a segment if it is the one that nearly always comes next, data, an
    /// acknowledgement or both, and no memory is needed for it; `None`, with
    /// nothing changed, for any other.
    #[inline(always)]
    pub(crate) fn handle_plain(&mut self, now: Instant, plain: &Plain<'_>) -> Option<Events> {
        #[cfg(all(test, feature = "alloc"))]
        if tests::is_off() {
            return None;
        }
        // Fewest bytes: the general steps come to the same.
        if cfg!(guest_small) || !self.expects(now, plain) {
            return None;
        }
        let mut events = if plain.ack == self.snd.nxt && plain.ack == self.snd.una {
            self.acknowledged_nothing(plain)?
        } else {
            self.acknowledged_in_order(now, plain.seq, plain.ack, plain.window)?
        };
        self.heard_in_order(now, plain);
        if !plain.payload.is_empty() {
            self.take_in_order(now, plain);
            events |= Events::READABLE;
        }
        Some(events)
    }

    /// Whether the segment is the one that comes next, with nothing about it
    /// that needs thought: the steps of RFC 9293 §3.10.7.4 would all let it pass.
    #[inline(always)]
    fn expects(&self, now: Instant, plain: &Plain<'_>) -> bool {
        let Some(busy) = self.busy.get() else { return false };
        let len = plain.payload.len();
        self.state == State::Established
            && plain.seq == self.rcv.nxt
            && self.snd.expects(plain.ack)
            && len as u32 <= self.rcv.wnd()
            && busy.assembler.is_empty()
            && busy.fin_at.is_none()
            && busy.receive.has_straight_room(len)
            && self.has_expected_timestamp(plain)
            // After a pause, quick acknowledgements may begin anew.
            && (self.heard_at == Stamp::of(now)
                || self.heard_at.elapsed_nanos(now) <= self.rtt.rto_micros() * 1_000)
    }

    /// Whether there is a timestamp where those were agreed on, and only there,
    /// and it is no older than one seen (RFC 7323 §5.2).
    #[inline(always)]
    fn has_expected_timestamp(&self, plain: &Plain<'_>) -> bool {
        let is_agreed_on = self.flags.contains(Flags::TIMESTAMPS);
        match plain.ts_value {
            Some(value) => is_agreed_on && value.wrapping_sub(self.ts.recent) as i32 >= 0,
            None => !is_agreed_on,
        }
    }

    /// Something was heard from the peer shortly after something else.
    #[inline(always)]
    fn heard_in_order(&mut self, now: Instant, plain: &Plain<'_>) {
        self.heard_at = Stamp::of(now);
        self.keepalive_probes = 0;
        if let Some(value) = plain.ts_value
            && plain.seq.before_eq(self.rcv.acked)
        {
            if !plain.payload.is_empty() {
                self.note_landmark();
            }
            // RFC 7323 §4.3.
            self.ts.recent = value;
        }
    }

    /// Takes data that there is room for.
    #[inline(always)]
    fn take_in_order(&mut self, now: Instant, plain: &Plain<'_>) {
        let payload = plain.payload;
        self.counts.segment_received(payload, plain.segment_size);
        let size = Size::of(payload, plain.segment_size, plain.is_last);
        let Some(busy) = self.busy.get_mut() else { return };
        busy.receive.push_straight(payload);
        busy.received_at = now;
        self.rcv.nxt += payload.len() as u32;
        self.received(now, size, payload.len() as u32);
        #[cfg(all(test, feature = "alloc"))]
        tests::taken(tests::Way::Received);
    }

    /// Takes an acknowledgement of what was acknowledged before, with nothing
    /// under way and the window as it was.
    #[inline(always)]
    fn acknowledged_nothing(&mut self, plain: &Plain<'_>) -> Option<Events> {
        let busy = self.busy.get_mut()?;
        let wnd = self.snd.scale.bytes(plain.window);
        // What came twice may be told of yet.
        if wnd == 0 || wnd != self.snd.wnd || busy.recovery.tail_probe.is_under_way() {
            return None;
        }
        busy.persist_since = None;
        self.snd.update_same(plain.seq);
        self.retries = 0;
        Some(Events::empty())
    }

    /// Takes an acknowledgement of something new; `None`, with nothing changed, if
    /// there is more to it. (The parts of a segment, since those fit into registers.)
    #[inline(never)]
    fn acknowledged_in_order(
        &mut self,
        now: Instant,
        seq: SeqNum,
        ack: SeqNum,
        window: Window,
    ) -> Option<Events> {
        let (una, outstanding) = (self.snd.una, self.snd.outstanding());
        let acked = ack.since(una);
        let busy = self.busy.get_mut()?;
        let is_new = acked > 0 && acked <= outstanding.min(busy.send.len());
        if !is_new || !self.flags.contains(Flags::SACK) || !busy.is_calm() {
            return None;
        }
        let (mut oldest, mut newest) = (None, Instant::ZERO);
        let rack = &mut busy.recovery.rack;
        let is_in_order = busy.scoreboard.acknowledged_in_order(ack, |end, sent_at| {
            rack.delivered_once(now, end, sent_at);
            oldest.get_or_insert(sent_at);
            newest = newest.max(sent_at);
        });
        if !is_in_order {
            return None;
        }
        let micros = now.micros_since(oldest.unwrap_or(newest));
        self.rtt.sample_of_round(micros, &mut busy.recovery.round, ack, self.snd.nxt);
        rack.sample_min_rtt(now, newest);
        rack.end_round(ack);
        busy.recovery.stalled_since = None;
        busy.recovery.undo.acknowledged(ack);
        busy.persist_since = None;
        busy.send.acknowledged(acked);
        busy.small_end = busy.small_end.filter(|end| end.after(ack));
        self.snd.update_newer(seq, window);
        self.snd.una = ack;
        self.counts.acknowledged(acked);
        self.retries = 0;
        let is_flushed = busy.send.len() == 0;
        let news = News { acked, delivered: acked, newest: Some(newest), outstanding, ..News::default() };
        self.recoverer().grow_window(now, &news);
        if acked == outstanding {
            self.clear_timer(Timer::Retransmit);
            self.clear_timer(Timer::Recovery);
        } else {
            self.arm_retransmit(now);
            self.arm_tail_probe(now);
        }
        #[cfg(all(test, feature = "alloc"))]
        tests::taken(tests::Way::Acknowledged);
        let flushed = if is_flushed { Events::FLUSHED } else { Events::empty() };
        Some(Events::CONFIRMED | flushed | self.take_writable())
    }
}

impl<B: Backing> Busy<B> {
    /// Whether there is no recovery, and no probe whose end is awaited.
    #[inline]
    fn is_calm(&self) -> bool {
        self.recovery.phase == Phase::Open
            && !self.recovery.tail_probe.is_under_way()
            && self.path_probe.is_none()
    }
}

#[cfg(all(test, feature = "alloc"))]
pub(super) mod tests;
