//! The table as a picture: bars by row, each row in a scale of its own.

use std::fmt::Write as _;

use super::measure::Measured;
use super::report::number;

const LABEL: f64 = 230.0;
const BAR: f64 = 420.0;
const HEIGHT: f64 = 14.0;
const GAP: f64 = 10.0;

/// The picture as SVG.
pub(super) fn svg(rows: &[Measured], machine: &str) -> String {
    let mut body = String::new();
    let mut top = 40.0;
    for row in rows {
        top = add(&mut body, row, top) + GAP;
    }
    let width = LABEL + BAR + 170.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"8\" y=\"20\" font-size=\"12\">{}</text>\n{body}</svg>\n",
        escape(machine)
    )
}

/// Draws a row from `top` on; returns where it ends.
fn add(body: &mut String, row: &Measured, top: f64) -> f64 {
    let most = row.spread.values().map(|spread| spread.median).fold(0.0, f64::max);
    // This project first, then the others as they are named.
    let own = row.spread.iter().filter(|(label, _)| **label == "fata");
    let others = row.spread.iter().filter(|(label, _)| **label != "fata");
    let mut y = top;
    for (at, (label, spread)) in own.chain(others).enumerate() {
        if at == 0 {
            let _ = writeln!(
                body,
                "<text x=\"8\" y=\"{}\">{}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#777\">{}</text>",
                y + 11.0,
                escape(row.name),
                LABEL - 8.0,
                y + HEIGHT + 11.0,
                row.unit
            );
        }
        let width = if most > 0.0 { spread.median / most * BAR } else { 0.0 };
        let colour = match *label {
            "fata" => "#2a6fb0",
            "smoltcp" => "#c46a2b",
            "linux" => "#6a9a3a",
            _ => "#b5b5b5",
        };
        let _ = writeln!(
            body,
            "<rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{} {}</text>",
            HEIGHT - 2.0,
            LABEL + width + 6.0,
            y + 10.0,
            number(spread.median),
            escape(label)
        );
        y += HEIGHT;
    }
    y.max(top + 2.0 * HEIGHT)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
