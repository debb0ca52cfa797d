//! The whole layer works without a heap: once set up, every allocation ends
//! the test.
#![allow(missing_docs)]

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::net::Ipv4Addr;
use std::task::{Poll, Waker};
use std::time::Duration;

use ipv4::{Fragmentation, HeaderFields, Ipv4, REASSEMBLY_TIMEOUT, listeners};
use traits::*;
use wire::{Cidr, EtherType, MacAddr, Protocol, checksum};

const ME: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

/// Counts what is sent.
struct Link {
    now: Cell<Instant>,
    buffer: RefCell<[u8; 1_500]>,
    sent: Cell<usize>,
}

impl Layer for Link {
    fn now(&self) -> Instant {
        self.now.get()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
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

    fn flush(&self) {}
}

impl Ethernet for Link {
    fn mac(&self) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, 2])
    }
    fn mtu(&self) -> usize {
        1_500
    }
    fn write(
        &self,
        _: To,
        _: EtherType,
        _: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        fill(&mut self.buffer.borrow_mut()[..len]);
        self.sent.set(self.sent.get() + 1);
        Ok(())
    }
    fn add_ipv4(&self, _: Ipv4Addr) -> bool {
        true
    }
    fn remove_ipv4(&self, _: Ipv4Addr) {}
    async fn query_arpv4(&self, _: Ipv4Addr) -> Result<MacAddr, Unresolved> {
        pending().await
    }
    async fn probe_ipv4(&self, _: Ipv4Addr) -> Result<(), Conflict> {
        pending().await
    }
    async fn conflict(&self) -> Conflict {
        pending().await
    }
    fn confirm(&self, _: Ipv4Addr) {}
}

fn packet(out: &mut [u8; 1_500], protocol: Protocol, part: Fragmentation, payload: &[u8]) -> usize {
    let fields =
        HeaderFields { fragmentation: part, identification: 7, ..HeaderFields::new(PEER, ME, protocol) };
    let len = fields.encode(out, &[], payload.len()).unwrap();
    out[len..][..payload.len()].copy_from_slice(payload);
    len + payload.len()
}

#[test]
fn nothing_is_allocated() {
    let link =
        Link { now: Cell::new(Instant::from_secs(5)), buffer: RefCell::new([0; 1_500]), sent: Cell::new(0) };
    let delivered = Cell::new(0);
    let mut bytes = [0; 1_500];
    test_allocator::forbid();

    let i = Ipv4::connect(&link);
    i.configure(&Config { addresses: &[Cidr::new(ME, 24)], gateways: &[PEER], ..Config::default() });
    i.join_group(GROUP).unwrap();
    let take = |bytes: &[u8]| {
        i.input(bytes.into(), listeners().udp(|_| delivered.set(delivered.get() + 1)).tcp(|_| ()));
    };
    // A datagram, and one in fragments.
    let payload = [7; 1_480];
    for part in [Fragmentation::NONE, Fragmentation::new(0, true), Fragmentation::new(1_480, false)] {
        let len = packet(&mut bytes, Protocol::UDP, part, &payload);
        take(&bytes[..len]);
    }
    // A ping, an unknown protocol, a fragment that waits in vain.
    let mut ping = [8, 0, 0, 0, 1, 2, 3, 4];
    let sum = checksum(&ping).to_be_bytes();
    ping[2..4].copy_from_slice(&sum);
    for (protocol, part) in [
        (Protocol::ICMP, Fragmentation::NONE),
        (Protocol(200), Fragmentation::NONE),
        (Protocol::UDP, Fragmentation::new(0, true)),
    ] {
        let len = packet(&mut bytes, protocol, part, &ping);
        take(&bytes[..len]);
    }
    // Sending, whole and in parts.
    for len in [10, 65_515] {
        i.write(Header::new(PEER, Protocol::UDP), TxMeta::NONE, len, |_| len).unwrap();
    }
    i.poll(i.now(), Waker::noop());
    link.now.set(i.now() + REASSEMBLY_TIMEOUT + Duration::from_secs(1));
    i.poll(i.now(), Waker::noop());
    i.leave_group(GROUP);
    let statistics = i.statistics();

    test_allocator::allow();
    assert_eq!(delivered.get(), 2);
    // Pong, unreachable, 1 + 45, two reports, time exceeded, leave.
    assert_eq!(link.sent.get(), 2 + 46 + 2 + 1 + 1, "{statistics:?}");
}
