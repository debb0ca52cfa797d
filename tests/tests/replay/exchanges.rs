//! Exchanges with the Linux kernel, curl and dnsmasq.

use std::path::Path;

use fata::traits::Instant;
use fata_cli::replay::{Generators, Options, read, replay};
use netif_pcap::{Difference, Direction, Recorded, Recording};

use super::{captures, same};

/// The capture of an exchange over a link that loses frames.
const LOSSY: &str = "tcp_with_loss";

#[test]
fn the_same_answers_come() {
    let captures = captures("");
    assert!(captures.len() >= 10, "{captures:?}");
    for (name, path) in captures {
        let report = same(&path, &Options::default());
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, report);
        });
    }
}

/// The frames of a capture, at the times of the clock that it was made with.
fn frames(path: &Path) -> Vec<Recorded> {
    let recording = read(path).expect("a capture");
    let start = Instant::ZERO + recording.epoch();
    recording.starting_at(start).frames().to_vec()
}

/// Numbers that the stack draws are translated to those of the capture.
#[test]
fn other_random_numbers_give_the_same_answers() {
    for (name, path) in captures("") {
        // When a DHCP client says something is random too.
        if name.starts_with("dhcp") {
            continue;
        }
        for seed in 1..5 {
            same(&path, &Options { generators: Generators(seed), ..Options::default() });
        }
    }
}

/// What a changed stack would send is shown by field.
#[test]
fn another_answer_is_told() {
    let (_, path) = captures("").into_iter().find(|(name, _)| name == "tcp_accepted").expect("it is there");
    let mut frames = frames(&path);
    let side = netif_pcap::Side::Inbound;
    let answer = frames.iter_mut().rev().find(|frame| side.sends(frame)).expect("an answer");
    // The window.
    answer.bytes[48] ^= 1;
    let (_, differences) = replay(Recording::new(frames), &Options::default()).expect("it is replayed");
    assert_eq!(differences.differences.len(), 1, "{differences}");
    assert!(matches!(differences.differences[0], Difference::Changed { .. }));
    assert!(differences.to_string().contains("@48 TCP window: 03 -> 02"), "{differences}");
}

/// The capture need not say who captured: the address says whom to play.
#[test]
fn a_host_is_found_by_its_address() {
    let (_, path) = captures("").into_iter().find(|(name, _)| name == "curl_get").expect("it is there");
    let mut frames = frames(&path);
    frames.iter_mut().for_each(|frame| frame.direction = None);
    let recording = Recording::new(frames);
    assert!(replay(recording.clone(), &Options::default()).is_err());
    let address = Some("10.0.0.2/24".parse().expect("an address"));
    let (_, differences) =
        replay(recording, &Options { address, ..Options::default() }).expect("it is replayed");
    assert!(differences.is_same(), "{differences}");
}

/// The other host was a Linux kernel: this stack answers a ping as it does.
#[test]
fn the_kernel_can_be_played_too() {
    let (_, path) = captures("").into_iter().find(|(name, _)| name == "tcp_connected").expect("it is there");
    let address = Some("10.0.0.1/24".parse().expect("an address"));
    let mut frames = frames(&path);
    frames.iter_mut().for_each(|frame| frame.direction = None);
    let options = Options { address, ..Options::default() };
    let (report, _) = replay(Recording::new(frames), &options).expect("it is replayed");
    // Windows and times are its own; the bytes came, and the connection ended.
    let thanks: String = b"thanks".iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(report.events.iter().any(|event| event.sent && event.frame.ends_with(&thanks)), "{report}");
    assert_eq!(report.state.counter("tcp", "accepted"), Some(1));
    assert_eq!(report.state.counter("tcp", "retransmitted"), Some(0), "{report}");
}

/// A link that loses frames: what the stack sent and was lost it sends again,
/// by an acknowledgement's word and by a timeout; what was lost on its way to
/// it, the kernel does.
#[test]
fn what_was_lost_is_sent_again() {
    let (_, path) = captures("").into_iter().find(|(name, _)| *name == LOSSY).expect("it is there");
    // Segments of data, or with the end, that begin before what was sent.
    let again = |direction| {
        let mut highest = 0;
        let sent = frames(&path).into_iter().filter(|frame| frame.direction == Some(direction));
        let mut again = Vec::new();
        for frame in sent.filter(|frame| frame.bytes.get(23) == Some(&6)) {
            let bytes = &frame.bytes;
            let header = usize::from(bytes[46] >> 4) * 4;
            let len = usize::from(u16::from_be_bytes([bytes[16], bytes[17]])) - 20 - header;
            let seq = u32::from_be_bytes([bytes[38], bytes[39], bytes[40], bytes[41]]);
            let end = seq.wrapping_add(len as u32 + u32::from(bytes[47] & 3 != 0));
            if bytes[47] & 2 != 0 || highest == 0 {
                highest = end;
            } else if end != seq && (seq.wrapping_sub(highest) as i32) < 0 {
                again.push(frame.at);
            } else {
                highest = end;
            }
        }
        again
    };
    let report = same(&path, &Options::default());
    let by_stack = again(Direction::Outbound);
    assert_eq!(report.state.counter("tcp", "retransmitted"), Some(by_stack.len() as u64), "{by_stack:?}");
    let timers = report.events.iter().filter(|event| event.by_timer).map(|event| event.at_ns);
    let by_timer = timers.filter(|at| by_stack.iter().any(|other| other.as_nanos().abs_diff(*at) < 5_000_000));
    assert!(by_timer.count() > 0 && by_stack.len() > 1, "{report}");
    assert!(!again(Direction::Inbound).is_empty(), "{report}");
}

/// Where tshark is, it finds nothing wrong in what was well-behaved.
#[test]
fn tshark_finds_nothing_wrong() {
    const WRONG: &str = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 \
        || udp.checksum.status == 0 || icmp.checksum.status == 0 \
        || tcp.option.len.invalid || _ws.expert.severity == error";
    for (name, path) in captures("") {
        // Where frames are lost, there is much to remark on.
        let remarks = if name == LOSSY { "" } else { " || tcp.analysis.flags" };
        let Some(wrong) = tests::tshark(&path, &format!("{WRONG}{remarks}")) else { return };
        assert_eq!(wrong, "", "{name}");
    }
}
