//! Counts work against time.

use core::fmt;
use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::Arguments;

/// Before this much time has passed nothing counts.
const WARM_UP: Duration = Duration::from_millis(150);

/// Work, and when it began to count.
pub(crate) struct Meter {
    clock: ClockId,
    length: Duration,
    work_limit: Option<u64>,
    /// Work between two looks at the clock, which costs a system call.
    step: u64,
    unseen: Cell<u64>,
    work: Cell<u64>,
    phase: Cell<Phase>,
}

#[derive(Clone, Copy)]
enum Phase {
    WarmUp { since: Duration },
    Counting { since: Duration },
    Done { took: Duration },
}

impl Meter {
    /// By the processor time of this thread: what others do on the machine
    /// costs it nothing but its caches.
    pub(crate) fn cpu(arguments: &Arguments, step: u64) -> Self {
        Self::new(arguments, step, ClockId::ThreadCPUTime)
    }

    /// By the wall clock, where others do part of the work.
    pub(crate) fn wall(arguments: &Arguments, step: u64) -> Self {
        Self::new(arguments, step, ClockId::Monotonic)
    }

    fn new(arguments: &Arguments, step: u64, clock: ClockId) -> Self {
        let now = read(clock);
        let phase = match arguments.work {
            Some(_) => Phase::Counting { since: now },
            None => Phase::WarmUp { since: now },
        };
        Self {
            clock,
            length: Duration::from_secs_f64(arguments.seconds),
            work_limit: arguments.work,
            step,
            unseen: Cell::new(0),
            work: Cell::new(0),
            phase: Cell::new(phase),
        }
    }

    /// Counts work; `true` when it is enough.
    pub(crate) fn add(&self, work: u64) -> bool {
        let unseen = self.unseen.get() + work;
        if unseen < self.step {
            self.unseen.set(unseen);
            return false;
        }
        self.unseen.set(0);
        self.look(unseen)
    }

    #[cold]
    fn look(&self, work: u64) -> bool {
        let now = read(self.clock);
        match self.phase.get() {
            Phase::WarmUp { since } => {
                if now - since >= WARM_UP {
                    self.phase.set(Phase::Counting { since: now });
                }
                false
            }
            Phase::Counting { since } => {
                self.work.set(self.work.get() + work);
                let took = now - since;
                let enough = match self.work_limit {
                    Some(limit) => self.work.get() >= limit,
                    None => took >= self.length,
                };
                if enough {
                    self.phase.set(Phase::Done { took });
                }
                enough
            }
            Phase::Done { .. } => true,
        }
    }

    /// What was counted.
    pub(crate) fn report(&self) -> Report {
        let seconds = match self.phase.get() {
            Phase::Done { took } => took.as_secs_f64(),
            Phase::WarmUp { .. } | Phase::Counting { .. } => f64::NAN,
        };
        Report { work: self.work.get() as f64, seconds }
    }
}

fn read(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    Duration::new(tv_sec as u64, tv_nsec as u32)
}

/// What a side has done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// In the unit of the row.
    pub(crate) work: f64,
    /// 1 where no time matters.
    pub(crate) seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{{"work":{},"seconds":{:.9}}}"#, self.work, self.seconds)
    }
}
