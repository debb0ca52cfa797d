//! The stack and the Linux kernel over paths with delay, loss and reordering.
//!
//! As a test: everything that is sent arrives, over a few paths, both ways.
//! With `--measure`: a table of what passes in a time, beside what passes from
//! kernel to kernel.

mod kernel;
mod path;
mod simulated;
mod stack;
mod stream;
mod table;
mod transfer;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use libtest_mimic::Trial;
use path::Path;
use stream::Amount;
use transfer::{Outcome, Stack, Transfer};

/// A transfer to be made once in virtual time, for whoever looks into one.
const SIMULATE: &str = "FATA_SIMULATE";

fn main() -> ExitCode {
    if let Some(transfer) = Transfer::of_child() {
        return ended(transfer.and_then(Transfer::make_here).map(print));
    }
    if let Ok(transfer) = env::var(SIMULATE) {
        return ended(transfer.parse::<Transfer>().and_then(|transfer| transfer.simulate()).map(print));
    }
    if env::args().any(|argument| argument == "--measure") {
        return ended(table::measure(&table::Arguments::parse()));
    }
    let mut arguments = libtest_mimic::Arguments::from_args();
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn print(outcome: Outcome) {
    println!("{}", serde_json::to_string(&outcome).unwrap_or_default());
}

fn ended(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every pair over every kind of trouble: so many bytes, each right, however
/// long it takes within reason.
fn trials() -> Vec<Trial> {
    let kinds = [("delay", 0, 0), ("loss", 10_000, 0), ("reordering", 0, 20_000), ("both", 10_000, 20_000)];
    let pairs = [[Stack::Fata, Stack::Linux], [Stack::Linux, Stack::Fata], [Stack::Fata, Stack::Fata]];
    let mut trials = Vec::new();
    for (kind, loss, reordering) in kinds {
        for ends in pairs {
            let path = Path { rtt: 10_000, loss, reordering, rate: 100_000_000, seed: 7 };
            let amount = Amount { bytes: 3 << 20, lasting: Duration::from_secs(100) };
            let name = format!("{}_to_{}_over_{kind}", ends[0], ends[1]).to_lowercase();
            let transfer = Transfer { ends, path, amount };
            trials.push(Trial::test(name, move || Ok(transfer.make().map(drop)?)));
        }
    }
    trials
}
