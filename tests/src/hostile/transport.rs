//! Against TCP.

use std::time::Duration;

use super::frames::{ACK, FIN, Ip, PSH, RST, SYN, Tcp, URG};
use super::{IRS, ISS, Scene};
use fata::traits::Protocol;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        syn_options(),
        sack_lies(),
        tiny_segments(),
        urgent(),
        flags(),
        syn_flood(),
        windows(),
        acknowledgements(),
        resets(),
        time_wait(),
    ]
}

/// MSS 1460 and SACK permitted.
const USUAL: [u8; 8] = [2, 4, 5, 0xb4, 4, 2, 1, 1];

/// Data of the application's, `at` bytes into its stream.
fn written(port: u16, at: u32, len: usize) -> Tcp {
    Tcp::new(port, ACK | PSH, ISS + 1 + at, IRS + 1).data(&vec![7; len])
}

fn syn_options() -> Scene {
    let mut scene = Scene::new("syn_options");
    let options: [&[u8]; 14] = [
        &[2, 0, 0, 0],
        &[2, 1, 0, 0],
        &[3, 0],
        &[2, 4, 0, 0],
        &[2, 4, 0, 1],
        &[2, 4, 0, 48],
        &[2, 4, 0xff, 0xff],
        &[2, 4, 5],
        &[3, 3, 15],
        &[3, 3, 255],
        &[4, 3, 0, 1],
        &[5, 9, 0, 0, 0, 1, 0, 0, 0],
        &[8, 9, 0, 0, 0, 1, 0, 0, 0],
        &[0, 2, 4, 0],
    ];
    for (port, options) in (5000..).zip(options) {
        scene.get(Tcp::new(port, SYN, IRS, 0).options(options).frame());
    }
    // A header that ends beyond the segment, and one that ends before itself.
    for offset in [0xf0, 0x40] {
        let mut ip = Tcp::new(6000, SYN, IRS, 0).ip();
        ip.payload[12] = offset;
        scene.get(super::frames::summed(ip, 16).frame());
    }
    scene.alive().expect(17, &[("tcp", "malformed", 2)])
}

fn sack_lies() -> Scene {
    let mut scene = Scene::new("sack_lies");
    scene.connect(5000, &USUAL);
    scene.sends(&written(5000, 0, 6000));
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
    scene.alive().expect(10, &[("tcp", "accepted", 1)])
}

fn tiny_segments() -> Scene {
    let mut scene = Scene::new("tiny_segments");
    scene.connect(5000, &USUAL);
    for n in 0..80 {
        scene.get(Tcp::new(5000, ACK, IRS + 3 + 2 * n, ISS + 1).data(b"x").frame());
    }
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 1, ISS + 1).data(&[b'x'; 162]).frame());
    scene.alive().expect(85, &[("tcp", "accepted", 1)])
}

fn urgent() -> Scene {
    let mut scene = Scene::new("urgent");
    scene.connect(5000, &USUAL);
    for (n, urgent) in (0..).zip([0, 1, 4, 5, 60_000, 65_535]) {
        let segment = Tcp { urgent, ..Tcp::new(5000, ACK | PSH | URG, IRS + 1 + 4 * n, ISS + 1) };
        scene.get(segment.data(b"data").frame());
    }
    scene.get(Tcp { urgent: 9, ..Tcp::new(5000, ACK | URG, IRS + 25, ISS + 1) }.frame());
    scene.alive().expect(10, &[("tcp", "accepted", 1)])
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
    // Data on a SYN: acknowledged or sent again.
    scene.get(Tcp::new(5100, SYN, IRS, 0).data(b"early").frame());
    // From and to port 0.
    scene.get(Tcp::new(0, SYN, IRS, 0).frame());
    scene.get(Tcp { ports: (5101, 0), ..Tcp::new(5101, SYN, IRS, 0) }.frame());
    scene.alive().expect(
        11,
        &[("tcp", "bad_flags", 2), ("tcp", "bad_port", 2), ("tcp", "refused", 7), ("tcp", "stray", 11)],
    )
}

fn syn_flood() -> Scene {
    let mut scene = Scene::new("syn_flood");
    for n in 0..60u16 {
        let src = [10, 0, 0, 20 + n as u8].into();
        let syn = Tcp::new(1000 + 7 * n, SYN, u32::from(n) * 7919, 0);
        scene.get(syn.in_ip(Ip::new(Protocol::TCP, &[]).from(src)).frame());
    }
    // Somebody who means it.
    scene.connect(5000, &USUAL);
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 1, ISS + 1).data(b"hello").frame());
    scene.wait(Duration::from_millis(100));
    scene.alive().expect(65, &[("tcp", "accepted", 1)])
}

fn windows() -> Scene {
    let mut scene = Scene::new("windows");
    scene.connect(5000, &USUAL);
    // Far beyond the own window, and across its edge; before it.
    scene.get(Tcp::new(5000, ACK, IRS + 1 + 0x4000_0000, ISS + 1).data(b"far").frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1 - 500, ISS + 1).data(&[1; 400]).frame());
    scene.sends(&written(5000, 0, 4000));
    // The window shrinks to less than what is under way, then to nothing, for
    // as long as a few probes take.
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).window(100).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(0).frame());
    scene.sends(&written(5000, 4000, 2000));
    for _ in 0..4 {
        scene.wait(Duration::from_secs(2));
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(0).frame());
    }
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 4001).window(3000).frame());
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 6001).frame());
    scene.alive().expect(17, &[("tcp", "accepted", 1), ("tcp", "sequence", 2)])
}

fn acknowledgements() -> Scene {
    let mut scene = Scene::new("acknowledgements");
    scene.connect(5000, &USUAL);
    scene.sends(&written(5000, 0, 100));
    // Of what was never sent; too old. Answered, but not each.
    for _ in 0..5 {
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 5000).frame());
        scene.get(Tcp::new(5000, ACK, IRS + 1, ISS.wrapping_sub(0x4000_0000)).frame());
    }
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 101).frame());
    // To a half-open connection.
    scene.get(Tcp::new(5001, SYN, IRS, 0).frame());
    scene.get(Tcp::new(5001, ACK, IRS + 1, 12_345).frame());
    scene
        .alive()
        .expect(8, &[("tcp", "accepted", 1), ("tcp", "ack_unacceptable", 10), ("tcp", "bad_handshake", 1)])
}

fn resets() -> Scene {
    let mut scene = Scene::new("resets");
    scene.connect(5000, &USUAL);
    let reset = |seq| Tcp::new(5000, RST, seq, 0).frame();
    // In the window and not exact; outside; a SYN.
    scene.get(reset(IRS + 100));
    scene.get(reset(IRS.wrapping_sub(5000)));
    scene.get(Tcp::new(5000, SYN, IRS + 100, 0).frame());
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 1, ISS + 1).data(b"alive").frame());
    // Exact, and again.
    scene.get(reset(IRS + 6));
    scene.get(reset(IRS + 6));
    scene.get(Tcp::new(5000, ACK | PSH, IRS + 6, ISS + 1).data(b"late").frame());
    // A half-open connection is reset by one that is exact only.
    scene.get(Tcp::new(5001, SYN, IRS, 0).frame());
    scene.get(Tcp::new(5001, RST, IRS + 900, 0).frame());
    scene.get(Tcp::new(5001, RST, IRS + 1, 0).frame());
    scene.alive().expect(
        9,
        &[
            ("tcp", "accepted", 1),
            ("tcp", "bad_handshake", 1),
            ("tcp", "half_open_reset", 1),
            ("tcp", "refused", 1),
            ("tcp", "reset_by_peer", 1),
            ("tcp", "reset_ignored", 1),
            ("tcp", "reset_inexact", 1),
            ("tcp", "stray", 1),
            ("tcp", "syn_in_connection", 1),
        ],
    )
}

fn time_wait() -> Scene {
    let mut scene = Scene::new("time_wait");
    scene.connect(5000, &USUAL);
    scene.wait(Duration::from_millis(1));
    scene.sends(&Tcp::new(5000, FIN | ACK, ISS + 1, IRS + 1));
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 2).frame());
    let last = Tcp::new(5000, FIN | ACK, IRS + 1, ISS + 2);
    scene.get(last.frame());
    // RFC 1337: a reset does not end it. The last segment again is answered.
    scene.get(Tcp::new(5000, RST, IRS + 2, 0).frame());
    scene.wait(Duration::from_secs(1));
    scene.get(last.frame());
    // An old SYN opens nothing; one beyond all that was used does.
    scene.wait(Duration::from_secs(1));
    scene.get(Tcp::new(5000, SYN, IRS - 500, 0).frame());
    scene.wait(Duration::from_secs(1));
    scene.get(Tcp::new(5000, SYN, IRS + 100_000, 0).options(&USUAL).frame());
    scene.alive().expect(
        10,
        &[
            ("tcp", "accepted", 1),
            ("tcp", "stray", 1),
            ("tcp", "time_wait_acknowledged", 2),
            ("tcp", "time_wait_reused", 1),
        ],
    )
}
