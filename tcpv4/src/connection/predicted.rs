//! The acknowledgement that most segments bring, in one straight function.
//!
//! Where nothing is missing, nothing was sent twice and no doubt is left of
//! what was, an acknowledgement of something new moves SND.UNA, gives samples of
//! the round trip, lets the window grow and sets the timers. That is what
//! [`acknowledged`](Connection::acknowledged) comes to then, by way of steps
//! that all find nothing to do; a test compares the two.

use traits::Instant;

use super::ack::News;
use super::busy::Busy;
use super::timers::Timer;
use super::{Connection, Events, Flags};
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::recovery::Phase;
use crate::segment::Segment;

impl<B: Backing> Connection<B> {
    /// Takes the acknowledgement `ack` of a segment that is
    /// [expected](Self::is_expected), in ESTABLISHED; `None`, with nothing
    /// changed, if there is more to it.
    #[inline]
    pub(super) fn acknowledged_in_order(
        &mut self,
        now: Instant,
        segment: &Segment<'_>,
        ack: SeqNum,
    ) -> Option<Events> {
        #[cfg(all(test, feature = "alloc"))]
        if tests::is_off() {
            return None;
        }
        // Fewest bytes: the general steps come to the same.
        if cfg!(guest_small) {
            return None;
        }
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
        self.snd.update(segment);
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
