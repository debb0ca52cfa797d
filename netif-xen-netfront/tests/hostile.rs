//! A backend that breaks the contract can stop the network, never more: each
//! of its tricks is counted, and either costs it a frame or the connection.

mod common;

use std::time::Duration;

use common::*;
use netif_memory::VirtualClock;
use netif_xen_netfront::simulation::wire::{ExtraInfo, RxResponse};
use netif_xen_netfront::simulation::{Attachment, BackQueue, World};
use netif_xen_netfront::{Counters, Options};
use traits::{Network, SendError, TxMeta};

type Queue<'w, 'c> = BackQueue<'w, Clock<'c>>;

const LONG: Duration = Duration::from_secs(5);

fn frame(len: usize) -> Vec<u8> {
    vec![0x5a; len]
}

/// Plays the trick on a connected frontend that has sent two frames, and says
/// what it has counted and the lengths of the frames that came. A good frame
/// after it comes through, unless the connection is broken; then the frontend
/// comes back.
fn after(trick: impl FnOnce(&mut Queue<'_, '_>)) -> (Counters, Vec<usize>) {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, mut queues) =
            by_hand::<1>(&world, &Attachment::default(), Options::new().with_rx_pages(32)).await.unwrap();
        let queue = &mut queues[0];
        for _ in 0..2 {
            front.write(TxMeta::NONE, 60, |buffer| buffer.len()).unwrap();
        }
        queue.put_rx(&frame(60), 0, 0).unwrap();
        queue.publish();
        assert_eq!(listen_for(&clock, &front, SHORT).await.len(), 1);
        trick(queue);
        let unbroken = queue.put_rx(&frame(61), 0, 0).is_some();
        if unbroken {
            let _ = queue.rx.publish();
        }
        queue.notify();
        let mut got = listen_for(&clock, &front, SHORT).await;
        // What was answered about frames sent is looked at when room is short.
        let _ = traits::Layer::poll_room(&front, std::task::Waker::noop());
        while front.is_up() && front.write(TxMeta::NONE, 1514, |buffer| buffer.len()).is_ok() {}
        let counters = front.counters();
        if !front.is_up() {
            assert_eq!(front.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
            // It leaves, and comes back after a while.
            got.extend(listen_for(&clock, &front, LONG).await);
            assert_eq!(device.frontend_state(), 5, "closing");
            device.set_state(6);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), 1, "initialising");
            device.set_state(2);
            listen_for(&clock, &front, SHORT).await;
            assert_eq!(device.frontend_state(), 4, "connected");
            device.set_state(4);
            let mut queues = device.queues().unwrap();
            queues[0].put_rx(&frame(77), 0, 0).unwrap();
            queues[0].publish();
            got.extend(listen_for(&clock, &front, SHORT).await);
            front.write(TxMeta::NONE, 60, |buffer| buffer.len()).unwrap();
            assert!(queues[0].take_tx().is_some());
        }
        (counters, got.iter().map(|(bytes, _)| bytes.len()).collect())
    })
}

/// As [`after`], with a page put where the trick says.
fn put(queue: &mut Queue<'_, '_>, offset: u16, status: i16, flags: u16) {
    let request = queue.take_rx().unwrap();
    queue.rx.respond(&RxResponse {
        id: request.id,
        offset: offset.into(),
        flags: flags.into(),
        status: status.into(),
    });
}

#[test]
fn a_producer_that_jumps() {
    // 33 pages were asked for, and one of them is answered and taken.
    for producer in [34, 66, 1000, 0, u32::MAX, 0x8000_0000] {
        let (counters, got) = after(|queue| {
            queue.rx.poke_producer(producer);
            queue.rx.consumed = queue.rx.requested();
        });
        assert_eq!(counters.broken_producer, 1, "{producer}");
        assert_eq!(got, [77]);
    }
}

#[test]
fn a_producer_of_answers_that_jumps() {
    // Two frames were sent.
    for producer in [3, 257, 1000, u32::MAX, 0x8000_0000] {
        let (counters, got) = after(|queue| queue.tx.poke_producer(producer));
        assert_eq!(counters.broken_producer, 1, "{producer}");
        assert_eq!(got, [61, 77]);
    }
}

#[test]
fn an_answer_to_what_was_not_sent() {
    for id in [0, 1, 511, 512, 0xffff] {
        let (counters, got) = after(|queue| {
            queue.answer_tx(id, 0);
            let _ = queue.tx.publish();
        });
        // The two frames have the last units.
        assert_eq!(counters.broken_tx_id, 1, "{id}");
        assert_eq!(got, [61, 77]);
    }
}

#[test]
fn an_answer_twice() {
    let (counters, _) = after(|queue| {
        let id = queue.take_tx().unwrap().id.get();
        queue.answer_tx(id, 0);
        queue.answer_tx(id, 0);
        let _ = queue.tx.publish();
    });
    assert_eq!(counters.broken_tx_id, 1);
}

#[test]
fn an_answer_to_extra_info_that_was_none() {
    let (counters, _) = after(|queue| {
        queue.answer_tx(0, 1);
        let _ = queue.tx.publish();
    });
    assert_eq!(counters.broken_tx_null, 1);
}

#[test]
fn frames_that_it_says_it_could_not_send() {
    let (counters, got) = after(|queue| {
        for status in [-1, -2] {
            let id = queue.take_tx().unwrap().id.get();
            queue.answer_tx(id, status);
        }
        let _ = queue.tx.publish();
    });
    assert_eq!(counters.tx_failed, 2);
    assert_eq!(got, [61]);
}

#[test]
fn an_id_that_is_not_the_requests() {
    for id in [0, 2, 32, 0x101, 0xffff] {
        let (counters, got) = after(|queue| {
            let _ = queue.take_rx();
            queue.rx.respond(&RxResponse { id: id.into(), status: 60.into(), ..Default::default() });
        });
        assert_eq!(counters.broken_rx_id, 1, "{id}");
        assert_eq!(got, [77]);
    }
}

#[test]
fn pieces_outside_of_their_page() {
    for (offset, status) in
        [(0, 4097), (1, 4096), (4096, 1), (4095, 2), (0xffff, 1), (0xffff, i16::MAX), (0, 0), (60, 0)]
    {
        let (counters, got) = after(|queue| put(queue, offset, status, 0));
        assert_eq!(counters.rx_bad_piece, 1, "{offset} {status}");
        assert_eq!(got, [61]);
    }
}

#[test]
fn failed_and_short_frames() {
    for status in [-1, -2, i16::MIN] {
        let (counters, got) = after(|queue| put(queue, 0, status, 0));
        assert_eq!(counters.rx_failed, 1, "{status}");
        assert_eq!(got, [61]);
    }
    let (counters, got) = after(|queue| put(queue, 0, 13, 0));
    assert_eq!(counters.rx_runt, 1);
    assert_eq!(got, [61]);
}

#[test]
fn too_many_pieces() {
    let (counters, got) = after(|queue| {
        for _ in 0..18 {
            put(queue, 0, 60, 4);
        }
        put(queue, 0, 60, 0);
    });
    assert_eq!(counters.rx_too_many_pieces, 1);
    assert_eq!(got, [61]);
    // Eighteen are fine.
    let (counters, got) = after(|queue| {
        for _ in 0..17 {
            put(queue, 0, 60, 4);
        }
        put(queue, 0, 60, 0);
    });
    assert_eq!(counters.rx_too_many_pieces, 0);
    assert_eq!(got, [18 * 60, 61]);
}

#[test]
fn a_frame_longer_than_any() {
    let (counters, got) = after(|queue| {
        for _ in 0..16 {
            put(queue, 0, 4096, 4);
        }
        put(queue, 0, 4096, 0);
    });
    assert_eq!(counters.rx_too_long, 1);
    assert_eq!(got, [61]);
}

#[test]
fn a_frame_without_end() {
    let (counters, got) = after(|queue| {
        while queue.rx.available() > 0 {
            put(queue, 0, 60, 4);
        }
        let _ = queue.rx.publish();
    });
    assert_eq!(got, [77]);
    assert_eq!(counters.broken_rx_endless, 1);
}

#[test]
fn extra_info_of_no_meaning() {
    let gso = ExtraInfo { kind: 1, size: 1448.into(), gso_type: 1, ..Default::default() };
    let bad = [
        ExtraInfo { size: 0.into(), ..gso },
        ExtraInfo { gso_type: 0, ..gso },
        ExtraInfo { gso_type: 2, ..gso },
        ExtraInfo { gso_type: 0xff, ..gso },
        ExtraInfo { kind: 0, ..gso },
        ExtraInfo { kind: 5, ..gso },
        ExtraInfo { kind: 0xff, ..gso },
    ];
    for extra in bad {
        let (counters, got) = after(|queue| {
            put(queue, 0, 60, 8);
            let _ = queue.take_rx();
            queue.rx.respond(&extra);
        });
        assert_eq!(counters.rx_bad_extra, 1, "{extra:?}");
        assert_eq!(got, [61]);
    }
    // Twice.
    let (counters, got) = after(|queue| {
        put(queue, 0, 60, 8);
        for flags in [1, 0] {
            let _ = queue.take_rx();
            queue.rx.respond(&ExtraInfo { flags, ..gso });
        }
    });
    assert_eq!(counters.rx_bad_extra, 1);
    assert_eq!(got, [61]);
    // Of a kind that is of no use here: a hash.
    let (counters, got) = after(|queue| {
        put(queue, 0, 60, 8);
        let _ = queue.take_rx();
        queue.rx.respond(&ExtraInfo { kind: 4, ..gso });
    });
    assert_eq!(counters.rx_bad_extra, 0);
    assert_eq!(got, [60, 61]);
}

#[test]
fn extra_info_without_end() {
    let (counters, got) = after(|queue| {
        put(queue, 0, 60, 8);
        while queue.take_rx().is_some() {
            queue.rx.respond(&ExtraInfo { kind: 4, flags: 1, ..Default::default() });
        }
        let _ = queue.rx.publish();
    });
    assert_eq!(counters.broken_rx_endless, 1);
    assert_eq!(got, [77]);
}

#[test]
fn a_page_that_changes_after_it_was_read() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let page: netif_xen_netfront::simulation::wire::RxRequest = queues[0].rx.peek(0);
        queues[0].put_rx(&frame(60), 0, 0).unwrap();
        queues[0].publish();
        let queue = &queues[0];
        let mut listen = std::pin::pin!(front.listen(|frame| {
            assert!(frame.bytes.iter().all(|&byte| byte == 0x5a));
            queue.copy_to(page.gref.get(), 0, &[0xa5; 60]).unwrap();
            assert!(frame.bytes.iter().all(|&byte| byte == 0x5a), "a copy, which stays as it is");
        }));
        assert!(poll_once(listen.as_mut()).is_pending());
        assert_eq!(front.statistics().rx_packets, 1);
    });
}

#[test]
fn a_backend_that_breaks_every_connection_gets_few() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, device, _) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        let breaks = async {
            loop {
                for queue in device.queues().into_iter().flatten() {
                    queue.rx.poke_producer(0x1234_5678);
                    queue.notify();
                }
                for (frontend, backend) in [(5, 6), (1, 2), (4, 4)] {
                    device.frontend_reaches(frontend).await;
                    device.set_state(backend);
                }
            }
        };
        let listen = listen_for(&clock, &front, Duration::from_secs(600));
        embassy_futures::select::select(listen, breaks).await;
        let connections = front.counters().connections;
        assert!((10..20).contains(&connections), "{connections} in ten minutes");
        assert!(connections - front.counters().broken_producer <= 1);
    });
}

#[test]
fn events_without_end_and_without_reason() {
    let clock = VirtualClock::new();
    let world = World::new(&clock);
    run(&clock, async {
        let (front, _, mut queues) = by_hand::<1>(&world, &Attachment::default(), few()).await.unwrap();
        for _ in 0..1000 {
            queues[0].notify();
            assert!(listen_for(&clock, &front, Duration::from_nanos(1)).await.is_empty());
        }
        queues[0].put_rx(&frame(60), 0, 0).unwrap();
        queues[0].notify();
        queues[0].publish();
        assert_eq!(listen_for(&clock, &front, SHORT).await.len(), 1);
    });
}
