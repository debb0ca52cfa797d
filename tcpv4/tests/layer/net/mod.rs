//! Two hosts back to back in virtual time, and segments made by hand.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "tests of the inside use a part of it"
)]

pub mod ip;
pub mod raw;
mod session;
mod steps;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng as _};
use tcpv4::{Limits, Memory, Storage, Tcp};
use traits::{ChecksumVerdict, Instant, Layer as _, RxMeta};

pub use ip::{Clock, MockIp, Sent};
pub use session::Session;
pub use steps::*;

/// What a link does to packets, each with a chance out of 1000.
#[derive(Clone, Copy)]
pub struct Link {
    pub delay: Duration,
    pub lost: u32,
    pub twice: u32,
    /// Held back by up to three times the delay more.
    pub late: u32,
    pub corrupt: u32,
    /// Large segments arrive whole, with the device's word on the checksum.
    pub large_receive: bool,
}

impl Link {
    pub const CLEAN: Self =
        Self { delay: Duration::from_millis(5), lost: 0, twice: 0, late: 0, corrupt: 0, large_receive: false };
    pub const BAD: Self = Self { lost: 50, twice: 20, late: 50, corrupt: 10, ..Self::CLEAN };
}

/// Two hosts, 10.0.0.1 and 10.0.0.2, each with a layer that is tested.
pub struct Net<'n, S: Storage> {
    pub clock: Clock,
    pub link: Cell<Link>,
    pub hosts: [Host<'n, S>; 2],
    random: RefCell<ChaCha8Rng>,
    on_the_way: RefCell<BTreeMap<(Instant, u64), (usize, Arriving)>>,
    serial: Cell<u64>,
    sleepers: RefCell<Vec<(Instant, Waker)>>,
    /// Who sent packets, with which TOS.
    pub seen: RefCell<Vec<(usize, u8)>>,
    /// TCP longer than this is lost.
    pub drop_longer: Cell<usize>,
    /// Packets that the link has taken.
    pub packets: Cell<u64>,
}

pub struct Host<'n, S: Storage> {
    pub ip: &'n MockIp,
    pub tcp: Tcp<&'n MockIp, S>,
    flag: Arc<Flag>,
    deadline: Cell<Option<Instant>>,
}

struct Arriving {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    tos: u8,
    meta: RxMeta,
    bytes: Vec<u8>,
}

/// A waker that remembers and counts.
#[derive(Default)]
pub struct Flag {
    set: AtomicBool,
    pub count: AtomicU64,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.set.store(true, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Flag {
    /// One that is set.
    pub fn new_set() -> Arc<Self> {
        let flag = Self::default();
        flag.set.store(true, Ordering::Relaxed);
        Arc::new(flag)
    }

    pub fn take(&self) -> bool {
        self.set.swap(false, Ordering::Relaxed)
    }
}

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A net whose hosts have memory from the allocator.
pub fn with_heap(test: impl FnOnce(&Net<'_, tcpv4::Heap>)) {
    with_limits(Limits::default(), test);
}

pub fn with_limits(limits: Limits, test: impl FnOnce(&Net<'_, tcpv4::Heap>)) {
    let clock = Clock::default();
    clock.set(Instant::from_secs(1000));
    let ips = [1, 2].map(|host| MockIp::new(&clock, host));
    let [a, b] = &ips;
    let tcps = [(a, 1), (b, 2)].map(|(ip, seed)| Tcp::connect_with_limits(ip, &mut random(seed), limits));
    test(&Net::new(clock, tcps));
}

/// A net whose hosts have fixed memory: 8 connections of 16 KiB each.
pub fn with_fixed(test: impl FnOnce(&Net<'_, tcpv4::Fixed<'_, 8>>)) {
    with_memory([Memory::<8, 16_384>::new(), Memory::new()], test);
}

/// A net whose hosts have that memory.
pub fn with_memory<const SLOTS: usize, const BYTES: usize, const LIST: usize>(
    mut memory: [Memory<SLOTS, BYTES, LIST>; 2],
    test: impl FnOnce(&Net<'_, tcpv4::Fixed<'_, SLOTS, LIST>>),
) {
    let clock = Clock::default();
    clock.set(Instant::from_secs(1000));
    let ips = [1, 2].map(|host| MockIp::new(&clock, host));
    let ([a, b], [m, n]) = (&ips, &mut memory);
    let tcps = [(a, 1, m), (b, 2, n)].map(|(ip, seed, m)| Tcp::connect_in(ip, &mut random(seed), m));
    test(&Net::new(clock, tcps));
}

/// Each function is a test in both forms of memory.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($net:ident) $body:block)*) => {
        mod scenarios {
            use super::*;
            $($(#[$doc])* pub(crate) fn $name<S: tcpv4::Storage>($net: &Net<'_, S>) $body)*
        }
        mod heap { $(#[test] fn $name() { crate::net::with_heap(|net| super::scenarios::$name(net)) })* }
        mod fixed { $(#[test] fn $name() { crate::net::with_fixed(|net| super::scenarios::$name(net)) })* }
    };
}

/// A net whose hosts have memory from the allocator for as many entries of each
/// kind as [`with_fixed`] has.
pub fn with_small_heap(test: impl FnOnce(&Net<'_, tcpv4::Heap>)) {
    let mut limits = Limits::default();
    (limits.connections, limits.half_open, limits.time_wait) = (8, 8, 8);
    with_limits(limits, test);
}

/// The same as [`on_both`], with eight connections, half-open ones and ones in
/// TIME-WAIT in either form.
macro_rules! on_small {
    ($($(#[$doc:meta])* fn $name:ident($net:ident) $body:block)*) => {
        mod small {
            use super::*;
            $($(#[$doc])* pub(crate) fn $name<S: tcpv4::Storage>($net: &Net<'_, S>) $body)*
        }
        mod small_heap { $(#[test] fn $name() { crate::net::with_small_heap(|net| super::small::$name(net)) })* }
        mod small_fixed { $(#[test] fn $name() { crate::net::with_fixed(|net| super::small::$name(net)) })* }
    };
}

impl<'n, S: Storage> Net<'n, S> {
    fn new(clock: Clock, tcps: [Tcp<&'n MockIp, S>; 2]) -> Self {
        let host = |tcp: Tcp<&'n MockIp, S>| Host {
            ip: tcp.ip(),
            tcp,
            flag: Flag::new_set(),
            deadline: Cell::new(None),
        };
        Self {
            clock,
            link: Cell::new(Link::CLEAN),
            hosts: tcps.map(host),
            random: RefCell::new(random(7)),
            on_the_way: RefCell::default(),
            serial: Cell::new(0),
            sleepers: RefCell::default(),
            seen: RefCell::default(),
            drop_longer: Cell::new(usize::MAX),
            packets: Cell::new(0),
        }
    }

    pub fn a(&self) -> &Tcp<&'n MockIp, S> {
        &self.hosts[0].tcp
    }

    pub fn b(&self) -> &Tcp<&'n MockIp, S> {
        &self.hosts[1].tcp
    }

    pub fn seed(&self, seed: u64) {
        *self.random.borrow_mut() = random(seed);
    }

    pub fn session<'s>(&'s self) -> Session<'s, 'n, S> {
        Session::new(self)
    }

    /// Completes `duration` later.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        let due = self.clock.now() + duration;
        std::future::poll_fn(move |context| {
            if self.clock.now() >= due {
                return Poll::Ready(());
            }
            self.sleepers.borrow_mut().push((due, context.waker().clone()));
            Poll::Pending
        })
    }

    fn wake_sleepers(&self, now: Instant) {
        for (_, waker) in self.sleepers.borrow_mut().extract_if(.., |(due, _)| *due <= now) {
            waker.wake();
        }
    }

    fn chance(&self, out_of_1000: u32) -> bool {
        out_of_1000 > 0 && self.random.borrow_mut().next_u32() % 1000 < out_of_1000
    }

    fn send(&self, from: usize, sent: &Sent) {
        self.seen.borrow_mut().push((from, sent.header.tos));
        let link = self.link.get();
        let large = link.large_receive && sent.meta.segmentation().is_some();
        let meta = match sent.meta.segmentation().filter(|_| large) {
            Some(s) => RxMeta::NONE.with_checksum(ChecksumVerdict::Verified).with_segment_size(Some(s.size)),
            None => RxMeta::NONE,
        };
        let pieces = if large { vec![sent.bytes.clone()] } else { sent.on_the_wire() };
        for mut bytes in pieces {
            self.packets.set(self.packets.get() + 1);
            if bytes.len() > self.drop_longer.get() || self.chance(link.lost) {
                continue;
            }
            if self.chance(link.corrupt) {
                let at = self.random.borrow_mut().next_u32() as usize % bytes.len();
                bytes[at] ^= 1 << (at % 8);
            }
            let copies = if self.chance(link.twice) { 2 } else { 1 };
            for _ in 0..copies {
                let mut at = self.clock.now() + link.delay;
                if self.chance(link.late) {
                    at += link.delay * (1 + self.random.borrow_mut().next_u32() % 3);
                }
                let (src, dst, tos) = (sent.src, sent.header.dst, sent.header.tos);
                let arriving = Arriving { src, dst, tos, meta, bytes: bytes.clone() };
                self.serial.set(self.serial.get() + 1);
                self.on_the_way.borrow_mut().insert((at, self.serial.get()), (1 - from, arriving));
            }
        }
    }

    fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.borrow().keys().next().map(|(at, _)| *at)
    }

    fn take_arrival(&self) -> Option<(usize, Arriving)> {
        let mut on_the_way = self.on_the_way.borrow_mut();
        let first = on_the_way.first_entry()?;
        (first.key().0 <= self.clock.now()).then(|| first.remove())
    }
}

impl<S: Storage> Host<'_, S> {
    /// Does what the task of the tower does; whether it was due.
    fn run(&self, now: Instant) -> bool {
        let due = self.deadline.get().is_some_and(|deadline| deadline <= now);
        if !self.flag.take() && !due {
            return false;
        }
        self.deadline.set(self.tcp.poll(now, &Waker::from(self.flag.clone())));
        self.tcp.flush();
        true
    }
}
