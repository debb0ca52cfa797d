//! What an independent eye sees on the cable.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fata::prelude::Time;
use fata::traits::Offload;
use tests::lab::{self, Recorder, Recording, Setting, TAP, run};

use crate::outgoing::{self, BulkServer, Netcat, Shell};
use crate::{icmp, tcp, udp};

/// What tshark would call wrong in a packet of either end: malformed, with a
/// bad checksum, an error, or anything that its analysis of TCP remarks on,
/// of which a cable that loses nothing has no reason for any. The kernel
/// writes either zero of a checksum, which is the same to a receiver.
const WRONG: &str = "_ws.malformed || ip.checksum.status == 0 || (tcp.checksum.status == 0 && tcp.checksum != 0xffff) \
    || udp.checksum.status == 0 || icmp.checksum.status == 0 || tcp.option.len.invalid \
    || _ws.expert.severity == error || tcp.analysis.flags";

/// Remarks that are no fault of anybody's, each with the reason.
const ALLOWED: &[&str] = &[
    // A receiver says that it has more room again.
    "tcp.analysis.window_update",
    // A sender that is faster than the reader uses all the room there is.
    "tcp.analysis.window_full",
    // The echo does not read while it writes, so that the window closes where
    // its peer does likewise.
    "(tcp.analysis.zero_window && tcp.port in {7, 9002})",
    // The stack, which has nothing to say itself, delays acknowledgements of
    // small segments, as the kernel does; the kernel probes for them sooner.
    "(tcp.analysis.retransmission && tcp.srcport == 9001 && tcp.len < 61)",
];

/// Bytes of each transfer.
const LEN: usize = 3_000_000;
/// Rounds of each interactive session.
const ROUNDS: usize = 200;

/// Everything at once, without offloads, so that the frames are what a wire
/// would carry.
pub(crate) fn clean() -> Result<()> {
    let (bulk, shell, netcat) = (BulkServer::new()?, Shell::new()?, Netcat::new(LEN)?);
    let (start, started) = mpsc::channel();
    let setting = Setting { offload: Offload::empty(), ..Setting::default() };
    let client = lab::start_beside(setting, async move |os, tcp| {
        while started.try_recv().is_err() {
            os.sleep(Duration::from_millis(5)).await;
        }
        outgoing::send_bulk(tcp, LEN).await?;
        outgoing::type_and_read(os, tcp, ROUNDS).await?;
        outgoing::to_netcat(os, tcp, LEN).await
    })?;
    let recorder = Recorder::start()?;
    for size in ["0", "56", "4000", "65507"] {
        run("ping", &["-q", "-c", "3", "-i", "0.01", "-s", size, "10.0.0.2"])?;
    }
    run("arping", &["-c", "1", "-I", TAP, "10.0.0.2"])?;
    icmp::traces()?;
    udp::sizes()?;
    udp::refused()?;
    run("curl", &["-sS", "--fail", "--max-time", "60", "-o", "/dev/null", "http://10.0.0.2/"])?;
    tcp::download(LEN)?;
    tcp::upload(LEN)?;
    tcp::through_netcat(LEN)?;
    tcp::to_and_fro(ROUNDS)?;
    start.send(())?;
    bulk.take(LEN)?;
    shell.serve(ROUNDS)?;
    netcat.check()?;
    client.recv_timeout(Duration::from_secs(30))??;
    let recording = recorder.stop()?;
    look(&recording).with_context(|| format!("see {:?}", recording.keep("wrong")))
}

/// Everything is there, and nothing of it is wrong.
fn look(recording: &Recording) -> Result<()> {
    let parts = [
        ("the largest ping", "icmp.type == 0 && data.len == 65499"),
        ("the largest datagram", "udp.srcport == 7 && udp.length == 65515"),
        ("a connection of the kernel's", "tcp.dstport == 80 && tcp.flags.syn == 1"),
        ("a connection of the stack's", "ip.src == 10.0.0.2 && tcp.flags.syn == 1 && tcp.flags.ack == 0"),
        ("netcat's first connection", "tcp.dstport == 7 && tcp.len > 1000"),
        ("netcat's second connection", "tcp.srcport == 9002 && tcp.len > 1000"),
        ("a key", "tcp.dstport == 9001 && tcp.len > 0 && tcp.len < 60"),
    ];
    for (name, filter) in parts {
        ensure!(!recording.tshark(filter, &["-c", "60000"])?.is_empty(), "the capture lacks {name}");
    }
    let all = recording.tshark("tcp.len > 0", &[])?;
    ensure!(all.lines().count() > 6 * LEN / 1460, "{} segments with data only", all.lines().count());
    let filter = format!("({WRONG}) && !({})", ALLOWED.join(" || "));
    // Random bytes look like many a protocol.
    let plain = ["-d", "tcp.port==0-65535,data"];
    let wrong = recording.tshark(&filter, &plain)?;
    let timers = format!("({filter}) && ip.src == 10.0.0.1 && tcp.analysis.retransmission");
    let waits = waits(&times(recording, &timers)?, &times(recording, "ip.src == 10.0.0.2")?);
    ensure!(waits.len() == wrong.lines().count(), "{wrong}");
    let (waited, held_up) = (waits.iter().sum::<f64>(), held_up()?);
    ensure!(waited <= held_up, "silent for {waited} s, held up for {held_up} s only:\n{wrong}");
    Ok(())
}

/// When the frames were on the cable that the filter lets through, in seconds.
fn times(recording: &Recording, filter: &str) -> Result<Vec<f64>> {
    let fields = ["-d", "tcp.port==0-65535,data", "-T", "fields", "-e", "frame.time_relative"];
    let times = recording.tshark(filter, &fields)?;
    times.lines().map(|time| Ok(time.parse()?)).collect()
}

/// How long the stack had said nothing when the kernel's timers went off,
/// where that was long: as long as the kernel waits at least.
fn waits(timers: &[f64], stack: &[f64]) -> Vec<f64> {
    let wait = |at: &f64| stack.iter().rev().find(|said| *said < at).map(|said| at - said);
    timers.iter().filter_map(wait).filter(|wait| *wait >= 0.004).collect()
}

/// How many seconds this process was ready to run and had no core to run on:
/// while others had it, the stack could not answer.
fn held_up() -> Result<f64> {
    let mut nanos = 0.0;
    for thread in fs::read_dir("/proc/self/task")? {
        let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += statistics.split_whitespace().nth(1).context("no second number")?.parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}
