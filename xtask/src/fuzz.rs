//! The fuzz targets, with libFuzzer and the stable toolchain.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use xshell::{Shell, cmd};

use crate::footprint::target_dir;

/// Named, so that the flags hold for the targets alone and not for build
/// scripts, which would not link with them.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What libFuzzer needs of the compiler. The instrumentation is a pass of
/// LLVM's, and these flags are stable ones.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// How long each target runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// All of them together, in seconds: for looking.
    Seconds(u64),
    /// Each, in executions beside those of its corpus, the same ones each
    /// time: for checking.
    Runs(u64),
}

/// What one target came to.
#[derive(Debug, Default)]
struct Outcome {
    name: String,
    executions: u64,
    per_second: u64,
    /// Edges seen, and edges together with how often.
    coverage: (u64, u64),
    new_inputs: usize,
    findings: Vec<PathBuf>,
}

/// Runs the targets named, or all, one after the other, and prints a table.
///
/// New inputs stay in `fuzz/corpus` under the target directory and are begun
/// with the next time; with `keep`, those that add coverage join the small
/// corpus that is checked in.
///
/// # Errors
///
/// A finding, besides what can't be built or run.
pub(crate) fn run(shell: &Shell, only: &[String], length: Length, keep: bool) -> Result<()> {
    let targets: Vec<String> =
        targets(shell)?.into_iter().filter(|name| only.is_empty() || only.contains(name)).collect();
    ensure!(!targets.is_empty() && only.iter().all(|name| targets.contains(name)), "no target {only:?}");
    let place = Place::new(shell, only.is_empty().then_some(&*targets));
    place.build(shell, &targets)?;
    let each = match length {
        Length::Seconds(seconds) => Length::Seconds((seconds / targets.len() as u64).max(1)),
        Length::Runs(_) => length,
    };
    let mut outcomes = Vec::new();
    for name in &targets {
        outcomes.push(place.fuzz(shell, name, each)?);
        print(&outcomes[outcomes.len() - 1..], outcomes.len() == 1);
        if keep {
            place.keep(shell, name)?;
        }
    }
    if outcomes.len() > 1 {
        println!();
        print(&outcomes, true);
    }
    let findings: Vec<_> = outcomes.iter().flat_map(|outcome| &outcome.findings).collect();
    findings.iter().for_each(|file| println!("found: {}", file.display()));
    ensure!(findings.is_empty(), "{} findings; fuzz/README.md says how to see one again", findings.len());
    Ok(())
}

/// The names of all targets.
fn targets(shell: &Shell) -> Result<Vec<String>> {
    let files = shell.read_dir("fuzz/fuzz_targets")?;
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(names.map(str::to_owned).collect())
}

fn print(outcomes: &[Outcome], heading: bool) {
    if heading {
        println!("target          executions  per second    cov     ft  new inputs  findings");
    }
    for o in outcomes {
        let (cov, ft) = o.coverage;
        println!(
            "{:14} {:>11} {:>11} {:>6} {:>6} {:>11} {:>9}",
            o.name,
            o.executions,
            o.per_second,
            cov,
            ft,
            o.new_inputs,
            o.findings.len(),
        );
    }
}

/// The longest input in bytes, as in the tests: no seed and no input that is
/// checked in is cut.
const MAX_LEN: &str = "-max_len=4096";

/// Where what is built and found lies.
struct Place {
    root: PathBuf,
    folder: PathBuf,
    all: bool,
}

impl Place {
    fn new(shell: &Shell, all: Option<&[String]>) -> Self {
        Self { root: shell.current_dir(), folder: target_dir(shell).join("fuzz"), all: all.is_some() }
    }

    fn build(&self, shell: &Shell, targets: &[String]) -> Result<()> {
        let start = Instant::now();
        let _flags = shell.push_env("RUSTFLAGS", FLAGS);
        let folder = &self.folder;
        let bins = targets.iter().flat_map(|name| ["--bin", name]);
        let which: Vec<_> = if self.all { vec!["--bins"] } else { bins.collect() };
        cmd!(shell, "cargo build --locked -p fuzz {which...} --target {PLATFORM} --target-dir {folder}")
            .run()?;
        eprintln!("built in {:.0} s", start.elapsed().as_secs_f32());
        Ok(())
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.join(PLATFORM).join("debug").join(name)
    }

    /// The folder of a target under one that all share.
    fn of(&self, what: &str, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(what).join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn fuzz(&self, shell: &Shell, name: &str, length: Length) -> Result<Outcome> {
        let findings = self.of("findings", name)?;
        let seeds = self.write_seeds(name)?;
        let (own, limit) = self.begin(name, length)?;
        let committed = self.committed(name)?;
        let before = files(&own)?;
        let log = self.of("logs", name)?.join("log");
        let program = self.program(name);
        // What a body prints is nobody's concern; what libFuzzer says is read.
        let status = Command::new(&program)
            .args([MAX_LEN, "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .args(limit)
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .args([&own, &committed, &seeds])
            .current_dir(shell.current_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .status()
            .with_context(|| format!("{}", program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            let tail: Vec<_> = said.lines().rev().take(40).collect();
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        let outcome = read(&said);
        ensure!(status.success() || !outcome.findings.is_empty(), "{name} ended with {status}");
        let new_inputs = files(&own)?.difference(&before).count();
        Ok(Outcome { name: name.to_owned(), new_inputs, ..outcome })
    }

    /// The folder of a run's own corpus, and libFuzzer's words for its length.
    ///
    /// A check begins with what is checked in, so that it is the same each
    /// time; a search begins where the last one ended.
    fn begin(&self, name: &str, length: Length) -> Result<(PathBuf, Vec<String>)> {
        match length {
            Length::Seconds(seconds) => {
                Ok((self.of("corpus", name)?, vec![format!("-max_total_time={seconds}")]))
            }
            Length::Runs(runs) => {
                fs::remove_dir_all(self.of("checked", name)?)?;
                let given = files(&self.committed(name)?)?.len() + files(&self.of("seeds", name)?)?.len();
                let runs = runs + given as u64;
                Ok((self.of("checked", name)?, vec![format!("-runs={runs}"), "-seed=1".to_owned()]))
            }
        }
    }

    /// Has the program write the seeds of today, and them alone.
    fn write_seeds(&self, name: &str) -> Result<PathBuf> {
        fs::remove_dir_all(self.of("seeds", name)?)?;
        let seeds = self.of("seeds", name)?;
        let program = self.program(name);
        let status = Command::new(&program)
            .args([MAX_LEN, "-runs=0"])
            .env("FUZZ_SEEDS", &seeds)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .with_context(|| format!("{}", program.display()))?;
        ensure!(status.success(), "{name} wrote no seeds: {status}");
        Ok(seeds)
    }

    /// The corpus that is checked in.
    fn committed(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join("fuzz/corpus").join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Makes the corpus that is checked in the smallest that covers what it
    /// covered and what was found since.
    fn keep(&self, shell: &Shell, name: &str) -> Result<()> {
        let (small, own) = (self.of("small", name)?, self.of("corpus", name)?);
        fs::remove_dir_all(&small)?;
        fs::create_dir_all(&small)?;
        let committed = self.committed(name)?;
        let program = self.program(name);
        cmd!(shell, "{program} -set_cover_merge=1 -use_counters=0 {small} {committed} {own}")
            .quiet()
            .ignore_stderr()
            .run()?;
        let new = files(&small)?;
        for old in files(&committed)?.difference(&new) {
            fs::remove_file(committed.join(old))?;
        }
        for file in new {
            fs::copy(small.join(&file), committed.join(&file))?;
        }
        Ok(())
    }
}

/// The names of the files in a folder.
fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    entries.map(|entry| Ok(entry?.file_name().into())).collect()
}

/// What libFuzzer's output says: `#42 NEW cov: 7 ft: 9 …` as it goes, `Test
/// unit written to …` where it found something, whether new or known, and
/// `stat::number_of_executed_units: 42` at the end.
fn read(said: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in said.lines() {
        outcome.findings.extend(line.split_once("Test unit written to ").map(|(_, file)| file.into()));
        let mut words = line.split_whitespace();
        let number = |text: Option<&str>| text.and_then(|text| text.trim_start_matches('#').parse().ok());
        match words.next() {
            Some("stat::number_of_executed_units:") => {
                outcome.executions = number(words.next()).unwrap_or_default();
            }
            Some("stat::average_exec_per_sec:") => {
                outcome.per_second = number(words.next()).unwrap_or_default();
            }
            Some(first) if first.starts_with('#') => {
                let words: Vec<_> = words.collect();
                for pair in words.windows(2) {
                    match pair {
                        ["cov:", value] => outcome.coverage.0 = number(Some(value)).unwrap_or_default(),
                        ["ft:", value] => outcome.coverage.1 = number(Some(value)).unwrap_or_default(),
                        _ => {}
                    }
                }
            }
            Some(_) | None => {}
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::read;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let said = "INFO: seed corpus: files: 3\n\
            #2\tINITED cov: 10 ft: 20 corp: 3/9b exec/s: 0 rss: 30Mb\n\
            #90\tREDUCE cov: 12 ft: 25 corp: 4/9b lim: 4 exec/s: 45 rss: 31Mb L: 2/3 MS: 1 EraseBytes-\n\
            artifact_prefix='found/'; Test unit written to found/crash-0a\n\
            Done 100 runs in 2 second(s)\n\
            stat::number_of_executed_units: 100\n\
            stat::average_exec_per_sec:     50\n";
        let outcome = read(said);
        assert_eq!((outcome.executions, outcome.per_second, outcome.coverage), (100, 50, (12, 25)));
        assert_eq!(outcome.findings, [PathBuf::from("found/crash-0a")]);
    }
}
