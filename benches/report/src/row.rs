//! One result of one contestant.

use serde_json::{Map, Value, json};

use crate::stats::Summary;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As programs call it: `msg_per_s`.
    pub name: &'static str,
    /// Behind the figure: `msg/s`.
    pub unit: &'static str,
    /// Or less.
    pub more_is_better: bool,
}

/// A result: who, what, how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Who.
    pub name: String,
    /// The peer and its version, if it is one: `rtrb 0.4.1`.
    pub peer: Option<String>,
    /// Whether it is a floor: what the machine gives to anybody.
    pub floor: bool,
    /// In which circumstances, in the order in which they are printed.
    pub details: Map<String, Value>,
    /// In which plot it stands, and which of several figures of its contestant there it is.
    pub place: Place,
    /// What was measured.
    pub metric: Metric,
    /// The figures.
    pub summary: Summary,
    /// Percentiles of single events, if they were taken: name and figure.
    pub percentiles: Vec<(&'static str, f64)>,
    /// More of what is known of it, for people: name and value, in columns of their own.
    pub notes: Vec<(&'static str, String)>,
    /// Whether everything that was moved or computed was checked and was right.
    pub valid: bool,
    /// Why it is not valid.
    pub reason: Option<String>,
}

/// Where a row is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The plot's title; rows with the same one share it.
    pub plot: String,
    /// The line of the plot; rows with the same one share it.
    pub label: String,
    /// Which of the line's figures it is: `single`. Empty if there is one.
    pub series: String,
}

impl Row {
    /// A row without details.
    #[must_use]
    pub fn new(name: &str, metric: Metric, summary: Summary, valid: bool) -> Self {
        Self {
            name: name.into(),
            peer: None,
            floor: false,
            details: Map::new(),
            place: Place::default(),
            metric,
            summary,
            percentiles: Vec::new(),
            notes: Vec::new(),
            valid,
            reason: None,
        }
    }

    /// Its line of JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut line = Map::new();
        line.insert("event".into(), json!("result"));
        line.insert("name".into(), json!(self.name));
        line.insert("peer".into(), json!(self.peer));
        line.extend(self.details.clone());
        let Summary { median, p99, min, max, rounds } = self.summary;
        line.insert("metric".into(), json!(self.metric.name));
        for (name, figure) in [("median", median), ("p99", p99), ("min", min), ("max", max)] {
            line.insert(name.into(), json!(figure));
        }
        line.insert("rounds".into(), json!(rounds));
        line.insert("valid".into(), json!(self.valid));
        if let Some(reason) = &self.reason {
            line.insert("reason".into(), json!(reason));
        }
        Value::Object(line)
    }
}

/// A figure with at most four digits and a unit: `1.23 G`.
///
/// ```
/// use adit_bench_report::row::short;
///
/// assert_eq!([short(1_234_000_000.0), short(270.4), short(2.5)], ["1.23 G", "270", "2.50"]);
/// ```
#[must_use]
pub fn short(figure: f64) -> String {
    let mut figure = figure;
    let mut unit = 0;
    let units = ["", " k", " M", " G", " T"];
    while figure.abs() >= 999.5 && unit + 1 < units.len() {
        figure /= 1000.0;
        unit += 1;
    }
    let digits = match figure.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{figure:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_in_order() {
        let metric = Metric { name: "msg_per_s", unit: "msg/s", more_is_better: true };
        let mut row = Row::new("ours", metric, Summary::of(&[1.0, 2.0, 3.0]), true);
        row.details.insert("bytes".into(), json!(64));
        let keys: Vec<_> = row.json().as_object().unwrap().keys().cloned().collect();
        let expected =
            "event name peer bytes metric median p99 min max rounds valid".split(' ').collect::<Vec<_>>();
        assert_eq!(keys, expected);
        assert!(row.json()["peer"].is_null());
    }
}
