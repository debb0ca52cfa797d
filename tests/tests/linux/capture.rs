//! What an independent eye sees on the cable.

use std::fs;
use std::net::UdpSocket;

use anyhow::{Result, ensure};
use fata::traits::Offload;
use tests::lab::{self, ECHO, Recorder, STACK, Scratch, Setting, TAP, run};

/// What tshark would call wrong: malformed packets, checksums, and whatever
/// its analysis of TCP finds, of which a lossless cable has no reason for any.
const WRONG: &str = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 \
    || udp.checksum.status == 0 || icmp.checksum.status == 0 || tcp.analysis.retransmission \
    || tcp.analysis.out_of_order || tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment \
    || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission \
    || tcp.analysis.duplicate_ack || tcp.option.len.invalid || _ws.expert.severity == error";

/// Everything at once, without offloads, so that the frames are what a wire
/// would carry.
pub(crate) fn clean() -> Result<()> {
    lab::start(Setting { offload: Offload::empty(), ..Setting::default() })?;
    let recorder = Recorder::start()?;
    run("ping", &["-q", "-c", "5", "-i", "0.01", "-s", "4000", "10.0.0.2"])?;
    run("arping", &["-c", "1", "-I", TAP, "10.0.0.2"])?;
    run("curl", &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "http://10.0.0.2/bytes/3000000"])?;
    run("curl", &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "http://10.0.0.2/"])?;
    let file = Scratch::new("put");
    fs::write(file.path(), vec![7; 3_000_000])?;
    run(
        "curl",
        &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "-T", file.path(), "http://10.0.0.2/"],
    )?;
    run("traceroute", &["-n", "-q", "1", "-m", "2", "10.0.0.2"])?;
    let socket = UdpSocket::bind(("10.0.0.1", 0))?;
    for port in [ECHO, 4711] {
        socket.send_to(b"anybody?", (STACK, port))?;
    }
    let recording = recorder.stop()?;
    let all = recording.tshark("frame", &[])?;
    ensure!(all.lines().count() > 2_000, "the capture has {} frames only", all.lines().count());
    // Not the kernel's packets, which are its own affair; ARP is everybody's.
    let wrong = recording.tshark(&format!("!(ip.src == 10.0.0.1) && ({WRONG})"), &[])?;
    ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}
