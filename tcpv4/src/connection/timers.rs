//! The timers of a connection.

use traits::Instant;

use super::Connection;
use crate::buffer::{Backing, Side};

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// Retransmission of what is under way (a SYN too); with nothing under
    /// way, a window probe.
    Retransmit,
    /// A tail loss probe, or what may have been reordered is lost.
    Recovery,
    /// An acknowledgement has waited long enough.
    DelayedAck,
    /// Keepalive; the end of TIME-WAIT, or of a FIN-WAIT-2 that nobody waits
    /// for.
    Liveness,
    /// Memory that an idle connection does not need is given back.
    Idle,
}

/// The deadlines of a busy connection; [`Instant::MAX`] for a timer that is
/// off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Timers {
    retransmit: Instant,
    recovery: Instant,
    delayed_ack: Instant,
    idle: Instant,
}

impl Default for Timers {
    fn default() -> Self {
        let off = Instant::MAX;
        Self { retransmit: off, recovery: off, delayed_ack: off, idle: off }
    }
}

impl Timers {
    #[inline]
    fn next(&self) -> Instant {
        let Self { retransmit, recovery, delayed_ack, idle } = *self;
        retransmit.min(recovery).min(delayed_ack).min(idle)
    }

    #[inline]
    pub(super) fn has_retransmit(&self) -> bool {
        self.retransmit != Instant::MAX
    }

    #[inline]
    pub(super) fn has_delayed_ack(&self) -> bool {
        self.delayed_ack != Instant::MAX
    }

    #[inline]
    pub(super) fn clear_delayed_ack(&mut self) {
        self.delayed_ack = Instant::MAX;
    }

    /// Whether something is waited for that memory is needed for.
    pub(super) fn is_waiting(&self) -> bool {
        self.retransmit.min(self.recovery).min(self.delayed_ack) != Instant::MAX
    }
}

impl<B: Backing> Connection<B> {
    /// A connection that is idle has but one timer; the others are where its
    /// other needs are.
    #[inline]
    pub(super) fn set_timer(&mut self, timer: Timer, at: Instant) {
        if timer == Timer::Liveness {
            self.liveness = at;
            return;
        }
        let timers = &mut self.busy.get_or_default().timers;
        match timer {
            Timer::Retransmit => timers.retransmit = at,
            Timer::Recovery => timers.recovery = at,
            Timer::DelayedAck => timers.delayed_ack = at,
            Timer::Idle => timers.idle = at,
            Timer::Liveness => {}
        }
    }

    #[inline]
    pub(super) fn clear_timer(&mut self, timer: Timer) {
        if timer == Timer::Liveness || self.busy.get().is_some() {
            self.set_timer(timer, Instant::MAX);
        }
    }

    pub(super) fn clear_timers(&mut self) {
        self.liveness = Instant::MAX;
        if let Some(busy) = self.busy.get_mut() {
            busy.timers = Timers::default();
        }
    }

    /// The deadline, if the timer is on.
    #[inline]
    pub(super) fn timer(&self, timer: Timer) -> Option<Instant> {
        let busy = self.busy.get().map(|busy| &busy.timers);
        let at = match timer {
            Timer::Liveness => self.liveness,
            Timer::Retransmit => busy?.retransmit,
            Timer::Recovery => busy?.recovery,
            Timer::DelayedAck => busy?.delayed_ack,
            Timer::Idle => busy?.idle,
        };
        (at != Instant::MAX).then_some(at)
    }

    /// Whether the timer is due; if so it is off after that.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let is_due = self.timer(timer).is_some_and(|at| at <= now);
        if is_due {
            self.clear_timer(timer);
        }
        is_due
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[inline]
    pub fn next_timeout(&self) -> Option<Instant> {
        let busy = self.busy.get().map_or(Instant::MAX, |busy| busy.timers.next());
        let next = self.liveness.min(busy);
        (next != Instant::MAX).then_some(next)
    }
}
