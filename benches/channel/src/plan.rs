//! What is measured, in which order.

use std::fmt;

use glob::Pattern;

use crate::{
    order::{Mode, Regime},
    table::{Contestant, Contests, Work},
};

/// Bytes of the messages.
pub const SIZES: [usize; 4] = [64, 256, 4 << 10, 1 << 20];

/// Bytes of the messages that a slot takes: as many as fill it, and as many as leave room for a sequence.
const SLOT_SIZES: [usize; 2] = [64, 56];

/// Messages of a batch, at most a quarter of a queue.
const BATCH: usize = 16;

/// Bytes of the messages that make round trips.
const TRIP_SIZES: [usize; 1] = [64];

/// One figure to be measured: a contestant in one set of circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Its place in the table.
    pub contestant: usize,
    /// Of a message.
    pub bytes: usize,
    /// Messages that are sent and taken at once.
    pub batch: usize,
    /// How the ends are held apart.
    pub regime: Regime,
}

impl Cell {
    /// Whether it is about round trips.
    #[must_use]
    pub fn is_trip(&self) -> bool {
        matches!(self.regime, Regime::Spinning | Regime::Parked)
    }

    /// What `--only` is compared with: `adit/ipc/spsc/64/1/saturated`.
    #[must_use]
    pub fn id(&self, contestant: &Contestant) -> String {
        let Contestant { name, transport, mode, .. } = contestant;
        format!("{name}/{transport}/{}/{}/{}/{}", mode.name(), self.bytes, self.batch, self.regime.name())
    }
}

/// Cells that are measured in turns, because they are compared with each other.
#[derive(Clone, Debug)]
pub struct Group {
    /// For people.
    pub title: Title,
    /// The rivals.
    pub cells: Vec<Cell>,
}

/// What the cells of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Title {
    /// How many send and receive.
    pub mode: Mode,
    /// Of a message.
    pub bytes: usize,
    /// How the ends are held apart.
    pub regime: Regime,
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match self.bytes {
            bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
            bytes => format!("{bytes} B"),
        };
        let Self { mode, regime, .. } = self;
        match regime {
            Regime::Spinning | Regime::Parked => write!(f, "Round trip, {size}, {}", regime.name()),
            _ if *mode == Mode::Broadcast => write!(f, "Broadcast throughput, {size}, {}", regime.name()),
            _ => write!(f, "{} throughput, {size}, {}", mode.name().to_uppercase(), regime.name()),
        }
    }
}

/// Which cells are wanted.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Whether peers are among them.
    pub peers: bool,
    /// Those that fit any of these; all if there are none.
    pub only: Vec<Pattern>,
}

/// All groups that have a cell, in the order in which they are measured.
#[must_use]
pub fn plan(contestants: &[Contestant], choice: &Choice) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (at, contestant) in contestants.iter().enumerate() {
        if contestant.is_peer() && !choice.peers {
            continue;
        }
        for cell in cells(at, contestant) {
            let id = cell.id(contestant);
            if !choice.only.is_empty() && !choice.only.iter().any(|pattern| pattern.matches(&id)) {
                continue;
            }
            let title = title(&cell, contestant);
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.cells.push(cell),
                None => groups.push(Group { title, cells: vec![cell] }),
            }
        }
    }
    // Round trips first, then modes, each from small to large.
    let is_throughput = |title: &Title| matches!(title.regime, Regime::Saturated | Regime::Starved);
    groups.sort_by_key(|group| (is_throughput(&group.title), group.title));
    groups
}

/// In whose company a cell is measured: with one end each, it is an SPSC contest whatever the mode allows.
fn title(cell: &Cell, contestant: &Contestant) -> Title {
    let alone = contestant.senders == 1 && contestant.receivers == 1;
    let mode = if alone { Mode::Spsc } else { contestant.mode };
    Title { mode, bytes: cell.bytes, regime: cell.regime }
}

fn cells(at: usize, contestant: &Contestant) -> Vec<Cell> {
    let (sizes, trips): (&[usize], &[Regime]) = match contestant.contests {
        Contests::All => (&SIZES, &[Regime::Spinning]),
        Contests::Own => (&SIZES, &[Regime::Spinning, Regime::Parked]),
        Contests::OwnSmall => (&SIZES[..1], &[Regime::Spinning, Regime::Parked]),
        Contests::Throughput => (&SIZES, &[]),
        Contests::Small => (&SIZES[..1], &[]),
        Contests::Spinning => (&[], &[Regime::Spinning]),
        Contests::Parked => (&[], &[Regime::Parked]),
        Contests::Slots => (&SLOT_SIZES, &[Regime::Spinning, Regime::Parked]),
        Contests::Trips => (&[], &[Regime::Spinning, Regime::Parked]),
    };
    let trip_sizes = match contestant.contests {
        // Of whom has slots, and of what bounds them.
        Contests::Slots | Contests::Spinning => &SLOT_SIZES[..],
        _ => &TRIP_SIZES[..],
    };
    let trip = |bytes, regime| Cell { contestant: at, bytes, batch: 1, regime };
    let mut cells: Vec<_> =
        trip_sizes.iter().flat_map(|bytes| trips.iter().map(move |regime| trip(*bytes, *regime))).collect();
    for bytes in sizes.iter().copied() {
        // What one thread copies has nobody to wait for.
        let regimes = [Regime::Saturated, Regime::Starved];
        let count = if matches!(contestant.work, Work::Alone(_)) { 1 } else { 2 };
        for regime in regimes.into_iter().take(count) {
            let whole = if bytes > 1 << 16 { 2 } else { BATCH };
            let batches: &[usize] = if contestant.batches { &[1, whole] } else { &[1] };
            cells.extend(batches.iter().map(|batch| Cell { contestant: at, bytes, batch: *batch, regime }));
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::contestants;

    #[test]
    fn a_pattern_chooses_and_rivals_stand_together() {
        let all = contestants();
        let choice = |only: &[&str]| Choice {
            peers: true,
            only: only.iter().map(|text| Pattern::new(text).unwrap()).collect(),
        };
        let groups = plan(&all, &choice(&["adit/ipc/spsc/64/*", "floor:two-line/*/64/*"]));
        let ids: Vec<Vec<String>> = groups
            .iter()
            .map(|group| group.cells.iter().map(|cell| cell.id(&all[cell.contestant])).collect())
            .collect();
        assert_eq!(ids[0], ["floor:two-line/ipc/spsc/64/1/spinning", "adit/ipc/spsc/64/1/spinning"]);
        assert!(ids.iter().flatten().any(|id| id == "adit/ipc/spsc/64/16/starved"));
        assert!(ids.iter().flatten().all(|id| id.contains("/64/")));
        assert!(plan(&all, &choice(&["no such thing"])).is_empty());
        assert_eq!(groups[0].title.to_string(), "Round trip, 64 B, spinning");
    }
}
