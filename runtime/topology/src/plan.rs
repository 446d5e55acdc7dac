//! Which two processors a channel's ends should run on, and where its memory should be.
//!
//! A message between two cores moves a few cache lines from the one to the other. That is quickest within one
//! level 3 cache, slower within one NUMA node or package, slowest between packages; and two threads of one core
//! share its execution units, so that each slows the other down. Therefore: one thread of each physical core
//! first, pairs within one level 3 cache first, and what is left over is paired as near as it can be.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::machine::{Cpu, Machine};

/// Two processors for the ends of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Where the sender's thread goes.
    pub producer: u32,
    /// Where the receiver's thread goes.
    pub consumer: u32,
    /// The nearest thing that both are part of.
    pub share: Shared,
    /// Where the ring's memory belongs: the consumer's NUMA node; `None` where that is unknown.
    pub node: Option<u32>,
}

/// What two processors have in common, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shared {
    /// They are hardware threads of one core.
    Core,
    /// A level 3 cache.
    L3,
    /// A NUMA node, but no known level 3 cache.
    Node,
    /// A package, but no NUMA node.
    Package,
    /// Nothing but the machine.
    Machine,
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Core => "one core",
            Self::L3 => "a level 3 cache",
            Self::Node => "a NUMA node",
            Self::Package => "a package",
            Self::Machine => "nothing",
        })
    }
}

impl Machine {
    /// Pairs of allowed processors for channels, the best first; each processor is in one pair at most.
    ///
    /// ```
    /// use adit_topology::{Machine, Shared};
    ///
    /// let machine = Machine::synthetic("pack:2 numa:1 l3:2 core:2 pu:2")?;
    /// let pairs = machine.pairs();
    /// // The first threads of cores 0 and 1, which have one cache; their second threads come last.
    /// assert_eq!((pairs[0].producer, pairs[0].consumer), (0, 2));
    /// assert!(pairs.iter().all(|pair| pair.share == Shared::L3));
    /// assert_eq!(pairs[2].node, Some(1));
    /// # Ok::<(), adit_topology::TopologyError>(())
    /// ```
    #[must_use]
    pub fn pairs(&self) -> Vec<Pair> {
        let (mut pairs, mut left) = (Vec::new(), Vec::new());
        for threads in self.by_rank() {
            left.extend(pair_up(threads, &mut pairs));
        }
        // One of each rank at most, such as the two threads of the only core.
        pair_up(left, &mut pairs);
        pairs
    }

    /// What two processors have in common; `None` for an unknown one.
    #[must_use]
    pub fn shared(&self, one: u32, other: u32) -> Option<Shared> {
        let find = |id: u32| self.cpus.iter().find(|cpu| cpu.id == id);
        Some(shared(find(one)?, find(other)?))
    }

    /// The allowed processors: the first thread of each core, the second ones, and so on; each by ascending id.
    fn by_rank(&self) -> Vec<Vec<&Cpu>> {
        let order = self.worker_cpus(usize::MAX);
        let mut taken: BTreeMap<u32, usize> = BTreeMap::new();
        let mut ranks: Vec<Vec<&Cpu>> = Vec::new();
        for id in order {
            let Some(cpu) = self.cpus.iter().find(|cpu| cpu.id == id) else { continue };
            let rank = taken.entry(cpu.core).or_default();
            if ranks.len() <= *rank {
                ranks.push(Vec::new());
            }
            ranks[*rank].push(cpu);
            *rank += 1;
        }
        ranks
    }
}

/// Pairs neighbours, the nearest first; returns who is left alone, one at most.
fn pair_up<'a>(mut cpus: Vec<&'a Cpu>, pairs: &mut Vec<Pair>) -> Vec<&'a Cpu> {
    for level in [Shared::Core, Shared::L3, Shared::Node, Shared::Package, Shared::Machine] {
        let mut groups: BTreeMap<u32, Vec<&Cpu>> = BTreeMap::new();
        let mut left = Vec::new();
        for cpu in cpus {
            match key(cpu, level) {
                Some(key) => groups.entry(key).or_default().push(cpu),
                None => left.push(cpu),
            }
        }
        for group in groups.into_values() {
            let (two, one) = group.as_chunks::<2>();
            pairs.extend(two.iter().map(|[producer, consumer]| Pair {
                producer: producer.id,
                consumer: consumer.id,
                share: shared(producer, consumer),
                node: consumer.node,
            }));
            left.extend(one);
        }
        left.sort_unstable_by_key(|cpu| cpu.id);
        cpus = left;
    }
    cpus
}

/// Which of the level's things a processor is part of.
fn key(cpu: &Cpu, level: Shared) -> Option<u32> {
    match level {
        Shared::Core => Some(cpu.core),
        Shared::L3 => cpu.l3,
        Shared::Node => cpu.node,
        Shared::Package => Some(cpu.package),
        Shared::Machine => Some(0),
    }
}

fn shared(one: &Cpu, other: &Cpu) -> Shared {
    let levels = [Shared::Core, Shared::L3, Shared::Node, Shared::Package];
    let both = |level: &Shared| key(one, *level).is_some() && key(one, *level) == key(other, *level);
    levels.into_iter().find(both).unwrap_or(Shared::Machine)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(machine: &Machine) -> Vec<(u32, u32, Shared, Option<u32>)> {
        machine.pairs().iter().map(|pair| (pair.producer, pair.consumer, pair.share, pair.node)).collect()
    }

    #[test]
    fn physical_cores_first_then_their_siblings_always_within_a_cache() {
        let machine = Machine::synthetic("pack:2 numa:1 l3:2 core:4 pu:2").unwrap();
        let pairs = plan(&machine);
        assert_eq!(pairs.len(), 16);
        let first: Vec<_> = pairs[..8].iter().map(|pair| (pair.0, pair.1, pair.3)).collect();
        let node = |cpu: u32| Some(cpu / 16);
        let expected: Vec<_> = (0..8).map(|pair| (pair * 4, pair * 4 + 2, node(pair * 4))).collect();
        assert_eq!(first, expected, "the first threads of cores 0 and 1, 2 and 3, ...");
        assert!(pairs[8..].iter().all(|pair| pair.0 % 2 == 1 && pair.1 % 2 == 1), "{pairs:?}");
        assert!(pairs.iter().all(|pair| pair.2 == Shared::L3));
    }

    #[test]
    fn odd_cores_out_are_paired_as_near_as_can_be() {
        // Three cores a cache: the third ones of both caches of a node have only the node in common.
        let machine = Machine::synthetic("pack:2 numa:1 l3:2 core:3 pu:1").unwrap();
        assert_eq!(
            plan(&machine),
            [
                (0, 1, Shared::L3, Some(0)),
                (3, 4, Shared::L3, Some(0)),
                (6, 7, Shared::L3, Some(1)),
                (9, 10, Shared::L3, Some(1)),
                (2, 5, Shared::Node, Some(0)),
                (8, 11, Shared::Node, Some(1)),
            ]
        );
        let machine = Machine::synthetic("pack:2 numa:1 l3:1 core:1 pu:1").unwrap();
        assert_eq!(plan(&machine), [(0, 1, Shared::Machine, Some(1))], "memory is the consumer's");
        let machine = Machine::synthetic("pack:1 numa:2 core:1 pu:1").unwrap();
        assert_eq!(plan(&machine), [(0, 1, Shared::Package, Some(1))]);
    }

    #[test]
    fn siblings_are_paired_only_when_nobody_else_is_left() {
        let machine = Machine::synthetic("core:1 pu:2").unwrap();
        assert_eq!(plan(&machine), [(0, 1, Shared::Core, Some(0))]);
        assert_eq!(plan(&Machine::synthetic("core:1 pu:1").unwrap()), []);
    }

    #[test]
    fn only_allowed_processors_are_planned_with() {
        let mut machine = Machine::synthetic("pack:2 numa:1 l3:2 core:2 pu:2").unwrap();
        machine.allowed = vec![1, 2, 9, 14];
        assert_eq!(plan(&machine), [(1, 2, Shared::L3, Some(0)), (9, 14, Shared::Node, Some(1))]);
        assert_eq!(machine.shared(9, 14), Some(Shared::Node));
        assert_eq!(machine.shared(0, 99), None);
    }

    proptest! {
        #[test]
        fn every_processor_is_in_one_pair_or_alone(
            packages in 1..3_u32, nodes in 1..3_u32, caches in 1..3_u32, cores in 1..4_u32, threads in 1..3_u32,
            mask in any::<u64>(),
        ) {
            let text = format!("pack:{packages} numa:{nodes} l3:{caches} core:{cores} pu:{threads}");
            let mut machine = Machine::synthetic(&text).unwrap();
            machine.allowed.retain(|cpu| mask >> (cpu % 64) & 1 == 1);
            let pairs = machine.pairs();
            let mut seen: Vec<u32> = pairs.iter().flat_map(|pair| [pair.producer, pair.consumer]).collect();
            prop_assert_eq!(seen.len(), machine.allowed.len() / 2 * 2);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), machine.allowed.len() / 2 * 2);
            prop_assert!(seen.iter().all(|cpu| machine.allowed.contains(cpu)));
            for pair in pairs {
                prop_assert_eq!(machine.shared(pair.producer, pair.consumer), Some(pair.share));
                prop_assert_eq!(pair.node, machine.node_of(pair.consumer));
            }
        }
    }
}
