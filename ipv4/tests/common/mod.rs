//! An Ethernet layer that records, a clock that stands still, and packets made
//! and read by code of their own.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

use ipv4::{Ipv4, Statistics, listeners};
use traits::*;
use wire::{Cidr, EtherType, MacAddr, Protocol};

pub const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
pub const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
pub const DIRECTED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

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

/// A packet read without the crate's help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub tos: u8,
    pub id: u16,
    pub df: bool,
    pub mf: bool,
    pub offset: usize,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Seen {
    pub fn read(b: &[u8]) -> Self {
        assert_eq!(b[0] >> 4, 4);
        let ihl = usize::from(b[0] & 15) * 4;
        let word = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
        assert_eq!(usize::from(word(2)), b.len(), "total length");
        assert_eq!(sum(&b[..ihl]), 0, "header checksum");
        Seen {
            tos: b[1],
            id: word(4),
            df: word(6) & 0x4000 != 0,
            mf: word(6) & 0x2000 != 0,
            offset: usize::from(word(6) & 0x1fff) * 8,
            ttl: b[8],
            protocol: b[9],
            src: Ipv4Addr::new(b[12], b[13], b[14], b[15]),
            dst: Ipv4Addr::new(b[16], b[17], b[18], b[19]),
            options: b[20..ihl].to_vec(),
            payload: b[ihl..].to_vec(),
        }
    }
}

/// The Internet checksum by its definition.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
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
    fn flush(&self) {}
}

impl Ethernet for Link {
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
        if meta.segmentation.is_none() && len > self.mtu.get() {
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

/// A layer with `10.0.0.2/24` and a gateway.
pub fn layer(link: &Link) -> Box<Ipv4<&Link>> {
    let i = Box::new(Ipv4::connect(link));
    assert_eq!(i.configure(&config(&[Cidr::new(ME, 24)], &[GATEWAY])), 0);
    i
}

pub fn config<'a>(addresses: &'a [Cidr], gateways: &'a [Ipv4Addr]) -> Config<'a> {
    Config { addresses, gateways, ..Config::default() }
}

/// A packet to be made, field by field.
#[derive(Clone, Debug)]
pub struct Make {
    pub version: u8,
    pub ihl: Option<u8>,
    pub total: Option<u16>,
    pub tos: u8,
    pub id: u16,
    /// Flags and offset as they stand on the wire.
    pub fragment: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    pub sum_off_by: u16,
}

pub const DF: u16 = 0x4000;
pub const MF: u16 = 0x2000;

pub fn make(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: impl Into<Vec<u8>>) -> Make {
    Make {
        version: 4,
        ihl: None,
        total: None,
        tos: 0,
        id: 0x1234,
        fragment: 0,
        ttl: 61,
        protocol,
        src,
        dst,
        options: vec![],
        payload: payload.into(),
        sum_off_by: 0,
    }
}

impl Make {
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let ihl = self.ihl.unwrap_or((header / 4) as u8);
        let total = self.total.unwrap_or((header + self.payload.len()) as u16);
        let mut b = vec![self.version << 4 | ihl, self.tos];
        b.extend(total.to_be_bytes());
        b.extend(self.id.to_be_bytes());
        b.extend(self.fragment.to_be_bytes());
        b.extend([self.ttl, self.protocol, 0, 0]);
        b.extend(self.src.octets());
        b.extend(self.dst.octets());
        b.extend(&self.options);
        let check = sum(&b).wrapping_add(self.sum_off_by);
        b[10..12].copy_from_slice(&check.to_be_bytes());
        b.extend(&self.payload);
        b
    }
}

/// An ICMP message with its checksum.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut b = vec![kind, code, 0, 0];
    b.extend(rest);
    b.extend(data);
    let check = sum(&b).to_be_bytes();
    b[2..4].copy_from_slice(&check);
    b
}

/// What a label was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Got {
    Packet {
        label: &'static str,
        cast: Cast,
        tos: u8,
        ttl: u8,
        header: Vec<u8>,
        payload: Vec<u8>,
        meta: RxMeta,
    },
    Error {
        label: &'static str,
        kind: IcmpErrorKind,
        reporter: Ipv4Addr,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        quote: Vec<u8>,
    },
    Default {
        protocol: u8,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        payload: Vec<u8>,
    },
}

impl Got {
    pub fn of(label: &'static str, inbound: Inbound<'_>) -> Self {
        match inbound {
            Inbound::Packet(p) => Got::Packet {
                label,
                cast: p.cast,
                tos: p.tos,
                ttl: p.ttl,
                header: p.header.to_vec(),
                payload: p.payload.to_vec(),
                meta: p.meta,
            },
            Inbound::Error(e) => Got::Error {
                label,
                kind: e.kind,
                reporter: e.reporter,
                src: e.src,
                dst: e.dst,
                quote: e.quote.to_vec(),
            },
        }
    }

    pub fn payload(&self) -> &[u8] {
        match self {
            Got::Packet { payload, .. } | Got::Default { payload, .. } => payload,
            Got::Error { quote, .. } => quote,
        }
    }
}

/// Gives `i` a frame, and tells what its labels were given.
pub fn feed_meta<E: Ethernet, const B: usize, const S: usize, const N: usize, const P: usize>(
    i: &Ipv4<E, B, S, N, P>,
    bytes: &[u8],
    meta: RxMeta,
) -> Vec<Got> {
    let got = RefCell::new(vec![]);
    i.input(
        Frame::new(bytes, meta),
        listeners()
            .tcp(|s| got.borrow_mut().push(Got::of("tcp", s)))
            .udp(|d| got.borrow_mut().push(Got::of("udp", d)))
            .icmp(|m| got.borrow_mut().push(Got::of("icmp", m)))
            .default(|protocol: Protocol, src, dst, p| {
                let payload = p.to_vec();
                got.borrow_mut().push(Got::Default { protocol: protocol.0, src, dst, payload });
            }),
    );
    got.into_inner()
}

pub fn feed<E: Ethernet, const B: usize, const S: usize, const N: usize, const P: usize>(
    i: &Ipv4<E, B, S, N, P>,
    make: &Make,
) -> Vec<Got> {
    feed_meta(i, &make.bytes(), RxMeta::NONE)
}

/// Asserts that `packet` is dropped without an answer, and counted as `field`.
#[track_caller]
pub fn drops(i: &Ipv4<&Link>, packet: &Make, field: fn(&Statistics) -> u64) {
    drops_bytes(i, &packet.bytes(), RxMeta::NONE, field);
}

#[track_caller]
pub fn drops_bytes(i: &Ipv4<&Link>, bytes: &[u8], meta: RxMeta, field: fn(&Statistics) -> u64) {
    let before = i.statistics();
    let got = feed_meta(i, bytes, meta);
    assert_eq!(got, vec![], "handed up");
    assert_eq!(i.ethernet().take().len(), 0, "answered");
    assert_eq!(field(&i.statistics()), field(&before) + 1, "{:?}", i.statistics());
    assert_eq!(i.statistics().rx_packets, before.rx_packets + 1);
    assert_eq!(i.statistics().rx_delivered, before.rx_delivered);
}

/// A waker that counts.
#[derive(Default)]
pub struct Count(pub AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn waker() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }
    pub fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

pub fn poll(i: &Ipv4<&Link>) -> Option<Instant> {
    i.poll(i.now(), Waker::noop())
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

/// Writes `payload`.
pub fn write(i: &Ipv4<&Link>, header: Header, meta: TxMeta, payload: &[u8]) -> Result<(), SendError> {
    i.write(header, meta, payload.len(), |buffer| {
        buffer.copy_from_slice(payload);
        payload.len()
    })
}

/// A generator that is none.
pub struct Steps(pub u64);

impl Steps {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
