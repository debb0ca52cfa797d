//! Captures: times, directions, formats, offloads, errors, composition.

mod common;

use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use common::{Disk, ms, payload, respond, run_until, send, tcp, tower, udp};
use netif_faults::{Faults, Impairments, Probability};
use netif_memory::{Link, Settings, VirtualClock};
use netif_pcap::{Capture, Direction, Format, Recorded, Recorder, Recording};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use traits::{Capabilities, Instant, Layer, Network, Offload, SegmentationKind, SendError, Time, TxMeta};

const DELAY: Settings = Settings::new().with_delay(Duration::from_nanos(1_000_123));

/// A frame to `b` at 5 ms, which answers at once.
fn exchange(format: Format) -> Vec<u8> {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, DELAY);
    let [a, b] = link.ports();
    let capture =
        Capture::with_format(a, Vec::new(), format).with_epoch(Duration::new(1_700_000_000, 123_456_789));
    let ask = async {
        clock.sleep(Duration::from_millis(5)).await;
        send(&capture, TxMeta::NONE, &tcp(b"question", false)).unwrap();
    };
    let answer = respond(&b, |_| Some(tcp(b"answer", false)));
    run_until(&clock, vec![Box::pin(ask), answer, respond(&capture, |_| None)], ms(100));
    assert_eq!(capture.capture_statistics().frames, 2);
    capture.into_writer().unwrap()
}

#[test]
fn both_formats_keep_nanoseconds_and_bytes() {
    for (format, directions) in
        [(Format::PcapNg, [Some(Direction::Outbound), Some(Direction::Inbound)]), (Format::Pcap, [None, None])]
    {
        let recording = Recording::read(&exchange(format)).unwrap();
        assert_eq!(recording.epoch(), Duration::new(1_700_000_000, 128_456_789));
        let frames = recording.frames();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].at, frames[1].at), (Instant::ZERO, Instant::from_nanos(2_000_246)));
        assert_eq!((&frames[0].bytes, &frames[1].bytes), (&tcp(b"question", false), &tcp(b"answer", false)));
        assert_eq!([frames[0].direction, frames[1].direction], directions);
        assert!(!recording.is_cut_off());
    }
}

#[test]
fn the_file_of_an_idle_capture_is_valid() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, DELAY);
    for format in [Format::PcapNg, Format::Pcap] {
        let file = Capture::with_format(link.port(0), Vec::new(), format).into_writer().unwrap();
        assert!(Recording::read(&file).unwrap().frames().is_empty());
    }
}

#[test]
fn the_same_traffic_makes_the_same_file() {
    assert_eq!(exchange(Format::PcapNg), exchange(Format::PcapNg));
    let text = String::from_utf8_lossy(&exchange(Format::PcapNg)).into_owned();
    assert!(text.contains("fata0"));
}

/// Captures at both ends of a link with all offloads.
fn offloaded(meta: TxMeta, frame: &[u8]) -> [Recording; 2] {
    let clock = VirtualClock::new();
    let all = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, all);
    let [a, b] = link.ports();
    let (a, b) = (Capture::new(a, Vec::new()), Capture::new(b, Vec::new()));
    send(&a, meta, frame).unwrap();
    run_until(&clock, vec![respond(&b, |_| None)], ms(1));
    [a, b].map(|capture| Recording::read(&capture.into_writer().unwrap()).unwrap())
}

#[test]
fn blank_checksums_are_completed_in_the_file_alone() {
    let [sent, received] = offloaded(TxMeta::NONE.with_checksum(34, 16), &tcp(b"data", true));
    for recording in [&sent, &received] {
        assert_eq!(recording.frames().len(), 1);
        assert_eq!(payload(&recording.frames()[0].bytes), b"data");
    }
}

#[test]
fn large_frames_are_written_as_their_segments() {
    let data: Vec<_> = (0..10_000).map(|n| (n % 251) as u8).collect();
    let size = NonZeroU16::new(1460).unwrap();
    let meta =
        TxMeta::NONE.with_checksum(34, 16).with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 54);
    for recording in offloaded(meta, &tcp(&data, true)) {
        let frames = recording.frames();
        assert_eq!(frames.len(), 7);
        assert!(frames.iter().all(|frame| frame.bytes.len() <= 1514 && frame.at == Instant::ZERO));
        assert_eq!(frames.iter().flat_map(|frame| payload(&frame.bytes)).collect::<Vec<_>>(), data);
    }
}

#[test]
fn a_request_that_fits_no_frame_is_written_as_it_is() {
    let size = NonZeroU16::new(10).unwrap();
    let meta = TxMeta::NONE.with_checksum(500, 16).with_segmentation(SegmentationKind::Udp4, size, 42);
    let [sent, received] = offloaded(meta, &tcp(b"no datagram", false));
    assert_eq!(sent.frames()[0].bytes, tcp(b"no datagram", false));
    // The receiver's side is described by its headers alone.
    let data: Vec<_> = received.frames().iter().flat_map(|frame| payload(&frame.bytes)).collect();
    assert_eq!(data, b"no datagram");
}

#[test]
fn what_is_not_sent_is_not_written() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new().with_capacity(1));
    let [a, b] = link.ports();
    let capture = Capture::new(a, Vec::new());
    assert_eq!(send(&capture, TxMeta::NONE, &[0; 1600]), Err(SendError::TooLong));
    capture.write(TxMeta::NONE, 60, |_| 0).unwrap();
    send(&capture, TxMeta::NONE, &[1; 60]).unwrap();
    assert_eq!(send(&capture, TxMeta::NONE, &[2; 60]), Err(SendError::Full));
    assert!(capture.poll_room(std::task::Waker::noop()).is_pending());
    assert_eq!(capture.capture_statistics().frames, 1);
    assert_eq!((capture.mac(), capture.mtu(), capture.statistics()), (a.mac(), a.mtu(), a.statistics()));
    b.disconnect();
    capture.disconnect();
    assert_eq!(send(&capture, TxMeta::NONE, &[3; 60]), Err(SendError::Down));
}

#[test]
fn errors_of_the_file_are_counted_and_disturb_nothing() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, DELAY);
    let [a, b] = link.ports();
    let disk = Disk { room: 500, ..Disk::default() };
    let capture = Capture::new(a, disk.clone());
    let received = std::cell::Cell::new(0);
    for n in 0..10 {
        send(&capture, TxMeta::NONE, &udp(&[n; 100])).unwrap();
    }
    let counting = respond(&b, |_| {
        received.set(received.get() + 1);
        None
    });
    run_until(&clock, vec![counting], ms(10));
    assert_eq!(received.get(), 10);
    let statistics = capture.capture_statistics();
    assert_eq!((statistics.frames, statistics.lost), (2, 8));
    assert_eq!(statistics.error, Some(std::io::ErrorKind::StorageFull));
    // What is there can be read.
    let recording = Recording::read(&disk.bytes.borrow()).unwrap();
    assert_eq!(recording.frames().len(), 2);

    let never = Capture::new(b, Disk::default());
    send(&never, TxMeta::NONE, &udp(b"x")).unwrap();
    assert_eq!(never.capture_statistics().lost, 1);
    assert!(never.flush_file().is_err());
    let idle = Capture::new(link.port(0), Disk::default());
    assert!(idle.flush_file().is_err() && idle.flush_file().is_err());
}

#[test]
fn several_devices_share_a_file() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, DELAY);
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    let [a, b] = link.ports();
    let (a, b) = (Capture::shared(a, &recorder, "left"), Capture::shared(b, &recorder, "right"));
    send(&a, TxMeta::NONE, &udp(b"hello")).unwrap();
    run_until(&clock, vec![respond(&b, |_| None)], ms(10));
    assert!(a.into_writer().is_none() && b.into_writer().is_none());
    let file = Rc::into_inner(recorder).unwrap().into_writer();
    let recording = Recording::read(&file).unwrap();
    let seen: Vec<_> = recording.frames().iter().map(|frame| (frame.interface, frame.at)).collect();
    assert_eq!(seen, [(0, Instant::ZERO), (1, Instant::from_nanos(1_000_123))]);
}

/// Frames through a capture over faults over a link: the file.
fn faulty(seed: u64) -> Vec<u8> {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, DELAY.with_rate(10_000_000));
    let [a, b] = link.ports();
    let bad = Impairments::NONE
        .with_loss(Probability::percent(10))
        .with_duplication(Probability::percent(10))
        .with_bit_error(Probability::percent(10))
        .with_reordering(Probability::percent(10), Duration::from_millis(10));
    let capture = Capture::new(Faults::new(a, ChaCha8Rng::seed_from_u64(seed), bad, bad), Vec::new());
    let source = async {
        for n in 0..300u32 {
            clock.sleep(Duration::from_micros(700)).await;
            send(&capture, TxMeta::NONE, &udp(&n.to_be_bytes())).unwrap();
        }
    };
    let echo = respond(&b, |frame| Some(frame.to_vec()));
    let tasks = vec![Box::pin(source) as _, echo, respond(&capture, |_| None), tower(&capture, &clock)];
    run_until(&clock, tasks, Instant::from_secs(2));
    let faults = capture.device().faults();
    assert_eq!(faults.transmit.frames, 300);
    let captured = 300 + faults.receive.frames - faults.receive.lost + faults.receive.duplicated;
    assert_eq!(capture.capture_statistics().frames, captured);
    capture.into_writer().unwrap()
}

#[test]
fn a_seed_decides_the_file_to_the_last_byte() {
    assert_eq!(faulty(1), faulty(1));
    assert_ne!(faulty(1), faulty(2));
}

#[test]
fn wireshark_finds_nothing_wrong() {
    let Ok(version) = std::process::Command::new("tshark").arg("--version").output() else {
        eprintln!("no tshark here: not looked at");
        return;
    };
    assert!(version.status.success());
    let clock = VirtualClock::new();
    let all = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, all);
    let size = NonZeroU16::new(1000).unwrap();
    for format in [Format::PcapNg, Format::Pcap] {
        let capture = Capture::with_format(link.port(0), Vec::new(), format);
        let meta = TxMeta::NONE.with_checksum(34, 16);
        send(&capture, meta, &tcp(b"blank", true)).unwrap();
        let kind = SegmentationKind::Tcp4 { cwr: false };
        send(&capture, meta.with_segmentation(kind, size, 54), &tcp(&[7; 9500], true)).unwrap();
        let file = capture.into_writer().unwrap();
        let path = std::env::temp_dir().join(format!("fata-capture-{}-{format:?}", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let filter = "_ws.malformed || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\" || \
                      tcp.analysis.lost_segment";
        let run = |filter: &str| {
            let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
            let shown = std::process::Command::new("tshark")
                .arg("-r")
                .arg(&path)
                .args(checks)
                .args(["-Y", filter])
                .output()
                .unwrap();
            assert!(shown.status.success(), "{shown:?}");
            String::from_utf8_lossy(&shown.stdout).into_owned()
        };
        let (wrong, good) = (run(filter), run("tcp.checksum.status == \"Good\""));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(wrong, "");
        assert_eq!(good.lines().count(), 11, "{good}");
    }
}

#[test]
fn a_recording_made_by_hand_is_written_and_read() {
    let frame = |at, direction, bytes: &[u8]| Recorded {
        at,
        direction: Some(direction),
        interface: 0,
        bytes: bytes.to_vec(),
        original_len: bytes.len(),
    };
    let frames =
        vec![frame(ms(1500), Direction::Inbound, &udp(b"2")), frame(ms(1400), Direction::Outbound, &udp(b"1"))];
    let recording = Recording::new(frames);
    let mut file = Vec::new();
    recording.write(&mut file, Format::PcapNg).unwrap();
    let read = Recording::read(&file).unwrap();
    assert_eq!(read.epoch(), Duration::from_millis(1400));
    assert_eq!(read.starting_at(ms(1400)), recording);
}

/// A machine's clock starts long before a capture does.
#[test]
fn times_count_from_the_origin() {
    let clock = VirtualClock::new();
    clock.advance(ms(7_000));
    let link = Link::new(&clock, Settings::new());
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    recorder.set_origin(ms(5_000));
    let capture = Capture::shared(link.port(0), &recorder, "fata0");
    send(&capture, TxMeta::NONE, &udp(b"late")).unwrap();
    drop(capture);
    let file = Rc::try_unwrap(recorder).unwrap().into_writer();
    assert_eq!(Recording::read(&file).unwrap().epoch(), Duration::from_secs(2));
}
