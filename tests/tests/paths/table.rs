//! The measurement: every path, both directions, beside the kernel alone.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Parser;
use serde::Serialize;

use crate::path::Path;
use crate::stream::Amount;
use crate::transfer::{Outcome, Stack, Transfer};

/// Who sends to whom, in this order in every round: the baseline first.
const PAIRS: [[Stack; 2]; 3] =
    [[Stack::Linux, Stack::Linux], [Stack::Fata, Stack::Linux], [Stack::Linux, Stack::Fata]];
/// The share of the baseline that is the aim.
const AIM: f64 = 0.9;

/// Measures what passes over paths with delay, loss and reordering.
#[derive(Parser, Debug)]
pub(crate) struct Arguments {
    /// Measure instead of testing.
    #[arg(long, required = true)]
    measure: bool,
    /// A few paths, for a shorter time.
    #[arg(long)]
    quick: bool,
    /// Write all that was measured to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often each transfer is made.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// How long each takes.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// The bottleneck, in megabits per second.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Transfers at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Only the paths whose line begins so, as in `50 ms, loss 1 %`.
    #[arg(long, default_value = "")]
    only: String,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    path: Path,
    /// By pair, then by round.
    outcomes: [Vec<Outcome>; 3],
    /// This stack to itself, in virtual time.
    simulated: Vec<Outcome>,
}

fn name(path: &Path) -> String {
    let percent = |parts: u32| format!("{} %", f64::from(parts) / 1e4);
    let (rtt, loss) = (path.rtt / 1000, percent(path.loss));
    format!("{rtt} ms, loss {loss}, reordering {}", percent(path.reordering))
}

fn paths(arguments: &Arguments) -> Vec<Path> {
    let mut paths = Vec::new();
    for rtt in [1_000, 10_000, 50_000] {
        for loss in [0, 1_000, 10_000] {
            for reordering in [0, 10_000] {
                paths.push(Path { rtt, loss, reordering, rate: arguments.rate * 1_000_000, seed: 0 });
            }
        }
    }
    if arguments.quick {
        paths.retain(|path| path.rtt == 10_000);
    }
    paths.retain(|path| name(path).starts_with(&arguments.only));
    paths
}

/// Measures, and prints the table.
///
/// # Errors
///
/// When a transfer fails or brings a wrong byte.
pub(crate) fn measure(arguments: &Arguments) -> Result<()> {
    let (rounds, seconds) =
        if arguments.quick { (1, arguments.seconds.min(3.0)) } else { (arguments.rounds, arguments.seconds) };
    let amount = Amount { bytes: u64::MAX, lasting: Duration::from_secs_f64(seconds) };
    println!("{} Mbit/s, {seconds} s, {rounds} rounds; Mbit/s of payload, medians", arguments.rate);
    println!("{:<38} {:>7} {:>15} {:>15} {:>8}", "path", "Linux", "Fata sends", "Fata receives", "virtual");
    let todo = Mutex::new(paths(arguments).into_iter());
    let rows = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(path) = next else { return Ok(()) };
            let row = row(path, rounds, amount)?;
            println!("{}", row.line());
            rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ratios = || rows.iter().flat_map(|row| [row.ratio(1), row.ratio(2)]);
    let (count, good) = (ratios().count(), ratios().filter(|ratio| *ratio >= AIM).count());
    println!("{good} of {count} reach {AIM} of Linux to Linux");
    if let Some(file) = &arguments.json {
        fs::write(file, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn row(path: Path, rounds: u64, amount: Amount) -> Result<Row> {
    let mut outcomes = [Vec::new(), Vec::new(), Vec::new()];
    let mut simulated = Vec::new();
    for round in 0..rounds {
        let path = Path { seed: 1 + round, ..path };
        for (pair, ends) in PAIRS.into_iter().enumerate() {
            outcomes[pair].push(Transfer { ends, path, amount }.make()?);
        }
        simulated.push(Transfer { ends: [Stack::Fata; 2], path, amount }.simulate()?);
    }
    Ok(Row { path, outcomes, simulated })
}

impl Row {
    fn goodput(&self, pair: usize) -> f64 {
        median(self.outcomes[pair].iter().map(Outcome::goodput))
    }

    fn ratio(&self, pair: usize) -> f64 {
        self.goodput(pair) / self.goodput(0)
    }

    fn line(&self) -> String {
        let share = |pair| {
            let ratio = self.ratio(pair);
            format!("{:>8.1} {ratio:>4.2}{}", self.goodput(pair), if ratio < AIM { " <" } else { "  " })
        };
        let refused: u64 = self.outcomes.iter().flatten().flat_map(|o| o.passed).map(|p| p.refused).sum();
        let spoilt =
            if refused > 0 { format!(" ({refused} frames had no room at an end)") } else { String::new() };
        let simulated = median(self.simulated.iter().map(Outcome::goodput));
        let (name, linux) = (name(&self.path), self.goodput(0));
        format!("{name:<38} {linux:>7.1} {} {} {simulated:>8.1}{spoilt}", share(1), share(2))
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get((values.len().max(1) - 1) / 2), values.get(values.len() / 2));
    low.zip(high).map_or(f64::NAN, |(low, high)| (low + high) / 2.0)
}
