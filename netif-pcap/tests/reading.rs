//! Files read, however they were written, and what is said of a frame.

mod common;

use std::time::Duration;

use common::{A, B, tcp, udp};
use netif_pcap::{ReadError, Recording, summary};
use proptest::prelude::*;

/// A pcapng file by hand: section, interface, frames of one byte each.
fn pcapng(resolution: Option<u8>, stamps: &[u64], big_endian: bool) -> Vec<u8> {
    pcapng_with(resolution, None, stamps, big_endian)
}

fn pcapng_with(resolution: Option<u8>, offset: Option<i64>, stamps: &[u64], big_endian: bool) -> Vec<u8> {
    let u16 = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let u32 = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let len = u32(body.len() as u32 + 12);
        [&u32(kind)[..], &len, body, &len].concat()
    };
    let section = [&u32(0x1a2b_3c4d)[..], &u16(1), &u16(0), &[0xff; 8]].concat();
    let mut interface = [&u16(1)[..], &u16(0), &u32(0)].concat();
    if let Some(resolution) = resolution {
        interface.extend([&u16(9)[..], &u16(1), &[resolution, 0, 0, 0]].concat());
    }
    if let Some(offset) = offset {
        let offset = if big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
        interface.extend([&u16(14)[..], &u16(8), &offset].concat());
    }
    if resolution.is_some() || offset.is_some() {
        interface.extend([0; 4]);
    }
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for stamp in stamps {
        let (high, low) = ((stamp >> 32) as u32, *stamp as u32);
        let body = [u32(0), u32(high), u32(low), u32(1), u32(1), [0xab, 0, 0, 0]].concat();
        file.extend(block(6, &body));
    }
    file
}

#[test]
fn times_of_any_resolution_are_read() {
    let read = |resolution, stamps: &[u64], big| {
        let recording = Recording::read(&pcapng(resolution, stamps, big)).unwrap();
        let times: Vec<_> = recording.frames().iter().map(|frame| frame.at.as_nanos()).collect();
        (recording.epoch(), times)
    };
    let second = 1_700_000_000;
    for big in [false, true] {
        let micros = second * 1_000_000;
        let epoch = Duration::from_secs(second);
        assert_eq!(read(None, &[micros, micros + 3], big), (epoch, vec![0, 3000]));
        assert_eq!(read(Some(6), &[micros, micros + 3], big), (epoch, vec![0, 3000]));
        let nanos = second * 1_000_000_000;
        assert_eq!(read(Some(9), &[nanos, nanos + 3], big), (epoch, vec![0, 3]));
        let binary = second << 10;
        assert_eq!(read(Some(0x8a), &[binary, binary + 512], big), (epoch, vec![0, 500_000_000]));
    }
    // Nonsense is no panic.
    for resolution in [0x7f, 0xff, 0, 0x80] {
        let _ = Recording::read(&pcapng(Some(resolution), &[u64::MAX, 0, 1], false));
    }
}

#[test]
fn times_may_be_counted_from_later_or_earlier() {
    for (offset, seconds) in [(-3600, 6400), (3600, 13_600), (i64::MIN, 0)] {
        for big in [false, true] {
            let stamps = [10_000_000_000_000, 10_000_000_000_007];
            let recording = Recording::read(&pcapng_with(Some(9), Some(offset), &stamps, big)).unwrap();
            assert_eq!(recording.epoch(), Duration::from_secs(seconds));
            let times: Vec<_> = recording.frames().iter().map(|frame| frame.at.as_nanos()).collect();
            assert_eq!(times, if seconds == 0 { [0, 0] } else { [0, 7] });
        }
    }
}

/// The length before it was cut, however it lies, and the same when it is
/// written again.
#[test]
fn a_frame_is_no_longer_than_it_was() {
    let mut file = pcapng(Some(9), &[100, 200], false);
    let lengths: Vec<_> =
        (0..file.len() - 8).filter(|at| file[*at..].starts_with(&[1, 0, 0, 0, 1, 0, 0, 0])).collect();
    let [first, second] = lengths[..] else { panic!("{lengths:?}") };
    file[first + 4] = 0;
    file[second + 4] = 9;
    let read = Recording::read(&file).unwrap();
    let mut again = Vec::new();
    read.write(&mut again, netif_pcap::Format::PcapNg).unwrap();
    for recording in [read, Recording::read(&again).unwrap()] {
        let frames: Vec<_> = recording.frames().iter().map(|f| (f.original_len, f.is_shortened())).collect();
        assert_eq!(frames, [(1, false), (9, true)]);
    }
}

#[test]
fn frames_are_put_in_order_of_their_times() {
    let recording = Recording::read(&pcapng(Some(9), &[500, 100, 300], false)).unwrap();
    let times: Vec<_> = recording.frames().iter().map(|frame| frame.at.as_nanos()).collect();
    assert_eq!(times, [0, 200, 400]);
}

#[test]
fn a_file_cut_off_counts_up_to_there() {
    let file = pcapng(None, &[1, 2, 3], false);
    for cut in 1..20 {
        let recording = Recording::read(&file[..file.len() - cut]).unwrap();
        assert_eq!((recording.frames().len(), recording.is_cut_off()), (2, true));
    }
}

#[test]
fn files_that_are_no_captures_of_ethernet_say_so() {
    let text = |file: &[u8]| Recording::read(file).unwrap_err().to_string();
    assert!(matches!(Recording::read(b""), Err(ReadError::NotACapture)));
    assert!(matches!(Recording::read(b"hello world"), Err(ReadError::NotACapture)));
    let mut raw_ip = pcapng(None, &[1], false);
    raw_ip[36] = 101;
    assert_eq!(text(&raw_ip), "a capture of link type 101, not of Ethernet");
    let mut bad = pcapng(None, &[1, 2], false);
    let second = bad.len() - 36;
    bad[second + 8] = 9;
    assert_eq!(text(&bad), "damaged after 1 frames: No corresponding interface id: 9");
}

#[test]
fn summaries_say_who_and_what() {
    assert_eq!(
        summary(&tcp(b"abc", false)),
        format!("TCP {A}:4000 > {B}:80 [PA] seq 1000000 ack 77 win 500 len 3, 57 bytes")
    );
    assert_eq!(summary(&udp(b"abc")), format!("UDP {A}:53 > {B}:5300 len 3, 45 bytes"));
    let mut arp = vec![0; 42];
    arp[12..14].copy_from_slice(&[8, 6]);
    arp[21] = 1;
    arp[28..32].copy_from_slice(&A.octets());
    arp[38..42].copy_from_slice(&B.octets());
    assert_eq!(summary(&arp), format!("ARP who has {B}? tell {A} at 00:00:00:00:00:00, 42 bytes"));
    assert_eq!(summary(&tcp(b"", false)[..40]), format!("TCP {A}:4000 > {B}:80 (cut short), 40 bytes"));
    assert_eq!(summary(&[]), "(cut short), 0 bytes");
}

proptest! {
    #[test]
    fn damaged_files_never_panic(at in 0usize..120, value: u8, cut in 0usize..200, big: bool) {
        let mut file = pcapng(Some(9), &[1, 2, 3], big);
        if let Some(byte) = file.get_mut(at) {
            *byte = value;
        }
        let _ = Recording::read(&file);
        let _ = Recording::read(&file[..cut.min(file.len())]);
    }

    #[test]
    fn any_frame_has_a_summary(frame: Vec<u8>, kind in 0usize..3) {
        let _ = summary(&frame);
        let mut typed = frame;
        typed.resize(typed.len().max(14), 0);
        typed[12..14].copy_from_slice(&[[8, 0], [8, 6], [0x86, 0xdd]][kind]);
        let _ = summary(&typed);
    }
}
