//! The layer and its socket without a heap: an allocator that panics.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use traits::*;
use udpv4::{Socket, Udp, callback};

/// An IPv4 layer that keeps the last packet.
struct Last(RefCell<heapless::Vec<u8, 2000>>, Cell<usize>);

impl Layer for Last {
    fn now(&self) -> Instant {
        Instant::ZERO
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

impl Ip for Last {
    fn write(
        &self,
        _: Header,
        _: TxMeta,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let mut last = self.0.borrow_mut();
        last.clear();
        last.resize(len, 0).map_err(|_| SendError::TooLong)?;
        let used = fill(&mut last);
        last.truncate(used);
        self.1.set(self.1.get() + 1);
        Ok(())
    }
    fn route(&self, _: Ipv4Addr, _: Option<Ipv4Addr>) -> Result<Path, SendError> {
        Ok(Path::new(Ipv4Addr::new(10, 0, 0, 2), 1500, Capabilities::NONE))
    }
    fn unreachable(&self, _: &Packet<'_>, _: UnreachableCode) {}
    fn configure(&self, _: &Config<'_>) -> usize {
        0
    }
    fn set_ipv4(&self, _: Ipv4Addr) {}
    fn get_ipv4(&self) -> Option<Ipv4Addr> {
        None
    }
    fn set_ipv4_netmask(&self, _: Ipv4Addr) {}
    fn get_ipv4_netmask(&self) -> Option<Ipv4Addr> {
        None
    }
    fn set_ipv4_gateways(&self, _: &[Ipv4Addr]) {}
    fn get_ipv4_gateways(&self, _: impl FnMut(Ipv4Addr)) {}
    fn is_local(&self, _: Ipv4Addr) -> bool {
        false
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

#[test]
fn there_and_back() {
    test_allocator::forbid();
    let ip = Last(RefCell::default(), Cell::new(0));
    let udp = Udp::connect(&ip);
    let (here, there) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1));
    let dst = SocketAddrV4::new(there, 7);
    udp.send(1000, dst, b"hello").unwrap();
    let packet = ip.0.borrow().clone();
    let socket = Socket::new();
    let mut buffer = [0; 16];
    let got = {
        let mut recv = pin!(socket.recv(&mut buffer));
        let mut context = Context::from_waker(Waker::noop());
        assert!(recv.as_mut().poll(&mut context).is_pending());
        let arrived = Inbound::Packet(Packet::new(here, there, Protocol::UDP, &packet));
        udp.input(arrived, |port| (port == 7).then_some(&socket as &dyn Receive));
        recv.as_mut().poll(&mut context)
    };
    let echo = callback(|d| udp.send(7, d.src, d.payload).unwrap());
    udp.input(Inbound::Packet(Packet::new(here, there, Protocol::UDP, &packet)), |_| Some(&echo));
    let segments = Endpoint::new(1000, dst).with_segment_size(NonZeroU16::new(1000).unwrap());
    udp.write(segments, 4500, |buffer| buffer.len()).unwrap();
    test_allocator::allow();
    assert!(matches!(got, Poll::Ready(got) if got.len == 5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(ip.1.get(), 7);
}
