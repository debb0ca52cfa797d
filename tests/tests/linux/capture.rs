//! What an independent eye sees on the cable.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fata::traits::Offload;
use tests::lab::{self, Daemon, ECHO, STACK, Scratch, Setting, TAP, run};

/// What tshark would call wrong: malformed packets, checksums, and whatever
/// its analysis of TCP finds, of which a lossless cable has no reason for any.
const WRONG: &str = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 \
    || udp.checksum.status == 0 || icmp.checksum.status == 0 || tcp.analysis.retransmission \
    || tcp.analysis.out_of_order || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment \
    || tcp.analysis.duplicate_ack || tcp.option.len.invalid || _ws.expert.severity == error";

/// Everything at once, without offloads, so that the frames are what a wire
/// would carry.
pub(crate) fn clean() -> Result<()> {
    lab::start(Setting { offload: Offload::empty(), ..Setting::default() })?;
    let file = Scratch::new("capture.pcap");
    let capture =
        Daemon::start("tcpdump", &["-i", TAP, "-n", "-q", "-B", "65536", "-s", "0", "-w", file.path()])?;
    until_it_listens(file.path());
    run("ping", &["-q", "-c", "5", "-i", "0.01", "-s", "4000", "10.0.0.2"])?;
    run("arping", &["-c", "1", "-I", TAP, "10.0.0.2"])?;
    run("curl", &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "http://10.0.0.2/bytes/3000000"])?;
    run("curl", &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "http://10.0.0.2/"])?;
    let socket = UdpSocket::bind(("10.0.0.1", 0))?;
    for port in [ECHO, 4711] {
        socket.send_to(b"anybody?", (STACK, port))?;
    }
    // The last frames reach the file when tcpdump ends.
    thread::sleep(Duration::from_millis(300));
    capture.stop()?;
    let checked = ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"];
    let mut arguments = vec!["-n", "-r", file.path()];
    let preferences = checked.map(|preference| format!("{preference}:TRUE"));
    preferences.iter().for_each(|preference| arguments.extend(["-o", preference]));
    let all = run("tshark", &arguments)?;
    ensure!(all.lines().count() > 2_000, "the capture has {} frames only", all.lines().count());
    // Not the kernel's packets, which are its own affair; ARP is everybody's.
    let filter = format!("!(ip.src == 10.0.0.1) && ({WRONG})");
    arguments.extend(["-Y", &filter]);
    let wrong = run("tshark", &arguments)?;
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// tcpdump writes the file's header once it listens.
fn until_it_listens(path: &str) {
    let start = Instant::now();
    while std::fs::metadata(path).map_or(0, |file| file.len()) < 24 && start.elapsed() < Duration::from_secs(10)
    {
        thread::sleep(Duration::from_millis(10));
    }
}
