//! What the programs print: a table for people, or one JSON object a line.

pub use adit_bench_report::bar::Bound as Bar;
use adit_bench_report::machine;
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;

/// Where one program's results go.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    program: &'static str,
    json: bool,
}

impl Report {
    /// Begins with the machine.
    #[must_use]
    pub fn begin(program: &'static str, arguments: &Arguments, how: &str) -> Self {
        let report = Self { program, json: arguments.json };
        let (cpu, kernel, cores) = (machine::cpu_model(), machine::kernel(), machine::cores());
        if report.json {
            report.line(json!({
                "event": "machine", "cpu": cpu, "kernel": kernel, "cores": cores, "rounds": arguments.rounds,
                "how": how,
            }));
        } else {
            println!("{program}: {how}");
            println!("{cpu}, cores {cores}, Linux {kernel}; {} rounds", arguments.rounds);
        }
        report
    }

    /// One line of figures; the names are the table's head.
    pub fn row(&self, what: &str, figures: &[(&str, f64)]) {
        if self.json {
            let mut object: Map<String, Value> =
                figures.iter().map(|(name, figure)| ((*name).to_owned(), json!(figure))).collect();
            object.insert("event".into(), json!("figures"));
            object.insert("what".into(), json!(what));
            self.line(Value::Object(object));
        } else {
            let figures: String = figures
                .iter()
                .map(|(name, figure)| {
                    let digits = if figure.fract() == 0.0 || *figure >= 1000.0 {
                        0
                    } else if *figure < 10.0 {
                        3
                    } else {
                        1
                    };
                    format!("  {name} {figure:>8.digits$}")
                })
                .collect();
            println!("  {what:<36}{figures}");
        }
    }

    /// A figure and its bar.
    pub fn bar(&self, what: &str, figure: f64, bar: Bar) {
        // Nothing that it is made of was measured in this build.
        let known = !figure.is_nan();
        let holds = known.then(|| bar.holds(figure));
        if self.json {
            self.line(json!({
                "event": "bar", "what": what, "figure": figure, "bar": bar.text(), "holds": holds,
            }));
        } else {
            let verdict = match holds {
                Some(true) => "holds",
                Some(false) => "MISSED",
                None => "not measured",
            };
            let figure = if known { format!("{figure:.3}") } else { "-".into() };
            println!("  {what:<52} {figure:>8}  bar {:<8} {verdict}", bar.text());
        }
    }

    /// Says how busy others kept the machine.
    pub fn others(&self, cores: f64) {
        if self.json {
            self.line(json!({ "event": "others", "cores": cores }));
        } else {
            println!("  other programs kept {cores:.2} cores busy meanwhile");
        }
    }

    fn line(&self, mut object: Value) {
        object["program"] = json!(self.program);
        println!("{object}");
    }
}
