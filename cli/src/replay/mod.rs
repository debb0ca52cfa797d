//! A capture replayed to the stack: which packets it would answer, and what
//! it comes to.

mod host;
mod neighbours;
mod packet;
mod report;
mod script;
mod tower;

use std::fs;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use fata::prelude::*;
use fata::tcpv4::Limits;
use fata::tcpv4::connection::Settings;
use fata::traits::Instant;
use netif_memory::VirtualClock;
use netif_pcap::{Comparison, Differences, Player, Recorded, Recording, Renumber, Replay};

use crate::arguments::ReplayArguments;
use host::Host;
use neighbours::Neighbours;
use script::Script;
use tower::Setup;

pub use report::{Connection, Event, Expected, Neighbour, Report, State};
pub use tower::Generators;

/// A tower moves about on the stack while it is built.
const STACK: usize = 16 << 20;

/// What to play, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The address of the host to play; the capturing one's unless said.
    pub address: Option<Cidr>,
    /// Its gateways.
    pub gateways: Vec<Ipv4Addr>,
    /// TCP ports that it listens on, beside those that it did in the recording.
    pub tcp: Vec<u16>,
    /// UDP ports that it listens on; unless said, all those of which the
    /// recording does not say that they are closed.
    pub udp: Vec<u16>,
    /// What the stack draws its random numbers from.
    pub generators: Generators,
    /// The bounds of its TCP.
    pub limits: Limits,
    /// What its TCP connections start with.
    pub settings: Settings,
    /// How long its applications wait before each read.
    pub pause: Duration,
    /// How long to go on after the last frame.
    pub linger: Duration,
    /// How far times may be off; not compared unless said.
    pub tolerance: Option<Duration>,
}

/// Plays a host of a recording.
///
/// Its applications do what they did: connections are opened and closed,
/// bytes and datagrams sent, when the host did so.
///
/// # Errors
///
/// Where no host is said and the recording does not say which captured it.
pub fn replay(recording: Recording, options: &Options) -> Result<(Report, Differences)> {
    let host = host::find(&recording, options.address)?;
    let recording = on_device_clock(recording);
    thread::scope(|scope| {
        let play = || play(&recording, &host, options);
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, play)?;
        thread.join().map_err(|_| anyhow!("the stack panicked"))?
    })
}

/// Captures without an epoch have the times of a device's clock: a tower that
/// starts at zero does all at the time it did.
fn on_device_clock(recording: Recording) -> Recording {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let epoch = recording.epoch();
    if epoch < YEAR { recording.starting_at(Instant::ZERO + epoch) } else { recording }
}

fn play(recording: &Recording, host: &Host, options: &Options) -> Result<(Report, Differences)> {
    let setup = Setup {
        address: host.address,
        options,
        script: Script::of(recording, host.side),
        arrived: Rc::default(),
    };
    let clock = VirtualClock::new();
    let replay = Replay::new(&clock, recording, host.side);
    let device = Neighbours::new(
        Renumber::new(&replay, recording, host.side),
        recording,
        host.side,
        setup.arrived.clone(),
    );
    // A moment after the last frame, when all that it leads to has been done.
    let end = recording.end() + options.linger + Duration::from_nanos(1);
    let tower = pin!(tower::run(&clock, &device, &setup, end));
    let time = &clock;
    let state = match Player::new(time).run_until(&replay, tower, end)? {
        Poll::Ready(Ok(state)) => state,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => bail!("the tower did not come to its end"),
    };
    let mut comparison = Comparison::new().without_identification();
    if let Some(tolerance) = options.tolerance {
        comparison = comparison.with_tolerance(tolerance);
    }
    let differences = comparison.compare(&replay);
    let expected = Expected {
        same: differences.same,
        differences: differences.differences.iter().map(ToString::to_string).collect(),
    };
    let events = events(&replay, end);
    let (mac, lacks) = (replay.mac().to_string(), lacks(recording));
    Ok((Report { mac, events, state, expected, lacks }, differences))
}

/// What a recording has not of what passed.
fn lacks(recording: &Recording) -> Vec<String> {
    let shortened = recording.frames().iter().filter(|frame| frame.is_shortened()).count();
    let mut lacks = Vec::new();
    if recording.is_cut_off() {
        lacks.push("the file ends in the middle of a frame".to_owned());
    }
    if recording.skipped() > 0 {
        lacks.push(format!("{} frames do not say when they were, and are left out", recording.skipped()));
    }
    if shortened > 0 {
        lacks.push(format!("of {shortened} frames only the beginning was captured"));
    }
    lacks
}

/// What was received and sent, in order.
fn events<T: Time>(replay: &Replay<'_, T>, end: Instant) -> Vec<Event> {
    let (frames, side) = (replay.recording().frames(), replay.side());
    let arrived = |at: Instant| {
        let first = frames.partition_point(|frame| frame.at < at);
        frames.iter().skip(first).take_while(|frame| frame.at == at).any(|frame| side.receives(frame))
    };
    let received = frames.iter().enumerate().filter(|(_, frame)| side.receives(frame) && frame.at <= end);
    let received = received
        .map(|(place, frame)| ((frame.at, 2 * place + 1), Event::new(frame.at, false, false, &frame.bytes)));
    let sent = replay.sent().into_iter().zip(replay.places());
    let sent = sent.map(|(frame, place)| {
        ((frame.at, 2 * place), Event::new(frame.at, true, !arrived(frame.at), &frame.bytes))
    });
    let mut events: Vec<_> = received.chain(sent).collect();
    events.sort_by_key(|(order, _)| *order);
    let mut events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    for place in 1..events.len() {
        let is_answer = events[place].sent && !events[place].by_timer;
        events[place - 1].answered = is_answer && !events[place - 1].sent;
    }
    events
}

/// The command.
pub fn run(arguments: &ReplayArguments) -> Result<ExitCode> {
    let recording = read(&arguments.file)?;
    let options = Options {
        address: arguments.ip,
        gateways: arguments.gateway.clone(),
        tcp: arguments.tcp.clone(),
        udp: arguments.udp.clone(),
        generators: Generators(arguments.seed),
        linger: Duration::try_from_secs_f64(arguments.linger).context("--linger")?,
        tolerance: arguments
            .tolerance
            .map(|millis| Duration::try_from_secs_f64(millis / 1e3).context("--tolerance"))
            .transpose()?,
        ..Options::default()
    };
    if arguments.expect && recording.frames().iter().any(Recorded::is_shortened) {
        bail!("--expect: only the beginning of some frames was captured, so that they can't be compared");
    }
    let (report, differences) = replay(recording, &options)?;
    report.lacks.iter().for_each(|lack| eprintln!("warning: {lack}"));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}\n{}\n", report.counts());
        if arguments.expect {
            print!("{differences}");
        }
    }
    let failed = arguments.expect && !differences.is_same();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Reads a capture file.
///
/// # Errors
///
/// The file's, with its name.
pub fn read(path: &Path) -> Result<Recording> {
    let file = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Recording::read(&file).with_context(|| format!("read {}", path.display()))
}
