//! Any number of towers on a bad switch, in one thread of virtual time: every
//! byte comes, and right, and nothing is left when it is over.
//!
//! A seed makes a scenario, and the scenario decides everything, to the last
//! byte of its capture. A seed that fails is shrunk to the least that fails,
//! says so, and leaves a capture, which Wireshark opens. One by itself:
//! `SEED=n cargo test -p tests --test simulation seeds`; more of them:
//! `SEEDS=100000`.

mod scenario;
mod search;
mod throughput;
mod world;

use std::env;
use std::rc::Rc;
use std::thread;

use fata::traits::Instant;
use netif_pcap::{Direction, Format, Recorder, Recording};

use scenario::Scenario;
use search::{Failure, search, search_with};
use world::{Outcome, play};

/// What has to hold of every scenario, beside that it comes to its end: all
/// bytes came and were right, and all have forgotten each other.
fn invariant(outcome: &Outcome) -> Result<(), String> {
    // TIME-WAIT alone lasts a minute.
    if outcome.ended > Instant::from_secs(60) { Ok(()) } else { Err(format!("ended at {:?}", outcome.ended)) }
}

#[test]
fn ten_thousand_seeds_byte_exact() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(10_000),
    };
    let threads = [0, 1].map(|half| {
        let seeds = seeds.clone().filter(move |seed| seed % 2 == half);
        thread::Builder::new().stack_size(16 << 20).spawn(move || search(seeds, &invariant))
    });
    for thread in threads {
        let found = thread.expect("a thread starts").join().expect("the simulation does not panic");
        if let Some(failure) = found {
            panic!("{failure}");
        }
    }
}

/// The capture of a scenario.
fn captured(scenario: &Scenario) -> Vec<u8> {
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    play(scenario, Some(&recorder)).expect("the scenario plays");
    Rc::try_unwrap(recorder).map(Recorder::into_writer).expect("nobody else has it")
}

/// The same scenario gives the same capture, to the last byte.
#[test]
fn a_seed_decides_everything() {
    for seed in [3, 11, 12] {
        let first = captured(&Scenario::of_seed(seed));
        assert!(first.len() > 5_000);
        assert!(first == captured(&Scenario::of_seed(seed)), "seed {seed}");
    }
    assert!(captured(&Scenario::of_seed(11)) != captured(&Scenario::of_seed(12)));
}

/// Marks of congestion come where things are lost and overtaken, for longer than a
/// timeout as well.
#[test]
fn marks_come_beside_losses_and_reordering() {
    let beside = (0..100).map(Scenario::of_seed).filter(|scenario| {
        let is_bad = scenario.loss > 0 && scenario.reordering > 0 && scenario.hold > 200_000;
        let outcome = || play::<Vec<u8>>(scenario, None).expect("the scenario plays");
        is_bad && scenario.marking > 0 && scenario.options.0 && {
            let outcome = outcome();
            outcome.marked > 0 && outcome.retransmitted > 0
        }
    });
    assert!(beside.count() > 1);
}

/// A scenario has up to six hosts, each an interface of the capture.
#[test]
fn many_hosts_are_on_one_switch() {
    let scenario = Scenario { hosts: 6, ..Scenario::of_seed(1) };
    let recording = Recording::read(&captured(&scenario)).expect("a capture");
    for interface in 0..6 {
        let of = |direction| {
            let frames = recording.frames().iter().filter(|frame| frame.interface == interface);
            frames.filter(|frame| frame.direction == Some(direction)).count()
        };
        assert!(of(Direction::Inbound) > 5 && of(Direction::Outbound) > 5, "host {interface}");
    }
}

/// What happens when something that should hold does not: here that nothing
/// is ever sent twice, of which a bad link makes short work.
#[test]
fn a_failure_is_shrunk_and_leaves_a_capture() {
    let broken = |outcome: &Outcome| match outcome.retransmitted {
        0 => Ok(()),
        some => Err(format!("{some} segments sent again")),
    };
    let failure: Failure = search(0..100, &broken).expect("a bad link is among them");
    let text = failure.to_string();
    assert!(text.contains(&format!("SEED={}", failure.seed)) && text.contains(".pcapng"), "{text}");
    // The least that fails: two hosts, few bytes, and faults without which it
    // would not fail.
    let least = &failure.least;
    assert_eq!(least.hosts, 2, "{text}");
    let faults =
        [least.loss, least.duplication, least.reordering, least.bit_error, least.truncation, least.full];
    assert!(faults.iter().filter(|parts| **parts > 0).count() <= 3, "{text}");
    assert!(least.len <= 10_000, "{text}");
    let file = std::fs::read(&failure.capture).expect("the capture is there");
    let recording = Recording::read(&file).expect("it can be read");
    assert!(recording.frames().len() > 5 && !recording.is_cut_off());
    read_by_others(&failure.capture);
    std::fs::remove_file(&failure.capture).expect("the capture goes");
}

/// A panic in a tower is a failure like any other.
#[test]
fn a_panic_is_shrunk_and_leaves_a_capture() {
    let failure = search_with(100..200, &|scenario, recorder| {
        assert_eq!(play(scenario, recorder)?.retransmitted, 0, "sent again");
        Ok(())
    });
    let failure = failure.expect("a bad link is among them");
    assert!(failure.problem.contains("panicked") && failure.problem.contains("sent again"), "{failure}");
    let file = std::fs::read(&failure.capture).expect("the capture is there");
    assert!(Recording::read(&file).expect("it can be read").frames().len() > 5);
    std::fs::remove_file(&failure.capture).expect("the capture goes");
}

/// Where tshark is, it reads the capture too.
fn read_by_others(path: &std::path::Path) {
    if let Some(lines) = tests::tshark(path, "tcp") {
        assert!(lines.lines().count() > 3, "{lines}");
    }
}
