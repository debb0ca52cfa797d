//! Looks for a seed that fails, and for the least scenario that does.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// What records a capture into memory.
pub(crate) type Capture = Rc<Recorder<Vec<u8>>>;

/// Plays a scenario, and says what was wrong; it may panic.
pub(crate) type Trial<'a> = dyn Fn(&Scenario, Option<&Capture>) -> Result<(), String> + 'a;

/// The first of `seeds` whose scenario does not come to its end as it should,
/// shrunk to the least that does not.
pub(crate) fn search(
    seeds: impl Iterator<Item = u64>,
    invariant: &dyn Fn(&Outcome) -> Result<(), String>,
) -> Option<Failure> {
    search_with(seeds, &|scenario, recorder| invariant(&play(scenario, recorder)?))
}

/// The same for any trial of a scenario.
pub(crate) fn search_with(seeds: impl Iterator<Item = u64>, trial: &Trial<'_>) -> Option<Failure> {
    for seed in seeds {
        let mut runner = runner(seed);
        let tree = strategy(seed).new_tree(&mut runner).expect("nothing is filtered out");
        let run = runner.run_one(tree, |scenario| caught(trial, &scenario, None).map_err(TestCaseError::fail));
        match run {
            Ok(_) => {}
            Err(TestError::Fail(reason, least)) => {
                let capture = record(trial, &least);
                return Some(Failure { seed, problem: reason.to_string(), least, capture });
            }
            Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
        }
    }
    None
}

/// A trial whose panic is a failure like any other.
fn caught(trial: &Trial<'_>, scenario: &Scenario, recorder: Option<&Capture>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| trial(scenario, recorder))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a word")))
    })
}

/// Plays a scenario once more, with all that passes in a file.
fn record(trial: &Trial<'_>, scenario: &Scenario) -> PathBuf {
    let name = format!("simulation-{}.pcapng", scenario.seed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let recorder = Rc::new(Recorder::new(Vec::new(), Format::PcapNg));
    // It fails, as it just did.
    let _ = caught(trial, scenario, Some(&recorder));
    let file = Rc::try_unwrap(recorder).map(Recorder::into_writer).expect("the towers are gone");
    std::fs::write(&path, file).expect("the capture can be written");
    path
}
