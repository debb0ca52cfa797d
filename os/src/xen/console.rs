//! The guest's console, a ring of bytes to the console daemon.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt::{self, Write as _};

use super::events::Port;
use super::hypercall;
use super::ring::{ByteRing, Layout};
use super::window::Window;

/// `struct xencons_interface`: what the guest writes.
const OUT: Layout = Layout { bytes: 1024, size: 2048, consumed: 3080, produced: 3084 };

/// Bytes kept beside those in the ring, while the daemon is slow.
const BACKLOG: usize = 8 * 1024;

/// The ring and what waits to get into it.
#[derive(Debug)]
pub(super) struct Output {
    ring: ByteRing,
    port: Rc<Port>,
    backlog: RefCell<VecDeque<u8>>,
    /// Bytes dropped, and not reported yet.
    lost: Cell<u64>,
}

impl Output {
    pub(super) fn new(page: Window, port: Rc<Port>) -> Self {
        let ring = ByteRing::new(page, OUT);
        Self { ring, port, backlog: RefCell::default(), lost: Cell::new(0) }
    }

    /// Puts what waits into the ring; looked at when the daemon has taken some.
    pub(super) fn flush(&self) {
        let mut backlog = self.backlog.borrow_mut();
        let mut moved = 0;
        loop {
            let put = self.put(backlog.as_slices().0);
            backlog.drain(..put);
            moved += put;
            if put == 0 {
                break;
            }
        }
        if backlog.is_empty() && self.lost.get() > 0 {
            let mut line = Line { text: [0; 40], len: 0 };
            // As long as its buffer at most.
            let _ = writeln!(line, "({} bytes lost)", self.lost.take());
            backlog.extend(line.bytes());
            let put = self.put(backlog.make_contiguous());
            backlog.drain(..put);
            moved += put;
        }
        if moved > 0 {
            hypercall::send(self.port.number());
        }
    }

    /// As [`flush`](Self::flush); whether the daemon has taken everything.
    pub(super) fn flush_all(&self) -> bool {
        self.flush();
        hypercall::send(self.port.number());
        self.backlog.borrow().is_empty() && self.ring.is_empty()
    }

    fn put(&self, bytes: &[u8]) -> usize {
        // A ring out of order has no room.
        self.ring.put(bytes).unwrap_or(0)
    }

    fn write(&self, bytes: &[u8]) {
        // A `Display` that logs while it is being logged: its text is lost.
        let Ok(mut backlog) = self.backlog.try_borrow_mut() else { return };
        let put = if backlog.is_empty() { self.put(bytes) } else { 0 };
        let rest = bytes.get(put..).unwrap_or_default();
        if backlog.len() + rest.len() <= BACKLOG {
            backlog.extend(rest);
        } else {
            self.lost.set(self.lost.get() + rest.len() as u64);
        }
        drop(backlog);
        if put > 0 && bytes.contains(&b'\n') {
            hypercall::send(self.port.number());
        }
    }
}

/// A short text without an allocator.
struct Line {
    text: [u8; 40],
    len: usize,
}

impl Line {
    fn bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let place = self.text.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The guest's console, in colour.
///
/// It never blocks: 2 KiB wait in the ring and 8 KiB more in the guest; what
/// there is no room for is dropped, and the number of bytes lost is said when
/// there is room again.
#[derive(Clone, Debug)]
pub struct Console(pub(super) Rc<Output>);

impl traits::Console for Console {
    fn write(&self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn has_colours(&self) -> bool {
        true
    }
}

/// Writes to the ring itself, for a guest that is about to end: waits while it
/// is full, for a bounded time.
pub(super) struct LastWords {
    ring: ByteRing,
    port: u32,
}

impl LastWords {
    /// Waits for room, each of 10 ms at most.
    const WAITS: usize = 100;

    pub(super) const fn new(page: Window, port: u32) -> Self {
        Self { ring: ByteRing::new(page, OUT), port }
    }
}

impl fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        for _ in 0..Self::WAITS {
            let put = self.ring.put(rest).map_err(|_| fmt::Error)?;
            rest = rest.get(put..).unwrap_or_default();
            hypercall::send(self.port);
            if rest.is_empty() {
                return Ok(());
            }
            hypercall::pause();
        }
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::events::Events;
    use crate::xen::window;
    use alloc::string::String;
    use alloc::vec::Vec;
    use traits::Console as _;

    fn console() -> (Window, Console) {
        let page = window::tests::page();
        let port = Events::new(window::tests::page()).bind(2).unwrap();
        (page, Console(Rc::new(Output::new(page, port))))
    }

    fn read(page: Window) -> String {
        let mut bytes = [0; 4096];
        let len = ByteRing::new(page, OUT).take(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].into()).unwrap()
    }

    #[test]
    fn lines_arrive_in_the_daemon_s_ring() {
        let (page, console) = console();
        console.log("one");
        console.log(traits::red("two"));
        assert_eq!(read(page), "one\n\u{1b}[31mtwo\u{1b}[m\n");
    }

    #[test]
    fn a_slow_daemon_loses_the_end_and_is_told() {
        let (page, console) = console();
        let text: Vec<u8> = (0..1000_u32).map(|i| b'a' + (i % 26) as u8).collect();
        (0..11).for_each(|_| console.write(&text));
        let mut got = String::new();
        for _ in 0..6 {
            got += &read(page);
            console.0.flush();
        }
        got += &read(page);
        let (kept, note) = got.split_at(10_000);
        assert!(kept.bytes().eq(text.iter().copied().cycle().take(10_000)));
        assert_eq!(note, "(1000 bytes lost)\n");
    }
}
