//! Counts that are checked in, and how far they may move.
//!
//! A line of the file is a name, a count, and how many percent it may differ
//! in either direction. Too low fails as well: what became cheaper shall not
//! become dear again unnoticed, so the file then has to be written anew.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use xshell::Shell;

/// How many percent a count may move that the file does not have yet.
const TOLERANCE: u64 = 8;

/// What was counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) count: u64,
}

impl Measured {
    pub(crate) fn new(name: &str, count: u64) -> Self {
        Self { name: name.to_owned(), count }
    }
}

/// What may be counted.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Band {
    name: String,
    count: u64,
    percent: u64,
}

impl Band {
    /// What is wrong with `count`, if anything.
    fn problem(&self, count: u64) -> Option<String> {
        let slack = self.count * self.percent / 100;
        let change = if count > self.count + slack {
            "more: an inlining is lost, or there is a new copy or check in the way of each segment"
        } else if count + slack < self.count {
            "less: good; write the file anew so that it stays so"
        } else {
            return None;
        };
        Some(format!("{}: {count}, where {} ± {} % may be. {change}", self.name, self.count, self.percent))
    }
}

fn read(text: &str) -> Result<Vec<Band>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut next = || words.next().with_context(|| format!("{line:?} is not a name and two numbers"));
            Ok(Band { name: next()?.to_owned(), count: next()?.parse()?, percent: next()?.parse()? })
        })
        .collect()
}

/// Fails where a count is not in its band or has none, and where a band has no
/// count.
pub(crate) fn check(shell: &Shell, file: &str, measured: &[Measured]) -> Result<()> {
    let bands = read(&shell.read_file(file)?)?;
    let problems = problems(&bands, measured);
    ensure!(
        problems.is_empty(),
        "{}\nIf this is meant: `cargo xtask footprint --update` writes {file} anew",
        problems.join("\n")
    );
    Ok(())
}

fn problems(bands: &[Band], measured: &[Measured]) -> Vec<String> {
    let of = |name: &str| bands.iter().find(|band| band.name == name);
    let problem = |m: &Measured| match of(&m.name) {
        Some(band) => band.problem(m.count),
        None => Some(format!("{}: {}, which has no band", m.name, m.count)),
    };
    let lost = |band: &&Band| measured.iter().all(|m| m.name != band.name);
    let lost = bands.iter().filter(lost).map(|band| format!("{}: no longer counted", band.name));
    measured.iter().filter_map(problem).chain(lost).collect()
}

/// Writes what was counted as what may be counted from now on.
pub(crate) fn update(shell: &Shell, file: &str, measured: &[Measured]) -> Result<()> {
    let old = shell.read_file(file).ok().map(|text| read(&text)).transpose()?.unwrap_or_default();
    let mut text = "# What a segment costs, in instructions executed, without std and in fixed memory;\n\
        # bytes copied on its way (`copied`) apart; and the instructions that `receive` has.\n\
        # name, count, percent that it may differ. `cargo xtask footprint --update` writes this.\n"
        .to_owned();
    for Measured { name, count } in measured {
        let percent = old.iter().find(|band| band.name == *name).map_or(TOLERANCE, |band| band.percent);
        writeln!(text, "{name:24} {count:>8} {percent:>3}")?;
    }
    shell.write_file(file, text)?;
    println!("wrote {file}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_its_band_is_told() {
        let bands = read("# comment\n\nway 1000 5\n").unwrap();
        assert_eq!(bands, [Band { name: "way".to_owned(), count: 1000, percent: 5 }]);
        let of = |count| problems(&bands, &[Measured::new("way", count)]);
        assert!(of(950).is_empty() && of(1050).is_empty());
        assert!(of(949)[0].contains("less") && of(1051)[0].contains("more"));
        let renamed = problems(&bands, &[Measured::new("other", 1)]);
        assert!(renamed[0].contains("no band") && renamed[1].contains("no longer counted"));
        assert!(read("way 1000").is_err());
    }
}
