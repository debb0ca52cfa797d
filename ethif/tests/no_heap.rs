//! The layer at work, without a heap: an allocator that ends the test at the
//! first allocation.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ethif::{Ethif, listeners};
use traits::*;
use wire::{EtherType, MacAddr};

/// A device that keeps the last frame.
struct Wire {
    now: Cell<Instant>,
    last: RefCell<([u8; 1514], usize)>,
    count: Cell<usize>,
}

const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

impl Layer for Wire {
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

impl Network for Wire {
    type Error = Infallible;

    fn mac(&self) -> MacAddr {
        OWN
    }

    fn mtu(&self) -> usize {
        1500
    }

    fn write(&self, _: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        let mut last = self.last.try_borrow_mut().map_err(|_| SendError::Full)?;
        let (buffer, used) = &mut *last;
        *used = fill(&mut buffer[..len]);
        self.count.set(self.count.get() + 1);
        Ok(())
    }

    fn listen(&self, _: impl FnMut(Frame<'_>)) -> impl Future<Output = Result<Never, Infallible>> {
        pending()
    }

    fn statistics(&self) -> NetworkStatistics {
        NetworkStatistics::ZERO
    }

    fn reset_statistics(&self) {}

    fn disconnect(&self) {}
}

fn main() {
    let net =
        Wire { now: Cell::new(Instant::from_secs(1)), last: RefCell::new(([0; 1514], 0)), count: Cell::new(0) };
    test_allocator::forbid();
    let received = work(&net);
    test_allocator::allow();
    assert_eq!(received, 1000);
    assert!(net.count.get() > 1000);
    println!("no allocation in {} frames sent and {received} received", net.count.get());
}

fn work(net: &Wire) -> usize {
    let e = Ethif::connect(net);
    let mut context = Context::from_waker(Waker::noop());
    e.add_ipv4([10, 0, 0, 1].into());
    let mut query = pin!(e.query_arpv4([10, 0, 0, 3].into()));
    let mut probe = pin!(e.probe_ipv4([10, 0, 0, 4].into()));
    let mut conflict = pin!(e.conflict());
    let (mut querying, mut probing) = (true, true);
    let mut received = 0;
    for n in 0..1000 {
        // Completed futures are not polled again.
        querying = querying && query.as_mut().poll(&mut context).is_pending();
        probing = probing && probe.as_mut().poll(&mut context).is_pending();
        assert!(conflict.as_mut().poll(&mut context).is_pending());
        let _ = e.write(To::Host([10, 0, 0, 2].into()), EtherType::IPV4, TxMeta::NONE, 1500, |b| b.len());
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&OWN.0);
        frame[6..12].copy_from_slice(&PEER.0);
        frame[12..14].copy_from_slice(&[8, 0]);
        e.input(Frame::from(&frame[..]), listeners().ipv4(|_| received += 1));
        // 10.0.0.2 asks for 10.0.0.1.
        frame[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame[22..28].copy_from_slice(&PEER.0);
        frame[28..32].copy_from_slice(&[10, 0, 0, 2]);
        frame[38..42].copy_from_slice(&[10, 0, 0, 1 + n as u8 % 3]);
        e.input(Frame::from(&frame[..]), listeners());
        net.now.set(net.now.get() + Duration::from_millis(100));
        e.poll(net.now.get(), Waker::noop());
    }
    assert!(!querying && !probing);
    received
}
