//! Grants and event channels.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::task::{Poll, Waker};
use core::time::Duration;

use super::Guest;
use super::store::Store;
use crate::hypervisor::PAGE;
use crate::{DomainId, Exhausted};

/// Pages in one piece.
pub(super) type Memory = Rc<RefCell<Vec<u8>>>;

/// A machine with its hypervisor and its xenstore, on the clock `T`.
#[derive(Debug)]
pub struct World<T> {
    pub(super) time: T,
    pub(super) store: Store,
    grants: RefCell<Vec<Option<Grant>>>,
    ports: RefCell<Vec<Rc<Port>>>,
    grants_left: Cell<usize>,
    ports_left: Cell<usize>,
    pub(super) latency: Cell<Duration>,
}

#[derive(Clone, Debug)]
struct Grant {
    memory: Memory,
    page: usize,
    peer: DomainId,
    read_only: bool,
}

/// An event channel: the guest's end and the other.
#[derive(Debug)]
pub(super) struct Port {
    peer: DomainId,
    open: Cell<bool>,
    pub(super) guest: End,
    pub(super) backend: End,
}

/// One end: whether an event is pending, and who waits.
#[derive(Debug, Default)]
pub(super) struct End {
    pending: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    sent: Cell<u64>,
}

impl End {
    pub(super) fn signal(&self) {
        self.sent.set(self.sent.get() + 1);
        self.pending.set(true);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn poll(&self, waker: &Waker) -> Poll<()> {
        if self.pending.take() {
            return Poll::Ready(());
        }
        self.waker.replace(Some(waker.clone()));
        Poll::Pending
    }
}

/// Why the hypervisor refuses to copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantFault {
    /// There is no such grant, or it is another domain's.
    NoGrant,
    /// Written to a page that is granted read-only.
    ReadOnly,
    /// Across the end of the page.
    OutOfPage,
}

impl<T> World<T> {
    /// A machine with dom0 and nothing in its xenstore.
    pub fn new(time: T) -> Self {
        Self {
            time,
            store: Store::default(),
            // Reference 0 is never given out.
            grants: RefCell::new(vec![None]),
            ports: RefCell::new(Vec::new()),
            grants_left: Cell::new(usize::MAX),
            ports_left: Cell::new(usize::MAX),
            latency: Cell::new(Duration::ZERO),
        }
    }

    /// The guest of this number.
    pub fn guest(&self, domain: DomainId) -> Guest<'_, T> {
        Guest::new(self, domain)
    }

    /// From now on each request of a guest to xenstore takes so long.
    pub fn set_latency(&self, latency: Duration) {
        self.latency.set(latency);
    }

    /// From now on so many pages can be granted, and so many ports opened.
    pub fn set_limits(&self, grants: usize, ports: usize) {
        self.grants_left.set(grants);
        self.ports_left.set(ports);
    }

    /// Pages granted at present.
    pub fn granted(&self) -> usize {
        self.grants.borrow().iter().flatten().count()
    }

    /// Event channels open at present.
    pub fn open_ports(&self) -> usize {
        self.ports.borrow().iter().filter(|port| port.open.get()).count()
    }

    /// Events that guests have sent, on all channels.
    pub fn events_from_guests(&self) -> u64 {
        self.ports.borrow().iter().map(|port| port.backend.sent.get()).sum()
    }

    pub(super) fn grant(
        &self,
        peer: DomainId,
        pages: usize,
        read_only: bool,
    ) -> Result<(Memory, Vec<u32>), Exhausted> {
        let left = self.grants_left.get().checked_sub(pages).ok_or(Exhausted)?;
        self.grants_left.set(left);
        let memory: Memory = Rc::new(RefCell::new(vec![0; pages * PAGE]));
        let mut grants = self.grants.borrow_mut();
        let references = (0..pages).map(|page| {
            grants.push(Some(Grant { memory: memory.clone(), page, peer, read_only }));
            grants.len() as u32 - 1
        });
        let references = references.collect();
        Ok((memory, references))
    }

    pub(super) fn revoke(&self, references: &[u32]) {
        let mut grants = self.grants.borrow_mut();
        for &reference in references {
            if let Some(grant) = grants.get_mut(reference as usize) {
                *grant = None;
            }
        }
        let left = self.grants_left.get().saturating_add(references.len());
        self.grants_left.set(left);
    }

    fn granted_to(&self, domain: DomainId, reference: u32) -> Result<Grant, GrantFault> {
        let grants = self.grants.borrow();
        let grant = grants.get(reference as usize).and_then(Option::as_ref).ok_or(GrantFault::NoGrant)?;
        if grant.peer == domain { Ok(grant.clone()) } else { Err(GrantFault::NoGrant) }
    }

    /// Copies from a page that was granted to `domain`.
    ///
    /// # Errors
    ///
    /// See [`GrantFault`].
    pub fn copy_from(
        &self,
        domain: DomainId,
        reference: u32,
        offset: usize,
        into: &mut [u8],
    ) -> Result<(), GrantFault> {
        let grant = self.granted_to(domain, reference)?;
        if offset + into.len() > PAGE {
            return Err(GrantFault::OutOfPage);
        }
        let start = grant.page * PAGE + offset;
        into.copy_from_slice(&grant.memory.borrow()[start..start + into.len()]);
        Ok(())
    }

    /// Copies to a page that was granted to `domain`.
    ///
    /// # Errors
    ///
    /// See [`GrantFault`].
    pub fn copy_to(
        &self,
        domain: DomainId,
        reference: u32,
        offset: usize,
        from: &[u8],
    ) -> Result<(), GrantFault> {
        let grant = self.granted_to(domain, reference)?;
        if grant.read_only {
            return Err(GrantFault::ReadOnly);
        }
        if offset + from.len() > PAGE {
            return Err(GrantFault::OutOfPage);
        }
        let start = grant.page * PAGE + offset;
        grant.memory.borrow_mut()[start..start + from.len()].copy_from_slice(from);
        Ok(())
    }

    /// Opens a port that `peer` may bind to, and returns its number.
    pub(super) fn open(&self, peer: DomainId) -> Result<u32, Exhausted> {
        let left = self.ports_left.get().checked_sub(1).ok_or(Exhausted)?;
        self.ports_left.set(left);
        let mut ports = self.ports.borrow_mut();
        let port = Port { peer, open: Cell::new(true), guest: End::default(), backend: End::default() };
        ports.push(Rc::new(port));
        Ok(ports.len() as u32)
    }

    pub(super) fn close(&self, port: u32) {
        if let Some(port) = self.port(port)
            && port.open.replace(false)
        {
            self.ports_left.set(self.ports_left.get().saturating_add(1));
        }
    }

    pub(super) fn port(&self, port: u32) -> Option<Rc<Port>> {
        self.ports.borrow().get((port as usize).checked_sub(1)?).cloned()
    }

    /// Sends the guest an event; lost if the port is closed or not for
    /// `domain`.
    pub fn notify_guest(&self, domain: DomainId, port: u32) {
        if let Some(port) = self.port(port).filter(|port| port.peer == domain && port.open.get()) {
            port.guest.signal();
        }
    }

    /// Ready when the guest has sent an event.
    pub fn poll_from_guest(&self, domain: DomainId, port: u32, waker: &Waker) -> Poll<()> {
        match self.port(port).filter(|port| port.peer == domain) {
            Some(port) => port.backend.poll(waker),
            None => Poll::Pending,
        }
    }
}
