//! The layer itself, and what it promises to those above.

use core::cell::{Cell, RefCell};
use core::fmt;
use core::net::Ipv4Addr;
use core::task::{Poll, Waker};

use traits::{
    Capabilities, Config, Ethernet, Header, Instant, Ip, Layer, Packet, Path, Payload, Rng, Run, SendError, To,
    TxMeta, UnreachableCode, WakerSet,
};

use crate::addressing::Addressing;
use crate::fragment::Reassembly;
use crate::header::HEADER_LEN;
use crate::icmp::{ErrorToSend, Limit};
use crate::ident::Secret;
use crate::igmp::Groups;
use crate::path_mtu::{Learnt, PathMtus};
use crate::recent::Recent;
use crate::stats::{Count, Counters, Statistics};

/// IPv4 with ICMP over the Ethernet layer `E`.
///
/// | capacity | bounds | when full |
/// |---|---|---|
/// | `BUFFERS` | packets made whole of fragments at once | see [the crate](crate#bounds) |
/// | `BUFFER` | bytes of payload of such a packet, and of one that is cut | dropped; [`SendError::TooLong`] |
/// | `ENTRIES` | own addresses; gateways; routes; groups, each | [`Ip::configure`] says what was left out; [`SendError::Full`] |
/// | `PATHS` | path MTUs remembered | the oldest is forgotten |
pub struct Ipv4<
    E,
    const BUFFERS: usize = 4,
    const BUFFER: usize = 65_515,
    const ENTRIES: usize = 8,
    const PATHS: usize = 32,
> {
    pub(crate) ethernet: E,
    pub(crate) addressing: RefCell<Addressing<ENTRIES>>,
    /// What the addressing said last: cleared whenever that changes.
    pub(crate) recent: Recent,
    generation: Cell<u32>,
    pub(crate) paths: RefCell<PathMtus<PATHS>>,
    pub(crate) groups: RefCell<Groups<ENTRIES>>,
    pub(crate) reassembly: Reassembly<BUFFERS, BUFFER>,
    /// Where a packet stands while it is cut.
    pub(crate) outgoing: RefCell<[u8; BUFFER]>,
    pub(crate) secret: Secret,
    pub(crate) limit: Limit,
    pub(crate) counters: Counters,
    wakers: WakerSet,
    /// The earliest deadline that tasks know of; none while nothing can be due.
    armed: Cell<Option<Instant>>,
}

impl<E: Ethernet> Ipv4<E> {
    /// IPv4 of the default capacities over `ethernet`: `&e`, an `Rc` of it,
    /// or the layer itself. It has no address yet.
    ///
    /// The secret behind packet identification comes from the hardware address
    /// and the clock, which a neighbour may guess: [`Ipv4::seed`] gives a real
    /// one.
    #[inline]
    pub fn connect(ethernet: E) -> Self {
        Self::with_capacity(ethernet)
    }

    /// The same, with a secret out of `rng`.
    #[inline]
    pub fn connect_with(ethernet: E, rng: &mut impl Rng) -> Self {
        let layer = Self::with_capacity(ethernet);
        layer.seed(rng);
        layer
    }
}

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// [`Ipv4::connect`] for capacities that the type names:
    ///
    /// ```
    /// # fn example<E: traits::Ethernet>(e: E) {
    /// // 3 KiB for one packet of 1,500 bytes each way.
    /// let i = ipv4::Ipv4::<_, 1, 1_500, 2, 4>::with_capacity(e);
    /// # }
    /// ```
    #[inline]
    pub fn with_capacity(ethernet: E) -> Self {
        let secret = Secret::weak(ethernet.mac(), ethernet.now());
        Self {
            ethernet,
            addressing: RefCell::new(Addressing::new()),
            recent: Recent::default(),
            generation: Cell::new(0),
            paths: RefCell::new(PathMtus::new()),
            groups: RefCell::new(Groups::new()),
            reassembly: Reassembly::new(),
            outgoing: RefCell::new([0; BUFFER]),
            secret,
            limit: Limit::new(),
            counters: Counters::new(),
            wakers: WakerSet::new(),
            armed: Cell::new(None),
        }
    }

    /// Takes a real secret, out of 128 bits of `rng`.
    pub fn seed(&self, rng: &mut impl Rng) {
        self.secret.seed(rng);
    }

    /// The layer below.
    pub const fn ethernet(&self) -> &E {
        &self.ethernet
    }

    /// What has passed and what was dropped, by reason, since the start or
    /// the last reset.
    pub fn statistics(&self) -> Statistics {
        self.counters.snapshot()
    }

    /// Sets all counters to zero.
    pub fn reset_statistics(&self) {
        self.counters.reset();
    }

    /// Wakes the tasks if they know of no deadline as early as this one.
    pub(crate) fn wake_before(&self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return };
        if self.armed.get().is_none_or(|armed| deadline < armed) {
            self.armed.set(Some(deadline));
            self.wakers.wake();
        }
    }

    /// Takes new addresses, and tells the layer below of the difference, not
    /// borrowed meanwhile. Returns how many it would not take.
    fn apply(&self, mut next: Addressing<ENTRIES>) -> usize {
        let old = self.addressing.borrow().own().clone();
        for gone in old.iter().filter(|cidr| !next.is_local(cidr.address())) {
            self.ethernet.remove_ipv4(gone.address());
        }
        let mut refused = 0;
        next.retain_own(|cidr| {
            let known = old.iter().any(|kept| kept.address() == cidr.address());
            let taken = known || self.ethernet.add_ipv4(cidr.address());
            refused += usize::from(!taken);
            taken
        });
        if *next.own() != old {
            self.generation.set(self.generation.get().wrapping_add(1));
        }
        self.addressing.replace(next);
        self.recent.clear();
        self.wakers.wake();
        refused
    }

    /// Does what is due, and returns when something is next.
    #[cold]
    #[inline(never)]
    fn do_due(&self, now: Instant) -> Option<Instant> {
        while let Some(given_up) = self.reassembly.expire(now, &self.counters) {
            self.send_error(&given_up.packet(), ErrorToSend::ReassemblyTimeExceeded, true);
        }
        self.report_groups(now);
        Instant::earliest(self.reassembly.deadline(), self.groups.borrow().deadline())
    }

    /// Sends the reports of groups that are due.
    fn report_groups(&self, now: Instant) {
        // Each group at most once: one that fails is due later.
        for _ in 0..ENTRIES {
            let Some(message) = self.groups.borrow().due(now) else { return };
            let sent = self.send_igmp(message).is_ok();
            let mut groups = self.groups.borrow_mut();
            groups.reported(message, sent, now, |bound| self.secret.below(bound));
        }
    }
}

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize> Layer
    for Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    fn now(&self) -> Instant {
        self.ethernet.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.ethernet.capabilities().below(HEADER_LEN)
    }

    fn poll(&self, now: Instant, waker: &Waker) -> Option<Instant> {
        self.wakers.register(waker);
        if self.armed.get().is_some() {
            self.armed.set(self.do_due(now));
        }
        Instant::earliest(self.armed.get(), self.ethernet.poll(now, waker))
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        self.ethernet.poll_room(waker)
    }

    fn has_backlog(&self) -> bool {
        self.ethernet.has_backlog()
    }

    fn flush(&self) {
        self.ethernet.flush();
    }
}

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize> Ip
    for Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    const GATHERS: bool = E::GATHERS;

    #[inline(always)]
    fn write(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let mut fill = Some(fill);
        if let Some(sent) = self.send_like_last(&header, meta, len, &mut fill) {
            return sent;
        }
        self.send(&header, &[], meta, len, &mut |payload| fill.take().map_or(0, |fill| fill(payload)))
    }

    #[inline(always)]
    fn write_gathered(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let mut fill = Some(fill);
        if E::GATHERS
            && let Some(sent) = self.send_gathered_like_last(&header, meta, len, &payload, &mut fill)
        {
            return sent;
        }
        // Any other takes thought, and a copy.
        let whole = len.saturating_add(payload.payload_len());
        self.send(&header, &[], meta, whole, &mut |buffer| {
            fill.take().map_or(0, |fill| payload.copy_behind(len, buffer, fill))
        })
    }

    #[inline(always)]
    fn write_run(
        &self,
        header: Header,
        meta: TxMeta,
        run: Run,
        fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        self.send_run_like_last(&header, meta, run, fill)
    }

    fn route(&self, dst: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Path, SendError> {
        let src = match self.recent.source(dst, &src) {
            Some(src) => src,
            None => self.look_up(dst, src, self.ethernet.now())?.src,
        };
        Ok(Path::new(src, self.path_limit(dst).mtu, self.capabilities()))
    }

    fn unreachable(&self, packet: &Packet<'_>, code: UnreachableCode) {
        self.send_error(packet, ErrorToSend::Unreachable(code), true);
    }

    fn configure(&self, config: &Config<'_>) -> usize {
        let (next, left_out) = self.addressing.borrow().configured(config);
        left_out + self.apply(next)
    }

    fn set_ipv4(&self, address: Ipv4Addr) {
        let mut next = self.addressing.borrow().clone();
        next.set_address(address);
        self.apply(next);
    }

    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        self.addressing.borrow().own().first().map(|cidr| cidr.address())
    }

    fn set_ipv4_netmask(&self, netmask: Ipv4Addr) {
        let mut next = self.addressing.borrow().clone();
        next.set_prefix(netmask.to_bits().leading_ones() as u8);
        self.apply(next);
    }

    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        self.addressing.borrow().own().first().map(|cidr| cidr.netmask())
    }

    fn set_ipv4_gateways(&self, gateways: &[Ipv4Addr]) {
        let mut next = self.addressing.borrow().clone();
        next.set_gateways(gateways);
        self.apply(next);
    }

    fn get_ipv4_gateways(&self, each: impl FnMut(Ipv4Addr)) {
        let gateways = self.addressing.borrow().gateways();
        gateways.into_iter().for_each(each);
    }

    fn is_local(&self, address: Ipv4Addr) -> bool {
        self.addressing.borrow().is_local(address)
    }

    fn generation(&self) -> u32 {
        self.generation.get()
    }

    fn join_group(&self, group: Ipv4Addr) -> Result<(), SendError> {
        if !group.is_multicast() {
            return Err(SendError::Unsupported);
        }
        let joined = self.groups.borrow_mut().join(group, self.ethernet.now());
        if !joined {
            return Err(SendError::Full);
        }
        let deadline = self.groups.borrow().deadline();
        self.wake_before(deadline);
        Ok(())
    }

    fn leave_group(&self, group: Ipv4Addr) {
        let told = self.groups.borrow_mut().leave(group, self.ethernet.now());
        if let Some(message) = told {
            // Lost if the device is full: routers then find out by asking.
            let _ = self.send_igmp(message);
        }
    }

    fn confirm(&self, dst: Ipv4Addr) {
        let Ok(route) = self.way(dst, None, self.ethernet.now()) else { return };
        if let Some(gateway) = route.gateway {
            self.addressing.borrow_mut().revive(gateway);
            self.recent.clear();
        }
        match route.to {
            To::Host(hop) => self.ethernet.confirm(hop),
            To::Mac(_) | To::Broadcast => {}
        }
    }

    fn learn_path_mtu(&self, dst: Ipv4Addr, mtu: u16) {
        match self.paths.borrow_mut().learn(dst, mtu, self.ethernet.now()) {
            Learnt::Nothing => {}
            Learnt::Lowered => self.counters.add(Count::PathMtuLowered),
            Learnt::LoweredAndEvicted => {
                self.counters.add(Count::PathMtuLowered);
                self.counters.add(Count::PathMtuEvicted);
            }
        }
    }

    fn forget_path_mtu(&self, dst: Ipv4Addr) {
        self.paths.borrow_mut().forget(dst);
    }
}

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize> fmt::Debug
    for Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ipv4").field("addressing", &self.addressing).finish_non_exhaustive()
    }
}
