//! The driver against a backend that is played by hand: what is in the rings.

mod common;

use std::num::NonZeroU16;
use std::task::{Context, Poll, Waker};

use common::*;
use netif_memory::VirtualClock;
use netif_xen_netfront::simulation::wire::ExtraInfo;
use netif_xen_netfront::simulation::{Attachment, World};
use netif_xen_netfront::{Options, PAGE};
use traits::{ChecksumVerdict, Layer, Network, Offload, SegmentationKind, SendError, TxMeta};

fn send(front: &Front<'_, '_>, meta: TxMeta, frame: &[u8]) -> Result<(), SendError> {
    front.write(meta, frame.len(), |buffer| {
        assert_eq!(buffer.len(), frame.len());
        buffer.copy_from_slice(frame);
        buffer.len()
    })
}

#[test]
fn a_frame_is_one_request_in_a_page_of_its_own() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        let frame = tcp_frame(1514);
        send(&front, TxMeta::NONE, &frame).unwrap();
        let request = queues[0].take_tx().unwrap();
        assert_eq!((request.size.get(), request.flags.get()), (1514, 0));
        let mut bytes = vec![0; 1514];
        queues[0].copy_from(request.gref.get(), request.offset.get().into(), &mut bytes).unwrap();
        assert_eq!(bytes, frame);
        assert!(queues[0].copy_to(request.gref.get(), 0, &[0]).is_err(), "granted read-only");
        assert!(queues[0].take_tx().is_none());
    });
}

#[test]
fn a_large_frame_has_pieces_and_extra_info() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        assert!(front.capabilities().offload.contains(Offload::TSO4 | Offload::TX_CHECKSUM));
        assert_eq!(front.capabilities().gso_max_size, 65_535);
        let frame = tcp_frame(65_535);
        let meta = TxMeta::NONE.with_checksum(34, 16).with_segmentation(
            SegmentationKind::Tcp4 { cwr: false },
            NonZeroU16::new(1448).unwrap(),
            54,
        );
        send(&front, meta, &frame).unwrap();
        let first = queues[0].take_tx().unwrap();
        assert_eq!((first.size.get(), first.flags.get()), (65_535, 1 | 2 | 4 | 8));
        let extra: ExtraInfo = queues[0].tx.peek(0);
        queues[0].tx.consumed += 1;
        assert_eq!((extra.kind, extra.flags, extra.size.get(), extra.gso_type), (1, 0, 1448, 1));
        let mut pieces = vec![first];
        pieces.extend(std::iter::from_fn(|| queues[0].take_tx()));
        assert_eq!(pieces.len(), 16, "few enough for every backend");
        let mut bytes = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let of_rest: usize = pieces[1..].iter().map(|piece| usize::from(piece.size.get())).sum();
            let len = if index == 0 { 65_535 - of_rest } else { piece.size.get().into() };
            assert_eq!(piece.flags.get() & 4 != 0, index + 1 < pieces.len());
            let mut part = vec![0; len];
            queues[0].copy_from(piece.gref.get(), piece.offset.get().into(), &mut part).unwrap();
            bytes.extend(part);
        }
        assert_eq!(bytes, frame);
    });
}

#[test]
fn a_checksum_that_the_backend_would_not_find_is_completed() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        let mut fragment = tcp_frame(100);
        fragment[20..22].copy_from_slice(&[0x20, 0]);
        fragment[34 + 16..34 + 18].fill(0);
        send(&front, TxMeta::NONE.with_checksum(34, 16), &fragment).unwrap();
        let request = queues[0].take_tx().unwrap();
        assert_eq!(request.flags.get(), 0);
        let mut bytes = vec![0; 100];
        queues[0].copy_from(request.gref.get(), request.offset.get().into(), &mut bytes).unwrap();
        assert_eq!(wire::checksum(&bytes[34..]), 0);
        // A place outside of the frame can't be met at all.
        send(&front, TxMeta::NONE.with_checksum(34, 98), &fragment).unwrap();
        assert!(queues[0].take_tx().is_none());
        assert_eq!((front.counters().tx_refused, front.statistics().tx_dropped), (1, 1));
    });
}

#[test]
fn what_is_not_offered_is_refused_and_not_filled() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let plain = Attachment::default().without("feature-sg").with("feature-no-csum-offload", 1);
        let (front, ..) = by_hand::<1>(&world, &plain, Options::new()).await.unwrap();
        assert_eq!(front.capabilities().offload, Offload::RX_CHECKSUM | Offload::LARGE_RECEIVE);
        assert_eq!(front.capabilities().gso_max_size, 0);
        let unfilled = |_: &mut [u8]| -> usize { panic!("filled") };
        let checksum = TxMeta::NONE.with_checksum(34, 16);
        assert_eq!(front.write(checksum, 100, unfilled), Err(SendError::Unsupported));
        assert_eq!(front.write(TxMeta::NONE, 1515, unfilled), Err(SendError::TooLong));
        assert_eq!(front.mtu(), 1500);
    });
}

#[test]
fn events_are_sent_only_when_asked_for_and_once_a_batch() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        let before = world.events_from_guests();
        let frame = tcp_frame(100);
        for _ in 0..9 {
            send(&front, TxMeta::NONE.with_more(true), &frame).unwrap();
        }
        assert_eq!(queues[0].tx.requested(), 0, "held back");
        send(&front, TxMeta::NONE, &frame).unwrap();
        assert_eq!(queues[0].tx.requested(), 10);
        assert_eq!(world.events_from_guests(), before + 1);
        // The backend is at work and has not asked again.
        send(&front, TxMeta::NONE, &frame).unwrap();
        assert_eq!(world.events_from_guests(), before + 1);
        while queues[0].take_tx().is_some() {}
        // It asks for an event at the third request from here.
        assert!(!queues[0].tx.arm(3));
        for events in [0, 0, 1, 0] {
            let before = world.events_from_guests();
            send(&front, TxMeta::NONE.with_more(true), &frame).unwrap();
            front.flush();
            front.flush();
            assert_eq!(world.events_from_guests(), before + events);
        }
    });
}

#[test]
fn room_is_waited_for_and_reentry_is_full() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let context = Context::from_waker(Waker::noop());
        let again = front.write(TxMeta::NONE, 100, |buffer| {
            assert_eq!(front.write(TxMeta::NONE, 100, |buffer| buffer.len()), Err(SendError::Full));
            buffer.len()
        });
        assert_eq!(again, Ok(()));
        // Four pages: eight short frames.
        for _ in 0..7 {
            send(&front, TxMeta::NONE, &tcp_frame(1514)).unwrap();
        }
        assert_eq!(send(&front, TxMeta::NONE, &tcp_frame(60)), Err(SendError::Full));
        assert_eq!(front.statistics().tx_full, 2);
        assert!(front.poll_room(context.waker()).is_pending());
        // In any order.
        let ids: Vec<_> = std::iter::from_fn(|| queues[0].take_tx()).map(|request| request.id.get()).collect();
        assert_eq!(ids.len(), 8);
        for &id in ids.iter().rev() {
            queues[0].answer_tx(id, 0);
        }
        queues[0].publish();
        listen_for(&clock, &front, SHORT).await;
        assert_eq!(front.poll_room(context.waker()), Poll::Ready(()));
        send(&front, TxMeta::NONE, &tcp_frame(60)).unwrap();
    });
}

#[test]
fn a_frame_used_in_part_and_one_of_no_bytes() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        for _ in 0..20 {
            front.write(TxMeta::NONE, 1000, |_| 0).unwrap();
        }
        assert!(queues[0].take_tx().is_none());
        front.write(TxMeta::NONE, 1000, |_| 60).unwrap();
        assert_eq!(queues[0].take_tx().unwrap().size.get(), 60);
        front.write(TxMeta::NONE, 1000, |_| 13).unwrap();
        assert!(queues[0].take_tx().is_none());
        assert_eq!(front.statistics().tx_packets, 1);
        assert_eq!(front.counters().tx_refused, 1);
    });
}

#[test]
fn frames_come_in_pieces_at_any_offset() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        let frame = tcp_frame(9000);
        let queue = &mut queues[0];
        queue.put_rx(&frame[..4000], 96, 1 | 2 | 4 | 8).unwrap();
        let _ = queue.take_rx();
        queue.rx.respond(&ExtraInfo { kind: 1, size: 1448.into(), gso_type: 1, ..Default::default() });
        queue.put_rx(&frame[4000..8096], 0, 4).unwrap();
        queue.put_rx(&frame[8096..], 3000, 0).unwrap();
        queue.put_rx(&frame[..60], 0, 1).unwrap();
        queue.put_rx(&frame[..61], 4035, 0).unwrap();
        queue.publish();
        let got = listen_for(&clock, &front, SHORT).await;
        assert_eq!(got.iter().map(|(bytes, _)| bytes.len()).collect::<Vec<_>>(), [9000, 60, 61]);
        assert_eq!(got[0].0, frame);
        assert_eq!(got[0].1.segment_size.unwrap().get(), 1448);
        let ChecksumVerdict::Blank(place) = got[0].1.checksum else { panic!("{:?}", got[0].1) };
        assert_eq!((place.start, place.offset), (34, 16));
        assert_eq!(got[1].1.checksum, ChecksumVerdict::Verified);
        assert_eq!(got[2].1.checksum, ChecksumVerdict::Unchecked);
        assert_eq!(front.statistics().rx_bytes, 9121);
        assert_eq!(front.counters().broken_rx_id, 0);
    });
}

#[test]
fn a_frame_that_is_not_whole_yet_waits() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        let frame = tcp_frame(5000);
        queues[0].put_rx(&frame[..4000], 0, 4).unwrap();
        queues[0].publish();
        assert!(listen_for(&clock, &front, SHORT).await.is_empty());
        queues[0].put_rx(&frame[4000..], 0, 0).unwrap();
        queues[0].publish();
        let got = listen_for(&clock, &front, SHORT).await;
        assert_eq!(got[0].0, frame);
    });
}

#[test]
fn pages_are_given_back_for_ever() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let granted = world.granted();
        let mut sent = 0;
        for round in 0..200 {
            for _ in 0..round % 9 {
                let frame = tcp_frame(60 + sent % 1000);
                assert_eq!(queues[0].put_rx(&frame, 0, 0), Some(()));
                sent += 1;
            }
            queues[0].publish();
            let got = listen_for(&clock, &front, SHORT).await;
            assert_eq!(got.len(), round % 9);
        }
        assert_eq!(front.statistics().rx_packets as usize, sent);
        assert_eq!(world.granted(), granted, "granted once");
        // Eight pages were asked for again each time.
        assert_eq!(queues[0].rx.available(), 8);
    });
}

#[test]
fn a_batch_is_bounded_and_dropping_the_listener_loses_nothing() {
    use std::pin::pin;
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let options = Options::new().with_rx_pages(256);
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), options).await.unwrap();
        for _ in 0..150 {
            queues[0].put_rx(&tcp_frame(60), 0, 0).unwrap();
        }
        queues[0].publish();
        let count = std::cell::Cell::new(0);
        for expected in [64, 128, 150, 150] {
            let mut listen = pin!(front.listen(|_| count.set(count.get() + 1)));
            assert!(poll_once(listen.as_mut()).is_pending());
            assert_eq!(count.get(), expected);
        }
    });
}

#[test]
fn what_listeners_write_leaves_with_the_batch() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new()).await.unwrap();
        listen_for(&clock, &front, SHORT).await;
        for _ in 0..10 {
            queues[0].put_rx(&tcp_frame(60), 0, 0).unwrap();
        }
        let before = world.events_from_guests();
        queues[0].publish();
        {
            use std::pin::pin;
            let mut listen = pin!(front.listen(|frame| {
                send(&front, TxMeta::NONE.with_more(true), frame.bytes).unwrap();
            }));
            assert!(poll_once(listen.as_mut()).is_pending());
        }
        assert_eq!(queues[0].tx.requested(), 10);
        // One for ten frames, and one for the pages given back.
        assert!(world.events_from_guests() <= before + 2, "{}", world.events_from_guests() - before);
    });
}

#[test]
fn a_page_holds_two_frames_and_none_crosses_into_another() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let jumbo = Attachment { mtu: Some(9000), ..Attachment::default() };
        let (front, _, mut queues) = by_hand::<1>(&world, &jumbo, few()).await.unwrap();
        assert_eq!(front.mtu(), 9000);
        for len in [1514, 1514, 3000, 9014, 60] {
            match send(&front, TxMeta::NONE, &tcp_frame(len)) {
                Ok(()) => {}
                Err(error) => assert_eq!((error, len), (SendError::Full, 9014)),
            }
        }
        let mut at = Vec::new();
        while let Some(request) = queues[0].take_tx() {
            assert!(usize::from(request.offset.get()) + usize::from(request.size.get()) <= PAGE);
            at.push((request.gref.get(), request.offset.get()));
        }
        assert_eq!(at[0].0, at[1].0, "the same page");
        assert_eq!(at.len(), 4);
    });
}
