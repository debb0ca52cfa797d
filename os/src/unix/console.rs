//! Standard output as a console.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use std::env;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::stdio::stdout;
use rustix::termios::isatty;

/// The longest piece written in one go. A pipe that is writable takes as much
/// without blocking (POSIX `PIPE_BUF`).
const PIECE: usize = 4096;

/// Standard output, line by line, in colour where a terminal shows it.
///
/// Colours: when the output is a terminal, `TERM` is not `dumb` and
/// [`NO_COLOR`](https://no-color.org) is not set.
///
/// It never blocks: a line that the output has no room for is dropped, and the
/// next one that finds room is preceded by the number of those lost.
pub struct Console {
    out: BorrowedFd<'static>,
    colours: bool,
    /// The line so far.
    line: RefCell<Vec<u8>>,
    lost: Cell<u64>,
}

impl Console {
    /// Standard output.
    pub fn stdout() -> Self {
        let out = stdout();
        let no_colour = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self::new(out, isatty(out) && !no_colour && !dumb)
    }

    /// Any descriptor that stays open.
    pub const fn new(out: BorrowedFd<'static>, colours: bool) -> Self {
        Self { out, colours, line: RefCell::new(Vec::new()), lost: Cell::new(0) }
    }

    /// Lines dropped because the output had no room, and not yet reported.
    pub fn lost(&self) -> u64 {
        self.lost.get()
    }

    /// Writes out what is whole lines, or too long to wait for its end.
    fn emit(&self, line: &mut Vec<u8>, all: bool) {
        while let Some(len) = next_piece(line, all) {
            self.report_lost();
            if !self.put(line.get(..len).unwrap_or_default()) {
                self.lost.set(self.lost.get() + 1);
            }
            line.drain(..len);
        }
    }

    fn report_lost(&self) {
        let lost = self.lost.get();
        if lost > 0 && self.put(std::format!("({lost} lines lost)\n").as_bytes()) {
            self.lost.set(0);
        }
    }

    fn put(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let mut fds = [PollFd::new(&self.out, PollFlags::OUT)];
            if !poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
                return false;
            }
            match rustix::io::write(self.out, bytes) {
                Ok(written) if written > 0 => bytes = bytes.get(written..).unwrap_or_default(),
                Ok(_) => return false,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// The length of the next piece to write: whole lines as far as they fit, or a
/// full piece of a line without an end.
fn next_piece(line: &[u8], all: bool) -> Option<usize> {
    let window = line.get(..PIECE).unwrap_or(line);
    match window.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => Some(end + 1),
        None if window.len() == PIECE || (all && !window.is_empty()) => Some(window.len()),
        None => None,
    }
}

impl traits::Console for Console {
    fn write(&self, bytes: &[u8]) {
        // A `Display` that logs while it is being logged: its text is lost.
        let Ok(mut line) = self.line.try_borrow_mut() else { return };
        line.extend_from_slice(bytes);
        self.emit(&mut line, false);
    }

    fn has_colours(&self) -> bool {
        self.colours
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let mut line = self.line.take();
        self.emit(&mut line, true);
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("colours", &self.colours).finish_non_exhaustive()
    }
}
