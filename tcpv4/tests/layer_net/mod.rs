//! Two hosts back to back in virtual time, and segments made by hand.

#![allow(dead_code, unreachable_pub, unused_macros, reason = "each test binary uses a part of it")]

pub mod ip;
pub mod raw;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng as _};
use tcpv4::{Accept, Limits, Memory, Storage, Tcp};
use traits::{ChecksumVerdict, Inbound, Instant, Layer as _, Packet, RxMeta};
use wire::Protocol;

pub use ip::{Clock, MockIp, Sent};

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
    let clock = Clock::default();
    clock.set(Instant::from_secs(1000));
    let ips = [1, 2].map(|host| MockIp::new(&clock, host));
    let mut memory = [Memory::<8, 16_384>::new(), Memory::new()];
    let ([a, b], [m, n]) = (&ips, &mut memory);
    let tcps = [(a, 1, m), (b, 2, n)].map(|(ip, seed, m)| Tcp::connect_in(ip, &mut random(seed), m));
    test(&Net::new(clock, tcps));
}

/// Each function is a test in both forms of memory.
#[macro_export]
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($net:ident) $body:block)*) => {
        mod scenarios {
            use super::*;
            $($(#[$doc])* pub(crate) fn $name<S: tcpv4::Storage>($net: &Net<'_, S>) $body)*
        }
        mod heap { $(#[test] fn $name() { super::layer_net::with_heap(|net| super::scenarios::$name(net)) })* }
        mod fixed { $(#[test] fn $name() { super::layer_net::with_fixed(|net| super::scenarios::$name(net)) })* }
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
        Session { net: self, ports: [Vec::new(), Vec::new()], tasks: Vec::new() }
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

type Task<'s> = Pin<Box<dyn Future<Output = ()> + 's>>;

/// Tasks and listeners on a net.
pub struct Session<'s, 'n, S: Storage> {
    net: &'s Net<'n, S>,
    ports: [Vec<(u16, &'s dyn Accept)>; 2],
    tasks: Vec<(Option<Task<'s>>, Arc<Flag>, bool)>,
}

impl<'s, S: Storage> Session<'s, '_, S> {
    /// Who listens on a port of host `a` (0) or `b` (1).
    pub fn listen(mut self, host: usize, port: u16, listener: &'s dyn Accept) -> Self {
        self.ports[host].push((port, listener));
        self
    }

    pub fn unlisten(&mut self, host: usize) {
        self.ports[host].clear();
    }

    /// A task that has to end.
    pub fn spawn<T>(self, task: impl Future<Output = T> + 's) -> Self {
        self.add(task, true)
    }

    /// A task that may go on for ever.
    pub fn background<T>(self, task: impl Future<Output = T> + 's) -> Self {
        self.add(task, false)
    }

    fn add<T>(mut self, task: impl Future<Output = T> + 's, wanted: bool) -> Self {
        let task: Task<'s> = Box::pin(async { drop(task.await) });
        self.tasks.push((Some(task), Flag::new_set(), wanted));
        self
    }

    /// Runs until all tasks that have to end have, or nothing happens any
    /// more, or `limit` has passed; whether they have.
    pub fn run_for(&mut self, limit: Duration) -> bool {
        let net = self.net;
        let end = net.clock.now() + limit;
        let waits = self.is_wanted();
        loop {
            let now = net.clock.now();
            if self.step(now) {
                continue;
            }
            if waits && !self.is_wanted() {
                return true;
            }
            let deadlines = net.hosts.iter().filter_map(|host| host.deadline.get());
            let sleepers = net.sleepers.borrow();
            let sleepers = sleepers.iter().map(|(due, _)| *due).min();
            let next = deadlines.chain(net.next_arrival()).chain(sleepers).min();
            match next {
                Some(next) if next <= end => net.clock.set(next.max(now)),
                _ => break,
            }
        }
        net.clock.set(end.max(net.clock.now()));
        !self.is_wanted()
    }

    /// Whether a task that has to end has not.
    fn is_wanted(&self) -> bool {
        self.tasks.iter().any(|(task, _, wanted)| task.is_some() && *wanted)
    }

    /// As the join of a tower: packets, then applications, then the towers'
    /// tasks. Whether anything happened.
    fn step(&mut self, now: Instant) -> bool {
        let net = self.net;
        let mut happened = false;
        net.wake_sleepers(now);
        while let Some((to, arriving)) = net.take_arrival() {
            happened = true;
            let ports = &self.ports[to];
            let mut packet = Packet::new(arriving.src, arriving.dst, Protocol::TCP, &arriving.bytes);
            (packet.tos, packet.meta) = (arriving.tos, arriving.meta);
            net.hosts[to].tcp.input(Inbound::Packet(packet), |port| {
                ports.iter().find(|(p, _)| *p == port).map(|(_, listener)| *listener)
            });
        }
        for (task, flag, _) in &mut self.tasks {
            if !flag.take() {
                continue;
            }
            happened = true;
            let waker = Waker::from(flag.clone());
            if let Some(running) = task
                && running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()
            {
                *task = None;
            }
        }
        for (from, host) in net.hosts.iter().enumerate() {
            happened |= host.run(now);
            for sent in host.ip.take() {
                net.send(from, &sent);
            }
        }
        happened
    }
}

/// Both, at the same time.
pub async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut x, mut y) = (None, None);
    std::future::poll_fn(|context| {
        if x.is_none() {
            x = match a.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
        if y.is_none() {
            y = match b.as_mut().poll(context) {
                Poll::Ready(value) => Some(value),
                Poll::Pending => None,
            };
        }
        match (x.take(), y.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (x, y) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// `len` bytes that tell their place.
pub fn pattern(len: usize, salt: u8) -> Vec<u8> {
    (0..len).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ salt).collect()
}

/// A port of the second host.
pub const B: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
pub const SECOND: Duration = Duration::from_secs(1);

/// Nothing is left, TIME-WAIT apart.
pub fn assert_forgotten<S: Storage>(net: &Net<'_, S>) {
    net.session().run_for(SECOND);
    for tcp in [net.a(), net.b()] {
        assert_eq!((tcp.usage().connections, tcp.usage().bytes), (0, 0));
    }
}
