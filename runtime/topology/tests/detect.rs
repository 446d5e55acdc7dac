//! Detection on whatever machine the tests run on, through the public names only.

use adit_topology::{Machine, allowed_cpus, pin_current_thread};

#[test]
fn this_machine_is_whole() {
    let machine = Machine::detect().unwrap();
    assert!(!machine.cpus.is_empty());
    assert!(machine.allowed.iter().all(|id| allowed_cpus().contains(id)));
    assert!(machine.cpus.is_sorted_by_key(|cpu| cpu.id));
    let workers = machine.worker_cpus(usize::MAX);
    assert_eq!(workers.len(), machine.allowed.len());
    for cpu in workers {
        std::thread::spawn(move || pin_current_thread(cpu).unwrap()).join().unwrap();
    }
    for node in &machine.nodes {
        for &cpu in &node.cpus {
            assert!(machine.node_of(cpu).is_some());
        }
    }
}

#[test]
fn a_machine_can_be_written_as_json() {
    let machine = Machine::synthetic("numa:2 core:2 pu:1").unwrap();
    let json = serde_json::to_value(&machine).unwrap();
    assert_eq!(json["source"], "synthetic");
    assert_eq!(json["cpus"][3]["node"], 1);
    assert_eq!(json["nodes"][1]["cpus"][0], 2);
}

#[test]
fn workers_of_a_two_node_machine_reach_both_nodes() {
    let machine = Machine::synthetic("pack:2 numa:1 core:2 pu:2").unwrap();
    let workers = machine.worker_cpus(4);
    let nodes: Vec<_> = workers.iter().map(|&cpu| machine.node_of(cpu)).collect();
    assert_eq!(nodes, [Some(0), Some(0), Some(1), Some(1)]);
}
