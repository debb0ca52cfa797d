//! A segment arrives (RFC 9293 §3.10.7).

use core::time::Duration;

use traits::Instant;

use super::busy::Landmark;
use super::stamp::Stamp;
use super::{Connection, Dropped, Events, Failure, Flags, Outcome, State};
use crate::SeqNum;
use crate::buffer::{Backing, Side};
use crate::segment::{Control, Segment};

/// Challenge ACKs are at least this far apart, as Linux's answers to what is
/// out of the window.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(500);

/// TS.Recent is not trusted after this long (RFC 7323 §5.5): 24 days.
const TS_RECENT_VALID: Duration = Duration::from_secs(24 * 86_400);
const TS_RECENT_VALID_NANOS: u64 = TS_RECENT_VALID.as_nanos() as u64;

impl<B: Backing> Connection<B> {
    /// Takes a segment of this connection.
    pub fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        match segment.plain().and_then(|plain| self.handle_plain(now, &plain)) {
            Some(events) => Outcome::events(events),
            None => self.handle_any(now, segment),
        }
    }

    /// The same, for one of which it is known that
    /// [`handle_plain`](Self::handle_plain) would not take it, or that comes to
    /// the same without.
    pub(crate) fn handle_any(&mut self, now: Instant, segment: &Segment<'_>) -> Outcome {
        match self.state {
            // RFC 9293 §3.10.7.1.
            State::Closed => Outcome {
                reset_owed: segment.control != Some(Control::Rst),
                ..Outcome::dropped(Dropped::Closed)
            },
            State::SynSent => self.arrives_in_syn_sent(now, segment),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => match self.arrives(now, segment) {
                Ok(outcome) | Err(outcome) => outcome,
            },
        }
    }

    /// The steps of RFC 9293 §3.10.7.4, in their order; `Err` ends them.
    fn arrives(&mut self, now: Instant, segment: &Segment<'_>) -> Result<Outcome, Outcome> {
        if self.state == State::SynReceived
            && segment.control == Some(Control::Syn)
            && segment.seq + 1 == self.rcv.nxt
        {
            return Ok(self.syn_again(now, segment));
        }
        self.check_age(now, segment)?;
        self.check_sequence(now, segment)?;
        self.check_reset(now, segment)?;
        // Third: there is no security to check.
        self.check_syn(now, segment)?;
        let acked = self.check_ack(now, segment)?;
        // Sixth: urgent data is data like any other (RFC 6093 §6).
        // Data that is dropped takes nothing from what the segment
        // acknowledged: whoever waits for that is to be woken.
        let (Ok(mut outcome) | Err(mut outcome)) = self.text(now, segment);
        outcome.events |= acked;
        Ok(outcome)
    }

    /// Something acceptable was heard from the peer.
    fn heard(&mut self, now: Instant, segment: &Segment<'_>) {
        if !segment.payload.is_empty() && self.acks.is_used_up() && self.heard_at.elapsed(now) > self.rtt.rto()
        {
            // It begins with slow start again. (Linux looks at when data came last,
            // not at when anything did.)
            self.acks.restart();
        }
        let is_over = self.heard_at.elapsed_nanos(now) > TS_RECENT_VALID_NANOS;
        self.heard_at = Stamp::of(now);
        self.keepalive_probes = 0;
        if let Some(ts) = segment.options.timestamps
            && self.flags.contains(Flags::TIMESTAMPS)
            && segment.seq.before_eq(self.rcv.acked)
            && (is_over || (ts.value.wrapping_sub(self.ts.recent) as i32) >= 0)
        {
            if is_over {
                // Nothing is to be compared with what came before (RFC 7323 §5.5).
                self.busy.get_or_default().landmark = None;
            } else if !segment.payload.is_empty() {
                self.note_landmark();
            }
            // RFC 7323 §4.3.
            self.ts.recent = ts.value;
        }
    }

    /// Before TS.Recent moves on: a landmark, if there is none within reach.
    #[inline]
    pub(super) fn note_landmark(&mut self) {
        let here = Landmark { seq: self.rcv.nxt, ts: self.ts.recent };
        let landmark = &mut self.busy.get_or_default().landmark;
        if landmark.is_none_or(|last| here.seq.since(last.seq) > Landmark::REACH) {
            *landmark = Some(here);
        }
    }

    /// Whether the timestamp is older than one seen (RFC 7323 §5.2).
    ///
    /// A segment without one passes, as in Linux: middleboxes strip options.
    fn is_old(&self, segment: &Segment<'_>) -> bool {
        self.flags.contains(Flags::TIMESTAMPS)
            && segment.options.timestamps.is_some_and(|ts| (ts.value.wrapping_sub(self.ts.recent) as i32) < 0)
    }

    /// PAWS (RFC 7323 §5.3, R1).
    fn check_age(&mut self, now: Instant, segment: &Segment<'_>) -> Result<(), Outcome> {
        if !self.is_old(segment) || segment.control == Some(Control::Rst) {
            return Ok(());
        }
        if self.heard_at.elapsed(now) > TS_RECENT_VALID || self.is_late(segment) {
            return Ok(());
        }
        self.report_old(segment);
        self.answer_unacceptable(now, segment);
        Err(Outcome::dropped(Dropped::Paws))
    }

    /// Whether an [old](Self::is_old) segment may bring what is missing: an
    /// original that was overtaken by the retransmission of what lies before
    /// it, whose newer timestamp is TS.Recent since.
    ///
    /// RFC 7323 §5.3 drops it, and so does Linux if it is behind by more than
    /// one tick; that makes a loss of a delay. PAWS is there for numbers that
    /// have wrapped, and those of what was sent after the [`Landmark`] have not:
    /// this asks for that, and not how long a tick of the peer's clock is, which
    /// may be anything from a millisecond to a second (RFC 7323 §5.4). What was
    /// sent before may be behind by one tick, as in Linux. Its timestamp is
    /// never taken for TS.Recent.
    fn is_late(&self, segment: &Segment<'_>) -> bool {
        let is_new = segment.control != Some(Control::Syn) && segment.end().after(self.rcv.nxt);
        let since = self.busy.get().and_then(|busy| busy.landmark);
        let bound = since.map_or(0, |landmark| self.ts.recent.wrapping_sub(landmark.ts)).max(1);
        is_new && segment.options.timestamps.is_some_and(|ts| self.ts.recent.wrapping_sub(ts.value) <= bound)
    }

    /// First: the sequence number.
    fn check_sequence(&mut self, now: Instant, segment: &Segment<'_>) -> Result<(), Outcome> {
        if self.rcv.accepts(segment.seq, segment.end()) || self.is_reset_of_fin(segment) {
            return Ok(());
        }
        if segment.control == Some(Control::Rst) {
            return Err(Outcome::dropped(Dropped::ResetIgnored));
        }
        self.report_old(segment);
        self.answer_unacceptable(now, segment);
        Err(Outcome::dropped(Dropped::Sequence))
    }

    /// Data that came before is reported as such (RFC 2883 §4). Its sender missed
    /// an acknowledgement: the next ones come at once.
    pub(super) fn report_old(&mut self, segment: &Segment<'_>) {
        if segment.is_empty() || segment.control == Some(Control::Syn) || !segment.seq.before(self.rcv.nxt) {
            return;
        }
        self.acks.restart();
        if self.flags.contains(Flags::SACK) {
            let end = segment.end().earlier(self.rcv.nxt);
            self.busy.get_or_default().assembler.report_duplicate(segment.seq, end);
        }
    }

    /// Whether a reset has the number of the peer's FIN, which RFC 5961 §3.2 has
    /// us ignore. Some systems (macOS) abort a closed connection so, and do not
    /// answer a challenge as it asks them to; Linux takes it, too.
    fn is_reset_of_fin(&self, segment: &Segment<'_>) -> bool {
        let has_fin_come = match self.state {
            State::CloseWait | State::LastAck | State::Closing => true,
            State::Closed
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::TimeWait => false,
        };
        segment.control == Some(Control::Rst) && has_fin_come && segment.seq + 1 == self.rcv.nxt
    }

    /// Whether a reset stands right behind the last of the SACK blocks that
    /// tell of what has arrived: what its sender takes for the next number when
    /// only what lies before was lost. As good a proof as RCV.NXT, since nobody
    /// else sees the blocks; Linux takes it, too.
    fn is_reset_behind_blocks(&self, segment: &Segment<'_>) -> bool {
        let blocks = self.blocks();
        let ends = blocks.as_slice().iter().map(|block| block.end).filter(|end| end.after(self.rcv.nxt));
        ends.reduce(SeqNum::later) == Some(segment.seq)
    }

    /// Second: RST, only exactly where it has to be (RFC 5961 §3.2), behind what
    /// has arrived out of order, or with the number of the FIN that came.
    fn check_reset(&mut self, now: Instant, segment: &Segment<'_>) -> Result<(), Outcome> {
        if segment.control != Some(Control::Rst) {
            return Ok(());
        }
        let is_exact = segment.seq == self.rcv.nxt
            || self.is_reset_of_fin(segment)
            || self.is_reset_behind_blocks(segment);
        if !is_exact && !self.rcv.contains(segment.seq) {
            return Err(Outcome::dropped(Dropped::ResetIgnored));
        }
        if self.state == State::TimeWait {
            // RFC 1337 §3, fix F1.
            return Err(Outcome::dropped(Dropped::ResetIgnored));
        }
        if !is_exact {
            self.challenge(now);
            return Err(Outcome::dropped(Dropped::ResetInexact));
        }
        Err(Outcome::events(match self.state {
            State::SynReceived => self.fail(Failure::Refused),
            State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait => {
                self.fail(Failure::Reset)
            }
            // Both streams have ended; only their acknowledgements can be lost.
            State::Closing | State::LastAck | State::TimeWait => {
                if self.queued() > 0 {
                    self.fail(Failure::Reset)
                } else {
                    self.shut();
                    Events::CLOSED
                }
            }
            State::Closed | State::SynSent => Events::empty(),
        }))
    }

    /// Fourth: SYN (RFC 5961 §4.2).
    fn check_syn(&mut self, now: Instant, segment: &Segment<'_>) -> Result<(), Outcome> {
        if segment.control != Some(Control::Syn) {
            return Ok(());
        }
        self.challenge(now);
        Err(Outcome::dropped(Dropped::Syn))
    }

    /// Fifth: ACK.
    fn check_ack(&mut self, now: Instant, segment: &Segment<'_>) -> Result<Events, Outcome> {
        let Some(ack) = segment.ack else { return Err(Outcome::dropped(Dropped::NoAck)) };
        if self.state == State::SynReceived {
            if ack.before_eq(self.snd.una) || ack.after(self.snd.nxt) {
                return Err(Outcome { reset_owed: true, ..Outcome::dropped(Dropped::AckUnacceptable) });
            }
            self.heard(now, segment);
            let events = self.establish(now, ack);
            self.snd.set(segment);
            return Ok(events);
        }
        if !self.snd.accepts(ack, self.acknowledged_numbers()) {
            // RFC 5961 §5.2.
            self.challenge(now);
            return Err(Outcome::dropped(Dropped::AckUnacceptable));
        }
        self.heard(now, segment);
        let events = self.acknowledged(now, segment, ack);
        if self.state == State::Closed { Err(Outcome::events(events)) } else { Ok(events) }
    }

    /// How many numbers the peer has acknowledged so far: those of a SYN that
    /// opened and of a FIN as well as those of bytes (as Linux counts them).
    fn acknowledged_numbers(&self) -> u64 {
        let syn = !self.flags.contains(Flags::PASSIVE);
        let fin = self.flags.contains(Flags::FIN_ACKED);
        self.counts.bytes_acknowledged() + u64::from(syn) + u64::from(fin)
    }

    /// Owes a challenge ACK, unless one was sent a short while ago.
    pub(super) fn challenge(&mut self, now: Instant) {
        let challenged_at = &mut self.busy.get_or_default().challenged_at;
        if challenged_at.is_none_or(|at| now.duration_since(at) >= CHALLENGE_INTERVAL) {
            *challenged_at = Some(now);
            self.acks.now();
        }
    }

    /// Answers a segment that is not acceptable. One with data is answered
    /// always, unless it is a SYN: two peers never answer each other's
    /// acknowledgements for ever.
    pub(super) fn answer_unacceptable(&mut self, now: Instant, segment: &Segment<'_>) {
        if segment.is_answered_seldom() {
            self.challenge(now);
        } else {
            self.acks.now();
        }
        if self.state == State::TimeWait && segment.control == Some(Control::Fin) {
            // RFC 9293 §3.10.7.4: the peer has not seen the last
            // acknowledgement.
            self.arm_final(now);
        }
    }
}
