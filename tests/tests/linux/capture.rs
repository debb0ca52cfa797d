//! What an independent eye sees on the cable.

use std::collections::HashSet;
use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fata::prelude::Time;
use fata::traits::Offload;
use tests::lab::{self, Recorder, Recording, Setting, TAP, run};
use tests::remarks::{Judgement, Remark, Segment, judge};
use tests::standstill::{WATCH, Watch};

use crate::outgoing::{self, BulkServer, Netcat, Shell};
use crate::{icmp, tcp, udp};

/// What nothing excuses in a packet of either end: malformed, with a bad
/// checksum, an error. The kernel writes either zero of a checksum, which is
/// the same to a receiver.
const FAULTS: &str = "_ws.malformed || ip.checksum.status == 0 || (tcp.checksum.status == 0 && tcp.checksum != 0xffff) \
    || udp.checksum.status == 0 || icmp.checksum.status == 0 || tcp.option.len.invalid \
    || _ws.expert.severity == error";

/// Remarks of tshark's analysis of TCP that are no fault of anybody's, each
/// with the reason. A cable that loses nothing gives a reason for no other.
const ALLOWED: &[&str] = &[
    // A receiver says that it has more room again.
    "tcp.analysis.window_update",
    // A sender that is faster than the reader uses all the room there is.
    "tcp.analysis.window_full",
    // The echo does not read while it writes, so that the window closes where
    // its peer does likewise.
    "(tcp.analysis.zero_window && tcp.port in {7, 9002})",
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
    let watch = Watch::start()?;
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
    let held_up = held_up()? + watch.stop();
    let recording = recorder.stop()?;
    look(&recording, held_up).with_context(|| format!("see {:?}", recording.keep("wrong")))
}

/// Everything is there, and nothing of it is wrong.
fn look(recording: &Recording, held_up: Duration) -> Result<()> {
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
    let faults = recording.tshark(FAULTS, &PLAIN)?;
    ensure!(faults.is_empty(), "{faults}");
    let filter = format!("tcp.analysis.flags && !({})", ALLOWED.join(" || "));
    let wrong = recording.tshark(&filter, &PLAIN)?;
    if wrong.is_empty() {
        return Ok(());
    }
    let (segments, elsewhere) = segments(recording, &filter)?;
    ensure!(elsewhere == 0, "{wrong}");
    let Judgement { unexplained, waited, delayed } = judge(&segments);
    ensure!(unexplained.is_empty(), "frames {unexplained:?} have no reason:\n{wrong}");
    // One for each line typed at most.
    ensure!(delayed <= ROUNDS, "{delayed} probes for delayed acknowledgements:\n{wrong}");
    ensure!(waited <= held_up, "silent for {waited:?}, held up for {held_up:?} only:\n{wrong}");
    Ok(())
}

/// Random bytes look like many a protocol.
const PLAIN: [&str; 2] = ["-d", "tcp.port==0-65535,data"];

/// All segments of a recording, with a remark where `filter` lets one through,
/// and how many frames it lets through that are none.
fn segments(recording: &Recording, filter: &str) -> Result<(Vec<Segment>, usize)> {
    let numbers = |filter: &str| -> Result<HashSet<u32>> {
        let fields = [&PLAIN[..], &["-T", "fields", "-e", "frame.number"]].concat();
        recording.tshark(filter, &fields)?.lines().map(|number| Ok(number.parse()?)).collect()
    };
    let wrong = numbers(filter)?;
    // A frame with a remark of another kind besides has no excuse.
    let timer = "tcp.analysis.retransmission || tcp.analysis.duplicate_ack \
        || tcp.analysis.spurious_retransmission || tcp.analysis.fast_retransmission";
    let sound = "!(tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment)";
    let timers = numbers(&format!("({filter}) && ({timer}) && {sound}"))?;
    let acks = numbers(&format!("({filter}) && tcp.analysis.duplicate_ack"))?;
    let columns = ["frame.number", "frame.time_relative", "tcp.stream", "ip.src", "tcp.len", "tcp.srcport"];
    let columns = columns.iter().flat_map(|column| ["-e", column]);
    let fields: Vec<_> = PLAIN.into_iter().chain(["-T", "fields"]).chain(columns).collect();
    // What ICMP quotes is no segment.
    let lines = recording.tshark("tcp && !icmp", &fields)?;
    let segments = lines.lines().map(|line| {
        let [number, at, stream, source, len, port] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("no six fields: {line}");
        };
        let number = number.parse()?;
        let remark = match (wrong.contains(&number), timers.contains(&number)) {
            (false, _) => None,
            (true, false) => Some(Remark::Other),
            (true, true) if acks.contains(&number) => Some(Remark::DuplicateAck),
            (true, true) => Some(Remark::Again),
        };
        let (stream, len, by_stack) = (stream.parse()?, len.parse()?, source == "10.0.0.2");
        // The stack's side of the interactive session reads and says nothing.
        let may_be_delayed = port == "9001" && len < 61;
        let at = Duration::from_secs_f64(at.parse()?);
        Ok(Segment { number, at, stream, by_stack, len, may_be_delayed, remark })
    });
    let segments = segments.collect::<Result<Vec<_>>>()?;
    let remarks = segments.iter().filter(|segment| segment.remark.is_some()).count();
    Ok((segments, wrong.len() - remarks))
}

/// How long this process was ready to run and had no core to run on: while others
/// had it, the stack could not answer. Who watches counts for himself.
fn held_up() -> Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let thread = thread?.path();
        if fs::read_to_string(thread.join("comm"))?.starts_with(WATCH) {
            continue;
        }
        let statistics = fs::read_to_string(thread.join("schedstat"))?;
        nanos += statistics.split_whitespace().nth(1).context("no second number")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
