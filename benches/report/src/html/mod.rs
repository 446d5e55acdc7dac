//! One self-contained page: no script, nothing fetched, light or dark as the reader has it, readable on a phone.

mod plot;
mod style;

use std::fmt::Write as _;

use crate::{
    bar::Bar,
    row::{Row, short},
};

/// What a page says.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Sentences under the title.
    pub summary: Vec<String>,
    /// The machine: name and value.
    pub facts: Vec<(String, String)>,
    /// How it was measured: term and meaning.
    pub terms: Vec<(String, String)>,
    /// The bars.
    pub bars: Vec<Bar>,
    /// The results; those with the same plot stand together.
    pub rows: Vec<Row>,
}

/// The page as HTML.
///
/// ```
/// use adit_bench_report::html::{Page, render};
///
/// let page = Page { title: "A <run>".into(), ..Page::default() };
/// assert!(render(&page).contains("<h1>A &lt;run&gt;</h1>"));
/// ```
#[must_use]
pub fn render(page: &Page) -> String {
    let title = escape(&page.title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        style::CSS
    );
    for sentence in &page.summary {
        let _ = writeln!(html, "<p>{}</p>", escape(sentence));
    }
    pairs(&mut html, "Machine", &page.facts);
    bars(&mut html, &page.bars);
    let plots = plots(&page.rows);
    if !plots.is_empty() {
        html += "<h2>Results</h2>\n<p class=\"note\">Bars are medians; the thin line goes from the least to the \
                 largest round. Dashed lines are floors. What is not valid is crossed out.</p>\n<div class=\"plots\">\n";
    }
    for (title, rows) in &plots {
        let metric = rows[0].metric;
        let better = if metric.more_is_better { "more is better" } else { "less is better" };
        let _ = writeln!(
            html,
            "<figure>\n<figcaption>{} <span>{}, {better}</span></figcaption>\n{}\n{}</figure>",
            escape(title),
            escape(metric.unit),
            plot::svg(title, rows),
            details(rows),
        );
    }
    if !plots.is_empty() {
        html += "</div>\n";
    }
    pairs(&mut html, "How it was measured", &page.terms);
    html += "</main>\n</body>\n</html>\n";
    html
}

/// The rows of each plot, in the order in which they first appear.
fn plots(rows: &[Row]) -> Vec<(&str, Vec<&Row>)> {
    let mut plots: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in rows {
        match plots.iter_mut().find(|(title, _)| *title == row.place.plot) {
            Some((_, rows)) => rows.push(row),
            None => plots.push((&row.place.plot, vec![row])),
        }
    }
    plots
}

fn pairs(html: &mut String, title: &str, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    let _ = write!(html, "<h2>{title}</h2>\n<dl>\n");
    for (name, value) in pairs {
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    html.push_str("</dl>\n");
}

fn bars(html: &mut String, bars: &[Bar]) {
    if bars.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Bars</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Bar</th><th class=\"n\">Value</th>\
         <th class=\"n\">Bound</th><th>Holds</th></tr></thead>\n<tbody>\n",
    );
    for bar in bars {
        let (class, verdict) = match bar.holds() {
            Some(true) => ("yes", "yes".to_owned()),
            Some(false) => ("no", "no".to_owned()),
            None => ("unknown", String::new()),
        };
        let (value, note) = match &bar.figure {
            Ok(figure) if *figure < 1000.0 => (format!("{figure:.3}"), String::new()),
            Ok(figure) => (short(*figure), String::new()),
            Err(reason) => ("–".into(), format!("<small>{}</small>", escape(reason))),
        };
        let _ = writeln!(
            html,
            "<tr class=\"{class}\"><td><b>{}</b><small>{}</small>{note}</td><td class=\"n\">{value}</td>\
             <td class=\"n\">{}</td><td>{verdict}</td></tr>",
            escape(&bar.name),
            escape(&bar.what),
            escape(&bar.bound.text().replace("<=", "≤").replace(">=", "≥")),
        );
    }
    html.push_str("</tbody>\n</table></div>\n");
}

/// All figures of a plot, folded away.
fn details(rows: &[&Row]) -> String {
    let percentiles = rows.iter().map(|row| &row.percentiles).max_by_key(|percentiles| percentiles.len());
    let percentiles: Vec<&str> = percentiles.into_iter().flatten().map(|(name, _)| *name).collect();
    let mut html =
        String::from("<details><summary>Figures</summary><div class=\"wide\"><table>\n<thead><tr>");
    html += "<th>Who</th><th>Version</th><th class=\"n\">Median</th><th class=\"n\">Min</th>\
             <th class=\"n\">Max</th>";
    for name in &percentiles {
        let _ = write!(html, "<th class=\"n\">{} of single ones</th>", escape(name));
    }
    let notes: Vec<&str> = rows.first().iter().flat_map(|row| row.notes.iter().map(|note| note.0)).collect();
    for name in &notes {
        let _ = write!(html, "<th class=\"n\">{}</th>", escape(name));
    }
    html += "<th class=\"n\">Rounds</th><th>Valid</th></tr></thead>\n<tbody>\n";
    for row in rows {
        let summary = &row.summary;
        let batched =
            if row.place.series.is_empty() { String::new() } else { format!(", {}", row.place.series) };
        let _ = write!(
            html,
            "<tr><td>{}{}</td><td>{}</td>",
            escape(&row.place.label),
            escape(&batched),
            escape(row.peer.as_deref().unwrap_or_default())
        );
        for figure in [summary.median, summary.min, summary.max] {
            let _ = write!(html, "<td class=\"n\">{}</td>", figure_text(figure));
        }
        for at in 0..percentiles.len() {
            let figure = row.percentiles.get(at).map_or(String::new(), |(_, figure)| figure_text(*figure));
            let _ = write!(html, "<td class=\"n\">{figure}</td>");
        }
        for at in 0..notes.len() {
            let note = row.notes.get(at).map_or("", |note| &note.1);
            let _ = write!(html, "<td class=\"n\">{}</td>", escape(note));
        }
        let valid = match (row.valid, &row.reason) {
            (true, _) => "yes".to_owned(),
            (false, Some(reason)) => format!("no: {}", escape(reason)),
            (false, None) => "no".to_owned(),
        };
        let _ = writeln!(html, "<td class=\"n\">{}</td><td>{valid}</td></tr>", summary.rounds);
    }
    html + "</tbody>\n</table></div></details>\n"
}

fn figure_text(figure: f64) -> String {
    if figure.is_nan() { "–".into() } else { short(figure) }
}

/// Text, so that nothing in it is markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bar::Bound,
        row::{Metric, Place},
        stats::Summary,
    };

    fn row(label: &str, series: &str, figures: &[f64], valid: bool) -> Row {
        let metric = Metric { name: "msg_per_s", unit: "msg/s", more_is_better: true };
        let mut row = Row::new(label, metric, Summary::of(figures), valid);
        row.place = Place { plot: "A & B".into(), label: label.into(), series: series.into() };
        row
    }

    #[test]
    fn a_page_holds_everything_and_fetches_nothing() {
        let mut floor = row("copy", "", &[9e9], true);
        floor.floor = true;
        floor.notes = vec![("Of <it>", "95 %".into())];
        let mut broken = row("theirs", "one by one", &[], false);
        broken.reason = Some("it hung".into());
        let page = Page {
            title: "Run".into(),
            rows: vec![floor, row("ours", "one by one", &[1e8, 2e8], true), broken],
            bars: vec![Bar::measured("a", "a / b", 0.5, Bound::AtLeast(0.9))],
            facts: vec![("Cores".into(), "0-1".into())],
            ..Page::default()
        };
        let html = render(&page);
        for needed in [
            "A &amp; B",
            "ours",
            "copy",
            "it hung",
            "Of &lt;it&gt;",
            "95 %",
            "≥ 0.9",
            "0-1",
            "<svg",
            "prefers-color-scheme",
        ] {
            assert!(html.contains(needed), "{needed}");
        }
        for outside in ["http:", "https:", "<script", "src=", "href=", "url(", "@import", "NaN"] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
