//! The description in the kernel's own files, for when hwloc has none.
//!
//! ```text
//! /sys/devices/system/cpu/online                        0-7
//!                     cpu/cpuN/topology/                thread_siblings_list, physical_package_id
//!                     cpu/cpuN/cache/indexK/            level, shared_cpu_list
//!                     node/online                       0-1
//!                     node/nodeN/                       cpulist, meminfo
//! ```

use std::{fs, path::Path};

use crate::{
    cpu_list::parse_cpu_list,
    machine::{Cpu, Machine, Node, Numbers, Source},
};

/// What `/sys` says of this machine, or why it says nothing.
pub(crate) fn this_machine() -> Result<Machine, String> {
    let mut machine = read(Path::new("/sys/devices/system"))?;
    machine.model = cpu_model();
    Ok(machine)
}

/// The first `model name` of `/proc/cpuinfo`; not every architecture has one.
pub(crate) fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let model = line.split_once(':')?.1.trim();
    (!model.is_empty()).then(|| model.to_owned())
}

/// Reads the tree at `root`; everything but the list of online cpus may be missing.
fn read(root: &Path) -> Result<Machine, String> {
    let online = read_list(&root.join("cpu/online"))
        .ok_or_else(|| format!("{} cannot be read", root.join("cpu/online").display()))?;
    let mut notes = Vec::new();
    let nodes = read_nodes(root);
    if nodes.is_empty() {
        notes.push("the kernel reports no NUMA nodes".to_owned());
    }
    let (mut cores, mut caches) = (Numbers::default(), Numbers::default());
    let mut cpus = Vec::with_capacity(online.len());
    // Ascending ids, so that the first thread of a core is met first.
    for id in online {
        let folder = root.join(format!("cpu/cpu{id}"));
        let lowest_sibling = read_list(&folder.join("topology/thread_siblings_list"))
            .and_then(|siblings| siblings.first().copied())
            .unwrap_or(id);
        let (core, first_of_core) = cores.number(u64::from(lowest_sibling));
        // Some virtual machines say -1.
        let package = read_number(&folder.join("topology/physical_package_id")).unwrap_or(0);
        let l3 = lowest_sharer_of_l3(&folder).map(|lowest| caches.number(u64::from(lowest)).0);
        let node = nodes.iter().find(|node| node.cpus.contains(&id)).map(|node| node.id);
        cpus.push(Cpu { id, core, package, node, l3, smt_sibling: !first_of_core });
    }
    Ok(Machine { cpus, nodes, model: None, allowed: Vec::new(), source: Source::Sysfs, notes })
}

fn read_nodes(root: &Path) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in read_list(&root.join("node/online")).unwrap_or_default() {
        let folder = root.join(format!("node/node{id}"));
        // A node with memory only has an empty list, which is no error here.
        let cpus = read_list(&folder.join("cpulist")).unwrap_or_default();
        let memory_bytes =
            fs::read_to_string(folder.join("meminfo")).ok().and_then(|text| total_memory(&text)).unwrap_or(0);
        nodes.push(Node { id, memory_bytes, cpus });
    }
    nodes
}

/// From lines such as `Node 0 MemTotal:       16303424 kB`.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.contains("MemTotal:"))?;
    let kib: u64 = line.split_once("MemTotal:")?.1.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

/// A level 3 cache is named by the lowest cpu that shares it: kernels do not all number their caches.
fn lowest_sharer_of_l3(cpu: &Path) -> Option<u32> {
    // Nine levels and kinds of cache are more than any kernel has reported.
    let index = (0..9)
        .map(|index| cpu.join(format!("cache/index{index}")))
        .find(|index| read_number(&index.join("level")) == Some(3))?;
    read_list(&index.join("shared_cpu_list"))?.first().copied()
}

fn read_list(path: &Path) -> Option<Vec<u32>> {
    parse_cpu_list(&fs::read_to_string(path).ok()?).ok()
}

fn read_number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Two packages of two cores of two threads; siblings are numbered late, as servers do it.
    fn fake_server(root: &Path) {
        write(root, "cpu/online", "0-7\n");
        for id in 0..8_u32 {
            let core = id % 4;
            let package = core / 2;
            let cpu = format!("cpu/cpu{id}");
            write(root, &format!("{cpu}/topology/thread_siblings_list"), &format!("{core},{}\n", core + 4));
            write(root, &format!("{cpu}/topology/physical_package_id"), &format!("{package}\n"));
            write(root, &format!("{cpu}/cache/index0/level"), "1\n");
            write(root, &format!("{cpu}/cache/index3/level"), "3\n");
            let sharers = if package == 0 { "0-1,4-5\n" } else { "2-3,6-7\n" };
            write(root, &format!("{cpu}/cache/index3/shared_cpu_list"), sharers);
        }
        write(root, "node/online", "0-2\n");
        write(root, "node/node0/cpulist", "0-1,4-5\n");
        write(root, "node/node0/meminfo", "\nNode 0 MemTotal:       16303424 kB\nNode 0 MemFree: 1 kB\n");
        write(root, "node/node1/cpulist", "2-3,6-7\n");
        write(root, "node/node2/cpulist", "\n");
    }

    #[test]
    fn a_server_is_read_in_full() {
        let root = tempfile::tempdir().unwrap();
        fake_server(root.path());
        let machine = read(root.path()).unwrap();
        assert_eq!(machine.cpus.len(), 8);
        assert_eq!(machine.core_count(), 4);
        assert_eq!(machine.nodes.len(), 3);
        assert_eq!(machine.nodes[0].memory_bytes, 16_303_424 * 1024);
        assert!(machine.nodes[2].cpus.is_empty());
        for cpu in &machine.cpus {
            assert_eq!(cpu.core, cpu.id % 4);
            assert_eq!(cpu.package, cpu.id % 4 / 2);
            assert_eq!(cpu.l3, Some(cpu.package));
            assert_eq!(cpu.node, Some(cpu.package));
            assert_eq!(cpu.smt_sibling, cpu.id >= 4);
        }
    }

    #[test]
    fn a_bare_tree_still_names_the_cpus() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "cpu/online", "0,2\n");
        write(root.path(), "cpu/cpu2/topology/physical_package_id", "-1\n");
        let machine = read(root.path()).unwrap();
        assert_eq!(machine.cpus.iter().map(|cpu| cpu.id).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(machine.core_count(), 2);
        assert_eq!(machine.cpus[1].package, 0);
        assert_eq!(machine.notes.len(), 1);
    }

    #[test]
    fn no_tree_is_a_reason() {
        let root = tempfile::tempdir().unwrap();
        assert!(read(root.path()).unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn this_machines_tree_can_be_read() {
        let machine = this_machine().unwrap();
        assert!(!machine.cpus.is_empty());
    }
}
