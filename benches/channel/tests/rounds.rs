//! Every contestant that needs no other process passes a short round of each contest, and everything arrives.

use std::{path::PathBuf, time::Duration};

use adit_bench_channel::{
    measure::{Field, Pace},
    order::RING,
    plan::{Choice, plan},
    table::contestants,
    worker::WorkerCommand,
};
use adit_topology::allowed_cpus;

#[test]
fn all_that_is_sent_within_a_process_arrives() {
    let contestants = contestants();
    let allowed = allowed_cpus();
    let core = |at: usize| allowed.get(at).copied().unwrap_or(allowed[0]);
    let pace = Pace { rounds: 1, round: Duration::from_millis(2), cores: vec![core(0), core(1)], ring: RING };
    let nobody = WorkerCommand { program: PathBuf::from("/no/other/process"), arguments: Vec::new() };
    let mut field = Field::new(&contestants, &pace, &nobody).unwrap();
    let groups = plan(&contestants, &Choice { peers: true, only: Vec::new() });
    let (mut count, mut wrong) = (0, Vec::new());
    field.run(
        &groups,
        |_| (),
        |row| {
            // Others need a second process, and here is none.
            if row.details["transport"] == "memory" {
                count += 1;
                if !row.valid {
                    wrong.push(row.json().to_string());
                }
            }
        },
    );
    assert!(count > 50, "{count} were measured");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
