//! What passes over paths with delay, loss and reordering, beside Linux.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Measures the stack over paths with delay, loss and reordering.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A few paths, for a shorter time.
    #[arg(long)]
    quick: bool,
    /// Write all that was measured to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
    /// How often each transfer is made.
    #[arg(long)]
    rounds: Option<u64>,
    /// How long each takes.
    #[arg(long)]
    seconds: Option<f64>,
    /// The bottleneck, in megabits per second.
    #[arg(long)]
    rate: Option<u64>,
    /// Transfers at a time: more spare time, and disturb each other.
    #[arg(long)]
    jobs: Option<usize>,
    /// Only the paths whose line begins so, as in `50 ms, loss 1 %`.
    #[arg(long)]
    only: Option<String>,
}

/// Prints the table.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    let mut given = Vec::new();
    let mut give = |name: &str, value: Option<String>| {
        given.extend(value.into_iter().flat_map(|value| [format!("--{name}"), value]));
    };
    // The program runs in another folder.
    let json = arguments.json.as_deref().map(std::path::absolute).transpose()?;
    give("json", json.map(|path| path.display().to_string()));
    give("rounds", arguments.rounds.map(|rounds| rounds.to_string()));
    give("seconds", arguments.seconds.map(|seconds| seconds.to_string()));
    give("rate", arguments.rate.map(|rate| rate.to_string()));
    give("jobs", arguments.jobs.map(|jobs| jobs.to_string()));
    give("only", arguments.only.clone());
    if arguments.quick {
        given.push("--quick".to_owned());
    }
    // A few hundred megabits need no release build.
    Ok(cmd!(shell, "cargo test -p tests --test paths -- --measure {given...}").run()?)
}
