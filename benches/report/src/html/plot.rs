//! A plot: a line for each contestant, a bar for each of its figures, floors as lines across.
//!
//! The page is narrow on a phone, so names stand above their bars and the drawing is as wide as a phone and only
//! scales up. Figures of one plot differ by a factor of a thousand and more, so the axis is logarithmic then.

use std::fmt::Write as _;

use super::escape;
use crate::row::{Row, short};

/// Units of the drawing; text has 12.
const WIDTH: f64 = 460.0;
const LEFT: f64 = 8.0;
/// Room for the figure behind the longest bar.
const RIGHT: f64 = 70.0;
const NAME: f64 = 16.0;
const BAR: f64 = 11.0;
const GAP: f64 = 7.0;
const AXIS: f64 = 20.0;

/// How many times the largest median is shown at most.
const BEYOND: f64 = 1.5;

/// From how many times the least figure to the largest the axis is logarithmic.
const LOGARITHMIC: f64 = 30.0;

/// From figures to places.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(rows: &[&Row]) -> Option<Self> {
        // A round that was disturbed must not make room for itself: the least is that of the medians, and the most not far from
        // the largest of them.
        let positive = |figure: &f64| *figure > 0.0;
        let medians = || rows.iter().map(|row| row.summary.median).filter(positive);
        let most = rows.iter().flat_map(|row| [row.summary.median, row.summary.max]).filter(positive);
        let (least, largest) = (medians().fold(f64::NAN, f64::min), medians().fold(f64::NAN, f64::max));
        if least.is_nan() {
            return None;
        }
        let most = most.fold(f64::NAN, f64::max).min(BEYOND * largest);
        let logarithmic = most / least > LOGARITHMIC;
        // A decade below the least, or half of one, so that its bar is to be seen.
        let low = if logarithmic { 10f64.powf((least / 2.0).log10().floor()) } else { 0.0 };
        Some(Self { low, high: most, logarithmic })
    }

    fn place(&self, figure: f64) -> f64 {
        let part = if self.logarithmic {
            (figure.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            figure / self.high
        };
        LEFT + part.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Where the grid's lines are: decades, or steps of 1, 2 or 5.
    fn ticks(&self) -> Vec<f64> {
        if self.logarithmic {
            let decades = (self.low.log10().round() as i32)..=(self.high.log10().floor() as i32);
            return decades.map(|exponent| 10f64.powi(exponent)).collect();
        }
        let raw = self.high / 4.0;
        let unit = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * unit >= raw).unwrap_or(10.0) * unit;
        (0..=(self.high / step) as usize).map(|count| count as f64 * step).collect()
    }
}

/// The rows of a plot as a drawing.
pub fn svg(title: &str, rows: &[&Row]) -> String {
    let Some(scale) = Scale::of(rows) else { return String::from("<p>Nothing was measured.</p>") };
    let (floors, rivals): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.floor);
    let lines = lines(&rivals);
    let legend = legend(&rivals);
    let top = 4.0 + if legend.is_empty() { 0.0 } else { 18.0 } + floors.len() as f64 * 15.0;
    let bars: usize = lines.iter().map(|(_, rows)| rows.len()).sum();
    let bottom = top + lines.len() as f64 * (NAME + GAP) + bars as f64 * BAR;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">\n{legend}",
        bottom + AXIS,
        escape(title)
    );
    grid(&mut svg, &scale, top, bottom);
    let mut y = top;
    for (label, rows) in &lines {
        let class = if rows.iter().any(|row| row.valid) { "" } else { " class=\"invalid\"" };
        let _ = writeln!(svg, "<text{class} x=\"{LEFT}\" y=\"{:.1}\">{}</text>", y + 12.0, escape(label));
        y += NAME;
        for (at, row) in rows.iter().enumerate() {
            bar(&mut svg, &scale, row, at, y);
            y += BAR;
        }
        y += GAP;
    }
    for (at, floor) in floors.iter().enumerate() {
        let above = top - (floors.len() - at) as f64 * 15.0;
        floor_line(&mut svg, &scale, floor, above, bottom);
    }
    svg + "</svg>"
}

/// The rows of each label, in order.
fn lines<'a>(rows: &[&'a Row]) -> Vec<(&'a str, Vec<&'a Row>)> {
    let mut lines: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match lines.iter_mut().find(|(label, _)| *label == row.place.label) {
            Some((_, rows)) => rows.push(row),
            None => lines.push((&row.place.label, vec![row])),
        }
    }
    lines
}

/// Which shade is which, if there are two.
fn legend(rows: &[&Row]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for row in rows {
        if !row.place.series.is_empty() && !names.contains(&&*row.place.series) {
            names.push(&row.place.series);
        }
    }
    if names.len() < 2 {
        return String::new();
    }
    let mut svg = String::new();
    let peers = rows.iter().any(|row| row.peer.is_some());
    for (at, name) in names.iter().take(2).enumerate() {
        let x = LEFT + at as f64 * 110.0;
        let shade = if at == 0 { "" } else { "-2" };
        let peer =
            |x: f64| format!("<rect class=\"peer{shade}\" x=\"{x:.0}\" y=\"4\" width=\"9\" height=\"9\"/>");
        let _ = writeln!(
            svg,
            "<rect class=\"own{shade}\" x=\"{x}\" y=\"4\" width=\"9\" height=\"9\"/>{}\
             <text class=\"soft\" x=\"{:.0}\" y=\"13\">{}</text>",
            if peers { peer(x + 10.0) } else { String::new() },
            x + if peers { 24.0 } else { 14.0 },
            escape(name)
        );
    }
    svg
}

fn grid(svg: &mut String, scale: &Scale, top: f64, bottom: f64) {
    for tick in scale.ticks() {
        let x = scale.place(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top:.0}\" x2=\"{x:.1}\" y2=\"{bottom:.0}\"/>\
             <text class=\"soft\" x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"{}\">{}</text>",
            bottom + 14.0,
            if x < LEFT + 10.0 { "start" } else { "middle" },
            round(tick)
        );
    }
}

/// A round number, short.
fn round(figure: f64) -> String {
    let text = short(figure);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        None if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text,
    }
}

fn bar(svg: &mut String, scale: &Scale, row: &Row, at: usize, y: f64) {
    let whose = if row.peer.is_none() { "own" } else { "peer" };
    let shade = if at == 0 { "" } else { "-2" };
    let summary = &row.summary;
    if summary.median.is_nan() {
        let _ = writeln!(svg, "<text class=\"invalid\" x=\"{LEFT}\" y=\"{:.1}\">no figure</text>", y + 9.5);
        return;
    }
    let (end, low, high) = (scale.place(summary.median), scale.place(summary.min), scale.place(summary.max));
    let middle = y + (BAR - 2.0) / 2.0;
    let invalid = if row.valid { "" } else { " class=\"invalid\"" };
    let _ = writeln!(
        svg,
        "<rect class=\"{whose}{shade}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
         <line class=\"range\" x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\"/>\
         <text{invalid} x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        (end - LEFT).max(1.0),
        BAR - 2.0,
        end.max(high) + 5.0,
        y + 9.5,
        short(summary.median)
    );
}

fn floor_line(svg: &mut String, scale: &Scale, floor: &Row, above: f64, bottom: f64) {
    let invalid = if floor.valid { "" } else { " invalid" };
    if floor.summary.median.is_nan() {
        let name = escape(&format!("{}: no figure", floor.place.label));
        let _ = writeln!(
            svg,
            "<text class=\"floor-name{invalid}\" x=\"{LEFT}\" y=\"{:.1}\">{name}</text>",
            above + 11.0
        );
        return;
    }
    let x = scale.place(floor.summary.median);
    let batched = if floor.place.series.contains("batch") { ", batched" } else { "" };
    let name = format!("{}{batched}: {}", floor.place.label, short(floor.summary.median));
    // To the side on which there is more room.
    let (anchor, beside) = if x > WIDTH / 2.0 { ("end", x - 4.0) } else { ("start", x + 4.0) };
    let _ = writeln!(
        svg,
        "<line class=\"floor\" x1=\"{x:.1}\" y1=\"{above:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
         <text class=\"floor-name{invalid}\" x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
        above + 11.0,
        escape(&name)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_round_does_not_decide_the_scale() {
        let metric = crate::row::Metric { name: "rate", unit: "H/s", more_is_better: true };
        let row = Row::new("a", metric, crate::stats::Summary::of(&[1.0, 100.0, 110.0]), true);
        let scale = Scale::of(&[&row]).unwrap();
        assert_eq!((scale.logarithmic, scale.high), (false, 110.0));
        let row = Row::new("a", metric, crate::stats::Summary::of(&[100.0, 100.0, 9000.0]), true);
        let scale = Scale::of(&[&row]).unwrap();
        assert_eq!((scale.logarithmic, scale.high), (false, 150.0));
        assert!(scale.place(9000.0) <= WIDTH - RIGHT);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        let linear = Scale { low: 0.0, high: 270.0, logarithmic: false };
        assert_eq!(linear.ticks(), [0.0, 100.0, 200.0]);
        let decades = Scale { low: 1e3, high: 2.5e5, logarithmic: true };
        assert_eq!(decades.ticks(), [1e3, 1e4, 1e5]);
        assert_eq!(decades.place(1.0), LEFT);
        assert!((decades.place(2.5e5) - (WIDTH - RIGHT)).abs() < 1e-9);
        assert_eq!([round(1e5), round(2.5), round(1e6)], ["100 k", "2.5", "1 M"]);
    }
}
