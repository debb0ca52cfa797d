//! The timers of a connection.

use traits::Instant;

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

const COUNT: usize = 5;

/// A deadline each; [`Instant::MAX`] for a timer that is off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Timers([Instant; COUNT]);

impl Timers {
    pub(super) const fn new() -> Self {
        Self([Instant::MAX; COUNT])
    }

    fn place(&mut self, timer: Timer) -> &mut Instant {
        let [retransmit, recovery, delayed_ack, liveness, idle] = &mut self.0;
        match timer {
            Timer::Retransmit => retransmit,
            Timer::Recovery => recovery,
            Timer::DelayedAck => delayed_ack,
            Timer::Liveness => liveness,
            Timer::Idle => idle,
        }
    }

    #[inline]
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        *self.place(timer) = at;
    }

    #[inline]
    pub(super) fn clear(&mut self, timer: Timer) {
        *self.place(timer) = Instant::MAX;
    }

    pub(super) fn clear_all(&mut self) {
        *self = Self::new();
    }

    #[inline]
    pub(super) fn get(&self, timer: Timer) -> Option<Instant> {
        let mut copy = *self;
        Some(*copy.place(timer)).filter(|&at| at != Instant::MAX)
    }

    /// Whether the timer is due; if so it is off after that.
    pub(super) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let place = self.place(timer);
        let is_due = *place <= now && *place != Instant::MAX;
        if is_due {
            *place = Instant::MAX;
        }
        is_due
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().copied().min().filter(|&at| at != Instant::MAX)
    }
}
