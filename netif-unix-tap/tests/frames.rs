//! Frames and their headers over a pair of sockets, which needs no privileges
//! and can be as malicious as it likes.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;

use netif_unix_tap::{BATCH, GSO_MAX_SIZE, Options, Tap, TapError};
use os::Os;
use os::unix::Unix;
use proptest::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use traits::{
    ChecksumVerdict, Layer, Network, Offload, PartialChecksum, RxMeta, SegmentationKind, SendError, TxMeta,
};
use wire::MacAddr;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const MTU: usize = 1500;

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
}

fn tap(os: &Os<Unix>) -> (Tap<&Os<Unix>>, OwnedFd) {
    let (near, far) = pair();
    (Options::new().over(os, near, MAC, MTU).unwrap(), far)
}

/// `struct virtio_net_hdr` and a frame of `len` bytes.
fn message(flags: u8, gso_type: u8, [hdr_len, gso_size, start, offset]: [u16; 4], len: usize) -> Vec<u8> {
    let mut bytes = vec![flags, gso_type];
    for field in [hdr_len, gso_size, start, offset] {
        bytes.extend_from_slice(&field.to_ne_bytes());
    }
    bytes.extend((0..len).map(|index| index as u8));
    bytes
}

fn send(far: &OwnedFd, bytes: &[u8]) {
    assert_eq!(rustix::io::write(far, bytes).unwrap(), bytes.len());
}

fn receive(far: &OwnedFd) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 70_000];
    let len = rustix::io::read(far, &mut buffer[..]).ok()?;
    buffer.truncate(len);
    Some(buffer)
}

/// All frames that wait, with what the device says of each.
fn listen(os: &Os<Unix>, tap: &Tap<&Os<Unix>>) -> Vec<(Vec<u8>, RxMeta)> {
    let frames = RefCell::new(Vec::new());
    os.run(async {
        let listens = async {
            tap.listen(|frame| frames.borrow_mut().push((frame.bytes.to_vec(), frame.meta))).await.map(drop)
        };
        let passes = async {
            for _ in 0..8 {
                os::yield_now().await;
            }
            Ok(())
        };
        os::race!(listens, passes)
    })
    .unwrap();
    frames.take()
}

fn size(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}

const TCP: SegmentationKind = SegmentationKind::Tcp4 { cwr: false };

#[test]
fn a_plain_frame_goes_out_behind_an_empty_header() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    tap.write(TxMeta::NONE, 100, |buffer| {
        assert_eq!(buffer.len(), 100);
        buffer[..60].fill(7);
        60
    })
    .unwrap();
    let sent = receive(&far).unwrap();
    assert_eq!((&sent[..10], &sent[10..]), (&[0; 10][..], &[7; 60][..]));
    let statistics = tap.statistics();
    assert_eq!((statistics.tx_packets, statistics.tx_bytes), (1, 60));
}

#[test]
fn requests_are_what_the_header_says() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let meta = TxMeta::NONE.with_checksum(34, 16);
    tap.write(meta, 80, |_| 80).unwrap();
    assert_eq!(receive(&far).unwrap()[..10], message(1, 0, [0, 0, 34, 16], 0));
    for (kind, gso_type) in
        [(TCP, 1), (SegmentationKind::Tcp4 { cwr: true }, 0x81), (SegmentationKind::Udp4, 5)]
    {
        tap.write(meta.with_segmentation(kind, size(1448), 66), 9000, |_| 9000).unwrap();
        let sent = receive(&far).unwrap();
        assert_eq!(sent.len(), 9010);
        assert_eq!(sent[..10], message(1, gso_type, [66, 1448, 34, 16], 0));
    }
    // What fits into one segment is no large frame.
    tap.write(meta.with_segmentation(TCP, size(1448), 66), 9000, |_| 66 + 1448).unwrap();
    assert_eq!(receive(&far).unwrap()[..10], message(1, 0, [0, 0, 34, 16], 0));
}

#[test]
fn what_can_not_be_sent_is_refused_before_it_is_filled() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let never = |_: &mut [u8]| -> usize { panic!("filled") };
    let large = TxMeta::NONE.with_checksum(34, 16).with_segmentation(TCP, size(1448), 66);
    assert_eq!(tap.write(TxMeta::NONE, MTU + 15, never), Err(SendError::TooLong));
    assert_eq!(tap.write(large, GSO_MAX_SIZE + 1, never), Err(SendError::TooLong));
    assert_eq!(tap.capabilities().gso_max_size, GSO_MAX_SIZE);
    tap.set_offload(Offload::TX_CHECKSUM).unwrap();
    assert_eq!(tap.capabilities().gso_max_size, 0);
    assert_eq!(tap.write(large, 9000, never), Err(SendError::Unsupported));
    tap.set_offload(Offload::empty()).unwrap();
    assert_eq!(tap.write(TxMeta::NONE.with_checksum(34, 16), 100, never), Err(SendError::Unsupported));
    tap.disconnect();
    assert_eq!(tap.write(TxMeta::NONE, 100, never), Err(SendError::Down));
    assert_eq!(receive(&far), None);
}

#[test]
fn a_frame_of_no_bytes_is_not_sent_and_one_without_a_whole_header_is_lost() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    tap.write(TxMeta::NONE, 100, |_| 0).unwrap();
    assert_eq!(tap.statistics().tx_dropped, 0);
    tap.write(TxMeta::NONE, 100, |_| 13).unwrap();
    assert_eq!((receive(&far), tap.statistics().tx_dropped), (None, 1));
    // More than there is counts as all of it.
    tap.write(TxMeta::NONE, 100, |_| 101).unwrap();
    assert_eq!(receive(&far).unwrap().len(), 110);
}

#[test]
fn verdicts_and_segment_sizes_come_with_the_frame() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let blank = ChecksumVerdict::Blank(PartialChecksum { start: 34, offset: 16 });
    let cases = [
        (message(0, 0, [0; 4], 60), RxMeta::NONE),
        (message(2, 0, [0; 4], 60), RxMeta::NONE.with_checksum(ChecksumVerdict::Verified)),
        (message(1, 0, [0, 0, 34, 16], 60), RxMeta::NONE.with_checksum(blank)),
        (
            message(1, 1, [66, 1448, 34, 16], 4000),
            RxMeta::NONE.with_checksum(blank).with_segment_size(Some(size(1448))),
        ),
        (
            message(1, 0x81, [66, 100, 34, 16], 4000),
            RxMeta::NONE.with_checksum(blank).with_segment_size(Some(size(100))),
        ),
        (
            message(3, 5, [42, 500, 34, 16], 4000),
            RxMeta::NONE.with_checksum(blank).with_segment_size(Some(size(500))),
        ),
    ];
    for (bytes, meta) in cases {
        send(&far, &bytes);
        assert_eq!(listen(&os, &tap), [(bytes[10..].to_vec(), meta)]);
    }
}

#[test]
fn without_the_checksum_offload_the_device_is_not_believed() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    tap.set_offload(Offload::empty()).unwrap();
    send(&far, &message(2, 0, [0; 4], 60));
    send(&far, &message(1, 0, [0, 0, 34, 16], 60));
    let verdicts: Vec<_> = listen(&os, &tap).iter().map(|(_, meta)| meta.checksum).collect();
    // One that was left out is left out all the same.
    let blank = ChecksumVerdict::Blank(PartialChecksum { start: 34, offset: 16 });
    assert_eq!(verdicts, [ChecksumVerdict::Unchecked, blank]);
}

#[test]
fn headers_that_contradict_themselves_or_their_frame_are_dropped_and_counted() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let bad = [
        // Checksum past the frame: by one, by far, by overflow.
        message(1, 0, [0, 0, 34, 25], 60),
        message(1, 0, [0, 0, 60, 0], 60),
        message(1, 0, [0, 0, 0xffff, 0xffff], 60),
        // Within the Ethernet header.
        message(1, 0, [0, 0, 0, 16], 60),
        // No size, and kinds that are unknown or that nobody asked for.
        message(1, 1, [66, 0, 34, 16], 4000),
        message(1, 5, [42, 0, 34, 16], 4000),
        message(1, 2, [66, 1448, 34, 16], 4000),
        message(1, 3, [66, 1448, 34, 16], 4000),
        message(1, 4, [86, 1448, 54, 16], 4000),
        message(1, 0x7f, [66, 1448, 34, 16], 4000),
        // Runts: less than a header, less than a frame's.
        message(0, 0, [0; 4], 0),
        message(0, 0, [0; 4], 13),
        vec![0],
        vec![0; 9],
        // Longer than any frame.
        message(0, 0, [0; 4], GSO_MAX_SIZE + 5),
    ];
    for (index, bytes) in bad.iter().enumerate() {
        send(&far, bytes);
        assert_eq!(listen(&os, &tap), [], "{index}");
        assert_eq!(tap.statistics().rx_dropped, index as u64 + 1);
    }
    // The last byte of the frame is still within it.
    send(&far, &message(1, 0, [0, 0, 34, 24], 60));
    send(&far, &message(0, 0, [0; 4], GSO_MAX_SIZE + 4));
    send(&far, &message(0, 0, [0; 4], 14));
    assert_eq!(listen(&os, &tap).len(), 3);
    let statistics = tap.statistics();
    assert_eq!(statistics.rx_packets, 3);
    assert_eq!(statistics.rx_bytes as usize, 60 + GSO_MAX_SIZE + 4 + 14);
    tap.reset_statistics();
    assert_eq!(tap.statistics(), traits::NetworkStatistics::ZERO);
}

#[test]
fn without_the_header_frames_come_bare_and_nothing_is_offered() {
    let os = Os::new_unix().unwrap();
    let (near, far) = pair();
    let tap = Options::new().vnet_header(false).over(&os, near, MAC, MTU).unwrap();
    assert_eq!(tap.capabilities(), traits::Capabilities::NONE);
    assert_eq!(tap.set_offload(Offload::all()).unwrap(), Offload::empty());
    tap.write(TxMeta::NONE, 60, |buffer| {
        buffer.fill(9);
        60
    })
    .unwrap();
    assert_eq!(receive(&far).unwrap(), [9; 60]);
    send(&far, &[1; 60]);
    send(&far, &[1; 13]);
    assert_eq!(listen(&os, &tap), [(vec![1; 60], RxMeta::NONE)]);
    assert_eq!(tap.statistics().rx_dropped, 1);
}

#[test]
fn offloads_need_each_other() {
    let os = Os::new_unix().unwrap();
    let (tap, _far) = tap(&os);
    let all = Offload::all();
    let cases = [
        (all, all),
        (all - Offload::TX_CHECKSUM, Offload::RX_CHECKSUM | Offload::LARGE_RECEIVE),
        (all - Offload::RX_CHECKSUM, all - Offload::RX_CHECKSUM - Offload::LARGE_RECEIVE),
        (all - Offload::TSO4, all - Offload::TSO4 - Offload::TSO_ECN),
        (Offload::TSO4, Offload::empty()),
        (Offload::empty(), Offload::empty()),
    ];
    for (wanted, possible) in cases {
        assert_eq!(tap.set_offload(wanted).unwrap(), possible, "{wanted:?}");
        assert_eq!(tap.capabilities().offload, possible);
    }
}

#[test]
fn a_batch_is_bounded_and_the_others_run_between() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let (frames, batches) = (Cell::new(0), RefCell::new(Vec::new()));
    let total = BATCH + 20;
    for _ in 0..total {
        send(&far, &message(0, 0, [0; 4], 60));
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
    assert_eq!(*batches.borrow(), [BATCH]);
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

/// Any request that the device can take.
fn any_request() -> impl Strategy<Value = (TxMeta, usize)> {
    let kind = prop_oneof![
        Just(None),
        Just(Some(SegmentationKind::Tcp4 { cwr: false })),
        Just(Some(SegmentationKind::Tcp4 { cwr: true })),
        Just(Some(SegmentationKind::Udp4)),
    ];
    (any::<bool>(), kind, 14_u16..60, 0_u16..20, 1_u16..2000, 40_usize..1400).prop_map(
        |(checksum, kind, start, offset, gso, payload)| {
            let mut meta = TxMeta::NONE;
            let header = usize::from(start + offset + 2);
            if checksum || kind.is_some() {
                meta = meta.with_checksum(start, offset);
            }
            if let Some(kind) = kind {
                meta = meta.with_segmentation(kind, size(gso), header as u16);
            }
            (meta, header + payload)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_are_handed_up_or_counted(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..120), 1..20)
    ) {
        let os = Os::new_unix().unwrap();
        let (tap, far) = tap(&os);
        for bytes in &messages {
            send(&far, bytes);
        }
        let frames = listen(&os, &tap);
        let statistics = tap.statistics();
        prop_assert_eq!(statistics.rx_packets as usize, frames.len());
        prop_assert_eq!(statistics.rx_packets + statistics.rx_dropped, messages.len() as u64);
    }

    /// What one tap is asked for is what the tap at the other end says.
    #[test]
    fn what_is_asked_for_is_what_arrives((meta, len) in any_request()) {
        let os = Os::new_unix().unwrap();
        let (near, far) = pair();
        let a = Options::new().over(&os, near, MAC, MTU).unwrap();
        let b = Options::new().over(&os, far, MAC, MTU).unwrap();
        a.write(meta, len, |buffer| { buffer.fill(3); len }).unwrap();
        let large = meta.segmentation.filter(|s| len > usize::from(s.header_len + s.size.get()));
        let expected = RxMeta::NONE
            .with_checksum(meta.checksum.map_or(ChecksumVerdict::Unchecked, ChecksumVerdict::Blank))
            .with_segment_size(large.map(|s| s.size));
        prop_assert_eq!(listen(&os, &b), [(vec![3; len], expected)]);
    }
}
