//! Instructions that guests have executed, counted by a plugin in QEMU, of those
//! alone that are at the guest's addresses, where neither Xen nor dom0 has code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

const PLUGIN: &str = "tests/xen/count.rs";

/// What the guests of the case are there for.
const ENDS: [&str; 6] = [
    "first echo reply",
    "first page, after a lease",
    "last of 16 MiB in large frames",
    "last of 16 MiB in small frames",
    "last of 64 MiB in large frames",
    "last of 64 MiB in small frames",
];

/// Whose instructions are counted beside the guest's, in the order in which the plugin
/// writes them.
const OTHERS: [&str; 5] =
    ["Xen", "Linux", "its modules", "programs in dom0", "repetitions of string instructions"];

/// Where a guest's code is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code {
    start: u64,
    end: u64,
    hypercalls: u64,
}

impl Code {
    /// Of a program with its symbols.
    pub(crate) fn of(shell: &Shell, symbols: &Path) -> Result<Self> {
        let list = cmd!(shell, "nm {symbols}").quiet().read()?;
        let find = |name: &str| {
            let mut lines = list.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
            let line = lines.find(|words| words.last() == Some(&name));
            let address = line.and_then(|words| u64::from_str_radix(words.first()?, 16).ok());
            address.with_context(|| format!("{}: no symbol {name}", symbols.display()))
        };
        Ok(Self { start: find("_start")?, end: find("rodata_start")?, hypercalls: find("hypercall_page")? })
    }
}

/// Compiles the plugin.
pub(crate) fn compile(shell: &Shell, folder: &Path) -> Result<()> {
    let library = library(folder);
    cmd!(shell, "rustc --edition 2024 -O -D warnings -C panic=abort --crate-type cdylib {PLUGIN} -o {library}")
        .run()?;
    Ok(())
}

/// What QEMU is told of the plugin.
pub(crate) fn plugin(folder: &Path, code: Code) -> String {
    let (library, out) = (library(folder), counted(folder));
    let Code { start, end, hypercalls } = code;
    format!("{},start={start},end={end},stubs={hypercalls},out={}", library.display(), out.display())
}

fn library(folder: &Path) -> PathBuf {
    folder.join("count.so")
}

/// Where the plugin writes.
fn counted(folder: &Path) -> PathBuf {
    folder.join("counted")
}

/// What one guest did, as the plugin has it.
#[derive(PartialEq, Eq, Debug)]
struct Guest<'l> {
    /// Up to the last event that it sent.
    instructions: u64,
    hypercalls: u64,
    /// To its end.
    all: u64,
    /// What the [`OTHERS`] did up to that event.
    others: [u64; OTHERS.len()],
    /// `number:calls` of each hypercall, to its end.
    by_number: Vec<&'l str>,
}

impl<'l> Guest<'l> {
    fn parse(line: &'l str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (instructions, hypercalls, all) = (number()?, number()?, number()?);
        let mut others = [0; OTHERS.len()];
        for count in &mut others {
            *count = number()?;
        }
        Some(Self { instructions, hypercalls, all, others, by_number: words.collect() })
    }
}

/// Says what the guests did.
pub(crate) fn report(shell: &Shell, folder: &Path) -> Result<()> {
    let file = counted(folder);
    let text = shell.read_file(&file)?;
    let guests = text.lines().map(Guest::parse).collect::<Option<Vec<_>>>();
    let guests = guests.with_context(|| file.display().to_string())?;
    ensure!(guests.len() == ENDS.len(), "{}: {} guests began", file.display(), guests.len());
    for (guest, end) in guests.iter().zip(ENDS) {
        let Guest { instructions, hypercalls, all, others, by_number } = guest;
        println!("from the entry to the {end}: {instructions} instructions, {hypercalls} hypercalls");
        println!("  until it was destroyed: {all} instructions; hypercalls by number: {}", by_number.join(" "));
        let others: Vec<_> = OTHERS.iter().zip(others).map(|(name, count)| format!("{name} {count}")).collect();
        println!("  meanwhile: {}", others.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plugin_writes() {
        let (others, by_number) = ([5, 4, 3, 2, 1], vec!["17:1", "32:2"]);
        let guest = Guest { instructions: 20, hypercalls: 3, all: 25, others, by_number };
        assert_eq!(Guest::parse("20 3 25 5 4 3 2 1 17:1 32:2"), Some(guest));
        assert_eq!(Guest::parse("20 3 25 5 4 3 2"), None);
    }
}
