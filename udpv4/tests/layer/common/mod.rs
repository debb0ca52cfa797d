//! An IPv4 layer that keeps what it is given.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::task::{Poll, Waker};

use traits::*;
use wire::Checksum;

pub const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const THERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    pub header: Header,
    pub meta: TxMeta,
    pub payload: Vec<u8>,
}

impl Sent {
    /// The datagram's own payload.
    pub fn data(&self) -> &[u8] {
        &self.payload[8..]
    }

    pub fn checksum(&self) -> u16 {
        u16::from_be_bytes([self.payload[6], self.payload[7]])
    }

    /// Whether the whole sums up, as a receiver sees it.
    pub fn verifies(&self) -> bool {
        let src = self.header.src.unwrap();
        let sum = Checksum::pseudo(src, self.header.dst, Protocol::UDP, self.payload.len());
        sum.bytes(&self.payload).finish() == 0
    }
}

#[derive(Debug)]
pub struct MockIp {
    pub path: Cell<Path>,
    pub route_error: Cell<Option<SendError>>,
    /// The outcome of the next writes, all well beyond.
    pub outcomes: RefCell<VecDeque<Result<(), SendError>>>,
    pub sent: RefCell<Vec<Sent>>,
    pub unreachable: RefCell<Vec<UnreachableCode>>,
    pub flushes: Cell<usize>,
}

impl MockIp {
    pub fn new() -> Self {
        Self::with(Capabilities::NONE)
    }

    pub fn with(capabilities: Capabilities) -> Self {
        Self {
            path: Cell::new(Path::new(HERE, 1500, capabilities)),
            route_error: Cell::default(),
            outcomes: RefCell::default(),
            sent: RefCell::default(),
            unreachable: RefCell::default(),
            flushes: Cell::new(0),
        }
    }
}

impl Layer for MockIp {
    fn now(&self) -> Instant {
        Instant::ZERO
    }
    fn capabilities(&self) -> Capabilities {
        self.path.get().capabilities
    }
    fn poll(&self, _: Instant, _: &Waker) -> Option<Instant> {
        None
    }
    fn poll_room(&self, _: &Waker) -> Poll<()> {
        Poll::Ready(())
    }
    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {
        self.flushes.set(self.flushes.get() + 1);
    }
}

impl Ip for MockIp {
    fn write(
        &self,
        header: Header,
        meta: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.outcomes.borrow_mut().pop_front().unwrap_or(Ok(()))?;
        let mut payload = vec![0xa5; len];
        let used = fill(&mut payload).min(len);
        payload.truncate(used);
        self.sent.borrow_mut().push(Sent { header, meta, payload });
        Ok(())
    }
    fn route(&self, _: Ipv4Addr, src: Option<Ipv4Addr>) -> Result<Path, SendError> {
        if let Some(error) = self.route_error.get() {
            return Err(error);
        }
        let mut path = self.path.get();
        path.src = src.unwrap_or(path.src);
        Ok(path)
    }
    fn unreachable(&self, _: &Packet<'_>, code: UnreachableCode) {
        self.unreachable.borrow_mut().push(code);
    }
    fn configure(&self, _: &Config<'_>) -> usize {
        0
    }
    fn set_ipv4(&self, _: Ipv4Addr) {}
    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        Some(self.path.get().src)
    }
    fn set_ipv4_netmask(&self, _: Ipv4Addr) {}
    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        None
    }
    fn set_ipv4_gateways(&self, _: &[Ipv4Addr]) {}
    fn get_ipv4_gateways(&self, _: impl FnMut(Ipv4Addr)) {}
    fn is_local(&self, address: Ipv4Addr) -> bool {
        address == self.path.get().src
    }
    fn generation(&self) -> u32 {
        0
    }
    fn join_group(&self, _: Ipv4Addr) -> Result<(), SendError> {
        Ok(())
    }
    fn leave_group(&self, _: Ipv4Addr) {}
    fn confirm(&self, _: Ipv4Addr) {}
    fn learn_path_mtu(&self, _: Ipv4Addr, _: u16) {}
    fn forget_path_mtu(&self, _: Ipv4Addr) {}
}

/// A datagram with a correct checksum.
pub fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(source.to_be_bytes());
    bytes.extend(destination.to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    let sum = Checksum::pseudo(THERE, HERE, Protocol::UDP, bytes.len()).bytes(&bytes).finish();
    bytes[6..8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    bytes
}

pub fn packet(payload: &[u8]) -> Packet<'_> {
    Packet::new(THERE, HERE, Protocol::UDP, payload)
}

/// Source, payload, kind of destination, segment size.
pub type Kept = (std::net::SocketAddrV4, Vec<u8>, Cast, Option<u16>);

/// A receiver that keeps copies.
#[derive(Default, Debug)]
pub struct Keep {
    pub datagrams: RefCell<Vec<Kept>>,
    pub errors: RefCell<Vec<DatagramError>>,
}

impl Receive for Keep {
    fn receive(&self, d: Datagram<'_>) {
        let size = d.segment_size.map(|size| size.get());
        self.datagrams.borrow_mut().push((d.src, d.payload.to_vec(), d.cast, size));
    }
    fn error(&self, error: DatagramError) {
        self.errors.borrow_mut().push(error);
    }
}
