//! The promise to the layers above, and what they can wait for.

use core::cell::RefCell;
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::task::{Poll, Waker};

use traits::{Conflict, Ethernet, Network, Payload, Run, SendError, To, TxMeta, Unresolved, WakerSet};
use wire::{EtherType, MacAddr};

use crate::arp::Arp;
use crate::arp::cache::Lookup;
use crate::arp::packet::is_host;
use crate::arp::probe::ProbeId;
use crate::layer::Ethif;

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Ethernet for Ethif<N, NEIGHBOURS, PARKED> {
    const GATHERS: bool = N::GATHERS;

    #[inline]
    fn mac(&self) -> MacAddr {
        self.network.mac()
    }

    #[inline]
    fn mtu(&self) -> usize {
        self.network.mtu()
    }

    /// Sends one frame.
    ///
    /// A filler that returns 0 has nothing sent. For an own address, a group
    /// or a broadcast address as [`To::Host`], the error is
    /// [`SendError::Unsupported`]. [`SendError::Full`] is also the error when
    /// every place for packets that wait is in the midst of being filled.
    #[inline(always)]
    fn write(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.emit(to, ethertype, meta, len, fill)
    }

    #[inline(always)]
    fn write_gathered(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.emit_gathered(to, ethertype, meta, len, payload, fill)
    }

    #[inline(always)]
    fn write_run(
        &self,
        host: Ipv4Addr,
        ethertype: EtherType,
        meta: TxMeta,
        run: Run,
        fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        self.emit_run(host, ethertype, meta, run, fill)
    }

    /// Takes `address` as an own address; up to 8 are taken. One that no host
    /// can have (a group, a broadcast or loopback address) is not.
    fn add_ipv4(&self, address: Ipv4Addr) -> bool {
        let now = self.network.now();
        let taken = self.arp.borrow_mut().own.add(address, now);
        if taken {
            // Whoever was asked for under this address before is no neighbour
            // now, nor is the answer that did not come then one for later.
            if self.arp.borrow_mut().cache.forget(address) {
                self.events.wake();
            }
            self.drive(now, false);
            self.rearm();
        }
        taken
    }

    fn remove_ipv4(&self, address: Ipv4Addr) {
        self.arp.borrow_mut().own.remove(address);
    }

    /// The hardware address of a neighbour; its own for an own address.
    ///
    /// Up to 8 tasks wait at ease for this, [`Ethernet::probe_ipv4`] and
    /// [`Ethernet::conflict`]; more of them wake each other.
    async fn query_arpv4(&self, address: Ipv4Addr) -> Result<MacAddr, Unresolved> {
        let mut asked = false;
        poll_fn(|context| self.poll_query(address, &mut asked, context.waker())).await
    }

    /// Looks whether another host has `address`. At most 4 addresses are
    /// probed at the same time, others wait for a place. After 10 conflicts
    /// in a row, one probe begins each 60 s (RFC 5227 §2.1.1).
    ///
    /// An address that no host can have is nobody's: `Ok` at once.
    async fn probe_ipv4(&self, address: Ipv4Addr) -> Result<(), Conflict> {
        if !is_host(address) {
            return Ok(());
        }
        let mut probing = Probing { arp: &self.arp, events: &self.events, id: None };
        poll_fn(|context| {
            let poll = probing.poll(address, self.network.now(), context.waker());
            self.rearm();
            poll
        })
        .await
    }

    /// Completes when an own address had to be given up. Each conflict is
    /// told once, to one of those who wait.
    ///
    /// An address is defended once in 10 s: a second claim within that time
    /// takes it while somebody waits here (RFC 5227 §2.4 (b)). While nobody
    /// does, addresses are kept whatever others claim (§2.4 (c)).
    async fn conflict(&self) -> Conflict {
        let _listening = Listening::new(&self.arp);
        poll_fn(|context| {
            let conflict = self.arp.borrow_mut().own.take_conflict();
            match conflict {
                Some(conflict) => Poll::Ready(conflict),
                None => {
                    self.events.register(context.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    #[inline]
    fn confirm(&self, address: Ipv4Addr) {
        let now = self.network.now();
        self.arp.borrow_mut().cache.confirm(address, now);
    }
}

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Ethif<N, NEIGHBOURS, PARKED> {
    fn poll_query(
        &self,
        address: Ipv4Addr,
        asked: &mut bool,
        waker: &Waker,
    ) -> Poll<Result<MacAddr, Unresolved>> {
        if self.arp.borrow().own.contains(address) {
            return Poll::Ready(Ok(self.network.mac()));
        }
        let now = self.network.now();
        let lookup = {
            let mut arp = self.arp.borrow_mut();
            if !*asked {
                arp.cache.forget_failed(address, now);
            }
            arp.cache.lookup(address, now)
        };
        match lookup {
            Lookup::Known(mac) => {
                self.rearm();
                return Poll::Ready(Ok(mac));
            }
            Lookup::Failed => return Poll::Ready(Err(Unresolved)),
            // Its entry has lapsed, or was pushed out.
            Lookup::Absent if *asked || !is_host(address) => return Poll::Ready(Err(Unresolved)),
            Lookup::Absent => self.ask(address, now),
            Lookup::Resolving => {}
        }
        *asked = true;
        self.events.register(waker);
        Poll::Pending
    }
}

/// Whoever waits for a conflict.
struct Listening<'a, const NEIGHBOURS: usize>(&'a RefCell<Arp<NEIGHBOURS>>);

impl<'a, const NEIGHBOURS: usize> Listening<'a, NEIGHBOURS> {
    fn new(arp: &'a RefCell<Arp<NEIGHBOURS>>) -> Self {
        arp.borrow_mut().own.listen();
        Self(arp)
    }
}

impl<const NEIGHBOURS: usize> Drop for Listening<'_, NEIGHBOURS> {
    fn drop(&mut self) {
        self.0.borrow_mut().own.unlisten();
    }
}

/// A probe that ends when nobody waits for it any more.
struct Probing<'a, const NEIGHBOURS: usize> {
    arp: &'a RefCell<Arp<NEIGHBOURS>>,
    events: &'a WakerSet<8>,
    id: Option<ProbeId>,
}

impl<const NEIGHBOURS: usize> Probing<'_, NEIGHBOURS> {
    fn poll(&mut self, address: Ipv4Addr, now: traits::Instant, waker: &Waker) -> Poll<Result<(), Conflict>> {
        let outcome = {
            let Arp { probes, random, .. } = &mut *self.arp.borrow_mut();
            if self.id.is_none() {
                self.id = probes.begin(address, now, random);
            }
            self.id.and_then(|id| probes.outcome(id))
        };
        match outcome {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                self.events.register(waker);
                Poll::Pending
            }
        }
    }
}

impl<const NEIGHBOURS: usize> Drop for Probing<'_, NEIGHBOURS> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.arp.borrow_mut().probes.end(id);
            // Somebody may wait for the place.
            self.events.wake();
        }
    }
}
