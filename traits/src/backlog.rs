//! What a driver knows of frames that wait in its device.

use core::cell::Cell;

/// Knows whether a driver's last batch was full, to answer
/// [`Layer::has_backlog`].
///
/// [`Layer::has_backlog`]: crate::Layer::has_backlog
#[derive(Debug)]
pub struct Backlog {
    /// The last batch was full, so more frames may wait.
    is_full: Cell<bool>,
    /// Batches that were waited for since a timer was first asked to wait;
    /// none while none is.
    waited: Cell<u8>,
    /// After so many a timer waits no more.
    patience: u8,
}

impl Backlog {
    /// Nothing waits. A timer waits for `patience` full batches at most, 254 of
    /// them in all: they
    /// should hold more frames than the device's own queue does, so that
    /// whatever had arrived when the timer was due is read by then.
    pub const fn new(patience: u8) -> Self {
        let patience = if patience < u8::MAX { patience } else { u8::MAX - 1 };
        Self { is_full: Cell::new(false), waited: Cell::new(0), patience }
    }

    /// A batch was full: more may wait.
    #[inline]
    pub fn batch_was_full(&self) {
        self.is_full.set(true);
        let waited = self.waited.get();
        // Whoever had waited long enough has had its turn.
        self.waited.set(if (1..=self.patience).contains(&waited) { waited.saturating_add(1) } else { 0 });
    }

    /// The device was found empty, or nobody listens any more.
    #[inline]
    pub fn clear(&self) {
        self.is_full.set(false);
        self.waited.set(0);
    }

    /// Whether frames wait, and whoever asks is to wait for them. The first to
    /// ask begins the wait, so a device that has been busy for long makes a
    /// timer wait no less than one that was idle.
    #[inline]
    pub fn is_waited_for(&self) -> bool {
        if !self.is_full.get() {
            return false;
        }
        let waited = self.waited.get().max(1);
        self.waited.set(waited);
        waited <= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_waits_from_when_it_is_due_however_long_the_device_was_busy() {
        let backlog = Backlog::new(3);
        assert!(!backlog.is_waited_for());
        (0..100).for_each(|_| backlog.batch_was_full());
        for _ in 0..3 {
            assert!(backlog.is_waited_for());
            // Asked twice in a pass, it says the same.
            assert!(backlog.is_waited_for());
            backlog.batch_was_full();
        }
        assert!(!backlog.is_waited_for());
        assert!(!backlog.is_waited_for());
        // The next timer waits anew.
        backlog.batch_was_full();
        assert!(backlog.is_waited_for());
        backlog.clear();
        assert!(!backlog.is_waited_for());
    }
}
