//! An acknowledgement that may be genuine (RFC 9293 §3.10.7.4, fifth).

use traits::Instant;

use super::timers::Timer;
use super::{Connection, Events, Flags};
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::recovery::{Phase, TailProbe};
use crate::segment::Segment;

/// How long it may take a peer, at the least, to acknowledge what it told of by
/// SACK once nothing before that is missing, in microseconds.
const RENEGING_DELAY: u64 = 10_000;

/// What an acknowledgement tells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    /// Numbers acknowledged cumulatively.
    pub(super) acked: u32,
    /// Numbers that are known to have arrived only now.
    pub(super) delivered: u32,
    /// When the oldest of them was sent, if none was sent twice: for a sample
    /// of the round trip.
    pub(super) oldest: Option<Instant>,
    /// When the newest of them was: for one without the peer's delay.
    pub(super) newest: Option<Instant>,
    /// The own clock in milliseconds, as echoed.
    pub(super) echo: Option<u32>,
    /// Something arrived that was sent only once, before the phase of recovery
    /// began.
    pub(super) has_original: bool,
    /// Something arrived that was sent again; perhaps the original.
    pub(super) has_resent: bool,
    /// What is reported to have arrived twice.
    pub(super) duplicate: Option<Duplicate>,
    /// It tells nothing, not even a window (RFC 5681 §2).
    pub(super) is_duplicate_ack: bool,
    /// Congestion marks are echoed.
    pub(super) is_marked: bool,
    /// Numbers under way before.
    pub(super) outstanding: u32,
}

/// What is reported to have arrived twice (D-SACK, RFC 2883).
#[derive(Clone, Copy, Debug)]
pub(super) struct Duplicate {
    pub(super) start: SeqNum,
    pub(super) end: SeqNum,
    /// It may have been sent twice; else the network has doubled it.
    pub(super) is_resent: bool,
}

impl<B: Backing> Connection<B> {
    /// Takes the acknowledgement `ack`, which [may be
    /// genuine](crate::send::SendWindow::accepts).
    pub(super) fn acknowledged(&mut self, now: Instant, segment: &Segment<'_>, ack: SeqNum) -> Events {
        if ack.before(self.snd.una) {
            self.acknowledged_before(now, segment, ack);
            return Events::empty();
        }
        let has_new_window = self.snd.update(segment);
        let outstanding = self.snd.outstanding();
        if (outstanding > 0 || self.snd.wnd > 0)
            && let Some(busy) = self.busy.get_mut()
        {
            busy.persist_since = None;
        }
        if outstanding == 0 {
            // An answer to a probe, or a window update.
            if self.snd.wnd > 0 || !self.flags.contains(Flags::DETACHED) {
                self.retries = 0;
            }
            if has_new_window && self.snd.wnd > 0 {
                self.rtt.reset_backoff();
                self.clear_timer(Timer::Retransmit);
            }
            self.acknowledged_again(now, segment, ack, has_new_window);
            return Events::empty();
        }
        let mut news = News { outstanding, ..News::default() };
        self.learn(now, segment, ack, &mut news);
        news.is_duplicate_ack = news.acked == 0 && !has_new_window && segment.is_empty();
        news.is_marked = self.flags.contains(Flags::ECN) && segment.marks.contains(crate::segment::Marks::ECE);
        let mut events = self.advance(now, &news);
        if self.state.can_send() {
            self.recover(now, &news);
            self.rearm(now, &news);
        }
        if news.acked > 0 {
            events |= Events::CONFIRMED | self.take_writable();
        }
        events
    }

    /// Nothing is under way, but the peer may tell that something of it came
    /// twice: so what was sent again, a tail loss probe perhaps, was not needed.
    fn acknowledged_again(&mut self, now: Instant, segment: &Segment<'_>, ack: SeqNum, has_new_window: bool) {
        let is_probed = self.busy.get().is_some_and(|busy| busy.recovery.tail_probe.is_under_way());
        let is_report = self.busy.get().is_some() && !segment.options.sack.is_empty();
        if self.state.can_send() && self.flags.contains(Flags::SACK) && (is_probed || is_report) {
            let mut news = News::default();
            self.learn(now, segment, ack, &mut news);
            news.is_duplicate_ack = !has_new_window && segment.is_empty();
            self.recover(now, &news);
        }
    }

    /// A later acknowledgement has overtaken this one, whose SACK blocks may
    /// tell something new all the same (as Linux).
    fn acknowledged_before(&mut self, now: Instant, segment: &Segment<'_>, ack: SeqNum) {
        let outstanding = self.snd.outstanding();
        let has_blocks = self.flags.contains(Flags::SACK) && !segment.options.sack.is_empty();
        if has_blocks && outstanding > 0 && self.state.can_send() {
            let mut news = News { outstanding, ..News::default() };
            self.learn(now, segment, ack, &mut news);
            self.recover(now, &news);
        }
    }

    /// Compares with what was sent.
    fn learn(&mut self, now: Instant, segment: &Segment<'_>, ack: SeqNum, news: &mut News) {
        let una = self.snd.una;
        let new_una = una.later(ack);
        news.acked = new_una.since(una);
        news.duplicate = self.duplicate(segment.options.sack.as_slice(), ack);
        if self.flags.contains(Flags::TIMESTAMPS) {
            news.echo = segment.options.timestamps.map(|ts| ts.echo.wrapping_sub(self.ts.offset));
        }
        let busy = self.busy.get_or_default();
        let recover = busy.recovery.recover;
        let rack = &mut busy.recovery.rack;
        let (mut oldest, mut newest) = (None, None);
        let echo = news.echo;
        let mut arrived = |record: &crate::send::Record| {
            news.delivered += record.len;
            rack.delivered(now, record, echo);
            if record.retransmitted {
                news.has_resent = true;
            } else {
                news.has_original |= record.end().before_eq(recover);
                oldest.get_or_insert(record.sent_at);
                newest = Some(newest.map_or(record.sent_at, |newest: Instant| newest.max(record.sent_at)));
            }
        };
        if news.acked > 0 {
            busy.scoreboard.acknowledged(ack, &mut arrived);
        }
        if self.flags.contains(Flags::SACK) && !segment.options.sack.is_empty() {
            for block in segment.options.sack.as_slice() {
                let is_sane = block.start.before(block.end)
                    && block.start.after_eq(ack)
                    && block.end.before_eq(self.snd.nxt);
                if is_sane {
                    // Of one that was overtaken, part may be acknowledged.
                    busy.scoreboard.sack(block.start.later(new_una), block.end, &mut arrived);
                }
            }
        }
        if !news.has_resent {
            (news.oldest, news.newest) = (oldest, newest);
        }
    }

    /// What the first of `blocks` reports to have arrived twice, if it does.
    fn duplicate(&mut self, blocks: &[crate::wire::SackBlock], ack: SeqNum) -> Option<Duplicate> {
        if !self.flags.contains(Flags::SACK) || !is_duplicate_report(blocks, ack) {
            return None;
        }
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let first = blocks.first()?;
        // Only what may have been sent twice counts (RFC 2883 §4).
        if first.start.before(una - self.snd.max_wnd) || first.end.after(nxt) {
            return None;
        }
        let (start, end) = (first.start, first.end);
        let mss = u32::from(self.mss);
        let busy = self.busy.get_or_default();
        // What is acknowledged is not known any more one by one; but as a whole
        // no more came twice than was sent again (as Linux).
        let unreported = &mut busy.recovery.unreported;
        let left = unreported.checked_sub(end.since(start).div_ceil(mss));
        *unreported = left.unwrap_or(*unreported);
        let is_resent = left.is_some() && (start.before(una) || busy.scoreboard.is_resent(start));
        Some(Duplicate { start, end, is_resent })
    }

    /// Moves SND.UNA, and forgets what the peer has.
    fn advance(&mut self, now: Instant, news: &News) -> Events {
        if news.acked == 0 {
            return Events::empty();
        }
        let bytes = news.acked.min(self.queued());
        self.snd.una += news.acked;
        self.counts.acknowledged(bytes);
        if let Some(busy) = self.busy.get_mut() {
            busy.send.acknowledged(bytes);
            busy.small_end = busy.small_end.filter(|end| end.after(self.snd.una));
        }
        self.retries = 0;
        let mut events = Events::empty();
        if news.acked > bytes {
            // The one number more is the FIN's.
            self.flags.insert(Flags::FIN_ACKED);
            events |= self.fin_acknowledged(now);
        }
        if self.is_flushed() {
            events |= Events::FLUSHED;
        }
        events
    }

    /// Restarts the timers of what is under way (RFC 6298 §5.2, §5.3).
    fn rearm(&mut self, now: Instant, news: &News) {
        if self.snd.outstanding() == 0 {
            self.clear_timer(Timer::Retransmit);
            self.clear_timer(Timer::Recovery);
            return;
        }
        if news.acked > 0 {
            self.arm_retransmit(now);
            self.arm_tail_probe(now);
            self.doubt_sack(now);
        }
    }

    /// The acknowledgement has moved on and ends right before what SACK told of:
    /// whoever has that would acknowledge it, too. Perhaps the peer is at it; if
    /// nothing moves on in half a round trip, it has given that data up (RFC 2018
    /// §8; as in Linux).
    fn doubt_sack(&mut self, now: Instant) {
        let is_doubtful = self.busy.get().is_some_and(|busy| busy.scoreboard.is_first_sacked());
        let Some(at) = self.timer(Timer::Retransmit).filter(|_| is_doubtful) else { return };
        let delay = (self.rtt.srtt_micros().unwrap_or(0) / 2).max(RENEGING_DELAY);
        self.set_timer(Timer::Retransmit, at.min(now.plus_micros(delay)));
    }

    pub(super) fn arm_retransmit(&mut self, now: Instant) {
        let mut rto = self.rtt.rto_micros();
        if self.user.timeout > 0 {
            // The user's patience ends in between (RFC 5482).
            let is_under_way = self.snd.outstanding() > 0;
            let since = self
                .busy
                .get()
                .and_then(|busy| if is_under_way { busy.recovery.stalled_since } else { busy.persist_since });
            if let Some(since) = since {
                let end = since.plus_micros(u64::from(self.user.timeout) * 1_000);
                rto = rto.min(end.nanos_since(now).div_ceil(1_000)).max(1_000);
            }
        }
        self.set_timer(Timer::Retransmit, now.plus_micros(rto));
    }

    /// Arms the tail loss probe, where one makes sense (RFC 8985 §7.2): SACK,
    /// and no sign of loss.
    pub(super) fn arm_tail_probe(&mut self, now: Instant) {
        if !self.flags.contains(Flags::SACK) {
            return;
        }
        let Some(busy) = self.busy.get() else { return };
        let recovery = &busy.recovery;
        let is_calm = match recovery.phase {
            Phase::Open | Phase::Reduced => true,
            Phase::Recovery | Phase::Loss => false,
        };
        if !is_calm || recovery.tail_probe.is_under_way() || busy.scoreboard.sacked() > 0 {
            return;
        }
        let is_lone = self.snd.outstanding() <= u32::from(self.mss);
        let at = now.plus_micros(TailProbe::timeout(self.rtt.srtt_micros(), is_lone));
        // At the latest when the retransmission timer would fire: the probe is
        // sent in its place, and the window stays.
        let at = self.timer(Timer::Retransmit).map_or(at, |rto| at.min(rto));
        self.set_timer(Timer::Recovery, at);
    }
}

/// Whether the first block reports what came twice (RFC 2883 §4): it lies
/// below the acknowledgement, or within the second block.
fn is_duplicate_report(blocks: &[crate::wire::SackBlock], ack: SeqNum) -> bool {
    let Some(first) = blocks.first().filter(|block| block.start.before(block.end)) else { return false };
    first.end.before_eq(ack)
        || blocks
            .get(1)
            .is_some_and(|second| first.start.after_eq(second.start) && first.end.before_eq(second.end))
}
