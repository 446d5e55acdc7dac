//! Rows and bars for a terminal.

use crate::{
    bar::Bar,
    row::{Row, short},
};

/// The rows, a heading for each plot.
#[must_use]
pub fn rows(rows: &[Row]) -> String {
    let width =
        |text: &dyn Fn(&Row) -> usize, least: usize| rows.iter().map(text).max().unwrap_or(0).max(least);
    let label = width(&|row| label(row).len(), 12);
    let mut text = String::new();
    let mut plot = "";
    for row in rows {
        if row.place.plot != plot {
            plot = &row.place.plot;
            text += &format!(
                "\n{plot} ({})\n  {:<label$}  {:>10} {:>10} {:>10} {:>10}  valid\n",
                row.metric.unit, "", "median", "p99", "min", "max"
            );
        }
        let summary = &row.summary;
        let figures = [summary.median, summary.p99, summary.min, summary.max]
            .map(|figure| format!("{:>10}", if figure.is_nan() { "-".into() } else { short(figure) }))
            .join(" ");
        let valid = match (&row.reason, row.valid) {
            (_, true) => "yes".to_owned(),
            (Some(reason), false) => format!("NO: {reason}"),
            (None, false) => "NO".to_owned(),
        };
        text += &format!("  {:<label$}  {figures}  {valid}\n", self::label(row));
    }
    text
}

fn label(row: &Row) -> String {
    let batches = if row.place.series.is_empty() { String::new() } else { format!(", {}", row.place.series) };
    let floor = if row.floor { "floor: " } else { "" };
    format!("{floor}{}{batches}", row.place.label)
}

/// The bars; those that were not measured say why.
#[must_use]
pub fn bars(bars: &[Bar]) -> String {
    let width = bars.iter().map(|bar| bar.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for bar in bars {
        let Bar { name, what, .. } = bar;
        text += &match (&bar.figure, bar.holds()) {
            (Ok(figure), holds) => {
                let verdict = if holds == Some(true) { "holds " } else { "MISSED" };
                let figure = if *figure < 1000.0 { format!("{figure:.3}") } else { short(*figure) };
                format!("  {name:<width$}  {figure:>8} {:<10} {verdict}  {what}\n", bar.bound.text())
            }
            (Err(reason), _) => {
                format!("  {name:<width$}  {:>8} {:<10} -       {reason}\n", "-", bar.bound.text())
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bar::Bound,
        row::{Metric, Place},
        stats::Summary,
    };

    #[test]
    fn every_row_and_bar_is_shown_with_its_verdict() {
        let metric = Metric { name: "msg_per_s", unit: "msg/s", more_is_better: true };
        let place =
            |label: &str| Place { plot: "Throughput".into(), label: label.into(), series: String::new() };
        let mut good = Row::new("ours", metric, Summary::of(&[2e6]), true);
        good.place = place("ours");
        let mut bad = Row::new("theirs", metric, Summary::of(&[]), false);
        (bad.place, bad.reason) = (place("theirs"), Some("it hung".into()));
        let text = rows(&[good, bad]);
        assert!(
            text.contains("2.00 M") && text.contains("NO: it hung") && text.contains("Throughput (msg/s)")
        );
        let missed = Bar::measured("a", "a / b", 0.5, Bound::AtLeast(1.0));
        let unknown = Bar { figure: Err("no b".into()), name: "c".into(), ..missed.clone() };
        let text = bars(&[missed, unknown]);
        assert!(text.contains("0.500 >= 1       MISSED  a / b") && text.contains("no b"), "{text}");
    }
}
