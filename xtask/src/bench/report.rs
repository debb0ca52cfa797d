//! The table, and the file for programs.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::measure::Measured;

#[derive(Serialize)]
struct File<'a> {
    machine: String,
    rounds: usize,
    seconds: f64,
    rows: &'a [Measured],
}

/// Writes everything as JSON.
pub(super) fn write_json(path: &Path, rows: &[Measured], effort: super::measure::Effort) -> Result<()> {
    let file = File { machine: machine(), rounds: effort.rounds, seconds: effort.seconds, rows };
    Ok(fs::write(path, serde_json::to_string_pretty(&file)? + "\n")?)
}

/// Processor, processors, kernel.
pub(super) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown");
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    format!("{model}, {count} processors, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

/// The head of the table, in Markdown.
pub(super) const HEAD: &str = "| row | unit | fata | rivals | limit | × smoltcp | aim | × limit | aim |\n|---|---|---|---|---|---|---|---|---|";

/// One line of it.
pub(super) fn line(row: &Measured) -> String {
    let figure = |label: &str| match row.spread.get(label) {
        Some(s) => format!("{} ({}–{})", number(s.median), number(s.low), number(s.high)),
        None => "–".into(),
    };
    let rivals: Vec<_> = row.rivals.keys().map(|label| format!("{label} {}", figure(label))).collect();
    let limit = match row.limit {
        Some(value) => number(value),
        None => "–".into(),
    };
    let ratio = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.2}"));
    let aim = |ratio: Option<f64>, aim: Option<f64>| match (ratio, aim) {
        (_, None) => "–".into(),
        (None, Some(aim)) => format!("{aim}: not measured"),
        (Some(ratio), Some(aim)) => {
            let met = if row.less_is_better { ratio <= aim } else { ratio >= aim };
            format!(
                "{} {aim} {}",
                if row.less_is_better { "≤" } else { "≥" },
                if met { "met" } else { "NOT met" }
            )
        }
    };
    format!(
        "| {} | {} | {} | {} | {limit} | {} | {} | {} | {} |",
        row.name,
        row.unit,
        figure("fata"),
        rivals.join("<br>"),
        ratio(row.vs_best_rival),
        aim(row.vs_best_rival, row.aim_rival),
        ratio(row.vs_limit),
        aim(row.vs_limit, row.aim_limit),
    )
}

/// Three digits that matter.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        large if large >= 100.0 => format!("{value:.0}"),
        large if large >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
