//! The channels as a table for people.

use std::path::Path;

use adit_channel::{
    Mode,
    inspect::{LaneSnapshot, LatencySummary, Snapshot, Unseen},
};

use super::{Seen, process::process};
use crate::status::short;

/// The table's lines: for each channel one, and one for each of its lanes. The directory may have been named by the user.
pub fn lines(directory: &Path, named: bool, seen: &[Seen<'_>]) -> Vec<String> {
    if seen.is_empty() {
        let there = if directory.is_dir() { "" } else { ", which is not there" };
        return vec![format!("no channels in {}{there}", directory.display())];
    }
    let mut rows = vec![
        ["NAME", "MODE", "TYPE", "LANE", "LISTENS", "WAITS", "MOST", "RECEIVED", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    // What goes below the row of this number, unaligned.
    let mut below: Vec<Vec<String>> = vec![Vec::new()];
    for seen in seen {
        rows.push(row(seen));
        below.push(seen.look.state.as_ref().map(lanes).unwrap_or_default());
    }
    let mut lines = Vec::new();
    for (line, below) in align(&rows).into_iter().zip(below) {
        lines.push(line);
        lines.extend(below);
    }
    let dead = seen.iter().filter(|seen| matches!(seen.look.state, Err(Unseen::Dead))).count();
    if dead > 0 {
        let here = if named { format!(" --directory {}", directory.display()) } else { String::new() };
        lines.push(format!("{dead} left behind by processes that died: adit channels clean{here}"));
    }
    lines
}

fn row(seen: &Seen<'_>) -> Vec<String> {
    let look = seen.look;
    let listens = look.pid.map_or_else(String::new, who);
    let name = plain(&look.name);
    match &look.state {
        Err(unseen) => vec![name, plain(&unseen.to_string()), String::new(), String::new(), listens],
        Ok(snapshot) => {
            let rate = seen.rates.map(|rates| {
                format!("{}/s  {}/s", number(rates.received_messages), bytes(rates.received_bytes as u64))
            });
            vec![
                name,
                snapshot.mode.to_string(),
                kind(snapshot),
                match snapshot.kind.arena() {
                    0 => bytes(snapshot.capacity),
                    arena => format!("{} + {}", bytes(snapshot.capacity), bytes(arena as u64)),
                },
                listens,
                bytes(snapshot.depth()),
                bytes(snapshot.depth_most()),
                rate.unwrap_or_default(),
                snapshot.latency.map(latency).unwrap_or_default(),
            ]
        }
    }
}

fn kind(snapshot: &Snapshot) -> String {
    let name = plain(snapshot.kind.name());
    let slots = if snapshot.kind.has_slots() { ", in slots" } else { "" };
    snapshot.kind.size().map_or_else(|| name.clone(), |size| format!("{name} {size} B{slots}"))
}

fn lanes(snapshot: &Snapshot) -> Vec<String> {
    let mut lines: Vec<String> = snapshot.lanes.iter().map(|lane| self::lane(lane, snapshot.mode)).collect();
    if snapshot.left_out > 0 {
        lines.push(format!("    and {} more lanes", snapshot.left_out));
    }
    let retired = snapshot.retired;
    if retired.lanes > 0 {
        lines.push(format!(
            "    {} gone: sent {}, received {}, drops {}",
            retired.lanes,
            number(retired.sent_messages as f64),
            number(retired.received_messages as f64),
            retired.drops
        ));
    }
    lines
}

fn lane(lane: &LaneSnapshot, mode: Mode) -> String {
    let count = |value: u64| number(value as f64);
    let state = match (lane.dead, lane.closed) {
        (true, _) => " (died)",
        (false, true) => " (closed)",
        (false, false) => "",
    };
    let (sent, received) = (&lane.sent, &lane.received);
    let mut line = format!(
        "    {} {} {}{state}: sent {}, received {}, waits {}, stalls {}|{}, wakes {}|{}, drops {}",
        lane.number,
        if mode == Mode::Broadcast { "to" } else { "from" },
        who(lane.sender),
        count(sent.messages),
        count(received.messages),
        bytes(lane.depth),
        count(sent.stalls),
        count(received.stalls),
        count(sent.wakes),
        count(received.wakes),
        count(sent.drops),
    );
    if let Some(measured) = lane.latency {
        line += &format!(", {}", latency(measured));
    }
    line
}

fn latency(latency: LatencySummary) -> String {
    if latency.count == 0 {
        return "latency not measured yet".into();
    }
    format!("latency {} / {} / {}", time(latency.p50), time(latency.p99), time(latency.most))
}

/// A process by number and name.
fn who(pid: u32) -> String {
    let process = process(pid);
    let stopped = if process.stopped { " (stopped)" } else { "" };
    format!("{pid} {}{stopped}", process.command).trim_end().to_owned()
}

/// Columns side by side; the last of a row takes what it needs.
fn align(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        // A row that ends here says something long that is no column's.
        let inner = rows.iter().filter(|row| row.len() == columns || column == 0);
        inner.filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A text of somebody else's without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A number with a unit, and no space where that is empty.
fn number(value: f64) -> String {
    short(value).trim_end().to_owned()
}

/// Bytes with at most four digits before their unit.
fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut value = count as f64;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let whole = (value * 10.0).round() % 10.0 == 0.0;
    let digits = usize::from(unit > 0 && value < 100.0 && !whole);
    format!("{value:.digits$} {}", units[unit])
}

/// Nanoseconds in the unit that suits them.
fn time(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..1_000_000 => format!("{:.1} us", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", value / 1e6),
        _ => format!("{:.1} s", value / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        let all: Vec<_> = [0, 1023, 1024, 1536, 1 << 20, u64::MAX].map(bytes).into();
        assert_eq!(all, ["0 B", "1023 B", "1 KiB", "1.5 KiB", "1 MiB", "16 EiB"]);
        let all: Vec<_> = [999, 1_000, 2_500_000, 3_000_000_000].map(time).into();
        assert_eq!(all, ["999 ns", "1.0 us", "2.5 ms", "3.0 s"]);
    }

    #[test]
    fn what_a_peer_says_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2J\u{9b}b\n"), "a?[2J?b?");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [vec!["NAME".to_owned(), "MODE".into()], vec!["x".into(), "SPSC".into()]];
        assert_eq!(align(&rows), ["NAME  MODE", "x     SPSC"]);
    }
}
