//! An Ethernet layer that records, a clock that stands still, and packets made
//! and read by code of their own.
#![allow(dead_code, missing_docs, unreachable_pub)]

mod link;
mod packets;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use ipv4::{Ipv4, Statistics, listeners};
use traits::*;
use wire::{Cidr, Protocol};

pub use link::*;
pub use packets::*;

pub const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
pub const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
pub const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;
pub const DIRECTED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 255);

/// A layer with `10.0.0.2/24` and a gateway.
pub fn layer(link: &Link) -> Box<Ipv4<&Link>> {
    let i = Box::new(Ipv4::connect(link));
    assert_eq!(i.configure(&config(&[Cidr::new(ME, 24)], &[GATEWAY])), 0);
    i
}

pub fn config<'a>(addresses: &'a [Cidr], gateways: &'a [Ipv4Addr]) -> Config<'a> {
    Config { addresses, gateways, ..Config::default() }
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
