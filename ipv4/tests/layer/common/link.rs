//! The Ethernet layer that records.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::net::Ipv4Addr;
use std::task::{Poll, Waker};
use std::time::Duration;

use traits::*;
use wire::{EtherType, MacAddr};

use super::Seen;

/// What the layer sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub to: To,
    pub meta: TxMeta,
    pub bytes: Vec<u8>,
}

impl Sent {
    /// The packet, checked by hand.
    pub fn packet(&self) -> Seen {
        Seen::read(&self.bytes)
    }
}

/// The layer below.
pub struct Link {
    pub now: Cell<Instant>,
    pub mtu: Cell<usize>,
    pub sent: RefCell<Vec<Sent>>,
    pub full: Cell<bool>,
    /// Takes this many more frames, then is full.
    pub room: Cell<usize>,
    pub dead: RefCell<HashSet<Ipv4Addr>>,
    pub own: RefCell<Vec<Ipv4Addr>>,
    /// How many own addresses it takes.
    pub own_max: Cell<usize>,
    /// Every call about own addresses: added or removed.
    pub calls: RefCell<Vec<(bool, Ipv4Addr)>>,
    pub confirmed: RefCell<Vec<Ipv4Addr>>,
    pub capabilities: Cell<Capabilities>,
    pub deadline: Cell<Option<Instant>>,
    pub polls: Cell<usize>,
    pub flushes: Cell<usize>,
    /// Frames whose payload was told, not filled in.
    pub gathered: Cell<usize>,
    buffer: RefCell<Vec<u8>>,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            now: Cell::new(Instant::from_secs(1_000)),
            mtu: Cell::new(1_500),
            sent: RefCell::default(),
            full: Cell::new(false),
            room: Cell::new(usize::MAX),
            dead: RefCell::default(),
            own: RefCell::default(),
            own_max: Cell::new(usize::MAX),
            calls: RefCell::default(),
            confirmed: RefCell::default(),
            capabilities: Cell::new(Capabilities::NONE),
            deadline: Cell::new(None),
            polls: Cell::new(0),
            flushes: Cell::new(0),
            gathered: Cell::new(0),
            buffer: RefCell::default(),
        }
    }
}

impl Link {
    pub fn take(&self) -> Vec<Sent> {
        self.sent.take()
    }

    pub fn one(&self) -> Sent {
        let mut sent = self.take();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    pub fn pass(&self, time: Duration) -> Instant {
        self.now.set(self.now.get() + time);
        self.now.get()
    }
}

impl Layer for Link {
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn capabilities(&self) -> Capabilities {
        self.capabilities.get()
    }
    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        self.polls.set(self.polls.get() + 1);
        self.deadline.get()
    }
    fn poll_room(&self, _: &Waker) -> Poll<()> {
        if self.full.get() { Poll::Pending } else { Poll::Ready(()) }
    }
    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }
}

impl Ethernet for Link {
    const GATHERS: bool = true;

    fn write_gathered(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.gathered.set(self.gathered.get() + 1);
        let whole = len + payload.payload_len();
        self.write(to, ethertype, meta, whole, |buffer| payload.copy_behind(len, buffer, fill))
    }

    fn mac(&self) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, 2])
    }
    fn mtu(&self) -> usize {
        self.mtu.get()
    }
    fn write(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        assert_eq!(ethertype, EtherType::IPV4);
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return Err(SendError::Full) };
        if self.full.get() || self.room.get() == 0 {
            return Err(SendError::Full);
        }
        if let To::Host(host) = to
            && self.dead.borrow().contains(&host)
        {
            return Err(SendError::Unresolved);
        }
        if meta.segmentation().is_none() && len > self.mtu.get() {
            return Err(SendError::TooLong);
        }
        // What the buffer held must not matter.
        buffer.clear();
        buffer.resize(len, 0xa5);
        let used = fill(&mut buffer);
        self.room.set(self.room.get().saturating_sub(1));
        if used > 0 {
            self.sent.borrow_mut().push(Sent { to, meta, bytes: buffer[..used.min(len)].to_vec() });
        }
        Ok(())
    }
    fn add_ipv4(&self, address: Ipv4Addr) -> bool {
        self.calls.borrow_mut().push((true, address));
        let taken = self.own.borrow().len() < self.own_max.get();
        if taken {
            self.own.borrow_mut().push(address);
        }
        taken
    }
    fn remove_ipv4(&self, address: Ipv4Addr) {
        self.calls.borrow_mut().push((false, address));
        self.own.borrow_mut().retain(|own| *own != address);
    }
    async fn query_arpv4(&self, _: Ipv4Addr) -> Result<MacAddr, Unresolved> {
        pending().await
    }
    async fn probe_ipv4(&self, _: Ipv4Addr) -> Result<(), Conflict> {
        pending().await
    }
    async fn conflict(&self) -> Conflict {
        pending().await
    }
    fn confirm(&self, address: Ipv4Addr) {
        self.confirmed.borrow_mut().push(address);
    }
}
