//! What a driver knows of frames that wait in its device.

use core::cell::Cell;

/// Counts a driver's full batches, to answer [`Layer::has_backlog`].
///
/// [`Layer::has_backlog`]: crate::Layer::has_backlog
#[derive(Debug)]
pub struct Backlog {
    /// Full batches since the device was last found empty.
    full: Cell<u8>,
    /// After so many in a row, timers wait no more.
    patience: u8,
}

impl Backlog {
    /// Nothing waits. After `patience` full batches in a row it is said so
    /// again: they should hold more frames than the device's own queue does.
    pub const fn new(patience: u8) -> Self {
        Self { full: Cell::new(0), patience }
    }

    /// A batch was full: more may wait.
    #[inline]
    pub fn batch_was_full(&self) {
        self.full.set(self.full.get().saturating_add(1));
    }

    /// The device was found empty, or nobody listens any more.
    #[inline]
    pub fn clear(&self) {
        self.full.set(0);
    }

    /// Whether frames wait, for as long as that is waited for.
    #[inline]
    pub fn is_waited_for(&self) -> bool {
        (1..=self.patience).contains(&self.full.get())
    }
}
