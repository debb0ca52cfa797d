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
mod tap;

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
    /// Linux, over a pair of virtual devices to another Linux.
    Linux,
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
    /// A connection, from the stack to the kernel.
    TapSend,
    /// A connection, from the kernel to the stack.
    TapReceive,
    /// One byte to and fro.
    TapRoundTrips,
    /// A connection opened, a byte to and fro, closed; beside `--others` idle
    /// ones.
    TapConnect,
    /// Datagrams of 18 bytes, from the kernel to the stack.
    TapUdpReceive,
    /// Datagrams of 18 bytes, from the stack to the kernel.
    TapUdpSend,
    /// The same, many in one write.
    TapUdpSegmented,
}

impl Row {
    const fn is_on_tap(self) -> bool {
        match self {
            Self::MemoryBulk
            | Self::MemoryRoundTrips
            | Self::MemoryConnect
            | Self::MemoryUdp
            | Self::MemoryIdle => false,
            Self::TapSend
            | Self::TapReceive
            | Self::TapRoundTrips
            | Self::TapConnect
            | Self::TapUdpReceive
            | Self::TapUdpSend
            | Self::TapUdpSegmented => true,
        }
    }

    const fn is_udp(self) -> bool {
        matches!(self, Self::MemoryUdp | Self::TapUdpReceive | Self::TapUdpSend | Self::TapUdpSegmented)
    }
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
    /// Opens so many connections to `--hold-port`, says so and
    /// holds them until its input ends: a part of another run of the program,
    /// since a process may have only so many descriptors.
    #[arg(long)]
    hold: Option<usize>,
    /// The stack's port to which those go.
    #[arg(long, default_value_t = 0)]
    hold_port: u16,
    /// Transport checksums are computed and verified in software.
    #[arg(long)]
    checksums: bool,
    /// The tap does no work for the stack.
    #[arg(long)]
    no_offload: bool,
    /// The reader looks at the data where it lies, without a copy; on a tap, the
    /// writer makes it where it is sent from.
    #[arg(long)]
    in_place: bool,
    /// The writer sends what is a part of the program, from where it lies.
    #[arg(long)]
    constant: bool,
    /// One byte is under way at a time, on one connection after the other.
    #[arg(long)]
    in_turn: bool,
    /// A frame a datagram, where others send many in one.
    #[arg(long)]
    one_by_one: bool,
    /// Nobody sleeps while waiting.
    #[arg(long)]
    spin: bool,
    /// Bytes of each of the rival's buffers.
    #[arg(long, default_value_t = 65_536)]
    buffer: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(count) = arguments.hold {
        return tap::peer::hold(count, arguments.hold_port);
    }
    if arguments.row.is_on_tap() {
        // Before there is any thread: a namespace is entered.
        return tap::run(&arguments);
    }
    // A tower moves about on the stack while it is built.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || run(&arguments))?;
    match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the measurement panicked"),
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    tap::pin_stack()?;
    let report = match (arguments.side, arguments.row) {
        (Side::Fata, _) => fata_side::run(arguments),
        (Side::Smoltcp, _) => smoltcp_side::run(arguments),
        (Side::Raw, _) => ring::run(arguments),
        (Side::Linux, _) => bail!("Linux has no link in memory"),
    }?;
    println!("{report}");
    Ok(())
}
