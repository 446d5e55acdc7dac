//! The ratios that must be reached, each from medians of one run.

use adit_bench_report::{
    bar::{Bar, Bound},
    row::Row,
};

/// The circumstances of a figure; 64-byte messages, one by one, unless said otherwise.
#[derive(Clone, Copy, Debug)]
struct Key {
    mode: &'static str,
    bytes: u64,
    /// Several messages at once.
    batched: bool,
    regime: &'static str,
}

const fn key(mode: &'static str, regime: &'static str) -> Key {
    Key { mode, bytes: 64, batched: false, regime }
}

const SATURATED: Key = key("spsc", "saturated");
const STARVED: Key = key("spsc", "starved");
const BATCHED: Key = Key { batched: true, ..SATURATED };
const LARGE: Key = Key { bytes: 1 << 20, ..SATURATED };
const SPINNING: Key = key("spsc", "spinning");
const PARKED: Key = key("spsc", "parked");
const SHORT_SPINNING: Key = Key { bytes: 56, ..SPINNING };

/// The fastest ring buffers for one sender and one receiver within a process.
const RINGS: &[&str] = &["rtrb", "gil", "nexus-queue"];

/// A figure, and whose it is.
type Figure = Result<(f64, String), String>;

impl Key {
    fn text(&self) -> String {
        let Self { mode, bytes, regime, .. } = self;
        let batched = if self.batched { ", in batches" } else { "" };
        format!("{mode}, {bytes} B, {regime}{batched}")
    }

    fn fits(&self, row: &Row) -> bool {
        is(row, "mode", self.mode)
            && is(row, "regime", self.regime)
            && row.details.get("bytes").is_some_and(|bytes| *bytes == self.bytes)
            && row.details.get("batch").is_some_and(|batch| (*batch != 1) == self.batched)
    }

    /// The median of this name over this transport.
    fn of(&self, rows: &[Row], name: &str, transport: &str) -> Figure {
        let named = |row: &&Row| row.name == name && is(row, "transport", transport) && self.fits(row);
        match rows.iter().find(named) {
            None => Err(format!("{name} {transport} ({}) was not measured in this run", self.text())),
            Some(row) if !row.valid => Err(format!("{name} {transport} ({}) is not valid", self.text())),
            Some(row) => Ok((row.summary.median, name.to_owned())),
        }
    }

    /// The largest median of these peers, or of all if none is named.
    fn fastest_peer(&self, rows: &[Row], names: &[&str]) -> Figure {
        let fits = |row: &&Row| {
            let named = names.is_empty() || names.contains(&row.name.as_str());
            row.valid && row.peer.is_some() && named && self.fits(row)
        };
        let best =
            rows.iter().filter(fits).max_by(|one, other| one.summary.median.total_cmp(&other.summary.median));
        match best {
            Some(row) => Ok((row.summary.median, row.peer.clone().unwrap_or_default())),
            None if names.is_empty() => Err(format!("no peer was measured in this run ({})", self.text())),
            None => Err(format!("none of {} was measured in this run", names.join(", "))),
        }
    }
}

fn is(row: &Row, detail: &str, text: &str) -> bool {
    row.details.get(detail).is_some_and(|value| value == text)
}

/// The better of two.
fn better(one: Figure, other: Figure) -> Figure {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(if one.0 >= other.0 { one } else { other }),
        (one, other) => one.or(other),
    }
}

/// Ours by theirs.
fn ratio(name: String, what: &str, bound: Bound, ours: Figure, theirs: Figure) -> Bar {
    let whose = theirs.as_ref().map(|(_, whose)| whose.clone()).unwrap_or_default();
    let figure = ours.and_then(|(ours, _)| theirs.map(|(theirs, _)| ours / theirs));
    let what = if whose.is_empty() { what.to_owned() } else { what.replace("{}", &whose) };
    Bar { name, what: what.replace("{}", "the fastest"), bound, figure }
}

/// Every bar, measured or not.
#[must_use]
pub fn bars(rows: &[Row]) -> Vec<Bar> {
    let mut bars = rings(rows);
    bars.extend(trips(rows));
    bars.extend(modes(rows));
    bars.extend(large_and_network(rows));
    bars.extend(elsewhere());
    bars
}

/// One sender, one receiver, 64 bytes.
fn rings(rows: &[Row]) -> Vec<Bar> {
    let single = || SATURATED.fastest_peer(rows, RINGS);
    let mut bars = Vec::new();
    for (transport, least) in [("ipc", 0.95), ("memory", 1.0)] {
        bars.push(ratio(
            format!("{transport}-spsc-saturated"),
            &format!("{transport}://, one by one, to {{}} in-process"),
            Bound::AtLeast(least),
            SATURATED.of(rows, "adit", transport),
            single(),
        ));
        bars.push(ratio(
            format!("{transport}-spsc-batched"),
            &format!("{transport}://, in batches, to {{}} in-process, one by one"),
            Bound::AtLeast(1.05),
            BATCHED.of(rows, "adit", transport),
            single(),
        ));
        bars.push(ratio(
            format!("{transport}-spsc-batched-like-for-like"),
            &format!("{transport}://, in batches, to {{}} in-process, in whichever way is faster"),
            Bound::AtLeast(1.05),
            BATCHED.of(rows, "adit", transport),
            better(BATCHED.fastest_peer(rows, RINGS), single()),
        ));
        bars.push(ratio(
            format!("{transport}-spsc-starved"),
            &format!("{transport}://, starved, to {{}}: no peer faster by more than 5 %"),
            Bound::AtLeast(0.952),
            STARVED.of(rows, "adit", transport),
            STARVED.fastest_peer(rows, &[]),
        ));
    }
    bars
}

/// One message in flight.
fn trips(rows: &[Row]) -> Vec<Bar> {
    let ours = |key: Key| key.of(rows, "adit", "ipc");
    let mut bars = Vec::new();
    for (suffix, lines, floor) in [
        ("", "two cache lines", "floor:two-line"),
        (
            "-read-only",
            "two cache lines, each mapped read-only by who reads it, as a channel's memory is",
            "floor:two-line-read-only",
        ),
    ] {
        bars.push(ratio(
            format!("ipc-round-trip-spinning{suffix}"),
            &format!("a round trip over ipc:// to one over {lines}"),
            Bound::AtMost(1.1),
            ours(SPINNING),
            SPINNING.of(rows, floor, "ipc"),
        ));
        for (name, what, key) in
            [("ipc-slots", "in slots", SPINNING), ("ipc-slots-56", "of 56 bytes in slots", SHORT_SPINNING)]
        {
            bars.push(ratio(
                format!("{name}-round-trip-spinning{suffix}"),
                &format!("a round trip over ipc:// {what} to one over {lines}"),
                Bound::AtMost(1.1),
                key.of(rows, "adit:slots", "ipc"),
                key.of(rows, floor, "ipc"),
            ));
        }
    }
    bars.extend([
        ratio(
            "ipc-round-trip-parked".into(),
            "a round trip over ipc://, asleep, to a bare futex",
            Bound::AtMost(1.3),
            ours(PARKED),
            PARKED.of(rows, "floor:futex", "ipc"),
        ),
        ratio(
            "iceoryx2-throughput".into(),
            "ipc://, one by one, to {}",
            Bound::AtLeast(50.0),
            ours(SATURATED),
            SATURATED.fastest_peer(rows, &["iceoryx2"]),
        ),
        ratio(
            "iceoryx2-round-trip".into(),
            "a round trip over ipc:// to one over {}",
            Bound::AtMost(0.5),
            ours(SPINNING),
            SPINNING.fastest_peer(rows, &["iceoryx2"]),
        ),
    ]);
    bars
}

/// Many senders, many receivers.
fn modes(rows: &[Row]) -> Vec<Bar> {
    let mpsc = key("mpsc", "saturated");
    let mut bars = Vec::new();
    for transport in ["memory", "ipc"] {
        bars.push(ratio(
            format!("{transport}-mpsc-two-senders"),
            &format!("{transport}://, two senders, to {{}} bounded"),
            Bound::AtLeast(5.0),
            mpsc.of(rows, "adit", transport),
            mpsc.fastest_peer(rows, &["crossbeam-channel"]),
        ));
        bars.push(ratio(
            format!("{transport}-mpsc-one-sender"),
            &format!("{transport}://, MPSC with one sender, to its own SPSC"),
            Bound::AtLeast(0.9),
            mpsc.of(rows, "adit:one-sender", transport),
            SATURATED.of(rows, "adit", transport),
        ));
    }
    for mode in ["spmc", "mpmc", "broadcast"] {
        for transport in ["memory", "ipc"] {
            let key = key(mode, "saturated");
            bars.push(ratio(
                format!("{transport}-{mode}"),
                &format!("{transport}://, {mode}, to {{}}"),
                Bound::AtLeast(1.0),
                key.of(rows, "adit", transport),
                key.fastest_peer(rows, &[]),
            ));
        }
    }
    bars
}

fn large_and_network(rows: &[Row]) -> Vec<Bar> {
    let per_second = |key: Key| key.of(rows, "adit", "tcp").map(|(figure, _)| figure);
    let rate = |name: &str, what: &str, key: Key| Bar {
        name: name.into(),
        what: what.into(),
        bound: Bound::AtLeast(3e6),
        figure: per_second(key),
    };
    let trip = |name: &str, what: &str, key: Key| {
        let (ours, bare) = (key.of(rows, "adit", "tcp"), key.of(rows, "floor:tcp", "tcp"));
        ratio(name.into(), what, Bound::AtMost(1.25), ours, bare)
    };
    vec![
        ratio(
            "ipc-large-to-memcpy".into(),
            "1 MiB filled in place, sent over ipc:// and summed in place, to a memcpy of 1 MiB",
            Bound::AtLeast(0.9),
            LARGE.of(rows, "adit", "ipc"),
            LARGE.of(rows, "floor:memcpy", "memory"),
        ),
        rate("tcp-throughput", "tcp://, 64 B, one by one, messages a second", SATURATED),
        rate("tcp-throughput-batched", "tcp://, 64 B, in batches, messages a second", BATCHED),
        trip("tcp-round-trip-spinning", "a round trip over tcp:// to bare sockets, spinning", SPINNING),
        trip("tcp-round-trip-parked", "a round trip over tcp:// to bare sockets, blocking", PARKED),
    ]
}

/// What other commands measure.
fn elsewhere() -> Vec<Bar> {
    let bar = |name: &str, what: &str, bound, reason: &str| Bar {
        name: name.into(),
        what: what.into(),
        bound,
        figure: Err(reason.into()),
    };
    let not_here = "this benchmark shapes no link; see docs/measurements.md";
    vec![
        bar("tcp-lz4-compressible", "lz4 to plain, 64 KiB, 1 Gbit/s", Bound::AtLeast(1.0), not_here),
        bar("tcp-lz4-random", "lz4 to plain on random data", Bound::AtLeast(0.97), not_here),
        bar(
            "idle-parked-cpu",
            "percent of a core that an idle parked endpoint uses",
            Bound::AtMost(0.1),
            "this benchmark keeps no endpoint idle; `cargo run --release -p adit-benches --bin channel-idle` does",
        ),
        bar(
            "metrics-on-to-off",
            "throughput with metrics to without",
            Bound::AtLeast(0.98),
            "metrics cannot be turned off; `cargo xtask uncounted` builds channels without them",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{RATE, TRIP};
    use adit_bench_report::{row::Metric, stats::Summary};
    use serde_json::json;

    fn row(name: &str, peer: Option<&str>, transport: &str, key: Key, metric: Metric, median: f64) -> Row {
        let mut row = Row::new(name, metric, Summary::of(&[median]), true);
        row.peer = peer.map(str::to_owned);
        let batch = if key.batched { 16 } else { 1 };
        for (name, value) in [
            ("transport", json!(transport)),
            ("mode", json!(key.mode)),
            ("bytes", json!(key.bytes)),
            ("batch", json!(batch)),
            ("regime", json!(key.regime)),
        ] {
            row.details.insert(name.into(), value);
        }
        row
    }

    fn bar(rows: &[Row], name: &str) -> Bar {
        bars(rows).into_iter().find(|bar| bar.name == name).unwrap()
    }

    #[test]
    fn the_fastest_ring_is_what_counts() {
        let mut rows = vec![
            row("adit", None, "ipc", SATURATED, RATE, 200.0),
            row("adit", None, "ipc", BATCHED, RATE, 300.0),
            row("rtrb", Some("rtrb 1"), "memory", SATURATED, RATE, 100.0),
            row("gil", Some("gil 2"), "memory", SATURATED, RATE, 250.0),
            row("gil", Some("gil 2"), "memory", BATCHED, RATE, 400.0),
            row("flume", Some("flume 3"), "memory", SATURATED, RATE, 900.0),
        ];
        let single = bar(&rows, "ipc-spsc-saturated");
        assert_eq!((single.figure.clone(), single.holds()), (Ok(0.8), Some(false)));
        assert!(single.what.contains("gil 2"));
        assert_eq!(bar(&rows, "ipc-spsc-batched").figure, Ok(1.2));
        assert_eq!(bar(&rows, "ipc-spsc-batched-like-for-like").figure, Ok(0.75));
        assert!(bar(&rows, "memory-spsc-saturated").figure.unwrap_err().contains("not measured"));
        rows[3].valid = false;
        assert_eq!(bar(&rows, "ipc-spsc-saturated").figure, Ok(2.0), "what is not valid does not count");
        rows[0].valid = false;
        assert!(bar(&rows, "ipc-spsc-saturated").figure.unwrap_err().contains("not valid"));
    }

    #[test]
    fn a_shorter_trip_is_a_better_one() {
        let rows = [
            row("adit", None, "ipc", SPINNING, TRIP, 300.0),
            row("floor:two-line", None, "ipc", SPINNING, TRIP, 250.0),
            row("adit:slots", None, "ipc", SPINNING, TRIP, 275.0),
            row("floor:two-line", None, "ipc", SHORT_SPINNING, TRIP, 200.0),
            row("adit:slots", None, "ipc", SHORT_SPINNING, TRIP, 240.0),
        ];
        let slots = bar(&rows, "ipc-slots-round-trip-spinning");
        assert_eq!((slots.figure.clone(), slots.holds()), (Ok(1.1), Some(true)));
        let short = bar(&rows, "ipc-slots-56-round-trip-spinning");
        assert_eq!((short.figure.clone(), short.holds()), (Ok(1.2), Some(false)));
        let spinning = bar(&rows, "ipc-round-trip-spinning");
        assert_eq!((spinning.figure.clone(), spinning.holds()), (Ok(1.2), Some(false)));
        assert!(bar(&rows, "ipc-round-trip-parked").holds().is_none());
    }

    #[test]
    fn sockets_are_held_against_sockets_that_wait_alike() {
        let rows = [
            row("adit", None, "tcp", SATURATED, RATE, 4e6),
            row("adit", None, "tcp", BATCHED, RATE, 2e6),
            row("adit", None, "tcp", SPINNING, TRIP, 20_000.0),
            row("adit", None, "tcp", PARKED, TRIP, 30_000.0),
            row("adit:plain-sockets", None, "tcp", PARKED, TRIP, 1.0),
            row("floor:tcp", None, "tcp", SATURATED, RATE, 1.0),
            row("floor:tcp", None, "tcp", SPINNING, TRIP, 10_000.0),
            row("floor:tcp", None, "tcp", PARKED, TRIP, 40_000.0),
        ];
        let held = |name| {
            let bar = bar(&rows, name);
            (bar.holds(), bar.figure)
        };
        assert_eq!(held("tcp-throughput"), (Some(true), Ok(4e6)));
        assert_eq!(held("tcp-throughput-batched"), (Some(false), Ok(2e6)));
        assert_eq!(held("tcp-round-trip-spinning"), (Some(false), Ok(2.0)));
        assert_eq!(held("tcp-round-trip-parked"), (Some(true), Ok(0.75)));
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = bars(&[]).into_iter().map(|bar| bar.name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
