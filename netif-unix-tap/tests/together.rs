//! Frames that others follow at once, which go out together.

mod support;

use std::cell::Cell;

use netif_unix_tap::{BATCH, Tap};
use os::Os;
use os::unix::Unix;
use support::{message, receive, send, tap};
use traits::{Layer, Network, Payload, SendError, Time as _, TxMeta};

const MORE: TxMeta = TxMeta::NONE.with_more(true);

/// Writes a frame of `len` bytes that are all `number`.
fn write(tap: &Tap<&Os<Unix>>, meta: TxMeta, len: usize, number: u8) -> Result<(), SendError> {
    tap.write(meta, len, |buffer| {
        buffer.fill(number);
        buffer.len()
    })
}

/// The numbers of the frames that have gone out, each of them whole.
fn sent(far: &impl std::os::fd::AsFd) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let mut numbers = Vec::new();
    while let Ok(len @ 1..) = rustix::io::read(far, &mut buffer[..]) {
        let (header, frame) = buffer[..len].split_at(10);
        assert_eq!(header[2..], [0; 8]);
        assert!(frame.iter().all(|byte| *byte == frame[0]));
        numbers.push(frame[0]);
    }
    numbers
}

#[test]
fn a_frame_that_another_follows_waits_until_that_is_there() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    write(&tap, MORE.with_checksum(14, 6), 100, 2).unwrap();
    assert_eq!((receive(&far), tap.statistics().tx_packets), (None, 0));
    write(&tap, TxMeta::NONE, 70, 3).unwrap();
    let headers = [[0, 0, 0, 0], [0, 0, 14, 6], [0, 0, 0, 0]];
    for ((flags, fields), (number, len)) in [0, 1, 0].into_iter().zip(headers).zip([(1, 60), (2, 100), (3, 70)])
    {
        let expected = [&message(flags, 0, fields, 0)[..], &vec![number; len]].concat();
        assert_eq!(receive(&far).unwrap(), expected);
    }
    assert_eq!((receive(&far), tap.statistics().tx_packets, tap.statistics().tx_bytes), (None, 3, 230));
}

#[test]
fn whoever_flushes_sends_what_waits() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    (0..3).for_each(|number| write(&tap, MORE, 60, number).unwrap());
    // Of an empty frame nothing is sent, and it is no end of what follows.
    tap.write(MORE, 60, |_| 0).unwrap();
    tap.flush();
    assert_eq!(sent(&far), [0, 1, 2]);
    tap.flush();
    assert_eq!(sent(&far), []);
}

#[test]
fn one_that_is_likely_to_be_the_only_one_goes_at_once() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    // How many are written between two flushes, and how many of them go before.
    for (count, early) in [(1, 0), (1, 1), (3, 1), (3, 0), (1, 0), (0, 0), (1, 1)] {
        (0..count).for_each(|number| write(&tap, MORE, 60, number).unwrap());
        assert_eq!(sent(&far), (0..early).collect::<Vec<_>>());
        tap.flush();
        assert_eq!(sent(&far), (early..count).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_too_short_is_dropped_and_the_others_go() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    write(&tap, MORE, 13, 2).unwrap();
    write(&tap, TxMeta::NONE, 14, 3).unwrap();
    assert_eq!(sent(&far), [1, 3]);
    assert_eq!((tap.statistics().tx_packets, tap.statistics().tx_dropped), (2, 1));
}

#[test]
fn a_batch_of_frames_waits_and_no_more() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    rustix::net::sockopt::set_socket_send_buffer_size(&tap, 212_992).unwrap();
    (0..BATCH as u8).for_each(|number| write(&tap, MORE, 60, number).unwrap());
    assert_eq!(sent(&far), []);
    write(&tap, MORE, 60, 255).unwrap();
    assert_eq!(sent(&far), (0..BATCH as u8).collect::<Vec<_>>());
    tap.flush();
    assert_eq!(sent(&far), [255]);
}

#[test]
fn as_many_bytes_wait_as_the_largest_frame_has() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    rustix::net::sockopt::set_socket_send_buffer_size(&tap, 212_992).unwrap();
    let fit = (14 + 65_535 + 10) / (1514 + 10);
    (0..fit as u8).for_each(|number| write(&tap, MORE, 1514, number).unwrap());
    assert_eq!(sent(&far), []);
    write(&tap, MORE, 1514, 255).unwrap();
    assert_eq!(sent(&far), (0..fit as u8).collect::<Vec<_>>());
}

#[test]
fn what_listeners_answer_goes_at_the_end_of_the_batch() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    (0..3).for_each(|_| send(&far, &message(0, 0, [0; 4], 60)));
    let seen = Cell::new(0);
    os.run(async {
        let listens = async {
            tap.listen(|_| {
                assert_eq!(receive(&far), None);
                seen.set(seen.get() + 1);
                write(&tap, MORE, 60, seen.get()).unwrap();
            })
            .await
            .map(drop)
        };
        let others = async {
            os::yield_now().await;
            assert_eq!(sent(&far), [1, 2, 3]);
            Ok(())
        };
        os::race!(listens, others)
    })
    .unwrap();
    assert_eq!(seen.get(), 3);
}

#[test]
fn frames_wait_in_their_order_where_the_device_has_no_room() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let mut count = 0;
    // One of each batch that is written is refused in the end, with all behind it.
    while write(&tap, MORE, 1000, count).is_ok() {
        count += 1;
    }
    let statistics = tap.statistics();
    assert_eq!(statistics.tx_full, 1);
    assert!(statistics.tx_packets + 1 < u64::from(count), "several wait");
    assert_eq!(write(&tap, TxMeta::NONE, 60, 255), Err(SendError::Full));
    let mut numbers = Vec::new();
    loop {
        let more = sent(&far);
        if more.is_empty() {
            break;
        }
        numbers.extend(more);
        tap.flush();
    }
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
    assert_eq!(tap.statistics().tx_packets, u64::from(count));
    write(&tap, TxMeta::NONE, 60, 255).unwrap();
    assert_eq!(sent(&far), [255]);
}

/// Whoever wrote was told that all is well, and waits for nothing.
#[test]
fn whoever_listens_sends_what_the_device_had_no_room_for() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    // Fewer than wait, and more than there is room for.
    rustix::net::sockopt::set_socket_send_buffer_size(&tap, 8_000).unwrap();
    let count = 40;
    let work = async {
        // The listener waits for frames by then.
        os.sleep(core::time::Duration::from_millis(1)).await;
        (0..count).for_each(|number| write(&tap, MORE, 1000, number).unwrap());
        tap.flush();
        assert!((1..u64::from(count)).contains(&tap.statistics().tx_packets));
        let mut numbers = Vec::new();
        for _ in 0..100 {
            numbers.extend(sent(&far));
            os.sleep(core::time::Duration::from_millis(1)).await;
        }
        Ok(numbers)
    };
    let listens = async { tap.listen(|_| {}).await.map(|_| Vec::new()) };
    let numbers = os.run(async { os::race!(listens, work) }).unwrap();
    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
}

#[test]
fn a_frame_that_comes_to_nothing_holds_none_back() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    tap.write(TxMeta::NONE, 60, |_| 0).unwrap();
    assert_eq!(sent(&far), [1]);
}

#[test]
fn a_filler_that_leaves_the_device_sends_nothing() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    tap.write(MORE, 60, |buffer| {
        tap.disconnect();
        buffer.len()
    })
    .unwrap();
    tap.flush();
    assert_eq!((sent(&far), tap.statistics().tx_dropped), (vec![], 2));
}

/// Bytes of another's.
struct Elsewhere<'a>(&'a [u8]);

impl Payload for Elsewhere<'_> {
    fn payload_len(&self) -> usize {
        self.0.len()
    }

    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R> {
        Some(take([self.0, &[]]))
    }
}

#[test]
fn a_frame_in_pieces_goes_behind_those_that_wait() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    tap.write_gathered(MORE, 20, Elsewhere(&[2; 400]), |buffer| {
        buffer.fill(2);
        buffer.len()
    })
    .unwrap();
    assert_eq!(sent(&far), [1, 2]);
}

#[test]
fn what_waits_when_the_device_is_left_is_not_sent() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    write(&tap, MORE, 60, 1).unwrap();
    tap.disconnect();
    tap.flush();
    assert_eq!(sent(&far), []);
}
