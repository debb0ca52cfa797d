//! How connections end.

use core::time::Duration;

use traits::Instant;

use super::timers::Timer;
use super::{Connection, Dropped, Events, Failure, Flags, Outcome, Remains, State};
use crate::SeqNum;
use crate::buffer::{Backing, Bytes, Side};
use crate::segment::{Control, Segment};

/// How long TIME-WAIT lasts, and FIN-WAIT-2 when nobody waits for it (as
/// Linux; RFC 9293 §3.4.2 has an MSL of two minutes).
pub(super) const FINAL_WAIT: Duration = Duration::from_secs(60);

impl<B: Backing> Connection<B> {
    /// CLOSED: nothing is sent any more but a reset that may be due. What is
    /// left to read stays.
    pub(super) fn shut(&mut self) {
        // What was not sent is nothing that is under way.
        match self.state {
            State::SynSent | State::SynReceived => self.snd.una = self.snd.nxt,
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => {
                if self.is_fin_unsent() {
                    self.flags.remove(Flags::FIN);
                }
            }
        }
        self.enter(State::Closed);
        self.clear_timers();
        if <B::Bytes as Bytes>::GROWS && self.readable() == 0 {
            self.busy.release();
        } else if let Some(busy) = self.busy.get_mut() {
            busy.reset();
            busy.send.clear();
        }
        self.flags.remove(Flags::HANDSHAKE_DUE | Flags::PROBE_DUE);
        self.acks.due = crate::receive::Urgency::None;
    }

    /// CLOSED before its time.
    pub(super) fn fail(&mut self, failure: Failure) -> Events {
        self.failure = Some(failure);
        self.shut();
        Events::FAILED | Events::CLOSED | Events::READABLE | Events::WRITABLE
    }

    /// Data has come that nobody will read (RFC 9293 §3.6.1): the peer is told
    /// that it is lost, with the number that it expects.
    pub(super) fn refuse_data(&mut self) -> Outcome {
        self.failure = Some(Failure::Aborted);
        self.shut();
        Outcome { events: Events::CLOSED, dropped: Some(Dropped::Unwanted), reset_owed: true }
    }

    /// The own FIN is acknowledged (RFC 9293 §3.10.7.4, fifth).
    pub(super) fn fin_acknowledged(&mut self, now: Instant) -> Events {
        match self.state {
            State::FinWait1 => {
                self.enter(State::FinWait2);
                if self.flags.contains(Flags::DETACHED) {
                    self.arm_final(now);
                }
                Events::empty()
            }
            State::Closing => self.enter_time_wait(now),
            State::LastAck => {
                self.shut();
                Events::CLOSED
            }
            State::Closed
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait2
            | State::CloseWait
            | State::TimeWait => Events::empty(),
        }
    }

    /// The peer's FIN has come, and all before it (RFC 9293 §3.10.7.4,
    /// eighth).
    pub(super) fn fin_received(&mut self, now: Instant) -> Events {
        self.rcv.nxt += 1;
        self.acks.now();
        self.flags.insert(Flags::PEER_ENDED);
        if let Some(busy) = self.busy.get_mut() {
            // What was said to lie behind the end is not part of the stream.
            busy.assembler.truncate(self.rcv.nxt);
        }
        let closed = Events::PEER_CLOSED | Events::READABLE;
        match self.state {
            State::SynReceived | State::Established => {
                if let Some(busy) = self.busy.get_mut() {
                    busy.assembler.reported();
                }
                self.enter(State::CloseWait);
                closed
            }
            // The own FIN, had it been acknowledged, would have led to
            // FIN-WAIT-2 before.
            State::FinWait1 => {
                self.enter(State::Closing);
                closed
            }
            State::FinWait2 => closed | self.enter_time_wait(now),
            State::Closed
            | State::SynSent
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => Events::empty(),
        }
    }

    fn enter_time_wait(&mut self, now: Instant) -> Events {
        self.enter(State::TimeWait);
        self.clear_timers();
        self.arm_final(now);
        Events::TIME_WAIT
    }

    /// The connection ends by itself from now on.
    pub(super) fn arm_final(&mut self, now: Instant) {
        self.set_timer(Timer::Liveness, now + FINAL_WAIT);
    }

    /// In TIME-WAIT with nothing left to read or to say: what a small entry
    /// needs to take over. The connection may then be thrown away.
    pub fn time_wait(&self) -> Option<Remains> {
        let is_quiet = self.readable() == 0 && self.acks.due == crate::receive::Urgency::None;
        if self.state != State::TimeWait || !is_quiet {
            return None;
        }
        Some(Remains {
            snd_nxt: self.snd.nxt,
            rcv_nxt: self.rcv.nxt,
            window: self.offer(),
            timestamps: self.flags.contains(Flags::TIMESTAMPS).then_some((self.ts.offset, self.ts.recent)),
            expires: self.timer(Timer::Liveness)?,
        })
    }

    /// In TIME-WAIT: whether a SYN may open the connection anew: its timestamp
    /// is newer than any of the old connection's, or without timestamps its
    /// sequence number is (RFC 6191 §2, RFC 9293 §3.10.7.4).
    pub fn may_be_reopened_by(&self, syn: &Segment<'_>) -> bool {
        if self.state != State::TimeWait || syn.control != Some(Control::Syn) || syn.ack.is_some() {
            return false;
        }
        match syn.options.timestamps {
            Some(ts) if self.flags.contains(Flags::TIMESTAMPS) && ts.value != self.ts.recent => {
                (ts.value.wrapping_sub(self.ts.recent) as i32) > 0
            }
            Some(_) | None => syn.seq.after(self.rcv.nxt),
        }
    }

    /// TIME-WAIT ends, since a new connection takes the tuple: where that
    /// begins, beyond all that this one used. What is left to read stays.
    pub(crate) fn give_way(&mut self) -> SeqNum {
        self.shut();
        crate::time_wait::next_iss(self.snd.nxt)
    }

    /// The window to tell now.
    pub(super) fn offer(&self) -> crate::Window {
        let segment = u32::from(self.acks.peer_segment);
        self.rcv.offer(self.receive_room(), self.limits.space, segment)
    }
}
