//! Against TCP.

use std::time::Duration;

use fata::traits::Instant;

use super::{Answer, IRS, ISS, Scene, USUAL, written};
use crate::frames::{ACK, FIN, PSH, RST, SYN, Tcp, URG};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        syn_options(),
        sack_lies(),
        urgent(),
        flags(),
        windows(),
        acknowledgements(),
        resets(),
        low_mss(),
        wrapping(),
        slow_reader(),
        no_window(),
        behind_no_window(),
    ]
}

fn syn_options() -> Scene {
    let mut scene = Scene::new("syn_options");
    // Options, and what is understood of them as the MSS: 536 bytes where that
    // is nothing, never less than 88. The eighth is an MSS of 1280, the padding
    // included.
    let options: [(&[u8], usize); 14] = [
        (&[2, 0, 0, 0], 536),
        (&[2, 1, 0, 0], 536),
        (&[3, 0], 536),
        (&[2, 4, 0, 0], 88),
        (&[2, 4, 0, 1], 88),
        (&[2, 4, 0, 48], 88),
        (&[2, 4, 0xff, 0xff], 1460),
        (&[2, 4, 5], 1280),
        (&[3, 3, 15], 536),
        (&[3, 3, 255], 536),
        (&[4, 3, 0, 1], 536),
        (&[5, 9, 0, 0, 0, 1, 0, 0, 0], 536),
        (&[8, 9, 0, 0, 0, 1, 0, 0, 0], 536),
        (&[0, 2, 4, 0], 536),
    ];
    // Each connection lives, and carries 600 bytes in segments of that.
    for (port, (options, mss)) in (5000..).zip(options) {
        scene.connect(port, options);
        scene.sends(&written(port, 0, 600));
        scene.answers(Answer::Data, 600usize.div_ceil(mss));
        scene.wait(Duration::from_millis(1));
        scene.get(Tcp::new(port, ACK, IRS + 1, ISS + 601).frame());
    }
    // A header that ends beyond the segment, and one that ends before itself.
    for offset in [0xf0, 0x40] {
        let mut ip = Tcp::new(6000, SYN, IRS, 0).ip();
        ip.payload[12] = offset;
        scene.get(crate::frames::summed(ip, 16).frame());
    }
    scene.alive().expect(&[("tcp", "accepted", 14), ("tcp", "malformed", 2)])
}

fn sack_lies() -> Scene {
    let mut scene = Scene::new("sack_lies");
    scene.connect(5000, &USUAL);
    scene.sends(&written(5000, 0, 6000));
    // None of the lies has any of it sent again.
    scene.answers(Answer::Data, 6000usize.div_ceil(1460));
    let una = ISS + 1;
    let blocks = [
        // Before, beyond, the wrong way round, empty, across all numbers.
        (una - 500, una - 100),
        (una + 50_000, una + 51_000),
        (una + 3000, una + 1000),
        (una + 2000, una + 2000),
        (una + 1000, una - 1000),
        (una - 100, una + 60_000),
    ];
    for (start, end) in blocks {
        let option = [&[1, 1, 5, 10], &start.to_be_bytes()[..], &end.to_be_bytes()].concat();
        scene.get(Tcp::new(5000, ACK, IRS + 1, una).options(&option).frame());
    }
    // Ragged.
    let option = [&[1, 5, 9], &una.to_be_bytes()[..], &[0; 3]].concat();
    scene.get(Tcp::new(5000, ACK, IRS + 1, una).options(&option).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, una + 6000).frame());
    scene.alive().expect(&[("tcp", "accepted", 1)])
}

fn urgent() -> Scene {
    let mut scene = Scene::new("urgent");
    scene.connect(5000, &USUAL);
    for (n, urgent) in (0..).zip([0, 1, 4, 5, 60_000, 65_535]) {
        let segment = Tcp { urgent, ..Tcp::new(5000, ACK | PSH | URG, IRS + 1 + 4 * n, ISS + 1) };
        scene.get(segment.data(b"data").frame());
        // At once, while a connection is young.
        scene.answer(Answer::Acknowledges);
    }
    scene.get(Tcp { urgent: 9, ..Tcp::new(5000, ACK | URG, IRS + 25, ISS + 1) }.frame());
    scene.alive().expect(&[("tcp", "accepted", 1)])
}

fn flags() -> Scene {
    let mut scene = Scene::new("flags");
    let all =
        [0, FIN, SYN | FIN, SYN | RST, SYN | FIN | RST | ACK, 0xff, FIN | PSH | URG, RST | ACK, ACK, SYN | ACK];
    for (port, flags) in (5000..).zip(all) {
        // To a port that is open and to one that is not.
        scene.get(Tcp::new(port, flags, IRS, 77).frame());
        let closed = Tcp { ports: (port, 81), ..Tcp::new(port, flags, IRS, 77) };
        scene.get(closed.frame());
    }
    // RFC 9293 §3.10.7.1 and §3.10.7.2: to the open port, where nobody has a
    // connection, an acknowledgement has no business; to the closed one,
    // nothing has, but resets, and what has SYN and FIN at once is no segment.
    scene.answers(Answer::Resets, 2 + 5);
    // Data on a SYN: acknowledged or sent again.
    scene.answer(Answer::Accepts);
    scene.get(Tcp::new(5100, SYN, IRS, 0).data(b"early").frame());
    // From and to port 0.
    scene.get(Tcp::new(0, SYN, IRS, 0).frame());
    scene.get(Tcp { ports: (5101, 0), ..Tcp::new(5101, SYN, IRS, 0) }.frame());
    scene.alive().expect(&[
        ("tcp", "bad_flags", 2),
        ("tcp", "bad_port", 2),
        ("tcp", "refused", 7),
        ("tcp", "stray", 11),
    ])
}

fn windows() -> Scene {
    let mut scene = Scene::new("windows");
    scene.connect(5000, &USUAL);
    // Far beyond the own window, and across its edge; before it: one
    // acknowledgement in half a second.
    scene.answer(Answer::Acknowledges);
    scene.get(Tcp::new(5000, ACK, IRS + 1 + 0x4000_0000, ISS + 1).data(b"far").frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1 - 500, ISS + 1).data(&[1; 400]).frame());
    scene.sends(&written(5000, 0, 4000));
    // Nothing was received meanwhile, so that it is written with the 2000 bytes
    // below. The second has room for the block of a duplicate (RFC 2883).
    scene.answers(Answer::Data, 6000usize.div_ceil(1448));
    // The window shrinks to less than what is under way, then to nothing, for
    // as long as a few probes take.
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).window(100).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(0).frame());
    scene.sends(&written(5000, 4000, 2000));
    // A tail probe; then timeouts of 0.2 s, doubled, within eight seconds: at
    // 0.2, 0.6, 1.4, 3.0 and 6.2 s.
    scene.lasts();
    scene.answers(Answer::Again, 1 + 5);
    for _ in 0..4 {
        scene.wait(Duration::from_secs(2));
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(0).frame());
    }
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(3000).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 6001).frame());
    scene.alive().expect(&[("tcp", "accepted", 1), ("tcp", "sequence", 2)])
}

fn acknowledgements() -> Scene {
    let mut scene = Scene::new("acknowledgements");
    scene.connect(5000, &USUAL);
    scene.sends(&written(5000, 0, 100));
    scene.answer(Answer::Data);
    // Of what was never sent; too old. Answered, but not each: once in half a
    // second.
    scene.answer(Answer::Acknowledges);
    for _ in 0..5 {
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 5000).frame());
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS.wrapping_sub(0x4000_0000)).frame());
    }
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 101).frame());
    // To a half-open connection.
    scene.get(Tcp::new(5001, SYN, IRS, 0).frame());
    scene.answer(Answer::Accepts);
    scene.get(Tcp::new(5001, ACK, IRS + 1, 12_345).frame());
    scene.answer(Answer::Resets);
    scene.alive().expect(&[
        ("tcp", "accepted", 1),
        ("tcp", "ack_unacceptable", 10),
        ("tcp", "bad_handshake", 1),
    ])
}

fn resets() -> Scene {
    let mut scene = Scene::new("resets");
    scene.connect(5000, &USUAL);
    let reset = |seq| Tcp::new(5000, RST, seq, 0).frame();
    // In the window and not exact, which is challenged; outside; a SYN, whose
    // challenge comes too soon after the other.
    scene.get(reset(IRS + 100));
    scene.answer(Answer::Acknowledges);
    scene.get(reset(IRS.wrapping_sub(5000)));
    scene.get(Tcp::new(5000, SYN, IRS + 100, 0).frame());
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 1, ISS + 1).data(b"alive").frame());
    scene.answer(Answer::Acknowledges);
    // Exact, and again.
    scene.get(reset(IRS + 6));
    scene.get(reset(IRS + 6));
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 6, ISS + 1).data(b"late").frame());
    scene.answer(Answer::Resets);
    // A half-open connection is reset by one that is exact only.
    scene.get(Tcp::new(5001, SYN, IRS, 0).frame());
    scene.answer(Answer::Accepts);
    scene.get(Tcp::new(5001, RST, IRS + 900, 0).frame());
    scene.answer(Answer::Acknowledges);
    scene.get(Tcp::new(5001, RST, IRS + 1, 0).frame());
    scene.alive().expect(&[
        ("tcp", "accepted", 1),
        ("tcp", "bad_handshake", 1),
        ("tcp", "half_open_reset", 1),
        ("tcp", "refused", 1),
        ("tcp", "reset_by_peer", 1),
        ("tcp", "reset_ignored", 1),
        ("tcp", "reset_inexact", 1),
        ("tcp", "stray", 1),
        ("tcp", "syn_in_connection", 1),
    ])
}

/// Acknowledges up to `ack`, with these blocks.
fn sacks(port: u16, ack: u32, blocks: &[(u32, u32)]) -> Tcp {
    let mut option = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
    for (start, end) in blocks {
        option.extend(start.to_be_bytes());
        option.extend(end.to_be_bytes());
    }
    Tcp::new(port, ACK, IRS + 1, ack).options(&option)
}

/// Tiny segments, of which every other one is missing.
fn low_mss() -> Scene {
    let mut scene = Scene::new("low_mss");
    scene.connect(5000, &[2, 4, 0, 48, 4, 2]);
    scene.sends(&written(5000, 0, 7040));
    // In segments of 88 bytes, whatever the SYN said.
    scene.answers(Answer::Data, 80);
    let una = ISS + 1;
    // The window grows to half of it, and more.
    scene.wait(Duration::from_millis(5));
    for acked in [440, 880, 1320, 1760] {
        scene.get(Tcp::new(5000, ACK, IRS + 1, una + acked).frame());
    }
    // Under way are the ten segments of a first window, one more for each of
    // the twenty acknowledged, and the two of a limited transmit (RFC 3042).
    // Every other is missing, and sent again once; the last blocks lie beyond
    // all that. Then holes within segments.
    scene.answers(Answer::Again, (10 + 20 + 2) / 2);
    for hole in 0..20 {
        let at = una + 1760 + 88 + 176 * hole;
        let newest: Vec<_> = (0..=hole.min(3)).map(|back| (at - 176 * back, at - 176 * back + 88)).collect();
        scene.get(sacks(5000, una + 1760, &newest).frame());
    }
    // The first of these segments was sent again already. Each report tells that a
    // byte more of it has come and that the one before has not: which is sent once
    // more, a byte for a report (RFC 8985 §6.2: of what was sent at one time, what
    // lies before has been overtaken).
    scene.answers(Answer::Again, 20);
    for hole in 0..20 {
        let at = una + 1761 + 2 * hole;
        scene.get(sacks(5000, una + 1760, &[(at, at + 1)]).frame());
    }
    for acked in (4752..7040).step_by(440).chain([7040]) {
        scene.get(Tcp::new(5000, ACK, IRS + 1, una + acked).frame());
    }
    scene.served().expect(&[("tcp", "accepted", 2)])
}

/// Where the stack's numbers start for a SYN from `port` at `at`.
fn initial(ports: std::ops::Range<u16>, at: Instant) -> Vec<(u16, u32)> {
    let mut scene = Scene::new("");
    scene.now = at;
    ports.for_each(|port| scene.get_too(Tcp::new(port, SYN, IRS, 0).frame()));
    let Ok((recording, _)) = scene.play() else { return Vec::new() };
    let word = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
    let answers = recording.frames().iter().filter(|frame| frame.bytes.get(47) == Some(&(SYN | ACK)));
    answers.map(|frame| (word(&frame.bytes, 34) as u16, word(&frame.bytes, 38))).collect()
}

/// The numbers of both sides run over their end.
fn wrapping() -> Scene {
    let mut scene = Scene::new("wrapping");
    // They grow by one in 4 µs (RFC 6528 §3): a port is chosen whose numbers
    // end soon, and the moment when they are about to.
    let begun = initial(5000..9000, scene.now);
    let (port, start) = begun.into_iter().max_by_key(|(_, start)| *start).unwrap_or_default();
    scene.wait(Duration::from_micros(4 * u64::from(u32::MAX - 2000 - start)));
    let iss = initial(port..port + 1, scene.now).first().map_or(0, |(_, start)| *start);
    let irs = u32::MAX - 1000;
    let peer = |flags, seq: u32, ack: u32| Tcp::new(port, flags, irs.wrapping_add(seq), iss.wrapping_add(ack));
    scene.get_too(Tcp::new(port, SYN, irs, 0).options(&USUAL).frame());
    scene.sends(&Tcp::new(port, SYN | ACK, iss, irs.wrapping_add(1)));
    scene.answer(Answer::Accepts);
    scene.get(peer(ACK, 1, 1).frame());
    // Out of order, across the end.
    scene.get(peer(ACK, 1401, 1).data(&[2; 1400]).frame());
    scene.answer(Answer::Acknowledges);
    scene.get(peer(ACK, 1, 1).data(&[1; 1400]).frame());
    let data = vec![7; 6000];
    scene.sends(&Tcp::new(port, ACK | PSH, iss.wrapping_add(1), irs.wrapping_add(2801)).data(&data));
    scene.answers(Answer::Data, data.len().div_ceil(1460));
    scene.wait(Duration::from_millis(1));
    // The second of its segments lies on the end, and is missing; a block the
    // wrong way round says that all else has arrived.
    for blocks in [&[(2921, 4381)][..], &[(2921, 5841)], &[(5841, 1461)]] {
        let blocks: Vec<_> = blocks.iter().map(|(a, b)| (iss.wrapping_add(*a), iss.wrapping_add(*b))).collect();
        let ack = sacks(port, iss.wrapping_add(1461), &blocks);
        scene.get(Tcp { seq: irs.wrapping_add(2801), ..ack }.frame());
    }
    scene.answer(Answer::Again);
    scene.wait(Duration::from_millis(20));
    scene.get(peer(ACK, 2801, 6001).frame());
    scene.served().expect(&[("tcp", "accepted", 2)])
}

/// Who reads slowly closes the window, and always says when it opens.
fn slow_reader() -> Scene {
    let mut scene = Scene::new("slow_reader");
    scene.options.settings.receive_limit = 4000;
    scene.options.pause = Duration::from_millis(500);
    scene.connect(5000, &USUAL);
    for round in 0..3 {
        let at = IRS + 1 + 4000 * round;
        for (offset, len) in [(0, 1460), (1460, 1460), (2920, 1080)] {
            scene.get(Tcp::new(5000, ACK, at + offset, ISS + 1).data(&vec![1; len]).frame());
            scene.answer(Answer::Acknowledges);
        }
        // Into the closed window.
        scene.wait(Duration::from_millis(200));
        scene.get(Tcp::new(5000, ACK, at + 4000, ISS + 1).data(b"x").frame());
        scene.answer(Answer::Acknowledges);
        // When it is read.
        scene.answer(Answer::Acknowledges);
        scene.wait(Duration::from_millis(310));
    }
    scene.wait(Duration::from_secs(1));
    scene.lasts();
    scene.alive().expect(&[("tcp", "accepted", 1), ("tcp", "beyond_window", 3)])
}

/// A window that closes over what is under way, and stays closed, is probed
/// for as long as the user said.
fn no_window() -> Scene {
    let mut scene = Scene::new("no_window");
    scene.options.settings.user_timeout = Some(Duration::from_secs(20));
    scene.lasts();
    scene.connect(5000, &USUAL);
    scene.sends(&written(5000, 0, 2000));
    scene.answers(Answer::Data, 2);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).window(0).frame());
    // A tail probe; then timeouts of 0.2 s, doubled, within 20 s: at 0.2, 0.6,
    // 1.4, 3.0, 6.2 and 12.6 s. After 20 s nobody knows of the connection.
    scene.answers(Answer::Again, 1 + 6);
    for _ in 0..6 {
        scene.wait(Duration::from_secs(5));
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).window(0).frame());
    }
    scene.answers(Answer::Resets, 3);
    scene.wait(Duration::from_secs(60));
    scene.served().expect(&[("tcp", "accepted", 2), ("tcp", "timed_out", 1)])
}

/// A window closes with some of what was written not yet sent: it is probed,
/// and the rest comes when it opens.
fn behind_no_window() -> Scene {
    let mut scene = Scene::new("behind_no_window");
    scene.lasts();
    scene.connect(5000, &USUAL);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).window(1460).frame());
    scene.sends(&written(5000, 0, 2000));
    scene.answer(Answer::Data);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1461).window(0).frame());
    // Probes from 0.2 s on, the time between them doubled: 0.2, 0.6, 1.4, 3.0
    // and 6.2 s. Each is answered.
    let mut left = Duration::from_secs(10);
    let mut pause = Duration::from_millis(200);
    while pause < left {
        scene.wait(pause);
        scene.answer(Answer::WantsAck);
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1461).window(0).frame());
        left -= pause;
        pause *= 2;
    }
    scene.wait(Duration::from_secs(1));
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1461).frame());
    scene.answer(Answer::Data);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 2001).frame());
    scene.served().expect(&[("tcp", "accepted", 2), ("tcp", "retransmitted", 0)])
}
