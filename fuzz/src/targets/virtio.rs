//! The header before each frame of a tap.

use std::cell::Cell;
use std::io;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use netif_memory::VirtualClock;
use netif_unix_tap::{Options, Tap};
use os::unix::Reactor;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use traits::{ChecksumVerdict, Instant, Network, SegmentationKind, Time, TxMeta};

use crate::bytes::Bytes;
use crate::packet::{PEER, STACK};

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

/// The virtio-net header, over a socket pair: any header before any frame, which
/// is dropped and counted, or what is said of it holds for its bytes; and any
/// frame written, at once or gathered, which is read the same at the far end.
pub fn virtio(data: &[u8]) {
    any_header(data);
    round_trip(&mut Bytes::new(data));
}

fn any_header(data: &[u8]) {
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

/// What one tap writes, with what it asks of the device, another one reads.
fn round_trip(bytes: &mut Bytes<'_>) {
    let clock = VirtualClock::new();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok((near, far)) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None) else { return };
    let taps =
        [(near, STACK.0), (far, PEER.0)].map(|(end, mac)| Options::new().over(Ready(&clock), end, mac, 1500));
    let [Ok(near), Ok(far)] = taps else { return };
    for _ in 0..8 {
        let (meta, sum) = meta(bytes);
        let frame = [&[1; 14], bytes.short()].concat();
        let head = if bytes.u8() & 1 == 0 { frame.len() } else { 14 + usize::from(bytes.u8()) };
        let Some((head, rest)) = frame.split_at_checked(head) else { continue };
        let fill = |buffer: &mut [u8]| {
            buffer.copy_from_slice(head);
            head.len()
        };
        let written = if rest.is_empty() {
            near.write(meta, head.len(), fill)
        } else {
            near.write_gathered(meta, head.len(), rest, fill)
        };
        let mut got = Vec::new();
        {
            let mut listen = pin!(far.listen(|frame| got.push((frame.bytes.to_vec(), frame.meta))));
            let polled = listen.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "ended by what was written: {polled:?}");
        }
        // A checksum that has no place in the frame is not believed.
        let is_placed = sum.is_none_or(|(start, offset)| {
            start >= 14 && usize::from(start) + usize::from(offset) + 2 <= frame.len()
        });
        if written.is_err() || !is_placed {
            assert!(got.is_empty(), "{written:?}, but sent");
            continue;
        }
        let [(read, said)] = &got[..] else { panic!("{} frames of one", got.len()) };
        assert_eq!(read, &frame);
        let verdict = meta.checksum().map_or(ChecksumVerdict::Unchecked, ChecksumVerdict::Blank);
        assert_eq!(said.checksum, verdict);
        let large = meta.segmentation();
        let large = large.filter(|by| frame.len() > usize::from(by.header_len) + usize::from(by.size.get()));
        assert_eq!(said.segment_size, large.map(|by| by.size));
    }
}

/// What is asked of the device, and where a checksum is to go.
fn meta(bytes: &mut Bytes<'_>) -> (TxMeta, Option<(u16, u16)>) {
    let kinds =
        [SegmentationKind::Tcp4 { cwr: false }, SegmentationKind::Tcp4 { cwr: true }, SegmentationKind::Udp4];
    let (choice, mut meta) = (bytes.u8(), TxMeta::NONE);
    let sum = (choice & 1 != 0).then(|| (u16::from(bytes.u8()), u16::from(bytes.u8() % 16) * 2));
    if let Some((start, offset)) = sum {
        meta = meta.with_checksum(start, offset);
    }
    let size = NonZeroU16::new(u16::from(bytes.u8()));
    let kind = kinds.into_iter().nth(usize::from(choice >> 1 & 3));
    // A large frame has its checksums completed where it is cut.
    if let (Some(size), Some(kind), Some(_)) = (size, kind, sum) {
        meta = meta.with_segmentation(kind, size, u16::from(bytes.u8()));
    }
    (meta, sum)
}
