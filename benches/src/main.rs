//! One side of one row of the benchmark.
//!
//! `cargo xtask bench` runs this program for each side of each row in turn.
//! It prints a line of JSON: the work done, in the row's unit, and the seconds
//! that it took, warm-up left out.

mod allocator;
mod fata_side;
mod meter;
mod ring;
mod smoltcp_side;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};

/// Which stack does the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Side {
    /// This project's.
    Fata,
    /// The rival.
    Smoltcp,
    /// None: the device alone.
    Raw,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Row {
    /// One connection in memory, as fast as it goes; beside `--others` idle
    /// ones.
    MemoryBulk,
    /// One byte to and fro on each of `--others` connections at once.
    MemoryRoundTrips,
    /// A connection opened and closed, beside `--others` idle ones.
    MemoryConnect,
    /// Datagrams of 18 bytes.
    MemoryUdp,
    /// `--others` idle connections.
    MemoryIdle,
}

/// Runs one side of one row and prints what it has done.
#[derive(Parser, Clone, Copy, Debug)]
struct Arguments {
    /// Which stack does the work.
    #[arg(long)]
    side: Side,
    /// What is measured.
    #[arg(long)]
    row: Row,
    /// How long it is measured.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Ends after so much work instead, without a warm-up.
    #[arg(long)]
    work: Option<u64>,
    /// Other connections.
    #[arg(long, default_value_t = 0)]
    others: usize,
    /// Transport checksums are computed and verified in software.
    #[arg(long)]
    checksums: bool,
    /// Bytes of each of the rival's buffers.
    #[arg(long, default_value_t = 262_144)]
    buffer: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // A tower moves about on the stack while it is built.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(&arguments))?;
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the measurement panicked"),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let report = match (arguments.side, arguments.row) {
        (Side::Fata, _) => fata_side::run(arguments),
        (Side::Smoltcp, _) => smoltcp_side::run(arguments),
        (Side::Raw, _) => ring::run(arguments),
    }?;
    println!("{report}");
    Ok(())
}
