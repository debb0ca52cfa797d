//! The header before each frame of a tap.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use netif_memory::VirtualClock;
use netif_unix_tap::{Options, Tap};
use os::unix::Reactor;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use traits::{ChecksumVerdict, Instant, Network, Time};

use crate::packet::STACK;

/// A reactor that never has to wait: what there is to read is read first.
struct Ready<'a>(&'a VirtualClock);

impl Time for Ready<'_> {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        self.0.sleep_until(deadline)
    }
}

impl Reactor for Ready<'_> {
    type Source = OwnedFd;

    fn register(&self, fd: OwnedFd) -> io::Result<OwnedFd> {
        Ok(fd)
    }

    fn poll_readable(&self, _source: &OwnedFd, _waker: &Waker) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_writable(&self, _source: &OwnedFd, _waker: &Waker) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// The virtio-net header: any header before any frame, over a socket pair. A
/// frame is dropped and counted, or what is said of it holds for its bytes.
pub fn virtio(data: &[u8]) {
    let clock = VirtualClock::new();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Without descriptors there is nothing to test.
    let Ok((near, far)) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None) else { return };
    let Ok(tap): Result<Tap<Ready<'_>>, _> = Options::new().over(Ready(&clock), near, STACK.0, 1500) else {
        return;
    };
    let mut sent = 0;
    for message in data.chunks(200).take(8) {
        sent += u64::from(rustix::io::write(&far, message).is_ok());
    }
    let received = Cell::new(0);
    {
        let mut listen = pin!(tap.listen(|frame| {
            received.set(received.get() + 1);
            if let ChecksumVerdict::Blank(place) = frame.meta.checksum {
                let field = usize::from(place.start) + usize::from(place.offset);
                assert!(field + 2 <= frame.bytes.len(), "a checksum outside of the frame");
            }
        }));
        let polled = listen.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "ended by what was received: {polled:?}");
    }
    let statistics = tap.statistics();
    assert_eq!(statistics.rx_packets, received.get());
    assert_eq!(statistics.rx_packets + statistics.rx_dropped, sent, "frames not accounted for");
}
