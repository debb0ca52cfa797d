//! How frames arrive: one by one, or many at once.

use core::cell::Cell;

/// Where frames have come one by one, the next is answered before the device
/// is asked for another: the question, a system call, would keep the answer
/// waiting. Where they come together, all are read first, and answered together.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Frames since the device was last found empty; 2 stands for more.
    since_empty: Cell<u8>,
    /// Between the last two times that it was, there was one.
    one_by_one: Cell<bool>,
}

impl Arrivals {
    /// A frame was handed up: whether the others are to run now.
    #[inline]
    pub(super) fn is_answered_first(&self) -> bool {
        let count = (self.since_empty.get() + 1).min(2);
        self.since_empty.set(count);
        count == 1 && self.one_by_one.get()
    }

    /// The device was found empty.
    #[inline]
    pub(super) fn none_left(&self) {
        match self.since_empty.replace(0) {
            // Asked for nothing: tells nothing of how they come.
            0 => {}
            count => self.one_by_one.set(count == 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of `count` frames that wait are followed by the others' turn.
    fn turns(arrivals: &Arrivals, count: usize) -> Vec<bool> {
        let turns = (0..count).map(|_| arrivals.is_answered_first()).collect();
        arrivals.none_left();
        turns
    }

    #[test]
    fn one_is_answered_first_where_the_last_came_alone() {
        let arrivals = Arrivals::default();
        assert_eq!(turns(&arrivals, 1), [false]);
        assert_eq!(turns(&arrivals, 1), [true]);
        assert_eq!(turns(&arrivals, 0), []);
        assert_eq!(turns(&arrivals, 3), [true, false, false]);
        assert_eq!(turns(&arrivals, 300), [false; 300]);
        assert_eq!(turns(&arrivals, 1), [false]);
        assert_eq!(turns(&arrivals, 1), [true]);
    }
}
