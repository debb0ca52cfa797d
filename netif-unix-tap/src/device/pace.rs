//! How frames come or go: one by one, or many at once.

use core::cell::Cell;

/// Where frames have come one by one, the next is answered before the device
/// is asked for another: the question, a system call, would keep the answer
/// waiting. Where they come together, all are read first, and answered together.
///
/// Likewise of frames that go: where each was the only one, the next does not wait
/// for others to follow, of which there would be none.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Frames since the last end; 2 stands for more.
    count: Cell<u8>,
    /// Between the last two ends there was one.
    one_by_one: Cell<bool>,
}

impl Pace {
    /// A frame comes or goes: whether it is likely to be the only one.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        let count = (self.count.get() + 1).min(2);
        self.count.set(count);
        count == 1 && self.one_by_one.get()
    }

    /// The device was found empty, or nobody has more to send.
    #[inline]
    pub(super) fn ended(&self) {
        match self.count.replace(0) {
            // Asked for nothing: tells nothing of how they come or go.
            0 => {}
            count => self.one_by_one.set(count == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of `count` frames that wait are followed by the others' turn.
    fn turns(pace: &Pace, count: usize) -> Vec<bool> {
        let turns = (0..count).map(|_| pace.is_alone()).collect();
        pace.ended();
        turns
    }

    #[test]
    fn one_is_alone_where_the_last_came_alone() {
        let pace = Pace::default();
        assert_eq!(turns(&pace, 1), [false]);
        assert_eq!(turns(&pace, 1), [true]);
        assert_eq!(turns(&pace, 0), []);
        assert_eq!(turns(&pace, 3), [true, false, false]);
        assert_eq!(turns(&pace, 300), [false; 300]);
        assert_eq!(turns(&pace, 1), [false]);
        assert_eq!(turns(&pace, 1), [true]);
    }
}
