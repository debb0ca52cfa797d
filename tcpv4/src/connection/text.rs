//! Segment text and FIN (RFC 9293 §3.10.7.4, seventh and eighth).

use traits::Instant;

use super::busy::Tuning;
use super::timers::Timer;
use super::{Connection, Dropped, Events, Flags, Outcome, State};
use crate::SeqNum;
use crate::buffer::{Backing, Bytes, Side};
use crate::receive::{Insertion, MAX_DELAY, Size};
use crate::segment::{Control, Ecn, Marks, Segment};

impl<B: Backing> Connection<B> {
    /// Seventh and eighth: the data, and a FIN behind it.
    pub(super) fn text(&mut self, now: Instant, segment: &Segment<'_>) -> Result<Outcome, Outcome> {
        let has_fin = segment.control == Some(Control::Fin);
        if segment.payload.is_empty() && !has_fin {
            return Ok(Outcome::default());
        }
        if !self.state.can_receive() {
            return self.text_after_fin(now, segment);
        }
        self.note_congestion(segment);
        let fin = has_fin.then(|| segment.seq + segment.payload.len() as u32);
        if let Some(fin) = fin {
            self.note_fin(fin, segment.payload.is_empty());
        }
        let (mut events, dropped) = if !segment.payload.is_empty() {
            self.data(now, segment)?
        } else {
            self.report_old(segment);
            (Events::empty(), None)
        };
        let fin_at = fin.filter(|&fin| fin == self.rcv.nxt).or(self.busy.get().and_then(|busy| busy.fin_at));
        if fin_at == Some(self.rcv.nxt) {
            if let Some(busy) = self.busy.get_mut() {
                busy.fin_at = None;
            }
            events |= self.fin_received(now);
        } else if has_fin {
            self.acks.now();
        }
        Ok(Outcome { events, dropped, reset_owed: false })
    }

    /// A router was congested: the peer is told until it says that it has
    /// slowed down (RFC 3168 §6.1.3).
    fn note_congestion(&mut self, segment: &Segment<'_>) {
        if !self.flags.contains(Flags::ECN) {
            return;
        }
        if segment.marks.contains(Marks::CWR) {
            self.flags.remove(Flags::ECE_OWED);
        }
        if segment.ecn == Ecn::Congested {
            if !self.flags.contains(Flags::ECE_OWED) {
                self.acks.congested();
            }
            self.flags.insert(Flags::ECE_OWED);
            self.acks.now();
        }
    }

    /// The peer's stream has ended: what comes is old, or wrong.
    fn text_after_fin(&mut self, now: Instant, segment: &Segment<'_>) -> Result<Outcome, Outcome> {
        match self.state {
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait
                if segment.seq.after_eq(self.rcv.nxt) =>
            {
                Err(Outcome::dropped(Dropped::Unwanted))
            }
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait => {
                self.report_old(segment);
                self.answer_unacceptable(now, segment);
                Err(Outcome::dropped(Dropped::Duplicate))
            }
            State::Closed
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2 => Ok(Outcome::default()),
        }
    }

    /// A FIN with something missing before it is remembered. The stream ends at
    /// the first one: a peer that sends more behind it, or another one,
    /// contradicts itself, and that is dropped (Linux purges what lies behind
    /// when it gets there). One that comes again without data is told of as such.
    fn note_fin(&mut self, fin: SeqNum, is_alone: bool) {
        if !fin.after(self.rcv.nxt) || fin.after(self.rcv.advertised) {
            return;
        }
        let busy = self.busy.get_or_default();
        if busy.fin_at.is_none_or(|known| fin.before(known)) {
            busy.fin_at = Some(fin);
            busy.assembler.note_fin(fin);
        } else if busy.fin_at == Some(fin) && is_alone {
            self.report_duplicate(fin, fin + 1);
        }
    }

    /// Seventh: data, trimmed to what is new and within the window.
    fn data(&mut self, now: Instant, segment: &Segment<'_>) -> Result<(Events, Option<Dropped>), Outcome> {
        self.counts.segment_received(segment.payload, segment.segment_size);
        let nxt = self.rcv.nxt;
        let old = nxt.since(segment.seq) as usize;
        let Some(payload) = segment.payload.get(old..).filter(|payload| !payload.is_empty()) else {
            self.report_duplicate(segment.seq, segment.seq + segment.payload.len() as u32);
            self.acks.restart();
            self.acks.now();
            return Ok((Events::empty(), Some(Dropped::Duplicate)));
        };
        if self.flags.contains(Flags::DETACHED) {
            return Err(self.refuse_data());
        }
        if old > 0 {
            self.report_duplicate(segment.seq, nxt);
            self.acks.now();
        }
        let start = segment.seq.later(nxt);
        let end = self.end_of_room();
        let room = if start.before(end) { end.since(start) as usize } else { 0 };
        let payload_in = payload.get(..room).unwrap_or(payload);
        let why = if end.before(self.rcv.advertised) { Dropped::Unwanted } else { Dropped::NoRoom };
        let cut = (payload_in.len() < payload.len()).then_some(why);
        if cut.is_some() {
            self.acks.now();
        }
        if payload_in.is_empty() {
            self.acks.restart();
        }
        let (events, dropped) = if payload_in.is_empty() {
            (Events::empty(), None)
        } else if start == nxt {
            self.take_next(now, segment, payload_in)
        } else {
            self.take_later(start, payload_in)
        };
        Ok((events, dropped.or(cut)))
    }

    /// Where what is taken ends: at the window's edge, or where the stream does.
    fn end_of_room(&self) -> SeqNum {
        let fin_at = self.busy.get().and_then(|busy| busy.fin_at);
        fin_at.map_or(self.rcv.advertised, |fin_at| fin_at.earlier(self.rcv.advertised))
    }

    /// Takes the bytes at RCV.NXT, and what they join up with.
    fn take_next(&mut self, now: Instant, segment: &Segment<'_>, payload: &[u8]) -> (Events, Option<Dropped>) {
        let before = self.rcv.nxt;
        let busy = self.busy.get_or_default();
        let taken = busy.receive.push(payload, self.limits.receive);
        self.rcv.nxt += taken as u32;
        busy.received_at = now;
        if !busy.assembler.is_empty() {
            if self.flags.contains(Flags::SACK) {
                busy.assembler.report_overlap(self.rcv.nxt);
            }
            let end = busy.assembler.take(self.rcv.nxt);
            busy.receive.extend(end.since(self.rcv.nxt));
            self.rcv.nxt = self.rcv.nxt.later(end);
            // It fills a hole, or some of it.
            self.acks.now();
        }
        self.received(now, size_of(segment), self.rcv.nxt.since(before));
        (Events::READABLE, (taken < payload.len()).then_some(Dropped::NoRoom))
    }

    /// RCV.NXT has moved on by `count`, with a segment of `size`: when is that to
    /// be acknowledged?
    #[inline(always)]
    pub(super) fn received(&mut self, now: Instant, size: Size, count: u32) {
        self.counts.received(count);
        let unacknowledged = self.rcv.nxt.since(self.rcv.acked);
        let busy = self.busy.get_or_default();
        self.acks.data(size, &mut busy.last_smaller, unacknowledged);
        if self.acks.due.is_delayed() && !busy.timers.has_delayed_ack() {
            self.set_timer(Timer::DelayedAck, now.plus_micros(MAX_DELAY.as_micros() as u64));
        }
    }

    /// Takes bytes beyond a hole. The peer is told at once.
    fn take_later(&mut self, start: SeqNum, payload: &[u8]) -> (Events, Option<Dropped>) {
        self.acks.now();
        let offset = start.since(self.rcv.nxt);
        let busy = self.busy.get_or_default();
        let written = busy.receive.write(offset, payload, self.limits.receive);
        if written == 0 {
            return (Events::empty(), Some(Dropped::NoRoom));
        }
        let dropped = match busy.assembler.insert(start, start + written as u32) {
            Insertion::New => None,
            Insertion::Duplicate => Some(Dropped::Duplicate),
            Insertion::Full => Some(Dropped::NoRoom),
        };
        if !self.flags.contains(Flags::SACK) {
            // There is no telling of what came twice.
            busy.assembler.reported();
        }
        (Events::empty(), dropped)
    }

    fn report_duplicate(&mut self, start: SeqNum, end: SeqNum) {
        if self.flags.contains(Flags::SACK) {
            self.busy.get_or_default().assembler.report_duplicate(start, end);
        }
    }

    /// Offers more room to a peer whose data is read as fast as it comes: four
    /// times what was read in a round trip. In slow start its window has doubled
    /// once when this is known, and doubles again before more is (dynamic
    /// right-sizing, as in Linux).
    pub(super) fn tune_space(&mut self, now: Instant, count: usize) {
        if !<B::Bytes as Bytes>::GROWS || self.limits.space == self.limits.receive {
            return;
        }
        let tuning = &mut self.busy.get_or_default().tuning;
        tuning.read = tuning.read.saturating_add(count as u32);
        let round = self.rtt.srtt_micros().unwrap_or(MAX_DELAY.as_micros() as u64);
        if now.micros_since(tuning.since) < round {
            return;
        }
        let slack = 16 * u32::from(self.acks.peer_segment);
        self.limits.offer(tuning.read.saturating_mul(4).saturating_add(slack));
        *tuning = Tuning { since: now, read: 0 };
    }
}

/// The size of the segment, or of those that it carries.
fn size_of(segment: &Segment<'_>) -> Size {
    let is_last = segment.marks.contains(Marks::PSH) || segment.control.is_some();
    let size = Size::of(segment.payload, segment.segment_size, is_last);
    Size { blocks: segment.options.sack.encoded_len() as u16, ..size }
}
