//! What benchmarks share, whatever they measure: from rows of results to lines of JSON, a table, one HTML page.
//!
//! * [`stats`]: medians and percentiles.
//! * [`machine`]: what machine it was, and what else it did meanwhile.
//! * [`row`]: one result of one contestant.
//! * [`bar`]: a ratio that must be reached, with its value and whether it holds.
//! * [`table`]: rows and bars for a terminal.
//! * [`html`]: rows and bars as one self-contained page with plots.
//!
//! ```
//! use adit_bench_report::{
//!     bar::{Bar, Bound},
//!     row::{Metric, Row},
//!     stats::Summary,
//! };
//!
//! let rate = Metric { name: "msg_per_s", unit: "msg/s", more_is_better: true };
//! let row = Row::new("ours", rate, Summary::of(&[3.0, 1.0, 2.0]), true);
//! assert_eq!(row.json()["median"], 2.0);
//! let bar = Bar::measured("ours-to-theirs", "ours / theirs", 2.0 / 4.0, Bound::AtLeast(0.9));
//! assert_eq!(bar.holds(), Some(false));
//! ```

pub mod bar;
pub mod html;
pub mod machine;
pub mod row;
pub mod stats;
pub mod table;
