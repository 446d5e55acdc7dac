//! Descriptions that come from hwloc.

use std::collections::HashMap;

use hwlocality::{
    Topology,
    object::{TopologyObject, attributes::ObjectAttributes, types::ObjectType},
};

use crate::{
    error::TopologyError,
    machine::{Cpu, Machine, Node, Numbers, Source},
    sysfs,
};

/// The most cpus, and the longest text, that a synthetic description may have.
const MAX_SYNTHETIC_CPUS: u64 = 4096;
const MAX_SYNTHETIC_TEXT: usize = 1024;

/// What hwloc sees here, or why it sees nothing.
pub(crate) fn this_machine() -> Result<Machine, String> {
    let topology = Topology::new().map_err(|error| format!("hwloc failed: {error}"))?;
    let mut machine = read(&topology, Source::Hwloc);
    if !topology.is_this_system() {
        machine.notes.push("hwloc describes another machine, as its environment variables ask".into());
    } else if machine.model.is_none() {
        machine.model = sysfs::cpu_model();
    }
    Ok(machine)
}

/// The machine that `description` describes.
pub(crate) fn synthetic(description: &str) -> Result<Machine, TopologyError> {
    let fail = |reason: String| TopologyError::synthetic(description, reason);
    // Counted before hwloc sees it: "numa:100000 core:100000" would otherwise be built in full.
    check_size(description).map_err(fail)?;
    let builder = Topology::builder().from_synthetic(description).map_err(|error| fail(error.to_string()))?;
    let topology = builder.build().map_err(|error| fail(error.to_string()))?;
    Ok(read(&topology, Source::Synthetic))
}

/// Multiplies the counts of all levels; attributes in parentheses and attached memory in brackets do not
/// count.
fn check_size(description: &str) -> Result<(), String> {
    if description.len() > MAX_SYNTHETIC_TEXT {
        return Err(format!("it is longer than {MAX_SYNTHETIC_TEXT} bytes"));
    }
    let mut outside = String::new();
    let mut depth = 0_usize;
    for character in description.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            other if depth == 0 => outside.push(other),
            _ => {}
        }
    }
    let mut cpus = 1_u64;
    for level in outside.split_whitespace() {
        let count = level.rsplit(':').next().unwrap_or(level);
        let Ok(count) = count.parse::<u64>() else {
            return Err(format!("the level {level:?} has no count"));
        };
        if count == 0 {
            return Err(format!("the level {level:?} counts nothing"));
        }
        cpus = cpus.saturating_mul(count);
    }
    if cpus > MAX_SYNTHETIC_CPUS {
        return Err(format!("it asks for more than {MAX_SYNTHETIC_CPUS} cpus"));
    }
    Ok(())
}

/// Copies out of hwloc's tree what this crate keeps.
fn read(topology: &Topology, source: Source) -> Machine {
    let mut notes = Vec::new();
    let nodes = read_nodes(topology);
    let cpus = read_cpus(topology, &nodes);
    if cpus.iter().all(|cpu| cpu.l3.is_none()) && source == Source::Hwloc {
        notes.push("no level 3 cache is reported (usual in virtual machines)".into());
    }
    let model = topology
        .objects_with_type(ObjectType::Package)
        .find_map(|package| package.info("CPUModel"))
        .map(|model| model.to_string_lossy().trim().to_owned())
        .filter(|model| !model.is_empty());
    Machine { cpus, nodes, model, allowed: Vec::new(), source, notes }
}

fn read_cpus(topology: &Topology, nodes: &[Node]) -> Vec<Cpu> {
    let (mut cores, mut caches) = (Numbers::default(), Numbers::default());
    // First come, first served: with high-bandwidth memory a cpu is near two nodes, and the ordinary memory
    // has the lower id.
    let mut nearest: HashMap<u32, u32> = HashMap::new();
    for node in nodes {
        for &cpu in &node.cpus {
            nearest.entry(cpu).or_insert(node.id);
        }
    }
    let mut cpus = Vec::new();
    // In hwloc's order the threads of a core follow each other, the first one first.
    for unit in topology.objects_with_type(ObjectType::PU) {
        let Some(id) = os_index(unit) else { continue };
        let above = |wanted| unit.first_ancestor_with_type(wanted);
        let core_key = above(ObjectType::Core).unwrap_or(unit).global_persistent_index();
        let (core, first_of_core) = cores.number(core_key);
        let l3 = above(ObjectType::L3Cache).map(|cache| caches.number(cache.global_persistent_index()).0);
        let package = above(ObjectType::Package).and_then(os_index).unwrap_or(0);
        let node = nearest.get(&id).copied();
        cpus.push(Cpu { id, core, package, node, l3, smt_sibling: !first_of_core });
    }
    cpus.sort_unstable_by_key(|cpu| cpu.id);
    cpus
}

fn read_nodes(topology: &Topology) -> Vec<Node> {
    let mut nodes = Vec::new();
    for object in topology.objects_with_type(ObjectType::NUMANode) {
        let Some(id) = os_index(object) else { continue };
        let memory_bytes = match object.attributes() {
            Some(ObjectAttributes::NUMANode(node)) => node.local_memory().map_or(0, u64::from),
            _ => 0,
        };
        let cpus = match object.cpuset() {
            Some(set) => set.iter_set().filter_map(|index| u32::try_from(usize::from(index)).ok()).collect(),
            None => Vec::new(),
        };
        nodes.push(Node { id, memory_bytes, cpus });
    }
    nodes.sort_unstable_by_key(|node| node.id);
    nodes
}

fn os_index(object: &TopologyObject) -> Option<u32> {
    object.os_index().and_then(|index| u32::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_without_smt() {
        let machine = synthetic("numa:2 core:4 pu:1").unwrap();
        assert_eq!(machine.source, Source::Synthetic);
        assert_eq!(machine.cpus.len(), 8);
        assert_eq!(machine.core_count(), 8);
        assert_eq!(machine.nodes.len(), 2);
        assert_eq!(machine.nodes[0].cpus, [0, 1, 2, 3]);
        assert_eq!(machine.nodes[1].cpus, [4, 5, 6, 7]);
        assert!(machine.nodes.iter().all(|node| node.memory_bytes > 0));
        for cpu in &machine.cpus {
            assert_eq!(cpu.node, Some(cpu.id / 4));
            assert_eq!(cpu.core, cpu.id, "cores are numbered through, across nodes");
            assert!(!cpu.smt_sibling);
        }
        assert_eq!(machine.node_of(5), Some(1));
        assert_eq!(machine.node_of(99), None);
    }

    #[test]
    fn packages_caches_and_siblings() {
        let machine = synthetic("pack:2 numa:1(memory=8589934592) l3:2 core:2 pu:2").unwrap();
        assert_eq!(machine.cpus.len(), 16);
        assert_eq!(machine.core_count(), 8);
        assert_eq!(machine.nodes[1].memory_bytes, 8 << 30);
        for cpu in &machine.cpus {
            assert_eq!(cpu.package, cpu.id / 8);
            assert_eq!(cpu.l3, Some(cpu.id / 4));
            assert_eq!(cpu.core, cpu.id / 2);
            assert_eq!(cpu.smt_sibling, cpu.id % 2 == 1);
        }
    }

    #[test]
    fn bad_descriptions_are_refused_with_a_reason() {
        for (description, reason) in [
            ("numa:2 core:x", "\"core:x\" has no count"),
            ("core:0", "counts nothing"),
            ("numa:100000 core:100000 pu:100000", "more than 4096"),
            ("teapot:2", "hwloc rejected"),
            ("core:2\0", "no count"),
            ("", ""),
        ] {
            let error = synthetic(description).unwrap_err().to_string();
            assert!(error.contains(reason), "{description:?}: {error}");
            assert!(error.contains("numa:2 core:4 pu:1"), "no way out in: {error}");
        }
        assert!(synthetic(&"core:1 ".repeat(1000)).unwrap_err().to_string().contains("longer than"));
    }
}
