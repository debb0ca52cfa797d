//! Time passes (RFC 9293 §3.10.8).

use core::time::Duration;

use traits::Instant;

use super::output::IDLE;
use super::timers::Timer;
use super::{Connection, Events, Failure, Flags, State};
use crate::buffer::{Backing, Side};

/// SYNs that are sent again after the same time each, before that doubles (as
/// Linux since 6.5, `tcp_syn_linear_timeouts`).
const SYN_LINEAR: u8 = 4;
/// SYNs that go unanswered after the first (as Linux: 131 s).
const SYN_RETRIES: u8 = SYN_LINEAR + 6;
/// Three questions of ARP, of a second each (RFC 1122 §2.3.2.1 asks for one a
/// second at most).
const UNRESOLVED_PATIENCE: Duration = Duration::from_secs(3);
/// SYN-ACKs that go unanswered after the first.
const SYN_ACK_RETRIES: u8 = 5;
/// Timeouts in a row before a connection is given up (RFC 9293 §3.8.3, R2; as
/// Linux about 15 minutes).
const RETRIES: u8 = 15;
/// What those take at the least timeout: also where their number says less,
/// since timeouts are long or were undone.
const SILENCE: Duration = Duration::from_millis(924_600);
/// The same for a connection that nobody waits for any more.
const DETACHED_RETRIES: u8 = 8;
/// How long a peer that has shrunk its window over what is under way may be
/// silent, whatever the tries (as Linux: twice the longest timeout).
const SHRUNK_SILENCE: Duration = Duration::from_secs(240);
/// Timeouts in a row that make the path doubtful (R1).
const DOUBTFUL_RETRIES: u8 = 3;

impl<B: Backing> Connection<B> {
    /// Takes the time: does what was due at or before `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Events {
        let mut events = Events::empty();
        if self.take_due(Timer::DelayedAck, now) {
            self.acks.missed();
        }
        if self.take_due(Timer::Recovery, now) {
            self.recovery_timeout(now);
        }
        if self.take_due(Timer::Retransmit, now) {
            events |= self.retransmit_timeout(now);
        }
        if self.take_due(Timer::Liveness, now) {
            events |= self.liveness_timeout(now);
        }
        if self.take_due(Timer::Idle, now) {
            self.idle_timeout(now);
        }
        events
    }

    fn recovery_timeout(&mut self, now: Instant) {
        if !self.state.can_send() || self.snd.outstanding() == 0 {
            return;
        }
        if self.busy.get().is_some_and(|busy| busy.scoreboard.sacked() > 0) {
            self.reordering_timeout(now);
        } else {
            let busy = self.busy.get_or_default();
            let first = busy.scoreboard.records().first().map(|record| record.sent_at);
            busy.recovery.tail_probe.is_due = true;
            busy.recovery.stalled_since = busy.recovery.stalled_since.or(first);
            // Which may be due at the same time (RFC 8985 §7.3).
            self.arm_retransmit(now);
        }
    }

    fn retransmit_timeout(&mut self, now: Instant) -> Events {
        match self.state {
            State::SynSent => self.handshake_again(now, SYN_RETRIES),
            State::SynReceived => self.handshake_again(now, SYN_ACK_RETRIES),
            State::Established | State::FinWait1 | State::CloseWait | State::Closing | State::LastAck => {
                self.unanswered(now)
            }
            State::Closed | State::FinWait2 | State::TimeWait => Events::empty(),
        }
    }

    fn handshake_again(&mut self, now: Instant, limit: u8) -> Events {
        if self.retries >= limit || self.is_patience_over(now, Some(self.heard_at.instant(now))) {
            return self.fail(Failure::TimedOut);
        }
        self.retries += 1;
        if self.state != State::SynSent || self.retries > SYN_LINEAR {
            self.rtt.back_off();
        }
        self.flags.insert(Flags::HANDSHAKE_DUE);
        self.arm_retransmit(now);
        if self.retries >= DOUBTFUL_RETRIES { Events::DOUBTFUL } else { Events::empty() }
    }

    /// The next hop does not answer. An attempt to connect ends by that, after
    /// the time that ARP takes to find out (as in Linux); else it is as if the
    /// segment was lost.
    pub(crate) fn unresolved(&mut self, now: Instant) -> Events {
        match self.state {
            State::SynSent if self.heard_at.elapsed(now) + Duration::from_millis(1) >= UNRESOLVED_PATIENCE => {
                self.fail(Failure::Unreachable)
            }
            State::Closed
            | State::SynSent
            | State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => Events::empty(),
        }
    }

    /// Data, a FIN or a window probe was not answered in time.
    fn unanswered(&mut self, now: Instant) -> Events {
        let is_under_way = self.snd.outstanding() > 0;
        if !is_under_way && self.unsent() == 0 && !self.is_fin_unsent() {
            return Events::empty();
        }
        let is_detached = self.flags.contains(Flags::DETACHED);
        let limit = if is_detached { DETACHED_RETRIES } else { RETRIES };
        // A peer that has shut its window and acknowledges is alive (RFC 9293
        // §3.8.6.1), though it takes nothing of what is under way.
        let is_shut_alive =
            is_under_way && !is_detached && self.snd.wnd == 0 && self.heard_at.elapsed(now) < SHRUNK_SILENCE;
        let since = match self.busy.get() {
            Some(busy) if is_under_way => {
                busy.recovery.stalled_since.or(busy.scoreboard.records().first().map(|record| record.sent_at))
            }
            Some(busy) => busy.persist_since,
            None => None,
        };
        let is_silent = is_under_way && since.is_some_and(|since| now.duration_since(since) >= SILENCE);
        let is_tried_out = (self.retries >= limit || is_silent) && self.user.timeout == 0 && !is_shut_alive;
        if self.is_patience_over(now, since) || is_tried_out {
            return self.fail(Failure::TimedOut);
        }
        if is_under_way {
            self.retransmission_timeout(now);
        } else {
            self.flags.insert(Flags::PROBE_DUE);
            self.busy.get_or_default().persist_since.get_or_insert(now);
        }
        self.retries = self.retries.saturating_add(1);
        if is_under_way {
            self.suspect_black_hole(now);
        }
        self.rtt.back_off();
        self.arm_retransmit(now);
        if self.retries >= DOUBTFUL_RETRIES { Events::DOUBTFUL } else { Events::empty() }
    }

    /// Whether the user's timeout (RFC 5482) has passed since `since`.
    fn is_patience_over(&self, now: Instant, since: Option<Instant>) -> bool {
        let patience = Duration::from_millis(u64::from(self.user.timeout));
        !patience.is_zero() && since.is_some_and(|since| now.duration_since(since) >= patience)
    }

    fn liveness_timeout(&mut self, now: Instant) -> Events {
        match self.state {
            State::TimeWait => {
                self.shut();
                Events::CLOSED
            }
            State::FinWait2 if self.flags.contains(Flags::DETACHED) => {
                self.shut();
                Events::CLOSED
            }
            State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck => self.keepalive_timeout(now),
            State::Closed | State::SynSent | State::SynReceived => Events::empty(),
        }
    }

    /// RFC 9293 §3.8.4.
    fn keepalive_timeout(&mut self, now: Instant) -> Events {
        let idle = Duration::from_secs(u64::from(self.user.keepalive_idle));
        let interval = Duration::from_secs(u64::from(self.user.keepalive_interval));
        let silent = self.heard_at.elapsed(now);
        if silent < idle {
            self.set_timer(Timer::Liveness, self.heard_at.instant(now) + idle);
            return Events::empty();
        }
        if self.snd.outstanding() > 0 || self.unsent() > 0 {
            // What is under way asks already.
            self.set_timer(Timer::Liveness, now + idle);
            return Events::empty();
        }
        // A user timeout takes the place of the number of probes; one is sent
        // in any case.
        let is_over = match self.user.timeout {
            0 => self.keepalive_probes >= self.keepalive_limit,
            _ => self.keepalive_probes > 0 && self.is_patience_over(now, Some(self.heard_at.instant(now))),
        };
        if is_over {
            self.flags.insert(Flags::RESET_DUE);
            return self.fail(Failure::TimedOut);
        }
        self.keepalive_probes = self.keepalive_probes.saturating_add(1);
        self.flags.insert(Flags::PROBE_DUE);
        self.set_timer(Timer::Liveness, now + interval);
        Events::empty()
    }

    fn idle_timeout(&mut self, now: Instant) {
        let challenged_at = self.busy.get().and_then(|busy| busy.challenged_at).unwrap_or_default();
        let active_at = self.heard_at.instant(now).max(self.sent_at.instant(now)).max(challenged_at);
        if now.duration_since(active_at) >= IDLE {
            self.release();
        }
        if self.held() > 0 {
            self.set_timer(Timer::Idle, now.max(active_at) + IDLE);
        }
    }
}
