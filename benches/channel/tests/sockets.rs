//! This project's channels over sockets pass a short round of each contest, and everything arrives.

use std::{path::PathBuf, time::Duration};

use adit_bench_channel::{
    measure::{Field, Pace},
    order::RING,
    plan::{Choice, plan},
    table::{Contestant, Peer, Work, contestants},
    worker::WorkerCommand,
};
use adit_topology::allowed_cpus;

/// The same in threads: here is no program that could be started again.
fn in_threads(contestant: Contestant) -> Contestant {
    let work = match contestant.work {
        Work::Named { end, near, .. } => Work::Named { end, near, processes: false },
        other => other,
    };
    Contestant { work, ..contestant }
}

#[test]
fn all_that_is_sent_over_sockets_arrives() {
    let ours = |one: &Contestant| one.peer == Peer::Own && matches!(one.transport, "tcp" | "unix");
    let contestants: Vec<_> = contestants().into_iter().filter(ours).map(in_threads).collect();
    for mode in ["spsc", "mpsc", "spmc", "mpmc", "broadcast"] {
        let of_mode = contestants.iter().filter(|one| one.mode.name() == mode);
        let mut transports: Vec<_> = of_mode.map(|one| one.transport).collect();
        transports.dedup();
        assert!(transports.contains(&"tcp") && transports.contains(&"unix"), "{mode}: {transports:?}");
    }
    let allowed = allowed_cpus();
    let core = |at: usize| allowed.get(at).copied().unwrap_or(allowed[0]);
    let pace = Pace { rounds: 1, round: Duration::from_millis(2), cores: vec![core(0), core(1)], ring: RING };
    let nobody = WorkerCommand { program: PathBuf::from("/no/other/process"), arguments: Vec::new() };
    let mut field = Field::new(&contestants, &pace, &nobody).unwrap();
    let groups = plan(&contestants, &Choice::default());
    let (mut count, mut wrong) = (0, Vec::new());
    field.run(
        &groups,
        |_| (),
        |row| {
            count += 1;
            if !row.valid {
                wrong.push(row.json().to_string());
            }
        },
    );
    assert!(count > 80, "{count} were measured");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
