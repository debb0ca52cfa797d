//! Event channels.
//!
//! No event ever interrupts the guest: all ports stay masked. Those of this
//! guest are looked at after each wait, which ends when one of them is pending.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::mem::offset_of;
use core::task::{Poll, Waker};

use super::hypercall;
use super::window::Window;

const PENDING: usize = offset_of!(xen_sys::shared_info, evtchn_pending);
const MASK: usize = offset_of!(xen_sys::shared_info, evtchn_mask);
/// 64 words of 64 bits.
const WORDS: usize = 64;

/// Ports open at a time at most: what the hypervisor waits for in one call
/// (`SCHEDOP_poll`).
pub(super) const PORTS: usize = 128;

/// The guest's ports.
#[derive(Debug)]
pub(super) struct Events {
    shared: Window,
    open: RefCell<Vec<Rc<Port>>>,
    /// Events seen so far: several of one port before it was looked at are one.
    received: Cell<usize>,
}

/// A port, and who waits for it.
pub(super) struct Port {
    number: u32,
    fired: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

/// Ports are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoPort;

impl Events {
    pub(super) fn new(shared: Window) -> Self {
        for word in 0..WORDS {
            shared.store64(MASK + 8 * word, u64::MAX);
        }
        Self { shared, open: RefCell::default(), received: Cell::new(0) }
    }

    /// Begins to look at a port that exists.
    pub(super) fn bind(&self, number: u32) -> Result<Rc<Port>, NoPort> {
        let mut open = self.open.borrow_mut();
        if open.len() >= PORTS {
            return Err(NoPort);
        }
        let port = Rc::new(Port { number, fired: Cell::new(false), waiting: Cell::new(None) });
        open.push(port.clone());
        Ok(port)
    }

    fn unbind(&self, port: &Rc<Port>) {
        self.open.borrow_mut().retain(|kept| !Rc::ptr_eq(kept, port));
        self.take_pending(port.number);
    }

    /// Whether an event came since the last time.
    fn take_pending(&self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        let came = word < WORDS && self.shared.clear64(PENDING + 8 * word, bit) & bit != 0;
        self.received.set(self.received.get() + usize::from(came));
        came
    }

    /// Events seen so far.
    pub(super) fn received(&self) -> usize {
        self.received.get()
    }

    /// Blocks until there is an event, or until `until` on Xen's clock (0: for
    /// ever).
    pub(super) fn wait(&self, until: u64) {
        let mut ports = [0; PORTS];
        let open = self.open.borrow();
        let mut count = 0;
        for (place, port) in ports.iter_mut().zip(open.iter()) {
            *place = port.number;
            count += 1;
        }
        hypercall::poll(ports.get_mut(..count).unwrap_or_default(), until);
    }

    /// Marks the ports with events, and wakes who waits for them.
    pub(super) fn deliver(&self) {
        let mut index = 0;
        // By index, since who is woken may open and close ports.
        while let Some(port) = self.open.borrow().get(index).cloned() {
            index += 1;
            if self.take_pending(port.number) {
                port.fired.set(true);
                if let Some(waker) = port.waiting.take() {
                    waker.wake();
                }
            }
        }
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Port").field(&self.number).finish()
    }
}

impl Port {
    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Whether an event came since the last time it was asked.
    pub(super) fn take_fired(&self) -> bool {
        self.fired.take()
    }
}

/// An event channel to another domain; dropping it closes its port.
pub struct Channel {
    events: Rc<Events>,
    port: Rc<Port>,
}

impl Channel {
    /// A channel that `peer` may bind to.
    pub(super) fn open(events: &Rc<Events>, peer: u16) -> Result<Self, NoPort> {
        if events.open.borrow().len() >= PORTS {
            return Err(NoPort);
        }
        let number = hypercall::alloc_unbound(peer).ok_or(NoPort)?;
        let port = events.bind(number)?;
        Ok(Self { events: events.clone(), port })
    }

    /// The guest's own port, which the other domain is told.
    pub fn port(&self) -> u32 {
        self.port.number
    }

    /// Sends an event to the other end.
    pub fn notify(&self) {
        hypercall::send(self.port.number);
    }

    /// Ready once for any number of events since the last time it was ready, or
    /// since the beginning; else `waker` is kept, in place of the one before,
    /// and woken at the next event.
    pub fn poll_event(&self, waker: &Waker) -> Poll<()> {
        if self.port.fired.take() || self.events.take_pending(self.port.number) {
            return Poll::Ready(());
        }
        self.port.waiting.set(Some(waker.clone()));
        Poll::Pending
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        hypercall::close(self.port.number);
        self.events.unbind(&self.port);
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.port.number).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xen::window;

    fn raise(page: Window, port: u32) {
        let at = PENDING + 8 * (port as usize / 64);
        page.store64(at, page.load64(at) | 1 << (port % 64));
    }

    #[test]
    fn an_event_is_seen_once_and_by_its_port_alone() {
        let page = window::tests::page();
        let events = Rc::new(Events::new(page));
        assert_eq!(page.load64(MASK + 8 * 63), u64::MAX);
        let channels: Vec<_> = [3, 70]
            .map(|number| Channel { events: events.clone(), port: events.bind(number).unwrap() })
            .into_iter()
            .collect();
        let waker = Waker::noop();
        assert!(channels.iter().all(|channel| channel.poll_event(waker).is_pending()));
        raise(page, 70);
        raise(page, 70);
        events.deliver();
        assert!(channels[0].poll_event(waker).is_pending());
        assert!(channels[1].poll_event(waker).is_ready());
        assert!(channels[1].poll_event(waker).is_pending());
        // Without a wait between: the next look finds it.
        raise(page, 3);
        assert!(channels[0].poll_event(waker).is_ready());
        assert_eq!(page.load64(PENDING), 0);
    }

    #[test]
    fn ports_are_bounded_and_given_back() {
        let events = Rc::new(Events::new(window::tests::page()));
        let mut ports: Vec<_> = (0..PORTS as u32).map(|number| events.bind(number).unwrap()).collect();
        assert_eq!(events.bind(500).err(), Some(NoPort));
        events.unbind(&ports.pop().unwrap());
        assert!(events.bind(500).is_ok());
    }
}
