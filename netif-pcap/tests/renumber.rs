//! Recordings replayed to a stack that draws other numbers.

mod common;

use std::cell::RefCell;
use std::time::Duration;

use common::{A, B, ms, payload, run_until, send, udp};
use etherparse::{PacketBuilder, TcpHeader, TcpOptionElement as Opt};
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use netif_pcap::{Capture, Comparison, Direction, Player, Recording, Renumber, Replay, Side};
use traits::{Frame, Instant, Layer as _, Network, Time, TxMeta};

/// What the host received and sent, a millisecond apart.
fn record(frames: &[(Direction, Vec<u8>)]) -> Recording {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let capture = Capture::new(b, Vec::new());
    let listen = async {
        let _ = capture.listen(|_| ()).await;
    };
    let traffic = async {
        for (direction, frame) in frames {
            match direction {
                Direction::Inbound => send(&a, TxMeta::NONE, frame).unwrap(),
                Direction::Outbound => send(&capture, TxMeta::NONE, frame).unwrap(),
            }
            clock.sleep(Duration::from_millis(1)).await;
        }
    };
    run_until(&clock, vec![Box::pin(listen), Box::pin(traffic)], ms(100));
    Recording::read(&capture.into_writer().unwrap()).unwrap()
}

/// A segment from `src` to `dst`, its flags `S` and `A` among others.
fn segment(
    outbound: bool,
    ports: (u16, u16),
    flags: &str,
    (seq, ack): (u32, u32),
    options: &[Opt],
    data: &[u8],
) -> Vec<u8> {
    let ends = if outbound { (B, A) } else { (A, B) };
    let mut header = TcpHeader::new(ports.0, ports.1, seq, 500);
    header.syn = flags.contains('S');
    header.ack = flags.contains('A');
    header.acknowledgment_number = ack;
    header.set_options(options).unwrap();
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(ends.0.octets(), ends.1.octets(), 64);
    let mut frame = Vec::new();
    ip.tcp_header(header).write(&mut frame, data).unwrap();
    frame
}

const fn times(value: u32, echo: u32) -> Opt {
    Opt::Timestamp(value, echo)
}

fn tcp_of(frame: &[u8]) -> TcpHeader {
    payload(frame);
    etherparse::PacketHeaders::from_ethernet_slice(frame).unwrap().transport.unwrap().tcp().unwrap()
}

/// Hands the stack what was received and has it send `answers`, one for each
/// frame; returns what it got.
fn play(recording: &Recording, answers: &[Vec<u8>], check: impl FnOnce(String)) -> Vec<Vec<u8>> {
    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, recording, Side::Inbound);
    let device = Renumber::new(&replay, recording, Side::Inbound);
    let (got, left) = (RefCell::new(Vec::new()), RefCell::new(answers.to_vec()));
    let listen = async {
        let input = |frame: Frame<'_>| {
            got.borrow_mut().push(frame.bytes.to_vec());
            if !left.borrow().is_empty() {
                send(&device, TxMeta::NONE, &left.borrow_mut().remove(0)).unwrap();
            }
        };
        let _ = device.listen(input).await;
    };
    let polled = Simulator::new(&clock).run_until(std::pin::pin!(listen), ms(100));
    assert!(polled.is_ok());
    check(Comparison::new().compare(&replay).to_string());
    got.take()
}

#[test]
fn a_passive_connection_is_translated_both_ways() {
    use Direction::{Inbound, Outbound};
    let (near, far) = ((80, 4000), (4000, 80));
    let sack = Opt::SelectiveAcknowledgement((5011, 5021), [Some((5031, 5041)), None, None]);
    let recording = record(&[
        (Inbound, segment(false, far, "S", (100, 0), &[times(9, 0)], b"")),
        (Outbound, segment(true, near, "SA", (5000, 101), &[times(77, 9)], b"")),
        (Inbound, segment(false, far, "A", (101, 5001), &[times(10, 77), sack.clone()], b"ask")),
        (Outbound, segment(true, near, "A", (5001, 104), &[times(80, 10)], b"answer")),
    ]);
    // The same, with numbers that wrap.
    let iss = u32::MAX - 3;
    let answers = [
        segment(true, near, "SA", (iss, 101), &[times(1_000_000, 9)], b""),
        segment(true, near, "A", (iss.wrapping_add(1), 104), &[times(1_000_003, 10)], b"answer"),
    ];
    let got = play(&recording, &answers, |said| assert_eq!(said, "2 frames as expected, 0 differences\n"));
    assert_eq!(got[0], recording.frames()[0].bytes, "nothing to translate yet");
    let ask = tcp_of(&got[1]);
    assert_eq!(ask.acknowledgment_number, iss.wrapping_add(1));
    let options: Vec<_> = ask.options_iterator().flatten().collect();
    let moved = |at: u32| iss.wrapping_add(at - 5000);
    let blocks = ((moved(5011), moved(5021)), [Some((moved(5031), moved(5041))), None, None]);
    assert!(options.contains(&Opt::SelectiveAcknowledgement(blocks.0, blocks.1)), "{options:?}");
    assert!(options.contains(&times(10, 1_000_000)), "{options:?}");
}

#[test]
fn ports_of_connections_that_the_host_opens_are_translated() {
    use Direction::{Inbound, Outbound};
    let recording = record(&[
        (Inbound, udp(b"go")),
        (Outbound, segment(true, (50_000, 80), "S", (5000, 0), &[], b"")),
        (Inbound, segment(false, (80, 50_000), "SA", (300, 5001), &[], b"")),
        (Outbound, segment(true, (50_000, 80), "A", (5001, 301), &[], b"")),
    ]);
    let answers = [
        segment(true, (40_000, 80), "S", (7, 0), &[], b""),
        segment(true, (40_000, 80), "A", (8, 301), &[], b""),
    ];
    let got = play(&recording, &answers, |said| assert_eq!(said, "2 frames as expected, 0 differences\n"));
    let accepted = tcp_of(&got[1]);
    assert_eq!((accepted.destination_port, accepted.acknowledgment_number), (40_000, 8));
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    use Direction::{Inbound, Outbound};
    let (near, far) = ((80, 4000), (4000, 80));
    let mut damaged = segment(false, far, "A", (101, 5001), &[], b"ask");
    damaged[51] ^= 0x10;
    let recording = record(&[
        (Inbound, segment(false, far, "S", (100, 0), &[], b"")),
        (Outbound, segment(true, near, "SA", (5000, 101), &[], b"")),
        (Inbound, damaged),
    ]);
    let got = play(&recording, &[segment(true, near, "SA", (1, 101), &[], b"")], |_| ());
    let right = segment(false, far, "A", (101, 2), &[], b"ask");
    assert_eq!(got[1].len(), right.len());
    let apart: Vec<_> = (0..right.len()).filter(|at| got[1][*at] != right[*at]).collect();
    assert_eq!(apart, [51], "off by as much as before");
}

/// DHCP from port 67 or 68: a transaction identifier, the rest does not matter.
fn dhcp(outbound: bool, xid: u32) -> Vec<u8> {
    let (ends, ports) = if outbound { ((B, A), (68, 67)) } else { ((A, B), (67, 68)) };
    let mut message = vec![1, 1, 6, 0];
    message.extend(xid.to_be_bytes());
    message.extend([0; 40]);
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(ends.0.octets(), ends.1.octets(), 64);
    let mut frame = Vec::new();
    ip.udp(ports.0, ports.1).write(&mut frame, &message).unwrap();
    frame
}

#[test]
fn transactions_of_dhcp_are_translated() {
    use Direction::{Inbound, Outbound};
    let recording = record(&[
        (Inbound, udp(b"go")),
        (Outbound, dhcp(true, 0x1111_1111)),
        (Inbound, dhcp(false, 0x1111_1111)),
        (Outbound, dhcp(true, 0x2222_2222)),
        (Inbound, dhcp(false, 0x3333_3333)),
    ]);
    let answers = [dhcp(true, 0xaaaa_0001), dhcp(true, 0xbbbb_0002)];
    let got = play(&recording, &answers, |said| assert_eq!(said, "2 frames as expected, 0 differences\n"));
    assert_eq!(payload(&got[1])[4..8], 0xaaaa_0001u32.to_be_bytes());
    assert_eq!(payload(&got[2])[4..8], 0x3333_3333u32.to_be_bytes(), "nobody's");
}

#[test]
fn the_quote_of_an_icmp_error_is_translated() {
    use Direction::{Inbound, Outbound};
    let quoted = |seq: u32, port: u16| {
        let sent = segment(true, (port, 80), "S", (seq, 0), &[], b"");
        let message = [&[0, 0, 0, 0][..], &sent[14..42]].concat();
        let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(A.octets(), B.octets(), 64);
        let mut frame = Vec::new();
        ip.icmpv4_raw(3, 1, [0; 4]).write(&mut frame, &message[4..]).unwrap();
        frame
    };
    let recording = record(&[
        (Inbound, udp(b"go")),
        (Outbound, segment(true, (50_000, 80), "S", (5000, 0), &[], b"")),
        (Inbound, quoted(5000, 50_000)),
    ]);
    let got = play(&recording, &[segment(true, (40_000, 80), "S", (7, 0), &[], b"")], |_| ());
    let expected = quoted(7, 40_000);
    // The quoted checksum is beyond the eight bytes; the message's own holds.
    assert_eq!(got[1], expected);
}

#[test]
fn a_timer_fires_when_the_host_sent() {
    use Direction::{Inbound, Outbound};
    // The host answered 10.4 ms after it was asked, of a timer of 10 ms.
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [a, b] = link.ports();
    let capture = Capture::new(b, Vec::new());
    let listen = async {
        let _ = capture.listen(|_| ()).await;
    };
    let traffic = async {
        send(&a, TxMeta::NONE, &udp(b"go")).unwrap();
        clock.sleep(Duration::from_micros(10_400)).await;
        send(&capture, TxMeta::NONE, &udp(b"late")).unwrap();
    };
    run_until(&clock, vec![Box::pin(listen), Box::pin(traffic)], ms(100));
    let recording = Recording::read(&capture.into_writer().unwrap()).unwrap();
    assert_eq!(
        recording.frames().iter().map(|f| f.direction).collect::<Vec<_>>(),
        [Some(Inbound), Some(Outbound)]
    );

    for (slack, expected) in [(5000, 10_400), (100, 10_000)] {
        let clock = VirtualClock::new();
        let replay = Replay::new(&clock, &recording, Side::Inbound);
        let tower = async {
            let listen = replay.listen(|_| ());
            let timer = async {
                clock.sleep(Duration::from_millis(10)).await;
                send(&replay, TxMeta::NONE, &udp(b"late")).unwrap();
            };
            let mut listen = std::pin::pin!(listen);
            let mut timer = std::pin::pin!(timer);
            let mut fired = false;
            std::future::poll_fn(|context| {
                let _ = listen.as_mut().poll(context);
                fired = fired || timer.as_mut().poll(context).is_ready();
                std::task::Poll::<()>::Pending
            })
            .await;
        };
        let mut player = Player::new(&clock).with_slack(Duration::from_micros(slack));
        assert!(player.run_until(&replay, std::pin::pin!(tower), ms(50)).is_ok());
        assert_eq!(replay.now(), ms(50));
        assert_eq!(replay.sent()[0].at, Instant::from_micros(expected));
    }
}

#[test]
fn a_recording_starts_when_it_is_told_to() {
    let recording = record(&[(Direction::Inbound, udp(b"1")), (Direction::Inbound, udp(b"2"))]);
    let later = recording.starting_at(ms(1500));
    assert_eq!(later.frames().iter().map(|frame| frame.at).collect::<Vec<_>>(), [ms(1500), ms(1501)]);
    assert_eq!(later.end(), ms(1501));
}

/// A frame with this identification, its IPv4 checksum right.
fn identified(mut frame: Vec<u8>, id: u16, fragment: u16) -> Vec<u8> {
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    frame[20..22].copy_from_slice(&fragment.to_be_bytes());
    frame[24..26].fill(0);
    let sum = wire::checksum(&frame[14..34]).to_be_bytes();
    frame[24..26].copy_from_slice(&sum);
    frame
}

/// Whether what is sent is the same as what the host of a recording sent.
fn is_same(host: &[Vec<u8>], stack: &[Vec<u8>], comparison: &Comparison<'_>) -> bool {
    let sent = host.iter().map(|frame| (Direction::Outbound, frame.clone()));
    let frames: Vec<_> = [(Direction::Inbound, udp(b"go"))].into_iter().chain(sent).collect();
    let recording = record(&frames);
    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, &recording, Side::Inbound);
    stack.iter().for_each(|frame| send(&replay, TxMeta::NONE, frame).unwrap());
    comparison.compare(&replay).is_same()
}

#[test]
fn identifications_can_be_left_out_of_a_comparison() {
    let same = |id| vec![identified(udp(b"same"), id, 0)];
    assert!(!is_same(&same(1), &same(0xfffe), &Comparison::new()));
    let comparison = Comparison::new().without_identification();
    assert!(is_same(&same(1), &same(0xfffe), &comparison));
    // A checksum that is wrong is seen.
    let mut wrong = same(2);
    wrong[0][25] ^= 4;
    assert!(!is_same(&same(1), &wrong, &comparison));
    assert!(is_same(&wrong, &wrong, &comparison));
}

#[test]
fn fragments_of_one_packet_share_their_identification() {
    let packet = |ids: [u16; 3]| -> Vec<_> {
        let places = [0x2000, 0x2004, 0x0008];
        ids.into_iter().zip(places).map(|(id, place)| identified(udp(&[7; 24]), id, place)).collect()
    };
    let comparison = Comparison::new().without_identification();
    assert!(is_same(&packet([1; 3]), &packet([9; 3]), &comparison));
    assert!(!is_same(&packet([1; 3]), &packet([9, 9, 10]), &comparison));
    assert!(!is_same(&packet([1; 3]), &packet([9, 8, 8]), &comparison));
}
