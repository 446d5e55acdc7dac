//! The machine as plain data, and the few questions that are asked of it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::{error::TopologyError, hwloc, sysfs, thread::allowed_cpus};

/// What a machine looks like: plain data, safe to keep, send and print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Every online cpu (hardware thread), by ascending id.
    pub cpus: Vec<Cpu>,
    /// Every NUMA node, by ascending id; at least one when detection worked, also on machines without NUMA.
    pub nodes: Vec<Node>,
    /// The processor's name, when the machine tells.
    pub model: Option<String>,
    /// The cpus that may be used: what the kernel allows this process, or all of a synthetic machine.
    pub allowed: Vec<u32>,
    /// Who said so.
    pub source: Source,
    /// What could not be found out, in words for people.
    pub notes: Vec<String>,
}

/// One hardware thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// The operating system's index, as `taskset` uses it.
    pub id: u32,
    /// Number of its physical core, unique in the machine (kernels number cores per package; this does not).
    pub core: u32,
    /// The operating system's index of its package (socket).
    pub package: u32,
    /// The NUMA node whose memory is nearest.
    pub node: Option<u32>,
    /// Number of its level 3 cache, unique in the machine.
    pub l3: Option<u32>,
    /// Whether it is not the first hardware thread of its core.
    pub smt_sibling: bool,
}

/// One NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The operating system's index.
    pub id: u32,
    /// Local memory; 0 when unknown.
    pub memory_bytes: u64,
    /// The cpus that are nearest to this memory; empty for nodes that only have memory.
    pub cpus: Vec<u32>,
}

/// Who described the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// hwloc looked at this machine.
    Hwloc,
    /// The kernel's files under `/sys/devices/system`.
    Sysfs,
    /// Nothing but the list of allowed cpus: every cpu counts as a core of its own.
    AllowedCpus,
    /// A description that was given.
    Synthetic,
}

impl Machine {
    /// Looks at this machine: hwloc first, `/sys` when that fails, the list of allowed cpus when that fails
    /// too.
    ///
    /// Whatever was missing is a line in [`Machine::notes`].
    ///
    /// # Errors
    ///
    /// [`TopologyError::Undetected`] when not even one allowed cpu can be named.
    pub fn detect() -> Result<Machine, TopologyError> {
        let allowed = allowed_cpus();
        let ways: [fn() -> Result<Machine, String>; 2] = [hwloc::this_machine, sysfs::this_machine];
        let mut notes = Vec::new();
        for way in ways {
            match way().and_then(|machine| machine.admit(&allowed)) {
                Ok(mut machine) => {
                    notes.append(&mut machine.notes);
                    return Ok(Machine { notes, ..machine });
                }
                Err(reason) => notes.push(reason),
            }
        }
        if allowed.is_empty() {
            notes.push("the kernel names no allowed cpu".into());
            return Err(TopologyError::Undetected { reasons: notes });
        }
        notes.push("every allowed cpu counts as a core of its own, and memory placement is unknown".into());
        Ok(Machine::flat(allowed, notes))
    }

    /// Builds a machine from an hwloc synthetic description, for planning and for tests.
    ///
    /// Levels go from the outside in, each with its count per parent: `"numa:2 core:4 pu:1"`,
    /// `"pack:2 l3:2 core:4 pu:2"`. All its cpus count as allowed.
    ///
    /// # Errors
    ///
    /// [`TopologyError::Synthetic`] when the description cannot be read or asks for more than 4096 cpus.
    pub fn synthetic(description: &str) -> Result<Machine, TopologyError> {
        let mut machine = hwloc::synthetic(description)?;
        machine.allowed = machine.cpus.iter().map(|cpu| cpu.id).collect();
        Ok(machine)
    }

    /// The cpus for `threads` workers: the first allowed hardware thread of every physical core, then the
    /// second ones, and so on, each round by ascending id.
    ///
    /// Never longer than the number of allowed cpus: two pinned workers on one cpu only slow each other down.
    #[must_use]
    pub fn worker_cpus(&self, threads: usize) -> Vec<u32> {
        let mut taken_of_core: HashMap<u32, u32> = HashMap::new();
        let mut ranked = Vec::new();
        for cpu in self.cpus.iter().filter(|cpu| self.allowed.contains(&cpu.id)) {
            // Counted among the allowed ones: when only the second thread of a core is allowed, it stands for
            // the whole core, whatever `smt_sibling` says.
            let rank = taken_of_core.entry(cpu.core).or_default();
            ranked.push((*rank, cpu.id));
            *rank += 1;
        }
        ranked.sort_unstable();
        ranked.into_iter().take(threads).map(|(_, id)| id).collect()
    }

    /// The NUMA node nearest to `cpu`; `None` for an unknown cpu or an unknown node.
    #[must_use]
    pub fn node_of(&self, cpu: u32) -> Option<u32> {
        self.cpus.iter().find(|known| known.id == cpu)?.node
    }

    /// How many physical cores there are.
    #[must_use]
    pub fn core_count(&self) -> usize {
        self.cpus.iter().filter(|cpu| !cpu.smt_sibling).count()
    }

    /// How many physical cores this process may use, be it only one of a core's hardware threads.
    #[must_use]
    pub fn allowed_core_count(&self) -> usize {
        let allowed = self.cpus.iter().filter(|cpu| self.allowed.contains(&cpu.id));
        allowed.map(|cpu| cpu.core).collect::<HashSet<_>>().len()
    }

    /// Takes over the list of allowed cpus; refuses a description that knows none of them, because then it is
    /// of another machine (hwloc can be told so by environment variables).
    fn admit(mut self, allowed: &[u32]) -> Result<Machine, String> {
        let known = |id: &u32| self.cpus.iter().any(|cpu| cpu.id == *id);
        let (mut mine, unknown): (Vec<u32>, Vec<u32>) = allowed.iter().copied().partition(known);
        if self.cpus.is_empty() {
            return Err(format!("{:?} named no cpu", self.source));
        }
        if allowed.is_empty() {
            self.notes.push("the list of allowed cpus is unknown; all cpus count as allowed".into());
            mine = self.cpus.iter().map(|cpu| cpu.id).collect();
        } else if mine.is_empty() {
            return Err(format!("{:?} describes none of the cpus that this process may use", self.source));
        }
        if !unknown.is_empty() {
            let list = crate::format_cpu_list(&unknown);
            self.notes.push(format!("allowed cpus {list} are not in the description and stay unused"));
        }
        self.allowed = mine;
        Ok(self)
    }

    /// Every allowed cpu as a core of its own.
    fn flat(allowed: Vec<u32>, notes: Vec<String>) -> Machine {
        let cpu = |&id: &u32| Cpu { id, core: id, package: 0, node: None, l3: None, smt_sibling: false };
        let cpus = allowed.iter().map(cpu).collect();
        Machine { cpus, nodes: Vec::new(), model: None, allowed, source: Source::AllowedCpus, notes }
    }
}

/// Gives things dense numbers in the order in which they are first met.
#[derive(Default)]
pub(crate) struct Numbers(HashMap<u64, u32>);

impl Numbers {
    /// The number of the thing that has this `key`, and whether it was met for the first time.
    pub(crate) fn number(&mut self, key: u64) -> (u32, bool) {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let number = *self.0.entry(key).or_insert(next);
        (number, number == next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_cores_come_first_and_siblings_after() {
        let machine = Machine::synthetic("core:2 pu:2").unwrap();
        assert_eq!(machine.worker_cpus(0), []);
        assert_eq!(machine.worker_cpus(1), [0]);
        assert_eq!(machine.worker_cpus(2), [0, 2]);
        assert_eq!(machine.worker_cpus(4), [0, 2, 1, 3]);
        assert_eq!(machine.worker_cpus(usize::MAX), [0, 2, 1, 3]);
    }

    #[test]
    fn only_allowed_cpus_work() {
        let mut machine = Machine::synthetic("core:4 pu:2").unwrap();
        // Core 1 has only its second thread left, so that one counts as the core.
        machine.allowed = vec![0, 1, 3, 4];
        assert_eq!(machine.worker_cpus(10), [0, 3, 4, 1]);
    }

    #[test]
    fn a_description_of_another_machine_is_refused() {
        let machine = Machine::synthetic("core:2 pu:1").unwrap();
        assert!(machine.clone().admit(&[7]).unwrap_err().contains("none of the cpus"));
        let partly = machine.clone().admit(&[1, 7]).unwrap();
        assert_eq!(partly.allowed, [1]);
        assert!(partly.notes[0].contains("allowed cpus 7"), "{:?}", partly.notes);
        let unknown = machine.admit(&[]).unwrap();
        assert_eq!(unknown.allowed, [0, 1]);
        assert_eq!(unknown.notes.len(), 1);
    }

    #[test]
    fn a_flat_machine_still_places_workers() {
        let machine = Machine::flat(vec![2, 5], vec!["note".into()]);
        assert_eq!(machine.worker_cpus(9), [2, 5]);
        assert_eq!(machine.node_of(2), None);
        assert_eq!(machine.core_count(), 2);
    }
}
