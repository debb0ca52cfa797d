//! `cargo xtask bench`: this stack beside its rivals, in one run.

pub(crate) mod callgrind;
mod chart;
mod measure;
mod report;
mod rows;
mod size;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use measure::Effort;
use xshell::{Shell, cmd};

/// What to measure, and where to put it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter rounds: under two minutes.
    #[arg(long)]
    quick: bool,
    /// So many rounds in place of 7.
    #[arg(long)]
    rounds: Option<usize>,
    /// So many seconds a round and side in place of 0.5.
    #[arg(long)]
    seconds: Option<f64>,
    /// Only the rows whose name contains this text.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Where to write the figures.
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
    /// Where to draw them.
    #[arg(long, value_name = "FILE", default_value = "target/bench.svg")]
    svg: PathBuf,
}

/// Builds all sides, measures them in turn, prints the table and writes it as
/// JSON and as a picture.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    cmd!(shell, "cargo build --release --package benches").run()?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let program = target.join("release/benches");
    let mut effort = match arguments.quick {
        true => Effort { rounds: 3, seconds: 0.1 },
        false => Effort { rounds: 7, seconds: 0.5 },
    };
    effort.rounds = arguments.rounds.unwrap_or(effort.rounds);
    effort.seconds = arguments.seconds.unwrap_or(effort.seconds);
    let machine = report::machine();
    println!("{machine}; {} rounds of {} s\n\n{}", effort.rounds, effort.seconds, report::HEAD);
    let rows =
        measure::all(&program, arguments.only.as_deref(), effort, |row| println!("{}", report::line(row)))?;
    println!();
    rows.iter().for_each(|row| println!("- {}: the limit is {}.", row.name, row.note));
    for file in [&arguments.json, &arguments.svg] {
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    }
    report::write_json(&arguments.json, &rows, effort)?;
    std::fs::write(&arguments.svg, chart::svg(&rows, &machine))?;
    eprintln!("written: {} and {}", arguments.json.display(), arguments.svg.display());
    Ok(())
}
