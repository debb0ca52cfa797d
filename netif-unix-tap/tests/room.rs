//! Batches, back-pressure, and who may call what from where.

mod support;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use netif_unix_tap::{BATCH, Tap, TapError};
use os::Os;
use os::unix::Unix;
use support::{message, receive, send, tap};
use traits::{Layer, Network, Payload, SendError, TxMeta};

/// How many frames of `len` bytes were handed up whenever the others ran, until
/// the last of `total`.
fn batches(len: usize, total: usize) -> Vec<usize> {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let (frames, batches) = (Cell::new(0), RefCell::new(Vec::new()));
    // As much as every system lets it have, which is enough for 290 frames.
    rustix::net::sockopt::set_socket_send_buffer_size(&far, 212_992).unwrap();
    for _ in 0..total {
        send(&far, &message(0, 0, [0; 4], len));
    }
    os.run(async {
        let listens = async { tap.listen(|_| frames.set(frames.get() + 1)).await.map(drop) };
        let others = async {
            while frames.get() < total {
                batches.borrow_mut().push(frames.get());
                os::yield_now().await;
            }
            Ok(())
        };
        os::race!(listens, others)
    })
    .unwrap();
    batches.into_inner()
}

#[test]
fn a_batch_is_bounded_and_the_others_run_between() {
    assert_eq!(batches(60, BATCH + 20), [BATCH]);
}

#[test]
fn a_batch_of_full_segments_is_four_times_as_long() {
    assert_eq!(batches(512, BATCH + 20), []);
    assert_eq!(batches(512, 4 * BATCH + 4), [4 * BATCH]);
    assert_eq!(batches(2048, BATCH + 20), []);
    assert_eq!(batches(2049, BATCH + 20), [BATCH]);
}

#[test]
fn a_frame_is_answered_before_the_next_is_read_where_they_come_one_by_one() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let frames = Cell::new(0);
    let seen = RefCell::new(Vec::new());
    os.run(async {
        let listens = async { tap.listen(|_| frames.set(frames.get() + 1)).await.map(drop) };
        let others = async {
            for count in [1, 1, 3, 2] {
                (0..count).for_each(|_| send(&far, &message(0, 0, [0; 4], 60)));
                let before = frames.get();
                let mut turns = Vec::new();
                while frames.get() < before + count {
                    os::yield_now().await;
                    turns.push(frames.get() - before);
                }
                // Until the device was found empty.
                os::yield_now().await;
                turns.retain(|&count| count > 0);
                seen.borrow_mut().push(turns);
            }
            Ok(())
        };
        os::race!(listens, others)
    })
    .unwrap();
    assert_eq!(*seen.borrow(), [vec![1], vec![1], vec![1, 3], vec![2]]);
}

/// Fills the device until it has no room; how many frames it took, the one
/// that is kept included.
fn fill(tap: &Tap<&Os<Unix>>) -> u8 {
    for number in 0.. {
        let result = tap.write(TxMeta::NONE, 1500, |buffer| {
            buffer.fill(number);
            1500
        });
        if result == Err(SendError::Full) {
            return number;
        }
        result.unwrap();
    }
    unreachable!("the device has no bound")
}

#[test]
fn a_device_without_room_keeps_one_frame_and_refuses_the_next() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let taken = fill(&tap);
    assert_eq!(tap.statistics().tx_full, 1);
    assert_eq!(tap.statistics().tx_packets, u64::from(taken) - 1, "the one that is kept is not sent yet");
    assert_eq!(tap.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Full));
    assert_eq!(tap.statistics().tx_full, 2);

    // Room comes, which wakes who waits for it; nothing is lost, all in order.
    let received = RefCell::new(Vec::new());
    os.run(async {
        let waits = poll_fn(|context| tap.poll_room(context.waker()));
        let drains = async {
            os::yield_now().await;
            while let Some(frame) = receive(&far) {
                received.borrow_mut().push(frame[10]);
            }
        };
        os::join!(waits, drains);
    });
    tap.write(TxMeta::NONE, 60, |buffer| {
        buffer.fill(255);
        60
    })
    .unwrap();
    while let Some(frame) = receive(&far) {
        received.borrow_mut().push(frame[10]);
    }
    let expected: Vec<u8> = (0..taken).chain([255]).collect();
    assert_eq!(*received.borrow(), expected);
    assert_eq!(tap.statistics().tx_packets, u64::from(taken) + 1);
}

#[test]
fn the_frame_that_is_kept_goes_out_by_the_listener_alone() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let taken = fill(&tap);
    let mut received = 0;
    os.run(async {
        let listens = async { tap.listen(|_| ()).await.map(drop) };
        let drains = async {
            while received < taken {
                os::yield_now().await;
                while receive(&far).is_some() {
                    received += 1;
                }
            }
            Ok(())
        };
        os::race!(listens, drains)
    })
    .unwrap();
    assert_eq!(received, taken);
}

#[test]
fn all_who_wait_for_room_are_woken() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    fill(&tap);
    os.run(async {
        let waits = || poll_fn(|context| tap.poll_room(context.waker()));
        let drains = async {
            os::yield_now().await;
            while receive(&far).is_some() {}
        };
        os::join!(waits(), waits(), waits(), drains);
    });
}

#[test]
fn a_filler_that_writes_again_meets_a_buffer_in_use() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let mut inner = Ok(());
    tap.write(TxMeta::NONE, 60, |buffer| {
        inner = tap.write(TxMeta::NONE, 60, |_| 60);
        buffer.fill(5);
        60
    })
    .unwrap();
    assert_eq!(inner, Err(SendError::Full));
    assert_eq!(receive(&far).unwrap()[10..], [5; 60]);
    assert_eq!((receive(&far), tap.statistics().tx_full), (None, 1));
}

#[test]
fn a_listener_may_write_and_disconnect() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    for _ in 0..3 {
        send(&far, &message(0, 0, [0; 4], 60));
    }
    let frames = Cell::new(0);
    os.run(async {
        let listens = async {
            tap.listen(|frame| {
                frames.set(frames.get() + 1);
                tap.write(TxMeta::NONE, frame.bytes.len(), |buffer| {
                    buffer.copy_from_slice(frame.bytes);
                    buffer.len()
                })
                .unwrap();
                if frames.get() == 2 {
                    tap.disconnect();
                }
            })
            .await
            .map(drop)
        };
        let passes = async {
            os::yield_now().await;
            os::yield_now().await;
            Ok(())
        };
        os::race!(listens, passes)
    })
    .unwrap();
    assert_eq!(frames.get(), 2, "nothing more is received");
    assert!(receive(&far).is_some() && receive(&far).is_some());
    assert_eq!(receive(&far), None);
}

#[test]
fn the_other_end_that_goes_away_ends_the_listening() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let ended = os.run(async {
        let goes = async {
            os::yield_now().await;
            drop(far);
        };
        os::join!(tap.listen(|_| ()), goes).0
    });
    assert!(matches!(ended, Err(TapError::Gone)));
    assert_eq!(tap.write(TxMeta::NONE, 60, |_| 60), Err(SendError::Down));
}

#[test]
fn a_write_that_finds_the_other_end_gone_is_lost_and_counted() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    drop(far);
    assert_eq!(tap.write(TxMeta::NONE, 60, |_| 60), Ok(()));
    assert_eq!(tap.statistics().tx_dropped, 1);
    assert_eq!(tap.write(TxMeta::NONE, 60, |_| panic!("filled")), Err(SendError::Down));
}

#[test]
fn one_listener_at_a_time_and_the_next_goes_on_where_it_stopped() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let (first, second) = (Cell::new(0), Cell::new(0));
    let poll = async |seconds: &Cell<u32>, passes: u32| {
        let mut listens = pin!(tap.listen(|_| seconds.set(seconds.get() + 1)));
        for _ in 0..passes {
            let _ = poll_fn(|context| Poll::Ready(listens.as_mut().poll(context).is_ready())).await;
            os::yield_now().await;
        }
    };
    os.run(async {
        let sends = async {
            send(&far, &message(0, 0, [0; 4], 60));
            for _ in 0..5 {
                os::yield_now().await;
            }
            send(&far, &message(0, 0, [0; 4], 60));
        };
        os::join!(sends, poll(&first, 3), poll(&second, 9));
    });
    assert_eq!((first.get(), second.get()), (1, 1));
}

/// Two pieces, as of a queue that goes round.
struct Pieces<'a>([&'a [u8]; 2]);

impl Payload for Pieces<'_> {
    fn payload_len(&self) -> usize {
        self.0.concat().len()
    }

    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R> {
        Some(take(self.0))
    }
}

#[test]
fn a_frame_in_pieces_that_the_device_has_no_room_for_waits_whole() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let pieces = [&[2; 500][..], &[3; 300]];
    let send = |tap: &Tap<_>| {
        tap.write_gathered(TxMeta::NONE, 20, Pieces(pieces), |buffer| {
            buffer.fill(1);
            buffer.len()
        })
    };
    let mut taken = 0;
    while send(&tap).is_ok() {
        taken += 1;
    }
    assert_eq!((tap.statistics().tx_full, tap.statistics().tx_packets), (1, taken - 1));
    let mut got = Vec::new();
    while let Some(frame) = receive(&far) {
        got.push(frame);
        // The one that was kept goes as soon as there is room.
        let _ = tap.poll_room(std::task::Waker::noop());
    }
    let whole = [&[0; 10][..], &[1; 20], pieces[0], pieces[1]].concat();
    assert_eq!(got.len() as u64, taken);
    assert!(got.iter().all(|frame| *frame == whole));
    assert_eq!(tap.statistics().tx_packets, taken);
}
