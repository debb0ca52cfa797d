//! `cargo xtask xen-test`: guests on a real Xen with a real Linux beside it, all
//! of it emulated by QEMU.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use clap::Args;
use xshell::{Shell, cmd};

use crate::xen::{self, Guest};
use crate::xen_figures;

/// All cases, in the order in which they are run; `tests/xen/dom0/cases` has
/// one script for each.
const CASES: &[&str] = &["slides", "panic", "dhcp", "http", "loss", "lifecycle", "many", "linux", "small"];

/// The guests that the cases start, and those that they start in their small form.
const GUESTS: &[&str] = &["web", "hello", "faults"];
const SMALL_GUESTS: &[&str] = &["web"];

/// The case whose guests' instructions are counted: the first of [`GUESTS`].
const COUNTED: &str = "figures";

/// Programs that the test-bed cannot do without.
pub(crate) const NEEDS: &[&str] = &[
    "qemu-system-x86_64",
    "cpio",
    "curl",
    "tc",
    "tcpdump",
    "tshark",
    "objcopy",
    "strings",
    "xz",
    "apt-get",
    "dpkg-deb",
];

/// Runs guests on an emulated Xen.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The cases to run, `shell` for a shell in dom0 (control-a x ends it);
    /// `figures` for the instructions up to the first reply, `memory` for the
    /// least memory; the cases of the checks if none is named.
    #[arg(value_name = "NAME")]
    cases: Vec<String>,
    /// How often a guest is created, pinged and ended.
    #[arg(long, value_name = "N", default_value_t = 10)]
    cycles: u32,
    /// Seconds after which it has failed.
    #[arg(long, value_name = "N", default_value_t = 900)]
    limit: u32,
}

/// All cases as the checks run them.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    run(shell, &Arguments { cases: Vec::new(), cycles: 10, limit: 900 })
}

/// Makes what is missing, boots it, and says what came of each case.
pub(crate) fn run(shell: &Shell, arguments: &Arguments) -> Result<()> {
    let folder = xen::target_folder(shell).join("xen-test");
    cmd!(shell, "tests/xen/packages.sh {folder}").run()?;
    let start = Instant::now();
    let (guests, small) = build(shell)?;
    let counts = arguments.cases.iter().any(|case| case == COUNTED);
    let counted = match guests.first() {
        Some(guest) if counts => Some(xen_figures::Code::of(shell, &guest.symbols)?),
        Some(_) | None => None,
    };
    let files = guests
        .into_iter()
        .chain(small)
        .flat_map(|guest| [Some(guest.elf), Some(guest.configuration), guest.packed]);
    let files: Vec<_> = files.flatten().collect();
    cmd!(shell, "tests/xen/images.sh {folder} {files...}").run()?;
    let cases = match arguments.cases.as_slice() {
        [] => CASES.join(":"),
        named => named.join(":"),
    };
    // A case that takes half of the time hangs: then dom0 says what it knows.
    // To compare takes several rounds; the checks compare nothing.
    let rounds = if arguments.cases.is_empty() { 1 } else { 3 };
    let words = format!("cycles={} rounds={rounds} allowed={}", arguments.cycles, arguments.limit / 2);
    let _words = shell.push_env("XEN_TEST_WORDS", words);
    // In each run, so that it is known to compile.
    xen_figures::compile(shell, &folder)?;
    let plugin = counted.map(|code| xen_figures::plugin(&folder, code));
    let _plugin = shell.push_env("XEN_TEST_PLUGIN", plugin.unwrap_or_default());
    let limit = arguments.limit.to_string();
    eprintln!("xen: {:.0} s until all is built", start.elapsed().as_secs_f32());
    let start = Instant::now();
    let booted = cmd!(shell, "tests/xen/boot.sh {folder} {cases} {limit}").run();
    if cases == "shell" {
        return Ok(());
    }
    let log = shell.read_binary_file(folder.join("log"))?;
    let log = String::from_utf8_lossy(&log);
    let lines = log.lines().filter(|line| line.contains("XEN-TEST:"));
    lines.for_each(|line| eprintln!("{}", line.trim_end()));
    eprintln!("xen: {:.0} s from the machine's start to its end", start.elapsed().as_secs_f32());
    if booted.is_err() {
        // Xen tells of each register of a guest that begins.
        let lines: Vec<_> = log.lines().filter(|line| !line.starts_with("(XEN) HVM")).collect();
        lines.iter().skip(lines.len().saturating_sub(150)).for_each(|line| eprintln!("  {}", line.trim_end()));
        // What failed stands last, where it is looked for.
        let failed = log.lines().filter(|line| line.contains("XEN-TEST:") && line.contains("FAILED"));
        let failed: Vec<_> = failed.map(str::trim_end).collect();
        bail!("{}\nthe log is {}", failed.join("\n"), folder.join("log").display());
    }
    if counts {
        xen_figures::report(shell, &folder)?;
    }
    captures(shell, &folder)
}

/// Builds all guests, the small ones at the same time as the others.
fn build(shell: &Shell) -> Result<(Vec<Guest>, Vec<Guest>)> {
    let folder = shell.current_dir();
    std::thread::scope(|scope| {
        let small = scope.spawn(move || {
            let shell = Shell::new()?;
            shell.change_dir(folder);
            xen::build(&shell, SMALL_GUESTS, true)
        });
        let guests = xen::build(shell, GUESTS, false);
        let small = small.join().unwrap_or_else(|_| bail!("no small guests"));
        Ok((guests?, small?))
    })
}

/// No packet of those that dom0 saw is malformed.
fn captures(shell: &Shell, folder: &std::path::Path) -> Result<()> {
    let results = folder.join("result");
    shell.remove_path(&results)?;
    shell.create_dir(&results)?;
    let tar = folder.join("result.tar");
    cmd!(shell, "tar --extract --file {tar} --directory {results}").quiet().run()?;
    for file in
        shell.read_dir(&results)?.into_iter().filter(|file| file.extension().is_some_and(|e| e == "pcap"))
    {
        // The last packet may be cut: the file was open when dom0 ended.
        let all =
            cmd!(shell, "tshark -r {file} -T fields -e frame.number").quiet().ignore_stderr().ignore_status();
        let all = all.read()?.lines().count();
        ensure!(all > 0, "{}: nothing was captured", file.display());
        let malformed = "_ws.malformed || _ws.expert.group == \"Malformed\"";
        // Each packet by itself: putting streams together, tshark calls it
        // malformed when a retransmission is cut elsewhere than the original.
        let alone = "tcp.desegment_tcp_streams:FALSE";
        let bad = cmd!(shell, "tshark -r {file} -o {alone} -Y {malformed}").quiet().ignore_stderr();
        let bad = bad.ignore_status().read()?;
        ensure!(bad.trim().is_empty(), "{}: malformed packets:\n{bad}", file.display());
        eprintln!("xen: {}: {all} packets, none malformed", file.display());
    }
    Ok(())
}
