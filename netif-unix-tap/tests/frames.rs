//! Frames and their headers over a pair of sockets, which needs no privileges
//! and can be as malicious as it likes.

mod support;

use core::future::Future as _;
use core::task::Poll;

use netif_unix_tap::{BATCH, GSO_MAX_SIZE, Options};
use os::Os;
use proptest::prelude::*;
use support::{MAC, MTU, listen, message, pair, receive, send, size, tap};
use traits::{
    ChecksumVerdict, Layer, Network, Offload, PartialChecksum, RxMeta, SegmentationKind, SendError, TxMeta,
};

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
fn a_frame_in_pieces_is_the_frame_written_whole() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let large = TxMeta::NONE.with_checksum(34, 16).with_segmentation(TCP, size(1448), 66);
    let payload: Vec<u8> = (0..9000).map(|index| index as u8).collect();
    tap.write_gathered(large, 66, &payload[..], |buffer| {
        buffer.fill(1);
        buffer.len()
    })
    .unwrap();
    let gathered = receive(&far).unwrap();
    tap.write(large, 9066, |buffer| {
        buffer[..66].fill(1);
        buffer[66..].copy_from_slice(&payload);
        buffer.len()
    })
    .unwrap();
    assert!(gathered == receive(&far).unwrap());
    assert_eq!((tap.statistics().tx_packets, tap.statistics().tx_bytes), (2, 2 * 9066));
    // One whose filler wants nothing sent, and those that can't be.
    tap.write_gathered(large, 66, &payload[..], |_| 65).unwrap();
    let never = |_: &mut [u8]| -> usize { panic!("filled") };
    assert_eq!(tap.write_gathered(TxMeta::NONE, 14, &payload[..], never), Err(SendError::TooLong));
    assert_eq!(tap.write_gathered(large, GSO_MAX_SIZE, &payload[..], never), Err(SendError::TooLong));
    tap.disconnect();
    assert_eq!(tap.write_gathered(large, 66, &payload[..], never), Err(SendError::Down));
    assert_eq!((receive(&far), tap.statistics().tx_dropped), (None, 0));
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

/// Any request that the device can take.
fn any_request() -> impl Strategy<Value = (TxMeta, usize)> {
    let kind = prop_oneof![
        Just(None),
        Just(Some(SegmentationKind::Tcp4 { cwr: false })),
        Just(Some(SegmentationKind::Tcp4 { cwr: true })),
        Just(Some(SegmentationKind::Udp4)),
    ];
    (any::<bool>(), kind, 14_u16..60, 0_u16..10, 1_u16..2000, 40_usize..1400).prop_map(
        |(checksum, kind, start, words, gso, payload)| {
            // A transport's checksum stands at a whole word of it.
            let offset = 2 * words;
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
        let large = meta.segmentation().filter(|s| len > usize::from(s.header_len + s.size.get()));
        let expected = RxMeta::NONE
            .with_checksum(meta.checksum().map_or(ChecksumVerdict::Unchecked, ChecksumVerdict::Blank))
            .with_segment_size(large.map(|s| s.size));
        prop_assert_eq!(listen(&os, &b), [(vec![3; len], expected)]);
    }
}

#[test]
fn a_full_batch_means_that_more_may_wait_for_a_while_and_for_one_listener() {
    let os = Os::new_unix().unwrap();
    let (tap, far) = tap(&os);
    let message = message(0, 0, [0; 4], 60);
    let feed = || (0..BATCH).for_each(|_| send(&far, &message));
    os.run(async {
        let mut listens = core::pin::pin!(tap.listen(|_| ()));
        let mut batch = async || {
            core::future::poll_fn(|context| {
                assert!(listens.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
        };
        batch().await;
        assert!(!tap.has_backlog());
        for _ in 0..16 {
            feed();
            batch().await;
            assert!(tap.has_backlog());
        }
        // Timers have waited long enough.
        feed();
        batch().await;
        assert!(!tap.has_backlog());
        // Found empty, it begins anew.
        batch().await;
        feed();
        batch().await;
        assert!(tap.has_backlog());
    });
    // Nobody listens any more.
    assert!(!tap.has_backlog());
}
