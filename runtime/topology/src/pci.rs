//! Which processors are near a device on the PCI bus, by the kernel's own files.
//!
//! ```text
//! /sys/bus/pci/devices/0000:3b:00.0/     numa_node (-1 for none), local_cpulist
//! ```

use std::{fs, path::Path};

use crate::{cpu_list::parse_cpu_list, thread::allowed_cpus};

/// Where a device on the PCI bus is plugged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PciPlace {
    /// The NUMA node that it hangs on; `None` where the machine has no nodes or does not tell.
    pub node: Option<u32>,
    /// The processors nearest to it, among those that this process may use; empty where that is unknown.
    pub cpus: Vec<u32>,
}

impl PciPlace {
    /// Of the device at an address such as `0000:3b:00.0`. What the system does not tell stays unknown.
    #[must_use]
    pub fn of(address: &str) -> Self {
        read(Path::new("/sys/bus/pci/devices"), address, &allowed_cpus())
    }
}

fn read(devices: &Path, address: &str, allowed: &[u32]) -> PciPlace {
    // It comes from a helper, and becomes part of a path.
    if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)) {
        return PciPlace::default();
    }
    let folder = devices.join(address.to_ascii_lowercase());
    let text = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let mut cpus = text("local_cpulist").and_then(|list| parse_cpu_list(&list).ok()).unwrap_or_default();
    cpus.retain(|cpu| allowed.contains(cpu));
    PciPlace { node: text("numa_node").and_then(|node| node.trim().parse().ok()), cpus }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_and_processors_are_those_of_the_slot() {
        let root = tempfile::tempdir().unwrap();
        let slot = |address: &str, node: &str, cpus: &str| {
            let folder = root.path().join(address);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("numa_node"), node).unwrap();
            fs::write(folder.join("local_cpulist"), cpus).unwrap();
        };
        slot("0000:3b:00.0", "0\n", "0-3,8-11\n");
        slot("0000:af:00.0", "1\n", "4-7,12-15\n");
        slot("0000:00:02.0", "-1\n", "0-15\n");
        slot("0000:01:00.0", "many\n", "\n");
        let all: Vec<u32> = (0..16).collect();
        let place = |address: &str, allowed: &[u32]| read(root.path(), address, allowed);
        assert_eq!(place("0000:3b:00.0", &all).cpus, [0, 1, 2, 3, 8, 9, 10, 11]);
        // Drivers write addresses as they like; not every processor may be used.
        let far = place("0000:AF:00.0", &[3, 4, 5, 12]);
        assert_eq!(far, PciPlace { node: Some(1), cpus: vec![4, 5, 12] });
        assert_eq!(place("0000:00:02.0", &[0, 1]), PciPlace { node: None, cpus: vec![0, 1] });
        for unknown in ["0000:01:00.0", "0000:02:00.0", "", "..", "../x", "0000:3b:00.0/."] {
            assert_eq!(place(unknown, &all), PciPlace::default(), "{unknown:?}");
        }
    }
}
