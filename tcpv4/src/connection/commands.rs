//! What a user wants.

use traits::Instant;

use super::timers::Timer;
use super::{Connection, Events, Failure, Flags, Keepalive, Settings, State, User};
use crate::buffer::{Backing, Side};

/// Of fewer bytes a copy costs less than to keep them apart.
const SHORTEST_PIECE: usize = 1024;

impl<B: Backing> Connection<B> {
    /// Queues bytes to be sent and returns how many there was room for.
    ///
    /// # Errors
    ///
    /// The [`Failure`] that ended the connection; [`Failure::Aborted`] too
    /// when this side has closed.
    pub fn write(&mut self, _now: Instant, bytes: &[u8]) -> Result<usize, Failure> {
        self.check_writing()?;
        let (limit, memory) = (self.send_limit(), self.send_memory());
        let count = self.busy.get_or_default().send.write(bytes, limit, memory);
        self.flags.set(Flags::FULL, count < bytes.len());
        Ok(count)
    }

    /// Queues bytes to be sent from where they lie, without a copy, and returns how
    /// many: all of them (2²⁹ of more), where fewer than the send limit are queued;
    /// or none, which may be [written](Self::write) all the same: where they are
    /// fewer than 1024, or too many pieces are queued already.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_static(&mut self, _now: Instant, bytes: &'static [u8]) -> Result<usize, Failure> {
        self.check_writing()?;
        if bytes.len() < SHORTEST_PIECE {
            return Ok(0);
        }
        let limit = self.send_limit();
        let count = self.busy.get_or_default().send.write_static(bytes, limit);
        self.flags.set(Flags::FULL, count < bytes.len());
        Ok(count)
    }

    /// Whether the user may write.
    pub(crate) fn check_writing(&self) -> Result<(), Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.state.can_write() && !self.flags.contains(Flags::FIN) => Ok(()),
            None => Err(Failure::Aborted),
        }
    }

    /// Moves data that was received into `buffer` and returns how many bytes.
    pub fn read(&mut self, now: Instant, buffer: &mut [u8]) -> usize {
        if self.readable() == 0 {
            return 0;
        }
        let (first, second) = self.peek();
        let first_len = copy(first, buffer);
        let rest = buffer.get_mut(first_len..).filter(|_| !second.is_empty());
        let second_len = rest.map_or(0, |rest| copy(second, rest));
        let count = first_len + second_len;
        if count > 0 {
            self.consume(now, count);
        }
        count
    }

    /// Takes the first `count` bytes of what [`peek`](Self::peek) shows as read.
    pub fn consume(&mut self, now: Instant, count: usize) {
        if let Some(busy) = self.busy.get_mut() {
            busy.receive.consume(count, !busy.assembler.is_empty());
        }
        self.was_read(now, count);
    }

    /// Bytes were read: the peer may have to be told of the room.
    pub(super) fn was_read(&mut self, now: Instant, count: usize) {
        if self.state == State::Closed && self.readable() == 0 {
            self.release();
            return;
        }
        self.tune_space(now, count);
        let segment = u32::from(self.acks.peer_segment);
        if self.state.can_receive()
            && self.state.is_synchronized()
            && self.rcv.is_update_due(self.receive_room(), self.limits.space, segment)
        {
            // A peer that waits for room is always told of it.
            self.acks.now();
        }
        if count > 0 && self.acks.due.is_delayed() {
            self.acks.read(!self.has_unread(), self.rcv.nxt.since(self.rcv.acked));
        }
    }

    /// Changes settings. The congestion control takes effect at once; limits
    /// below what is held do when it is used up.
    pub fn configure(&mut self, now: Instant, settings: &Settings) {
        self.user = User::of(settings);
        self.keepalive_limit = User::keepalive_limit(settings);
        self.flags.set(Flags::NODELAY, settings.nodelay);
        self.set_limits(settings);
        if self.algorithm != settings.congestion {
            self.algorithm = settings.congestion;
            if let Some(busy) = self.busy.get_mut() {
                busy.set_algorithm(settings.congestion);
            }
        }
        self.arm_keepalive(now);
    }

    /// Arms the keepalive timer, where that is what the timer is for.
    pub(super) fn arm_keepalive(&mut self, now: Instant) {
        match self.state {
            State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck => {}
            State::FinWait2 if !self.flags.contains(Flags::DETACHED) => {}
            State::FinWait2 | State::TimeWait | State::Closed | State::SynSent | State::SynReceived => return,
        }
        match self.user.keepalive_idle {
            0 => self.clear_timer(Timer::Liveness),
            idle => self.set_timer(Timer::Liveness, now + core::time::Duration::from_secs(u64::from(idle))),
        }
    }

    /// Ends the own stream: a FIN follows what is queued. Reading goes on.
    /// Does nothing when this side has closed before (RFC 9293 §3.10.4).
    ///
    /// Returns CLOSED when there was no connection yet.
    pub fn close(&mut self, _now: Instant) -> Events {
        match self.state {
            State::SynSent => {
                // Nobody knows of it yet.
                self.shut();
                Events::CLOSED
            }
            // The state follows once the handshake is complete.
            State::SynReceived => {
                self.flags.insert(Flags::FIN);
                Events::empty()
            }
            State::Established => {
                self.flags.insert(Flags::FIN);
                self.enter(State::FinWait1);
                Events::empty()
            }
            State::CloseWait => {
                self.flags.insert(Flags::FIN);
                self.enter(State::LastAck);
                Events::empty()
            }
            State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait
            | State::Closed => Events::empty(),
        }
    }

    /// Ends both directions: CLOSED at once, with a reset due where the peer
    /// knows of the connection (RFC 9293 §3.10.5). What was received is
    /// dropped.
    pub fn abort(&mut self) {
        let reset_due = match self.state {
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait => {
                true
            }
            // The RFC has no reset here, since all is said but for an
            // acknowledgement. Here a call enters these states, with any amount
            // of data and the FIN still to go (as in Linux).
            State::Closing | State::LastAck => self.queued() > 0 || self.is_fin_unsent() || self.has_unread(),
            State::SynSent | State::TimeWait | State::Closed => false,
        };
        if self.state != State::Closed {
            self.failure = Some(Failure::Aborted);
            self.flags.set(Flags::RESET_DUE, reset_due);
        }
        self.shut();
        self.drop_received();
    }

    /// Whether something was received that was not read.
    fn has_unread(&self) -> bool {
        self.readable() > 0 || self.busy.get().is_some_and(|busy| busy.taken > 0)
    }

    /// The own address is gone: CLOSED, and nothing is said of it.
    pub(crate) fn forsake(&mut self) {
        if self.state != State::Closed {
            self.failure = Some(Failure::Unreachable);
        }
        self.shut();
        self.drop_received();
    }

    /// Says that nobody will read or write any more. A connection that is not
    /// closed, or has data left to read, is aborted (RFC 9293 §3.6.1); one
    /// that is closed ends by itself in bounded time, and answers data with a
    /// reset.
    pub fn detach(&mut self, now: Instant) {
        match self.state {
            State::SynSent | State::Established | State::CloseWait => self.abort(),
            State::SynReceived if !self.flags.contains(Flags::FIN) => self.abort(),
            State::Closed => self.drop_received(),
            State::SynReceived
            | State::FinWait1
            | State::FinWait2
            | State::Closing
            | State::LastAck
            | State::TimeWait => {
                if self.has_unread() {
                    self.abort();
                    return;
                }
                self.flags.insert(Flags::DETACHED);
                if self.state == State::FinWait2 {
                    self.arm_final(now);
                }
            }
        }
    }
}

impl User {
    pub(super) fn keepalive_limit(settings: &Settings) -> u8 {
        settings.keepalive.unwrap_or_default().probes.max(1)
    }

    pub(super) fn of(settings: &Settings) -> Self {
        let seconds = |time: core::time::Duration| time.as_secs().clamp(1, u64::from(u16::MAX)) as u16;
        let Keepalive { idle, interval, probes: _ } = settings.keepalive.unwrap_or_default();
        Self {
            timeout: settings
                .user_timeout
                .map_or(0, |time| time.as_millis().clamp(1, u128::from(u32::MAX)) as u32),
            keepalive_idle: if settings.keepalive.is_some() { seconds(idle) } else { 0 },
            keepalive_interval: seconds(interval),
        }
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}
