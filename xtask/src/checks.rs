//! Every check of the project, in the order in which they fail fastest.

use std::collections::BTreeSet;
use std::env;
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use xshell::{Shell, cmd};

use crate::{footprint, fuzz, install, xen_test};

/// One check: its name, the programs it cannot do without, what it does.
struct Step {
    name: &'static str,
    needs: &'static [&'static str],
    run: fn(&Shell) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", needs: &[], run: format },
    Step { name: "lints", needs: &[], run: lints },
    Step { name: "documentation", needs: &[], run: documentation },
    Step { name: "names", needs: &[], run: names },
    Step { name: "dependencies", needs: &["cargo-deny"], run: dependencies },
    Step { name: "no-std", needs: &["cc", "nm", "objdump", "valgrind"], run: no_std },
    Step { name: "tests", needs: &[], run: tests },
    Step { name: "fuzz", needs: &["c++"], run: fuzz },
    Step {
        name: "linux",
        needs: &[
            "ip",
            "curl",
            "ping",
            "arping",
            "traceroute",
            "nc",
            "setpriv",
            "tshark",
            "tcpdump",
            "dnsmasq",
            "dhcpd",
            "kea-dhcp4",
            "busybox",
        ],
        run: linux,
    },
    Step { name: "xen", needs: xen_test::NEEDS, run: xen_test::check },
    Step { name: "program", needs: &[], run: program },
];

/// Runs every step whose name contains `only`.
///
/// A step whose programs are missing is named and skipped. That is a failure,
/// unless nothing was to be installed; where `CI` is set, always.
pub(crate) fn run(shell: &Shell, only: Option<&str>, may_install: bool) -> Result<()> {
    let missing = if may_install { install::all(shell)? } else { Vec::new() };
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), Vec::new());
    for step in STEPS.iter().filter(|step| only.is_none_or(|text| step.name.contains(text))) {
        let lacks: Vec<_> = step
            .needs
            .iter()
            .filter(|name| missing.iter().any(|m| m == *name) || !install::has(name))
            .collect();
        if !lacks.is_empty() {
            eprintln!("\n=== {} SKIPPED: not here: {lacks:?}", step.name);
            skipped.push(step.name);
            continue;
        }
        eprintln!("\n=== {}", step.name);
        let start = Instant::now();
        match (step.run)(shell) {
            Ok(()) => {
                eprintln!("=== {} passed in {:.0} s", step.name, start.elapsed().as_secs_f32());
                passed += 1;
            }
            Err(error) => {
                eprintln!("=== {} FAILED: {error:#}", step.name);
                failed.push(step.name);
            }
        }
    }
    eprintln!("\nsteps: {passed} passed, failed: {failed:?}, skipped: {skipped:?}");
    ensure!(failed.is_empty(), "failed: {failed:?}");
    if !skipped.is_empty() && (may_install || env::var_os("CI").is_some()) {
        bail!("skipped, which only `--no-install` allows: {skipped:?}");
    }
    ensure!(passed > 0, "no step has that name");
    Ok(())
}

fn format(shell: &Shell) -> Result<()> {
    Ok(cmd!(shell, "cargo fmt --all --check").run()?)
}

fn lints(shell: &Shell) -> Result<()> {
    cmd!(shell, "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings").run()?;
    // What a unikernel or a small device builds: nothing but the features asked for. The
    // loop needs a heap, and asks for it in the traits: the layers are checked without.
    for packages in [&["traits", "ethif", "ipv4", "udpv4", "tcpv4", "dhcp-client"][..], &["os", "fata"]] {
        let packages = packages.iter().flat_map(|package| ["-p", package]);
        cmd!(shell, "cargo clippy {packages...} --no-default-features --locked -- -D warnings").run()?;
    }
    Ok(())
}

fn documentation(shell: &Shell) -> Result<()> {
    let _strict = shell.push_env("RUSTDOCFLAGS", "-D warnings");
    Ok(cmd!(shell, "cargo doc --workspace --no-deps --all-features --locked").run()?)
}

/// Files stay small enough to be seen at one glance.
fn names(shell: &Shell) -> Result<()> {
    let files = cmd!(shell, "git ls-files *.rs").quiet().read()?;
    let mut large = Vec::new();
    for file in files.lines().filter(|file| !file.contains("/tests/")) {
        let lines = shell.read_file(file)?.lines().count();
        if lines > 500 {
            large.push(format!("{file}: {lines} lines"));
        }
    }
    ensure!(large.is_empty(), "files of over 500 lines: {large:?}");
    Ok(())
}

fn dependencies(shell: &Shell) -> Result<()> {
    // Those of other systems as well, which no build here has fetched.
    cmd!(shell, "cargo fetch --locked").run()?;
    Ok(cmd!(shell, "cargo deny --offline check licenses bans sources").run()?)
}

fn no_std(shell: &Shell) -> Result<()> {
    let _seed = shell.push_env("PROPTEST_RNG_SEED", SEED);
    // All scripts of TCP in memory that the caller hands over, with no other there.
    cmd!(shell, "cargo test -p tcpv4 --no-default-features --lib --tests --locked").run()?;
    footprint::check(shell)
}

/// All that wants no programs of the system: units, and whole towers in virtual time,
/// simulated, replayed, attacked.
fn tests(shell: &Shell) -> Result<()> {
    let _seed = shell.push_env("PROPTEST_RNG_SEED", SEED);
    let names = tests_by_name(shell)?;
    let which = names.iter().filter(|name| !ON_A_TAP.contains(&name.as_str()));
    let which = which.flat_map(|name| ["--test", name]);
    // TCP's run in both forms of memory.
    cmd!(shell, "cargo test {EVERYTHING...} --lib --bins --examples {which...}").run()?;
    Ok(cmd!(shell, "cargo test {EVERYTHING...} --doc").run()?)
}

/// The names of all programs of tests.
fn tests_by_name(shell: &Shell) -> Result<BTreeSet<String>> {
    let text = cmd!(shell, "cargo metadata --no-deps --format-version 1 --locked --offline").quiet().read()?;
    let Metadata { packages } = serde_json::from_str(&text)?;
    let targets = packages.into_iter().flat_map(|package| package.targets);
    let tests = targets.filter(|target| target.kind.iter().any(|kind| kind == "test"));
    Ok(tests.map(|target| target.name).collect())
}

/// What cargo knows of the workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Each target for so many executions, the same ones each time.
fn fuzz(shell: &Shell) -> Result<()> {
    fuzz::run(shell, &[], fuzz::Length::Runs(2000), false)
}

/// The tests of whole towers that want programs of the system.
const ON_A_TAP: [&str; 3] = ["beside", "linux", "paths"];

/// The same for all tests: for another selection, cargo compiles the stack once more,
/// since whatever it depends on has other features then.
const EVERYTHING: [&str; 3] = ["--workspace", "--all-features", "--locked"];

/// Draws the random inputs of properties: the same ones each time, as those of the fuzz
/// targets. Whoever runs `cargo test` has others each time.
const SEED: &str = "1";

/// Whole towers on a tap, against the kernel and its servers.
fn linux(shell: &Shell) -> Result<()> {
    let which = ON_A_TAP.iter().flat_map(|name| ["--test", name]);
    Ok(cmd!(shell, "cargo test {EVERYTHING...} {which...}").run()?)
}

/// The main job, as a user starts it.
fn program(shell: &Shell) -> Result<()> {
    Ok(cmd!(shell, "cargo run --release --locked").run()?)
}
