//! What goes out: straight to the device, or parked until its host answers.

use core::net::Ipv4Addr;

use traits::{Ethernet, Instant, Network, Payload, Run, SendError, To, TxMeta};
use wire::{EtherType, MacAddr};

use crate::arp::cache::Lookup;
use crate::arp::packet::is_host;
use crate::frame::{HEADER_LEN, Header};
use crate::layer::Ethif;
use crate::parked::{Place, Refusal, SLOT_LEN};

/// Where a packet goes.
enum Way<'a> {
    Send(MacAddr),
    Park(Place<'a>, Ipv4Addr),
}

impl<N: Network, const NEIGHBOURS: usize, const PARKED: usize> Ethif<N, NEIGHBOURS, PARKED> {
    /// The one emit site of the layers above. Everything that does not depend
    /// on the filler is elsewhere, since each filler makes a copy of this.
    #[inline(always)]
    pub(crate) fn emit(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let way = match to {
            To::Mac(mac) => Way::Send(mac),
            To::Broadcast => Way::Send(MacAddr::BROADCAST),
            To::Host(address) => match self.reachable(address) {
                Some(mac) => Way::Send(mac),
                None => self.resolve(address, meta, len)?,
            },
        };
        let source = self.network.mac();
        match way {
            Way::Send(destination) => {
                let meta = meta.below(HEADER_LEN as u16);
                // The closure is one pointer: what it captures by value would
                // be moved on from layer to layer, in memory.
                let mut writing = (Header::new(destination, source, ethertype), Some(fill));
                self.network.write(meta, HEADER_LEN.saturating_add(len), |frame| {
                    let (header, fill) = &mut writing;
                    fill.take().map_or(0, |fill| header.fill(frame, fill))
                })
            }
            // Said here, so that nothing of what follows is linked.
            Way::Park(..) if PARKED == 0 => Err(SendError::Unresolved),
            Way::Park(place, host) => {
                let header = Header::new(MacAddr::ZERO, source, ethertype);
                let used = place.fill(len, |frame| header.fill(frame, fill));
                self.park(place, host, meta, used);
                Ok(())
            }
        }
    }

    /// The same for a packet whose payload lies elsewhere, where the device takes
    /// it from there. One that is parked is made whole.
    #[inline(always)]
    pub(crate) fn emit_gathered(
        &self,
        to: To,
        ethertype: EtherType,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let destination = match to {
            To::Host(address) if N::GATHERS => self.reachable(address),
            To::Host(_) | To::Mac(_) | To::Broadcast => None,
        };
        let Some(destination) = destination else {
            let whole = len.saturating_add(payload.payload_len());
            return self.write(to, ethertype, meta, whole, |buffer| payload.copy_behind(len, buffer, fill));
        };
        let header = Header::new(destination, self.network.mac(), ethertype);
        let meta = meta.below(HEADER_LEN as u16);
        self.network
            .write_gathered(meta, HEADER_LEN.saturating_add(len), payload, |frame| header.fill(frame, fill))
    }

    /// The same for several packets, to a host that is known.
    #[inline(always)]
    pub(crate) fn emit_run(
        &self,
        host: Ipv4Addr,
        ethertype: EtherType,
        meta: TxMeta,
        run: Run,
        mut fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        let header = Header::new(self.reachable(host)?, self.network.mac(), ethertype);
        let (meta, run) = (meta.below(HEADER_LEN as u16), run.below(HEADER_LEN));
        for index in 0..run.count {
            let len = run.len_of(index);
            let sent = self.network.write(meta, len, |frame| {
                let used = header.fill(frame, |packet| fill(index, packet));
                if used < len { 0 } else { len }
            });
            if sent.is_err() {
                return Some((index, sent));
            }
        }
        Some((run.count, Ok(())))
    }

    /// The fast path of [`Self::resolve`].
    #[inline]
    fn reachable(&self, address: Ipv4Addr) -> Option<MacAddr> {
        let now = self.network.now();
        self.arp.borrow().cache.reachable(address, now)
    }

    /// Where a packet for `address` goes: to its hardware address, or to a
    /// place to wait in, with the question sent.
    #[inline(never)]
    fn resolve(&self, address: Ipv4Addr, meta: TxMeta, len: usize) -> Result<Way<'_>, SendError> {
        let now = self.network.now();
        let (lookup, next) = {
            let mut arp = self.arp.borrow_mut();
            (arp.cache.lookup(address, now), arp.cache.next())
        };
        match lookup {
            Lookup::Known(mac) => {
                // Its first use while stale starts a timer.
                self.tell(next);
                Ok(Way::Send(mac))
            }
            Lookup::Failed => {
                self.arp.borrow_mut().cache.refused(address, now);
                self.counters.refused_failed.add();
                Err(SendError::Unresolved)
            }
            Lookup::Absent if !self.may_ask(address) => Err(SendError::Unsupported),
            Lookup::Absent | Lookup::Resolving => {
                // What the device would say.
                if meta.segmentation().is_none() && len > self.network.mtu() {
                    return Err(SendError::TooLong);
                }
                if lookup == Lookup::Absent {
                    self.ask(address, now);
                }
                let place = self.place_for(address, len)?;
                Ok(Way::Park(place, address))
            }
        }
    }

    /// Whether `address` can be a neighbour.
    pub(crate) fn may_ask(&self, address: Ipv4Addr) -> bool {
        is_host(address) && !self.arp.borrow().own.contains(address)
    }

    /// Begins to ask for an absent host.
    pub(crate) fn ask(&self, address: Ipv4Addr, now: Instant) {
        let has_parked = |host| self.parked.count(host) > 0;
        let evicted = self.arp.borrow_mut().cache.want(address, now, has_parked);
        if let Some(evicted) = evicted {
            self.counters.neighbours_evicted.add();
            if self.parked.count(evicted) > 0 {
                self.settle(now, false);
            }
        }
        self.transmit_due(now, false);
        self.rearm();
    }

    fn place_for(&self, address: Ipv4Addr, len: usize) -> Result<Place<'_>, SendError> {
        if len > SLOT_LEN - HEADER_LEN {
            self.counters.refused_too_large.add();
            return Err(SendError::Unresolved);
        }
        match self.parked.reserve(address) {
            Ok(place) => {
                if place.displaced {
                    self.counters.parked_displaced.add();
                }
                Ok(place)
            }
            Err(Refusal::HostBound) => {
                self.counters.refused_host_bound.add();
                Err(SendError::Unresolved)
            }
            Err(Refusal::NoPlace) => {
                self.counters.refused_no_place.add();
                Err(SendError::Unresolved)
            }
            Err(Refusal::Busy) => Err(SendError::Full),
        }
    }

    /// Leaves a frame of `used` bytes to wait; none, if the filler wants
    /// nothing sent.
    #[inline(never)]
    fn park(&self, place: Place<'_>, host: Ipv4Addr, meta: TxMeta, used: usize) {
        if used == 0 {
            return;
        }
        self.parked.park(place, host, meta, used);
        self.counters.parked.add();
        // A filler may have called anything meanwhile, `input` included.
        let now = self.network.now();
        let lookup = self.arp.borrow_mut().cache.lookup(host, now);
        if lookup != Lookup::Resolving {
            self.settle(now, false);
            self.rearm();
        }
    }

    /// Sends what waits for hosts that have answered, in the order in which
    /// it came, and drops what waits for hosts that have failed.
    pub(crate) fn settle(&self, now: Instant, more: bool) {
        if self.parked.is_empty() {
            return;
        }
        let mut after = 0;
        while let Some((place, waiting)) = self.parked.after(after) {
            after = waiting.number;
            let lookup = self.arp.borrow_mut().cache.lookup(waiting.host, now);
            match lookup {
                Lookup::Known(mac) => {
                    let meta = waiting.meta.below(HEADER_LEN as u16).with_more(more);
                    match place.send(waiting, mac, |frame| self.transmit(meta, frame)) {
                        Some(Ok(())) => self.counters.parked_sent.add(),
                        Some(Err(SendError::Full)) => {
                            place.put_back(waiting);
                            return self.blocked.set(true);
                        }
                        Some(Err(_)) | None => self.counters.parked_refused.add(),
                    }
                }
                Lookup::Resolving => place.put_back(waiting),
                Lookup::Failed | Lookup::Absent => self.counters.parked_unanswered.add(),
            }
        }
    }

    /// The one emit site of the layer itself: a frame that is whole already.
    pub(crate) fn transmit(&self, meta: TxMeta, frame: &[u8]) -> Result<(), SendError> {
        self.network.write(meta, frame.len(), |buffer| {
            let len = frame.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..len), frame.get(..len)) {
                to.copy_from_slice(from);
            }
            len
        })
    }
}
