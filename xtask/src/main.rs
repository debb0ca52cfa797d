//! `cargo xtask`: what cargo alone cannot do.
//!
//! `cargo xtask test` installs what the checks need and runs all of them; the
//! other commands run one part by itself.

mod band;
mod bench;
mod captures;
mod checks;
mod footprint;
mod fuzz;
mod install;
mod paths;
mod servers;
mod xen;
mod xen_figures;
mod xen_packed;
mod xen_test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xshell::Shell;

/// Installs, checks and tests the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", about, version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing, then pass every check and every test.
    Test {
        /// Only the steps whose name contains this text.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Install nothing: a step whose tool is missing is skipped and named.
        #[arg(long)]
        no_install: bool,
    },
    /// Install what the tests need, nothing else.
    Install,
    /// Make the captures that the tests replay anew, against the kernel, curl
    /// and dnsmasq, and the snapshots of what comes of them.
    Captures {
        /// Only those with this text in their names.
        #[arg(value_name = "TEXT")]
        name: Option<String>,
    },
    /// Let what replays and simulations come to now be what they have to come
    /// to: the table of throughput, for one.
    Snapshots,
    /// Measure the stack beside its rivals, in one run; not part of the tests.
    Bench(bench::Arguments),
    /// Measure the stack over paths with delay, loss and reordering, beside
    /// Linux; not part of the tests.
    Paths(paths::Arguments),
    /// Build the tower without std and print what a segment costs each way.
    Footprint {
        /// Let the counts be what may be counted from now on.
        #[arg(long)]
        update: bool,
    },
    /// Build an application of `unikernels` as a Xen guest.
    Xen(xen::Arguments),
    /// Run guests on a Xen that QEMU emulates.
    XenTest(xen_test::Arguments),
    /// Fuzz all targets in turn and print what came of it.
    Fuzz {
        /// Minutes for all of them together.
        #[arg(long, value_name = "N", default_value_t = 10)]
        minutes: u64,
        /// Only this target; more than once for several.
        #[arg(long, value_name = "NAME")]
        target: Vec<String>,
        /// Let what was found join the small corpus that is checked in.
        #[arg(long)]
        keep: bool,
    },
}

fn main() -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(env!("CARGO_MANIFEST_DIR"));
    shell.change_dir("..");
    match Arguments::parse().command {
        Command::Test { only, no_install } => checks::run(&shell, only.as_deref(), !no_install),
        Command::Install => install::all(&shell).map(drop),
        Command::Captures { name } => captures::make(&shell, name.as_deref()),
        Command::Snapshots => captures::snapshots(&shell),
        Command::Bench(arguments) => bench::run(&shell, &arguments),
        Command::Paths(arguments) => paths::run(&shell, &arguments),
        Command::Footprint { update } => footprint::print(&shell, update),
        Command::Xen(arguments) => xen::run(&shell, &arguments),
        Command::XenTest(arguments) => xen_test::run(&shell, &arguments),
        Command::Fuzz { minutes, target, keep } => {
            fuzz::run(&shell, &target, fuzz::Length::Seconds(minutes * 60), keep)
        }
    }
}
