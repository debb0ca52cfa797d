//! Instructions for each segment.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::rows::{Row, Side};

/// Bytes of payload in a full segment with timestamps.
const SEGMENT: f64 = 1448.0;
/// Bytes carried, in the shorter run and in the longer one: what differs is
/// the segments.
const SHORT: u64 = 4 << 20;
const LONG: u64 = 20 << 20;

/// What both ends execute for a segment, what copies left out.
pub(super) fn per_segment(program: &Path, row: &Row, side: &Side) -> Result<f64> {
    let short = instructions(program, row, side, SHORT)?;
    let long = instructions(program, row, side, LONG)?;
    Ok((long - short) as f64 / ((LONG - SHORT) as f64 / SEGMENT))
}

fn instructions(program: &Path, row: &Row, side: &Side, work: u64) -> Result<u64> {
    let file = env::temp_dir().join(format!("fata-callgrind-{}-{work}", std::process::id()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(row.arguments)
        .args(side.arguments)
        .args(["--work", &work.to_string()])
        .output()
        .context("run valgrind")?;
    let profile = fs::read_to_string(&file);
    let _ = fs::remove_file(&file);
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let costs = self_costs(&profile?);
    Ok(costs.iter().filter(|(name, _)| !copies(name)).map(|(_, cost)| cost).sum())
}

fn copies(function: &str) -> bool {
    ["memcpy", "memmove"].iter().any(|part| function.contains(part))
}

/// Each function's own instructions, of a profile in callgrind's format.
pub(crate) fn self_costs(profile: &str) -> HashMap<String, u64> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut costs = HashMap::new();
    let mut function = "";
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // A name stands there the first time, its number alone later.
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(number, name);
            }
            if line.starts_with("fn=") {
                function = names.get(number).copied().unwrap_or_default();
            }
        } else if line.starts_with("calls=") {
            // What is called has its cost elsewhere.
            lines.next();
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or_default();
            *costs.entry(function.to_owned()).or_default() += cost;
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_costs_without_those_of_the_called() {
        let profile = "events: Ir\nfn=(1) main\n3 10\ncfn=(2) memcpy\ncalls=1 5\n3 100\n+1 7\nfn=(2)\n5 100\n";
        let costs = self_costs(profile);
        assert_eq!(costs.get("main"), Some(&17));
        assert_eq!(costs.get("memcpy"), Some(&100));
    }
}
