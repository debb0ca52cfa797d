//! The rings of the Xen network driver, with a backend that does anything.

use std::cell::Cell;
use std::future::Future;
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use netif_memory::VirtualClock;
use netif_xen_netfront::simulation::wire::{ExtraInfo, RxResponse};
use netif_xen_netfront::simulation::{Attachment, BackQueue, Device, Guest, World};
use netif_xen_netfront::{DomainId, Netfront, Options};
use traits::{ChecksumVerdict, Frame, Layer, Network, SegmentationKind, TxMeta};

use crate::Bytes;

const DOM0: DomainId = DomainId(0);
const GUEST: DomainId = DomainId(7);
/// Pages to send from and to receive into.
const PAGES: (usize, usize) = (20, 32);

type Clock<'c> = &'c VirtualClock;
type Front<'w, 'c> = Netfront<Guest<'w, Clock<'c>>, 2>;

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A backend that writes anything into the rings, at any time: nothing
/// panics, no frame is handed up that makes no sense, what is granted stays
/// bounded; and when the backend behaves again, frames pass again.
pub fn xen_ring(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    let device = Device::new(&world, DOM0, GUEST, 0);
    let flags = bytes.u8();
    let mut attachment = Attachment::default().with("multi-queue-max-queues", 1 + u32::from(flags & 1));
    for (bit, feature) in [(1, "feature-sg"), (2, "feature-gso-tcpv4"), (3, "feature-split-event-channels")] {
        if flags >> bit & 1 == 1 {
            attachment = attachment.without(feature);
        }
    }
    device.attach(&attachment);
    device.offer(&attachment);
    let options = Options::new().with_tx_pages(PAGES.0).with_rx_pages(PAGES.1);
    let Poll::Ready(front) = poll(pin!(Netfront::<_, 2>::connect_with(world.guest(GUEST), 0, options))) else {
        panic!("not connected");
    };
    let front = front.expect("nothing is missing");
    device.set_state(4);
    let mut queues = device.queues().expect("written");
    let granted = world.granted();
    let handed = Cell::new(0);
    {
        let mut listen = pin!(front.listen(|frame| look_at(frame, &handed)));
        for _ in 0..200 {
            if bytes.is_empty() {
                break;
            }
            step(&mut bytes, &clock, &front, &device, &mut queues);
            assert!(poll(listen.as_mut()).is_pending(), "listen ended");
            assert!(world.granted() <= granted && world.open_ports() <= 4, "more than at the beginning");
        }
        recover(&clock, &front, &device, listen.as_mut(), &handed);
    }
    assert_eq!(front.statistics().rx_packets, handed.get());
}

/// Whether a frame that was handed up makes sense.
fn look_at(frame: Frame<'_>, handed: &Cell<u64>) {
    handed.set(handed.get() + 1);
    assert!((14..=65_553).contains(&frame.bytes.len()), "{} bytes", frame.bytes.len());
    if let ChecksumVerdict::Blank(place) = frame.meta.checksum {
        let end = usize::from(place.start) + usize::from(place.offset) + 2;
        assert!(end <= frame.bytes.len(), "a checksum outside of the frame");
    }
}

/// The backend, or the tower, does something.
fn step<'w, 'c>(
    bytes: &mut Bytes<'_>,
    clock: &VirtualClock,
    front: &Front<'w, 'c>,
    device: &Device<'w, Clock<'c>>,
    queues: &mut Vec<BackQueue<'w, Clock<'c>>>,
) {
    let operation = bytes.u8();
    match operation % 15 {
        0 => return write(bytes, front),
        1 => return device.set_state(u32::from(bytes.u8() % 9)),
        2 => {
            if let Some(attached) = device.queues() {
                *queues = attached;
            }
        }
        3 => clock.advance(Layer::now(front) + Duration::from_millis(bytes.u16().into())),
        4 => front.flush(),
        5 => {
            let _ = front.poll_room(Waker::noop());
        }
        _ => {}
    }
    let Some(queue) = queues.get_mut(usize::from((operation / 15) & 1)) else { return };
    match operation % 15 {
        6 => {
            // The index of requests may have been written over.
            for _ in 0..256 {
                let Some(request) = queue.take_tx() else { break };
                queue.answer_tx(request.id.get(), 0);
            }
        }
        7 => queue.answer_tx(bytes.u16(), bytes.u16() as i16),
        8 => {
            let _ = queue.put_rx(bytes.short(), u16::from(bytes.u8()) << 3, bytes.u8().into());
        }
        9 => {
            let id = queue.take_rx().map_or_else(|| bytes.u16(), |request| request.id.get());
            let (offset, flags, status) = (bytes.u16().into(), bytes.u16().into(), (bytes.u16() as i16).into());
            queue.rx.respond(&RxResponse { id: id.into(), offset, flags, status });
        }
        10 => {
            let _ = queue.take_rx();
            let (kind, flags, size, gso_type) =
                (bytes.u8() % 6, bytes.u8() & 1, bytes.u16().into(), bytes.u8() % 3);
            queue.rx.respond(&ExtraInfo { kind, flags, size, gso_type, ..Default::default() });
        }
        11 => queue.rx.poke(usize::from(bytes.u8()) * 4 % 4096, bytes.u32()),
        12 => queue.tx.poke(usize::from(bytes.u16()) * 4 % 4096, bytes.u32()),
        13 => {
            let id = queue.take_rx().map(|request| request.id);
            for piece in 0..bytes.u8() % 40 {
                let next = if piece == 0 { id } else { queue.take_rx().map(|request| request.id) };
                let Some(id) = next else { break };
                let status = i16::from(bytes.u8()) << 4;
                queue.rx.respond(&RxResponse { id, offset: 0.into(), flags: 4.into(), status: status.into() });
            }
        }
        _ => {
            queue.publish();
            queue.notify();
        }
    }
}

/// The tower sends a frame: filled if, and only if, it is taken.
fn write(bytes: &mut Bytes<'_>, front: &Front<'_, '_>) {
    let flags = bytes.u8();
    let len = usize::from(bytes.u16());
    let mut meta = TxMeta::NONE.with_more(flags & 1 != 0);
    if flags & 2 != 0 {
        meta = meta.with_checksum(34, if flags & 4 != 0 { 16 } else { u16::from(bytes.u8()) * 2 % 510 });
    }
    if let Some(size) = NonZeroU16::new(bytes.u8().into())
        && flags & 8 != 0
    {
        meta = meta.with_segmentation(SegmentationKind::Tcp4 { cwr: flags & 16 != 0 }, size, 54);
    }
    let head = bytes.short();
    let filled = Cell::new(false);
    let result = front.write(meta, len, |buffer| {
        filled.set(true);
        assert_eq!(buffer.len(), len);
        let known = head.len().min(len);
        buffer[..known].copy_from_slice(&head[..known]);
        if flags & 32 != 0 { known } else { len }
    });
    assert_eq!(result.is_ok(), filled.get(), "{result:?}");
}

/// A backend that behaves takes over: it is connected to before long, and a
/// frame passes each way.
fn recover<'c>(
    clock: &VirtualClock,
    front: &Front<'_, 'c>,
    device: &Device<'_, Clock<'c>>,
    mut listen: Pin<&mut impl Future>,
    handed: &Cell<u64>,
) {
    device.set_state(5);
    for _ in 0..20 {
        clock.advance(Layer::now(front) + Duration::from_secs(70));
        assert!(poll(listen.as_mut()).is_pending());
        match device.frontend_state() {
            4 if front.is_up() => break,
            1 => device.set_state(2),
            5 | 6 => device.set_state(6),
            _ => {}
        }
    }
    assert!(front.is_up(), "not connected again: the frontend is in state {}", device.frontend_state());
    device.set_state(4);
    let mut queues = device.queues().expect("written");
    let before = handed.get();
    for queue in &mut queues {
        assert!(queue.put_rx(&[0; 60], 0, 0).is_some(), "no pages");
        queue.publish();
    }
    assert!(poll(listen.as_mut()).is_pending());
    assert_eq!(handed.get(), before + queues.len() as u64);
    let sent = front.write(TxMeta::NONE, 60, |buffer| buffer.len());
    assert_eq!(sent, Ok(()));
    assert!(queues.iter_mut().any(|queue| queue.take_tx().is_some()), "nothing came");
}
