//! What the tests share.

#![allow(dead_code, reason = "each test uses its part")]

use std::cell::RefCell;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use netif_memory::{Simulator, VirtualClock};
use traits::{Frame, Instant, Layer, Network, SendError, TxMeta};
use wire::{Checksum, Protocol};

pub(crate) const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

struct All<'a>(Vec<Task<'a>>);

impl Future for All<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.retain_mut(|task| task.as_mut().poll(context).is_pending());
        Poll::Pending
    }
}

pub(crate) fn run_until(clock: &VirtualClock, tasks: Vec<Task<'_>>, until: Instant) {
    let polled = Simulator::new(clock).run_until(pin!(All(tasks)), until);
    assert!(polled.is_ok(), "{polled:?}");
}

/// Listens and answers with what `answer` makes of each frame.
pub(crate) fn respond<'a>(
    device: &'a impl Network,
    mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + 'a,
) -> Task<'a> {
    let input = move |frame: Frame<'_>| {
        if let Some(bytes) = answer(frame.bytes) {
            send(device, TxMeta::NONE, &bytes).unwrap();
        }
    };
    Box::pin(async move { device.listen(input).await.map(|_| ()).unwrap() })
}

pub(crate) fn tower<'a>(device: &'a impl Layer, clock: &'a VirtualClock) -> Task<'a> {
    Box::pin(async move { device.run(clock).await.map(|_| ()).unwrap() })
}

pub(crate) fn send(device: &impl Network, meta: TxMeta, bytes: &[u8]) -> Result<(), SendError> {
    device.write(meta, bytes.len(), |buffer| {
        buffer.copy_from_slice(bytes);
        bytes.len()
    })
}

/// A TCP segment in a frame; with `blank`, only the sum of the pseudo-header
/// stands in its checksum.
pub(crate) fn tcp(payload: &[u8], blank: bool) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4(A.octets(), B.octets(), 64)
        .tcp(4000, 80, 1_000_000, 500)
        .ack(77)
        .psh();
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    if blank {
        let sum = Checksum::pseudo(A, B, Protocol::TCP, frame.len() - 34).partial();
        frame[50..52].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}

pub(crate) fn udp(payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(A.octets(), B.octets(), 64).udp(53, 5300);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// The payload of a TCP or UDP frame, whose checksums all have to hold.
pub(crate) fn payload(frame: &[u8]) -> Vec<u8> {
    let sliced = SlicedPacket::from_ethernet(frame).expect("a frame");
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let (src, dst) = (header.source, header.destination);
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(Ok(tcp.checksum()), tcp.calc_checksum_ipv4(src, dst));
            tcp.payload().to_vec()
        }
        Some(TransportSlice::Udp(udp)) => {
            let expected = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
            assert_eq!(Ok(udp.checksum()), expected);
            udp.payload().to_vec()
        }
        other => panic!("no transport: {other:?}"),
    }
}

pub(crate) const fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A file that fails after so many bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) bytes: Rc<RefCell<Vec<u8>>>,
    pub(crate) room: usize,
}

impl std::io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.bytes.borrow_mut();
        if kept.len() + bytes.len() > self.room {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
