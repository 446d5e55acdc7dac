//! Which variant of a search, how many threads and how large a first unit: measured once, then kept for this machine.
//!
//! What is kept is worth a few hundred milliseconds and no more. So a file that cannot be read, makes no sense, or
//! cannot be written is told in a line and changes nothing else.

mod file;
mod key;

use std::sync::Arc;

use adit_host::device::{Choices, CpuSpec, DeviceSpec};
use adit_plugin::{Algorithm, choose};

pub use file::Kept;

/// What is known of an algorithm here.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The fastest variant; empty where there is none to choose from.
    pub variant: String,
    /// What one thread hashed with it, if it was measured.
    pub hashes_per_s: Option<f64>,
    /// How many threads are best, if `adit tune` found out.
    pub threads: Option<usize>,
    /// Nonces of a first unit, if `adit tune` found out.
    pub unit: Option<u64>,
    /// Whether it was found in the file.
    pub kept: bool,
}

/// What is known of each algorithm: from the file, or measured now and written there. Notes are for people.
pub fn of(algorithms: &[Arc<dyn Algorithm>], notes: &mut Vec<String>) -> Vec<Known> {
    let mut kept = Kept::open(notes);
    let mut fresh = false;
    let mut all = Vec::new();
    for algorithm in algorithms {
        if let Some(known) = kept.get(&**algorithm) {
            all.push(known);
            continue;
        }
        let known = measured(&**algorithm);
        fresh |= known.hashes_per_s.is_some();
        kept.put(&**algorithm, &known);
        all.push(known);
    }
    if fresh {
        kept.save(notes);
    }
    all
}

/// Measures which variant is the fastest, about 50 ms for each.
pub fn measured(algorithm: &dyn Algorithm) -> Known {
    let choice = choose::choice(algorithm);
    Known {
        variant: choice.map_or_else(String::new, |choice| choice.variant.to_owned()),
        hashes_per_s: choice.and_then(|choice| choice.hashes_per_s),
        threads: None,
        unit: None,
        kept: false,
    }
}

/// What the devices of a command line need to know: nothing where no worker has to choose.
pub fn for_devices(specs: &[DeviceSpec], algorithms: &[Arc<dyn Algorithm>]) -> Choices {
    let chooses = |spec: &DeviceSpec| matches!(spec, DeviceSpec::Cpu(CpuSpec { variant: None, .. }));
    if !specs.iter().any(chooses) {
        return Choices::default();
    }
    let mut notes = Vec::new();
    let known = of(algorithms, &mut notes);
    for note in notes {
        complain!("{note}");
    }
    let variants =
        algorithms.iter().zip(&known).map(|(algorithm, known)| (algorithm.id(), known.variant.clone()));
    // Threads and units are those of one algorithm.
    let only = (known.len() == 1).then(|| &known[0]);
    Choices {
        variants: variants.filter(|(_, variant)| !variant.is_empty()).collect(),
        threads: only.and_then(|known| known.threads),
        unit: only.and_then(|known| known.unit),
    }
}
