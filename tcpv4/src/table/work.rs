//! How much is looked at, for tests: nothing of this is in a program.

use core::cell::Cell;

/// What was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Work {
    /// Slots, of any kind.
    pub(crate) slots: u64,
    /// Cells of the index.
    pub(crate) cells: u64,
    /// Deadlines moved in the heap.
    pub(crate) moves: u64,
    /// Connections in a listener's line.
    pub(crate) waiting: u64,
}

std::thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { slots: 0, cells: 0, moves: 0, waiting: 0 }) };
}

/// What this thread has looked at so far.
pub(crate) fn work() -> Work {
    WORK.get()
}

pub(crate) fn count(slots: u64, cells: u64, moves: u64) {
    let work = WORK.get();
    let (slots, cells, moves) = (work.slots + slots, work.cells + cells, work.moves + moves);
    WORK.set(Work { slots, cells, moves, ..work });
}

pub(crate) fn count_waiting() {
    let work = WORK.get();
    WORK.set(Work { waiting: work.waiting + 1, ..work });
}

impl core::ops::Sub for Work {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let Self { slots, cells, moves, waiting } = before;
        Self {
            slots: self.slots - slots,
            cells: self.cells - cells,
            moves: self.moves - moves,
            waiting: self.waiting - waiting,
        }
    }
}
