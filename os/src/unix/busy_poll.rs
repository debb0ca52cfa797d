//! Looking for news before sleeping, where news is about to come.

use core::cell::Cell;
use core::time::Duration;

/// For how long a wait looks before it sleeps, unless told otherwise.
const DEFAULT: Duration = Duration::from_micros(100);

/// Waits that sleep after one that looked in vain double with each in a row, to
/// this power of two: then looking costs a sixty-fourth of its time a wait.
const MOST_MISSES: u8 = 6;

/// Decides which waits begin with looking.
///
/// To fall asleep and be woken takes a few microseconds on a machine, and
/// dozens on a virtual one, whose processor is given away meanwhile: often
/// longer than what is waited for. So a wait looks for news, up to the limit,
/// before it sleeps. Whether it will find some is guessed from the waits
/// before: the last was over within the limit, and those that looked have found
/// something. Where whoever answers runs on the same processor,
/// looking is always in vain, and is soon given up. And where the thread was busy for
/// half the limit since the last wait, there is so much to do that falling asleep is
/// the least of it, and what comes meanwhile is taken together.
#[derive(Debug)]
pub(super) struct BusyPoll {
    limit: Cell<Duration>,
    /// The last wait was over within the limit.
    was_short: Cell<bool>,
    /// Waits in a row that looked in vain.
    misses: Cell<u8>,
    /// Short waits that sleep before the next looks.
    pause: Cell<u8>,
}

impl BusyPoll {
    pub(super) const fn new() -> Self {
        Self {
            limit: Cell::new(DEFAULT),
            was_short: Cell::new(false),
            misses: Cell::new(0),
            pause: Cell::new(0),
        }
    }

    /// Looks for so long at most; not at all with 0.
    pub(super) fn set_limit(&self, limit: Duration) {
        self.limit.set(limit);
        self.was_short.set(false);
    }

    /// A wait begins, so long after the last one ended: for how long it is to
    /// look, if at all.
    pub(super) fn looks_for(&self, busy: Duration) -> Option<Duration> {
        if !self.was_short.get() || busy >= self.limit.get() / 2 {
            return None;
        }
        match self.pause.get() {
            0 => Some(self.limit.get()),
            pause => {
                self.pause.set(pause - 1);
                None
            }
        }
    }

    /// It has found something while it looked: that forgives one miss. News that
    /// comes in bursts would have each burst end with a miss of its own.
    pub(super) fn found(&self) {
        self.misses.set(self.misses.get().saturating_sub(1));
    }

    /// It has found nothing, and sleeps.
    pub(super) fn missed(&self) {
        let misses = (self.misses.get() + 1).min(MOST_MISSES);
        self.misses.set(misses);
        self.pause.set((1 << misses) - 1);
    }

    /// A wait that slept is over, `after` it began.
    pub(super) fn slept(&self, after: Duration) {
        self.was_short.set(after < self.limit.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_micros(20);
    const LONG: Duration = Duration::from_millis(3);

    /// Waits `count` times for what comes after `gap` and is seen by whoever
    /// looks for so long, unless `hidden`; how many looked.
    fn wait(poll: &BusyPoll, count: usize, gap: Duration, hidden: bool) -> usize {
        let mut looked = 0;
        for _ in 0..count {
            match poll.looks_for(Duration::from_micros(5)) {
                None => poll.slept(gap),
                Some(most) => {
                    looked += 1;
                    if gap < most && !hidden {
                        poll.found();
                    } else {
                        poll.missed();
                        poll.slept(gap.max(most));
                    }
                }
            }
        }
        looked
    }

    #[test]
    fn looks_once_a_wait_was_short() {
        let poll = BusyPoll::new();
        assert_eq!(wait(&poll, 100, SHORT, false), 99);
    }

    #[test]
    fn never_looks_while_waits_are_long() {
        let poll = BusyPoll::new();
        assert_eq!(wait(&poll, 100, LONG, false), 0);
    }

    #[test]
    fn one_long_wait_ends_it() {
        let poll = BusyPoll::new();
        wait(&poll, 10, SHORT, false);
        assert_eq!(wait(&poll, 10, LONG, false), 1);
        assert_eq!(wait(&poll, 10, SHORT, false), 8, "the first is a surprise, the second a pause");
    }

    #[test]
    fn gives_up_where_looking_is_in_vain() {
        let poll = BusyPoll::new();
        assert!(wait(&poll, 64, SHORT, true) <= 5);
        let late = wait(&poll, 65_000, SHORT, true);
        assert!((900..=1010).contains(&late), "{late} of 65,000");
        // And comes back to it.
        assert!(wait(&poll, 1000, SHORT, false) > 900);
    }

    #[test]
    fn one_find_does_not_make_up_for_many_misses() {
        let poll = BusyPoll::new();
        assert!(wait(&poll, 1_000, SHORT, true) < 25);
        while poll.looks_for(SHORT).is_none() {}
        poll.found();
        // One more in vain, and it pauses nearly as long as before.
        assert!(wait(&poll, 60, SHORT, true) <= 2);
    }

    #[test]
    fn does_not_look_after_long_work() {
        let poll = BusyPoll::new();
        wait(&poll, 10, SHORT, false);
        assert_eq!(poll.looks_for(LONG), None);
        assert!(poll.looks_for(SHORT).is_some());
        assert_eq!(poll.looks_for(DEFAULT / 2), None);
    }

    #[test]
    fn does_not_look_without_a_limit() {
        let poll = BusyPoll::new();
        wait(&poll, 10, SHORT, false);
        poll.set_limit(Duration::ZERO);
        assert_eq!(wait(&poll, 100, SHORT, false), 0);
        poll.set_limit(LONG * 2);
        assert_eq!(wait(&poll, 100, LONG, false), 99);
    }
}
