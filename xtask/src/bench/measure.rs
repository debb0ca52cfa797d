//! Runs the sides in turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::rows::{Figure, Limit, ROWS, Row, Side};
use super::{callgrind, size};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    pub(super) seconds: f64,
}

/// What the program prints.
#[derive(Deserialize)]
pub(super) struct Report {
    pub(super) work: f64,
    pub(super) seconds: f64,
}

/// A figure over all rounds.
#[derive(Clone, Copy, Serialize, Debug)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A row that was measured.
#[derive(Serialize, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) fata: Option<f64>,
    pub(super) rivals: BTreeMap<&'static str, f64>,
    pub(super) limit: Option<f64>,
    /// Ratios are taken round by round; this is their median.
    pub(super) vs_best_rival: Option<f64>,
    pub(super) vs_limit: Option<f64>,
    pub(super) spread: BTreeMap<&'static str, Spread>,
    pub(super) aim_rival: Option<f64>,
    pub(super) aim_limit: Option<f64>,
    pub(super) less_is_better: bool,
    pub(super) note: &'static str,
}

/// Measures every row whose name contains `only`, and shows each with `show`.
pub(super) fn all(
    program: &Path,
    only: Option<&str>,
    effort: Effort,
    mut show: impl FnMut(&Measured),
) -> Result<Vec<Measured>> {
    let rows: Vec<_> = ROWS.iter().filter(|row| only.is_none_or(|text| row.name.contains(text))).collect();
    ensure!(!rows.is_empty(), "no row has that name; there are: {}", names());
    let mut measured = Vec::new();
    for row in rows {
        let one = measure(program, row, effort);
        show(&one);
        measured.push(one);
    }
    Ok(measured)
}

fn names() -> String {
    ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// One row: A B C, A B C, and so on.
fn measure(program: &Path, row: &'static Row, effort: Effort) -> Measured {
    let mut rounds: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..if row.once { 1 } else { effort.rounds } {
        for side in row.sides {
            let value = match figure(program, row, side, effort.seconds) {
                Ok(value) => value,
                Err(error) => {
                    eprintln!("{} {}: {error:#}", row.name, side.label);
                    f64::NAN
                }
            };
            rounds.entry(side.label).or_default().push(value);
        }
    }
    summarise(row, &rounds)
}

fn figure(program: &Path, row: &Row, side: &Side, seconds: f64) -> Result<f64> {
    match row.figure {
        Figure::Instructions => callgrind::per_segment(program, row, side),
        Figure::ProgramBytes => size::of(side.label),
        Figure::GigabitsPerSecond
        | Figure::KiloPerSecond
        | Figure::Nanoseconds
        | Figure::Work
        | Figure::Second => {
            let report = run(program, row, side, seconds)?;
            Ok(row.figure.of(report.work, report.seconds))
        }
    }
}

/// Runs the program once. It ends by itself, and is ended when it does not.
fn run(program: &Path, row: &Row, side: &Side, seconds: f64) -> Result<Report> {
    let output = Command::new("timeout")
        .arg("--signal=KILL")
        .arg("60")
        .arg(program)
        .args(row.arguments)
        .args(side.arguments)
        .args(["--seconds", &seconds.to_string()])
        .output()
        .context("run the program")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, errors.trim());
    serde_json::from_str(text.trim()).with_context(|| format!("what it printed: {text}"))
}

fn summarise(row: &'static Row, rounds: &BTreeMap<&'static str, Vec<f64>>) -> Measured {
    let less = row.figure.is_less_better();
    let spread: BTreeMap<_, _> =
        rounds.iter().filter_map(|(label, values)| Some((*label, spread(values)?))).collect();
    let median = |label: &str| spread.get(label).map(|spread| spread.median);
    let limit_label = match row.limit {
        Limit::Side(label) => Some(label),
        Limit::Fixed(_) | Limit::None => None,
    };
    let rivals: BTreeMap<_, _> = spread
        .iter()
        .filter(|(label, _)| **label != "fata" && Some(**label) != limit_label)
        .map(|(label, spread)| (*label, spread.median))
        .collect();
    let best = rivals.iter().max_by(|a, b| if less { b.1.total_cmp(a.1) } else { a.1.total_cmp(b.1) });
    let against = |label: &str| {
        let (own, other) = (rounds.get("fata")?, rounds.get(label)?);
        let ratios: Vec<_> = own.iter().zip(other).map(|(own, other)| own / other).collect();
        self::spread(&ratios).map(|spread| spread.median)
    };
    // The aims are set against smoltcp, or what stands in its place.
    let rival = if rivals.contains_key("smoltcp") { Some("smoltcp") } else { best.map(|(label, _)| *label) };
    let limit = match row.limit {
        Limit::Side(label) => median(label),
        Limit::Fixed(value) => Some(value),
        Limit::None => None,
    };
    let vs_limit = match row.limit {
        Limit::Side(label) => against(label),
        Limit::Fixed(value) => median("fata").map(|own| own / value),
        Limit::None => None,
    };
    Measured {
        name: row.name,
        unit: row.unit,
        fata: median("fata"),
        limit,
        vs_best_rival: rival.and_then(against),
        vs_limit,
        rivals,
        spread,
        aim_rival: row.aim_rival,
        aim_limit: row.aim_limit,
        less_is_better: less,
        note: row.note,
    }
}

/// Median and quartiles; `None` where nothing was measured.
fn spread(values: &[f64]) -> Option<Spread> {
    let mut values: Vec<_> = values.iter().copied().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = part * (values.len().checked_sub(1)? as f64);
        let (low, high) = (values.get(place.floor() as usize)?, values.get(place.ceil() as usize)?);
        Some(low + (high - low) * place.fract())
    };
    Some(Spread { median: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
}
