//! The tower without std: that it links, and what its layers cost.
//!
//! Two programs in `tests/nostd` are built without std. In the one, `receive`
//! is all from a frame to TCP's state; what it is made of is read from the
//! program itself. The other sends segments one by one, each way through a
//! function of its own, and callgrind counts what that executes: the same
//! number on each run, since nothing in it depends on time or chance.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

use crate::band::{self, Measured};
use crate::bench::callgrind::self_costs;

const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// Without an operating system; as a unikernel is.
const BARE: &str = "x86_64-unknown-none";
/// What a unikernel builds.
const CRATES: [&str; 9] =
    ["traits", "wire", "ethif", "ipv4", "udpv4", "tcpv4", "dhcp-client", "netif-memory", "os"];
/// Segments that `segments` sends and receives through the counted functions,
/// and acknowledgements.
const COUNT: u64 = 256;
const ACKS: u64 = COUNT / 2;
/// What the counts may be; [`band`] says how it is read.
const SNAPSHOT: &str = "tests/nostd/footprint.txt";

/// Where cargo puts what it builds for the workspace.
pub(crate) fn target_dir(shell: &Shell) -> PathBuf {
    shell.current_dir().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A program of `tests/nostd`, once [`build`] has built it.
fn program(shell: &Shell, name: &str) -> PathBuf {
    nostd_target_dir(shell).join(PLATFORM).join("release").join(name)
}

/// Of its own, so that neither build holds up the other.
fn nostd_target_dir(shell: &Shell) -> PathBuf {
    target_dir(shell).join("nostd")
}

fn build(shell: &Shell) -> Result<()> {
    let folder = nostd_target_dir(shell);
    let _here = shell.push_dir("tests/nostd");
    cmd!(shell, "cargo build --release --locked --target-dir {folder}").run()?;
    Ok(())
}

/// Fails if the tower needs std, libc or a heap, if a layer shows itself in
/// the way of a segment, or if the counts are not what they may be.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    bare(shell)?;
    let measured = measure(shell)?;
    band::check(shell, SNAPSHOT, &measured)
}

/// As [`check`], with all that was counted; with `update`, the counts are what
/// they may be from now on.
pub(crate) fn print(shell: &Shell, update: bool) -> Result<()> {
    let measured = measure(shell)?;
    for Measured { name, count } in &measured {
        println!("{name:24} {count:>8}");
    }
    println!("called by receive:");
    for (name, times) in calls(shell)? {
        println!("  {times:2} {name}");
    }
    if update { band::update(shell, SNAPSHOT, &measured) } else { band::check(shell, SNAPSHOT, &measured) }
}

/// Builds the layers for a machine without an operating system.
///
/// A toolchain without that target is told of and no failure, since it can't
/// be had everywhere; where it is there, what does not build fails.
fn bare(shell: &Shell) -> Result<()> {
    let sysroot = cmd!(shell, "rustc --print sysroot").quiet().read()?;
    if !Path::new(&sysroot).join("lib/rustlib").join(BARE).is_dir() {
        eprintln!("!!! NOT BUILT for {BARE}: this toolchain does not have it (rustup target add {BARE})");
        return Ok(());
    }
    let packages = CRATES.iter().flat_map(|name| ["-p", name]);
    cmd!(shell, "cargo build --locked --no-default-features --target {BARE} {packages...}").run()?;
    Ok(())
}

/// Builds and runs the programs, and counts. A layer that shows itself is an
/// error here.
fn measure(shell: &Shell) -> Result<Vec<Measured>> {
    build(shell)?;
    for name in ["nostd", "segments"] {
        let program = program(shell, name);
        let undefined = cmd!(shell, "nm --undefined-only {program}").quiet().read()?;
        ensure!(undefined.trim().is_empty(), "{name} needs more than itself: {undefined}");
        cmd!(shell, "{program}").run().context("the towers without std")?;
    }
    has_vanished(shell)?;
    let mut measured = vec![Measured::new("receive.instructions", disassemble(shell)?.len() as u64)];
    let ways = [
        ("segment.received", "receive_segment", COUNT, &["input"][..]),
        ("segment.written", "write_segment", COUNT, &["write", "emit", "send"][..]),
        ("flow.write", "flow_write", COUNT, &["write", "emit", "send"][..]),
        ("flow.read", "flow_read", COUNT, &["input"][..]),
        ("ack.received", "receive_ack", ACKS, &["input"][..]),
    ];
    for (name, function, times, gone) in ways {
        let costs = executed(shell, function)?;
        let shown: Vec<_> = costs.keys().filter(|function| is_layer(function, gone)).collect();
        ensure!(
            shown.is_empty(),
            "{shown:?} is called for each segment. Ethernet and IPv4 are to be inlined into TCP's way of a \
             segment; something grew too large for that, or a second caller came (one site is to emit)"
        );
        // Each byte copied counts as an instruction: the program's own `memcpy` is one that repeats.
        let copied: u64 = ["memcpy", "memmove"].iter().filter_map(|name| costs.get(*name)).sum();
        let all: u64 = costs.values().sum();
        measured.push(Measured::new(name, (all - copied) / times));
        measured.push(Measured::new(&format!("{name}.copied"), copied / times));
    }
    Ok(measured)
}

/// Fails where a layer's `input` is a function that can be called.
fn has_vanished(shell: &Shell) -> Result<()> {
    let program = program(shell, "nostd");
    let symbols = cmd!(shell, "nm --demangle --defined-only {program}").quiet().read()?;
    let names = symbols.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    let shown: Vec<_> = names.filter(|name| is_layer(name, &["input"])).collect();
    ensure!(
        shown.is_empty(),
        "{shown:?} is a function of its own. The layers' `input` are to be one function together; \
         `#[inline]` is missing, or there is a second caller"
    );
    Ok(())
}

/// Whether a symbol is one of these functions of a layer's own, or a closure
/// in it.
fn is_layer(symbol: &str, functions: &[&str]) -> bool {
    let is_of = |name: &str| symbol.trim_start_matches('<').starts_with(&format!("{name}::"));
    let last = symbol.rsplit("::").find(|part| !part.starts_with("{{closure"));
    // What TCP sends is TCP's to write; what it receives is found in one function.
    let layers: &[&str] = if functions == ["input"] { &["ethif", "ipv4", "tcpv4"] } else { &["ethif", "ipv4"] };
    layers.iter().any(|name| is_of(name)) && last.is_some_and(|last| functions.contains(&last))
}

/// The instructions of `receive`.
fn disassemble(shell: &Shell) -> Result<Vec<String>> {
    let program = program(shell, "nostd");
    let listing =
        cmd!(shell, "objdump --demangle --disassemble=receive --no-show-raw-insn {program}").quiet().read()?;
    let instructions: Vec<_> = listing.lines().filter(|line| line.contains(":\t")).map(str::to_owned).collect();
    ensure!(!instructions.is_empty(), "receive is not in the program");
    Ok(instructions)
}

/// What `receive` calls, and from how many places.
fn calls(shell: &Shell) -> Result<BTreeMap<String, usize>> {
    let mut calls = BTreeMap::new();
    for line in disassemble(shell)?.iter().filter(|line| line.contains("call")) {
        let name = line.split_once(" <").map_or("through a pointer", |(_, name)| name.trim_end_matches('>'));
        *calls.entry(name.to_owned()).or_default() += 1;
    }
    Ok(calls)
}

/// Instructions executed by each function while `within` ran.
fn executed(shell: &Shell, within: &str) -> Result<HashMap<String, u64>> {
    let program = program(shell, "segments");
    let file = nostd_target_dir(shell).join(format!("callgrind.{within}"));
    cmd!(shell, "valgrind -q --tool=callgrind --toggle-collect={within} --callgrind-out-file={file} {program}")
        .quiet()
        .run()
        .context("callgrind")?;
    let mut costs = self_costs(&fs::read_to_string(file)?);
    costs.retain(|_, count| *count > 0);
    ensure!(!costs.is_empty(), "{within} was not called");
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::is_layer;

    #[test]
    fn a_layer_is_told_from_its_parts() {
        let input = &["input"];
        assert!(is_layer("ipv4::input::<impl ipv4::layer::Ipv4<E,_,_,_,_>>::input", input));
        assert!(is_layer("ethif::shell::<impl ethif::layer::Ethif<N,_,_>>::input::{{closure}}", input));
        assert!(!is_layer("ipv4::input::<impl ipv4::layer::Ipv4<E,_,_,_,_>>::collect", input));
        assert!(!is_layer("receive", input));
        let output = &["write", "emit", "send"];
        assert!(is_layer("<ipv4::layer::Ipv4<E,_,_,_,_> as traits::ip::Ip>::write", output));
        assert!(!is_layer("tcpv4::layer::output::<impl tcpv4::layer::Tcp<I,S>>::emit", output));
        assert!(!is_layer("<netif_memory::port::Port<T,_,Q> as traits::network::Network>::write", output));
    }
}
