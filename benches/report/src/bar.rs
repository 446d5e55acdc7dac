//! Bars: ratios that must be reached.

use serde_json::{Map, Value, json};

use crate::row::short;

/// Which way a bar goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The figure must not be above this.
    AtMost(f64),
    /// The figure must not be below this.
    AtLeast(f64),
}

impl Bound {
    /// Whether the figure is on the right side. Not a number is on none.
    ///
    /// ```
    /// use adit_bench_report::bar::Bound;
    ///
    /// assert!(Bound::AtMost(1.1).holds(1.1) && !Bound::AtLeast(1.1).holds(1.0));
    /// assert!(!Bound::AtLeast(0.0).holds(f64::NAN));
    /// ```
    #[must_use]
    pub fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }

    /// For people and for JSON: `>= 0.95`.
    #[must_use]
    pub fn text(self) -> String {
        let (sign, figure) = match self {
            Self::AtMost(most) => ("<=", most),
            Self::AtLeast(least) => (">=", least),
        };
        if figure < 1000.0 { format!("{sign} {figure}") } else { format!("{sign} {}", short(figure)) }
    }
}

/// A figure and its bound, or why there is no figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// As programs call it.
    pub name: String,
    /// What is divided by what, for people.
    pub what: String,
    /// Where it must be.
    pub bound: Bound,
    /// Where it is, or what was not measured.
    pub figure: Result<f64, String>,
}

impl Bar {
    /// One whose parts were measured.
    #[must_use]
    pub fn measured(name: &str, what: &str, figure: f64, bound: Bound) -> Self {
        Self { name: name.into(), what: what.into(), bound, figure: Ok(figure) }
    }

    /// Whether it holds, if it was measured.
    #[must_use]
    pub fn holds(&self) -> Option<bool> {
        self.figure.as_ref().ok().map(|figure| self.bound.holds(*figure))
    }

    /// Its value, bound and verdict; the value and the verdict are null, with a reason, when it was not
    /// measured.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = json!({
            "value": self.figure.as_ref().ok(),
            "bound": self.bound.text(),
            "holds": self.holds(),
            "what": self.what,
        });
        if let Err(reason) = &self.figure {
            object["reason"] = json!(reason);
        }
        object
    }
}

/// The last line of a run: every bar by its name.
///
/// ```
/// use adit_bench_report::bar::{Bar, Bound, ratios};
///
/// let line = ratios(&[Bar::measured("a-to-b", "a / b", 2.0, Bound::AtLeast(1.5))]);
/// assert_eq!((&line["event"], &line["a-to-b"]["holds"]), (&"ratios".into(), &true.into()));
/// ```
#[must_use]
pub fn ratios(bars: &[Bar]) -> Value {
    let mut line = Map::new();
    line.insert("event".into(), json!("ratios"));
    line.extend(bars.iter().map(|bar| (bar.name.clone(), bar.json())));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_says_why() {
        let bar = Bar {
            name: "a".into(),
            what: "a / b".into(),
            bound: Bound::AtMost(2.0),
            figure: Err("b was not measured".into()),
        };
        let line = ratios(&[bar]);
        assert!(line["a"]["value"].is_null() && line["a"]["holds"].is_null());
        assert_eq!(
            (&line["a"]["bound"], &line["a"]["reason"]),
            (&"<= 2".into(), &"b was not measured".into())
        );
    }
}
