//! Captures replayed at their own times, and compared.

mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::{ms, respond, run_until, send, tcp, udp};
use netif_memory::{Link, Settings, VirtualClock};
use netif_pcap::{Capture, Comparison, Difference, Direction, Recording, Replay, Side};
use proptest::prelude::*;
use traits::{Capabilities, Frame, Instant, Layer, Network, Offload, SendError, Time, TxMeta};
use wire::MacAddr;

/// `a` asks at 0, 10 and 20 ms, `b` answers 2 ms later each; captured at `b`.
fn recording() -> Recording {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let capture = Capture::new(b, Vec::new());
    let asks = async {
        for n in 0..3 {
            send(&a, TxMeta::NONE, &udp(&[n])).unwrap();
            clock.sleep(Duration::from_millis(10)).await;
        }
    };
    let answers = RefCell::new(Vec::new());
    let answer = async {
        let listen = capture.listen(|frame: Frame<'_>| answers.borrow_mut().push(frame.bytes.to_vec()));
        let _ = listen.await;
    };
    let later = async {
        for _ in 0..3 {
            clock.sleep(Duration::from_millis(2)).await;
            let asked = answers.borrow_mut().remove(0);
            send(&capture, TxMeta::NONE, &tcp(&[asked[42] + 100], false)).unwrap();
            clock.sleep(Duration::from_millis(8)).await;
        }
    };
    run_until(&clock, vec![Box::pin(asks), Box::pin(answer), Box::pin(later)], ms(100));
    Recording::read(&capture.into_writer().unwrap()).unwrap()
}

/// Replays the side that answers, with a stack that answers `answer` to each
/// question after `delay`.
fn replayed(
    recording: &Recording,
    delay: Duration,
    answer: impl Fn(u8) -> Option<Vec<u8>>,
    check: impl FnOnce(&Replay<'_, &VirtualClock>),
) {
    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, recording, Side::Inbound);
    let due = RefCell::new(Vec::new());
    let listen = async {
        let input = |frame: Frame<'_>| due.borrow_mut().push((replay.now() + delay, frame.bytes[42]));
        let _ = replay.listen(input).await;
    };
    let answers = async {
        loop {
            clock.sleep(Duration::from_micros(500)).await;
            let now = clock.now();
            let ready: Vec<_> = due.borrow_mut().extract_if(.., |(at, _)| *at <= now).collect();
            for bytes in ready.into_iter().filter_map(|(_, n)| answer(n)) {
                send(&replay, TxMeta::NONE, &bytes).unwrap();
            }
        }
    };
    run_until(&clock, vec![Box::pin(listen), Box::pin(answers)], ms(100));
    assert!(replay.is_over());
    check(&replay);
}

fn right(n: u8) -> Option<Vec<u8>> {
    Some(tcp(&[n + 100], false))
}

#[test]
fn frames_come_at_the_times_of_the_recording() {
    let recording = recording();
    assert_eq!(recording.frames().len(), 6);
    assert_eq!(recording.end(), ms(22));
    let clock = VirtualClock::new();
    for (side, times) in [(Side::Inbound, [0, 10, 20]), (Side::Outbound, [2, 12, 22])] {
        let start = clock.now();
        assert_eq!(start, Instant::ZERO);
        let clock = VirtualClock::new();
        let replay = Replay::new(&clock, &recording, side);
        let seen = RefCell::new(Vec::new());
        let listen = async {
            let _ = replay.listen(|_| seen.borrow_mut().push(replay.now())).await;
        };
        run_until(&clock, vec![Box::pin(listen)], ms(50));
        assert_eq!(*seen.borrow(), times.map(ms));
        assert_eq!(replay.statistics().rx_packets, 3);
        assert_eq!(replay.expected().count(), 3);
    }
}

#[test]
fn a_stack_that_answers_as_it_did_is_the_same() {
    replayed(&recording(), Duration::from_millis(2), right, |replay| {
        let comparison = Comparison::new().with_tolerance(Duration::ZERO).compare(replay);
        assert!(comparison.is_same(), "{comparison}");
        assert_eq!(comparison.same, 3);
        assert_eq!(comparison.to_string(), "3 frames as expected, 0 differences\n");
    });
}

#[test]
fn a_late_answer_is_told_when_times_count() {
    replayed(&recording(), Duration::from_millis(5), right, |replay| {
        assert!(Comparison::new().compare(replay).is_same());
        let late = Comparison::new().with_tolerance(Duration::from_millis(1)).compare(replay);
        assert_eq!((late.same, late.differences.len()), (0, 3));
        assert!(matches!(&late.differences[0], Difference::Moved { expected, sent }
            if expected.at == ms(2) && sent.at == ms(5)));
        assert!(late.to_string().contains("the same, 3ms later"), "{late}");
        assert!(Comparison::new().with_tolerance(Duration::from_millis(3)).compare(replay).is_same());
    });
}

#[test]
fn a_missing_and_an_additional_answer_are_told_apart_from_a_changed_one() {
    replayed(
        &recording(),
        Duration::from_millis(2),
        |n| right(n).filter(|_| n != 1),
        |replay| {
            let missing = Comparison::new().compare(replay);
            assert!(matches!(&missing.differences[..], [Difference::Missing(frame)] if frame.at == ms(12)));
            assert_eq!(missing.same, 2);
        },
    );
    let twice = RefCell::new(0);
    replayed(
        &recording(),
        Duration::from_millis(2),
        |n| {
            *twice.borrow_mut() += 1;
            if n == 1 { Some(udp(b"what?")) } else { right(n) }
        },
        |replay| {
            let text = Comparison::new().compare(replay).to_string();
            let expected = "2 frames as expected, 2 differences\n\
                - 0.012000000s TCP 10.0.0.1:4000 > 10.0.0.2:80 [PA] seq 1000000 ack 77 win 500 len 1, 55 bytes\n\
                + 0.012000000s UDP 10.0.0.1:53 > 10.0.0.2:5300 len 5, 47 bytes\n";
            assert_eq!(text, expected);
        },
    );
}

#[test]
fn a_changed_answer_is_told_field_by_field() {
    let changed = |n| {
        let mut frame = right(n)?;
        if n == 2 {
            frame[48..50].copy_from_slice(&[0x20, 0x00]);
            frame[54] = 0xee;
        }
        frame[18] = 7;
        Some(frame)
    };
    replayed(&recording(), Duration::from_millis(2), changed, |replay| {
        let normalised = Comparison::new().normalised_by(|frame| frame[18..20].fill(0)).compare(replay);
        assert_eq!((normalised.same, normalised.differences.len()), (2, 1));
        let text = normalised.to_string();
        assert!(text.contains("    @48 TCP window: 01f4 -> 2000\n    @54 data: 66 -> ee\n"), "{text}");
        let strict = Comparison::new().compare(replay).to_string();
        assert!(strict.contains("    @18 IPv4 identification: 00 -> 07\n"), "{strict}");
    });
}

#[test]
fn a_host_is_chosen_by_its_address() {
    let recording = recording();
    let side = Side::Host(MacAddr([2; 6]));
    // Both builders of the test send from the same address.
    assert!(recording.frames().iter().all(|frame| side.sends(frame) && !side.receives(frame)));
    let other = Side::Host(MacAddr([4; 6]));
    assert!(recording.frames().iter().all(|frame| other.receives(frame) && !other.sends(frame)));
    let clock = VirtualClock::new();
    assert_eq!(Replay::new(&clock, &recording, other).mac(), MacAddr([4; 6]));
    assert_eq!(Replay::new(&clock, &recording, Side::Inbound).mac(), MacAddr([2; 6]));
    let group = Side::Host(MacAddr([8; 6]));
    assert!(recording.frames().iter().all(|frame| !group.receives(frame)));
}

#[test]
fn what_the_stack_leaves_to_the_device_is_done_before_it_is_compared() {
    let recording = recording();
    let clock = VirtualClock::new();
    let offload = Capabilities::new(Offload::all(), 65_000);
    let replay = Replay::new(&clock, &recording, Side::Inbound).with_capabilities(offload).with_mtu(9000);
    assert_eq!((replay.capabilities(), replay.mtu()), (offload, 9000));
    send(&replay, TxMeta::NONE.with_checksum(34, 16), &tcp(b"x", true)).unwrap();
    let size = std::num::NonZeroU16::new(100).unwrap();
    let kind = traits::SegmentationKind::Tcp4 { cwr: false };
    let large = TxMeta::NONE.with_checksum(34, 16).with_segmentation(kind, size, 54);
    send(&replay, large, &tcp(&[5; 250], true)).unwrap();
    let sent = replay.sent();
    let lengths: Vec<_> = sent.iter().map(|frame| common::payload(&frame.bytes).len()).collect();
    assert_eq!(lengths, [1, 100, 100, 50]);
    assert_eq!(send(&replay, TxMeta::NONE, &[0; 9015]), Err(SendError::TooLong));
    replay.disconnect();
    assert_eq!(send(&replay, TxMeta::NONE, &[0; 60]), Err(SendError::Down));
}

#[test]
fn what_is_collected_is_bounded_in_frames_and_in_bytes() {
    let (recording, clock) = (recording(), VirtualClock::new());
    for (frames, bytes, taken) in [(3, 1000, 3), (100, 1000, 10), (100, 1099, 10), (100, 1100, 11)] {
        let replay = Replay::new(&clock, &recording, Side::Inbound).with_mtu(86).with_collected(frames, bytes);
        for n in 0..20 {
            let expected = if n < taken { Ok(()) } else { Err(SendError::Full) };
            assert_eq!(replay.poll_room(std::task::Waker::noop()).is_ready(), n < taken);
            assert_eq!(send(&replay, TxMeta::NONE, &[7; 100]), expected);
        }
        assert_eq!((replay.sent().len(), replay.statistics().tx_full), (taken, 20 - taken as u64));
    }
}

/// A stack that speaks each second, over a recording that is silent for years:
/// it is stopped, and goes on when something arrives.
#[test]
fn a_silence_of_years_costs_a_bounded_number_of_frames() {
    let years = Instant::from_secs(10 * 365 * 86_400);
    let frames =
        [(Instant::ZERO, Direction::Inbound), (ms(5), Direction::Outbound), (years, Direction::Inbound)];
    let frames = frames.map(|(at, direction)| netif_pcap::Recorded {
        at,
        direction: Some(direction),
        interface: 0,
        original_len: 60,
        bytes: tcp(b"x", false),
    });
    let recording = Recording::new(frames.to_vec());
    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, &recording, Side::Inbound);
    let seen = std::cell::Cell::new(0);
    let listen = async {
        let _ = replay.listen(|_| seen.set(seen.get() + 1)).await;
    };
    let speak = async {
        loop {
            std::future::poll_fn(|context| replay.poll_room(context.waker())).await;
            send(&replay, TxMeta::NONE, &tcp(b"still there?", false)).unwrap();
            clock.sleep(Duration::from_secs(1)).await;
        }
    };
    let last = years + Duration::from_secs(2);
    run_until(&clock, vec![Box::pin(listen), Box::pin(speak)], last);
    assert_eq!(seen.get(), 2);
    let sent = replay.sent();
    // One for the frame that the host sent; the first goes out as a reply.
    let bound = Replay::<&VirtualClock>::MAX_UNPROMPTED + 1;
    assert_eq!(sent.iter().filter(|frame| frame.at < years).count(), bound);
    assert_eq!(sent.iter().filter(|frame| frame.at >= years).count(), 3);
}

#[test]
fn padding_makes_no_difference() {
    let recording = recording();
    replayed(
        &recording,
        Duration::from_millis(2),
        |n| {
            let mut frame = right(n)?;
            frame.resize(60, 0xaa);
            Some(frame)
        },
        |replay| assert!(Comparison::new().compare(replay).is_same()),
    );
}

proptest! {
    #[test]
    fn any_two_lists_of_frames_are_compared(left: Vec<Vec<u8>>, right: Vec<Vec<u8>>) {
        let recorded = |bytes: &Vec<u8>| netif_pcap::Recorded {
            at: Instant::ZERO,
            direction: None,
            interface: 0,
            original_len: bytes.len(),
            bytes: bytes.clone(),
        };
        let expected: Vec<_> = left.iter().map(recorded).collect();
        let sent: Vec<_> =
            right.iter().map(|bytes| netif_pcap::Sent { at: Instant::ZERO, bytes: bytes.clone() }).collect();
        let differences = Comparison::new().compare_frames(&expected, &sent);
        let _ = differences.to_string();
        // Every frame of both sides is accounted for.
        let (mut from_left, mut from_right) = (differences.same, differences.same);
        for difference in &differences.differences {
            match difference {
                Difference::Missing(_) => from_left += 1,
                Difference::Unexpected(_) => from_right += 1,
                _ => (from_left, from_right) = (from_left + 1, from_right + 1),
            }
        }
        prop_assert_eq!((from_left, from_right), (left.len(), right.len()));
        prop_assert_eq!(differences.is_same(), left == right);
    }
}

#[test]
fn directions_are_as_the_capturing_machine_saw_them() {
    let directions: Vec<_> = recording().frames().iter().map(|frame| frame.direction).collect();
    let (inbound, outbound) = (Some(Direction::Inbound), Some(Direction::Outbound));
    assert_eq!(directions, [inbound, outbound, inbound, outbound, inbound, outbound]);
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let capture = Capture::new(link.port(0), Vec::new());
    run_until(&clock, vec![respond(&capture, |_| None)], ms(1));
}

/// On a link without delay all happens at the same time, one after the other.
#[test]
fn what_follows_an_answer_waits_for_the_stack() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let capture = Capture::new(b, Vec::new());
    let answer = respond(&capture, |_| Some(tcp(b"answer", false)));
    let ask = async {
        for _ in 0..2 {
            send(&a, TxMeta::NONE, &udp(b"first")).unwrap();
        }
    };
    run_until(&clock, vec![Box::pin(ask), answer], ms(1));
    let recording = Recording::read(&capture.into_writer().unwrap()).unwrap();
    let directions: Vec<_> = recording.frames().iter().filter_map(|frame| frame.direction).collect();
    assert_eq!(directions, [Direction::Inbound, Direction::Outbound].repeat(2));

    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, &recording, Side::Inbound);
    let (turns, seen) = (std::cell::Cell::new(0), RefCell::new(Vec::new()));
    let listen = async {
        let _ = replay.listen(|_| seen.borrow_mut().push(turns.get())).await;
    };
    let stack = std::future::poll_fn(|_| {
        turns.set(turns.get() + 1);
        // It takes its time.
        if turns.get() == 3 {
            send(&replay, TxMeta::NONE, &tcp(b"answer", false)).unwrap();
        }
        std::task::Poll::<()>::Pending
    });
    run_until(&clock, vec![Box::pin(listen), Box::pin(stack)], Instant::ZERO);
    assert_eq!(*seen.borrow(), [0, 3]);
    assert_eq!(replay.places(), [1]);
}
