//! Looks for a seed that fails, and for the least scenario that does.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use netif_pcap::{Format, Recorder};
use proptest::strategy::Strategy;
use proptest::test_runner::{TestCaseError, TestError};

use super::scenario::{Scenario, runner, strategy};
use super::world::{Outcome, play};

/// A seed that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    /// What was wrong with the least scenario.
    pub(crate) problem: String,
    pub(crate) least: Scenario,
    /// Where its capture is.
    pub(crate) capture: PathBuf,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, problem, least, capture } = self;
        write!(f, "SEED={seed}: {problem}\nthe least that fails: {least:#?}\ncapture: {}", capture.display())
    }
}

/// The first of `seeds` whose scenario does not come to its end as it should,
/// shrunk to the least that does not.
pub(crate) fn search(
    seeds: impl Iterator<Item = u64>,
    invariant: &dyn Fn(&Outcome) -> Result<(), String>,
) -> Option<Failure> {
    let check = |scenario: &Scenario| invariant(&play::<Vec<u8>>(scenario, None)?);
    for seed in seeds {
        let mut runner = runner(seed);
        let tree = strategy(seed).new_tree(&mut runner).expect("nothing is filtered out");
        let problem = RefCell::new(String::new());
        let run = runner.run_one(tree, |scenario| {
            check(&scenario).map_err(|reason| {
                problem.replace(reason.clone());
                TestCaseError::fail(reason)
            })
        });
        match run {
            Ok(_) => {}
            Err(TestError::Fail(reason, least)) => {
                let capture = record(&least);
                return Some(Failure { seed, problem: reason.to_string(), least, capture });
            }
            Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
        }
    }
    None
}

/// Plays a scenario once more, with all that passes in a file.
fn record(scenario: &Scenario) -> PathBuf {
    let name = format!("simulation-{}.pcapng", scenario.seed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    // It fails, as it just did.
    let _ = play(scenario, Some(&recorder));
    let file = Rc::try_unwrap(recorder).map(Recorder::into_writer).unwrap_or_default();
    std::fs::write(&path, file).expect("the capture can be written");
    path
}
