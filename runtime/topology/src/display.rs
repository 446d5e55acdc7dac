//! The machine as a small tree for people.
//!
//! ```text
//! Some Processor 9000: 2 nodes, 8 cores, 16 cpus, from hwloc
//!   node 0: 64.0 GiB, cpus 0-3,8-11
//!     package 0, L3 0: 4 cores, cpus 0-3,8-11 (siblings 8-11)
//! ```

use std::{collections::BTreeMap, fmt};

use crate::{
    cpu_list::format_cpu_list,
    machine::{Cpu, Machine, Source},
};

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.model.as_deref().unwrap_or("unnamed processor");
        write!(f, "{model}: ")?;
        write!(f, "{}, ", count(self.nodes.len(), "node"))?;
        write!(f, "{}, ", count(self.core_count(), "core"))?;
        write!(f, "{}, from {}", count(self.cpus.len(), "cpu"), self.source)?;
        if self.allowed.len() < self.cpus.len() {
            write!(f, "; this process may use {}", format_cpu_list(&self.allowed))?;
        }
        for node in &self.nodes {
            write!(f, "\n  node {}: {}, ", node.id, memory(node.memory_bytes))?;
            write!(f, "cpus {}", format_cpu_list(&node.cpus))?;
            groups(f, self.cpus.iter().filter(|cpu| cpu.node == Some(node.id)))?;
        }
        if self.cpus.iter().any(|cpu| cpu.node.is_none()) {
            write!(f, "\n  no node")?;
            groups(f, self.cpus.iter().filter(|cpu| cpu.node.is_none()))?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {note}")?;
        }
        Ok(())
    }
}

/// One line for each level 3 cache, or each package where no cache is known.
fn groups<'a>(f: &mut fmt::Formatter<'_>, cpus: impl Iterator<Item = &'a Cpu>) -> fmt::Result {
    let mut by_cache: BTreeMap<(u32, Option<u32>), Vec<&Cpu>> = BTreeMap::new();
    for cpu in cpus {
        by_cache.entry((cpu.package, cpu.l3)).or_default().push(cpu);
    }
    for ((package, l3), cpus) in by_cache {
        let all: Vec<u32> = cpus.iter().map(|cpu| cpu.id).collect();
        let siblings: Vec<u32> = cpus.iter().filter(|cpu| cpu.smt_sibling).map(|cpu| cpu.id).collect();
        write!(f, "\n    package {package}")?;
        if let Some(l3) = l3 {
            write!(f, ", L3 {l3}")?;
        }
        write!(f, ": {}, cpus {}", count(all.len() - siblings.len(), "core"), format_cpu_list(&all))?;
        if !siblings.is_empty() {
            write!(f, " (siblings {})", format_cpu_list(&siblings))?;
        }
    }
    Ok(())
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Hwloc => "hwloc",
            Source::Sysfs => "/sys",
            Source::AllowedCpus => "the list of allowed cpus alone",
            Source::Synthetic => "a synthetic description",
        })
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn memory(bytes: u64) -> String {
    match bytes {
        0 => "memory unknown".to_owned(),
        small if small < 1 << 30 => format!("{:.1} MiB", small as f64 / f64::from(1 << 20)),
        large => format!("{:.1} GiB", large as f64 / f64::from(1 << 30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_for_people() {
        let mut machine = Machine::synthetic("pack:2 numa:1(memory=8589934592) l3:1 core:2 pu:2").unwrap();
        machine.allowed = vec![0, 1, 2];
        machine.notes.push("a note".into());
        assert_eq!(
            machine.to_string(),
            "unnamed processor: 2 nodes, 4 cores, 8 cpus, from a synthetic description; \
             this process may use 0-2\n  \
             node 0: 8.0 GiB, cpus 0-3\n    \
             package 0, L3 0: 2 cores, cpus 0-3 (siblings 1,3)\n  \
             node 1: 8.0 GiB, cpus 4-7\n    \
             package 1, L3 1: 2 cores, cpus 4-7 (siblings 5,7)\n  \
             note: a note"
        );
    }

    #[test]
    fn this_machine_prints() {
        let machine = Machine::detect().unwrap();
        let text = machine.to_string();
        assert!(text.lines().count() >= 2, "{text}");
    }
}
