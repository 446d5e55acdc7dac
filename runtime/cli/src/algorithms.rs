//! The algorithms of this binary, and those of plugins.

use std::sync::Arc;

use adit_host::{hex, plugin};
use adit_plugin::Algorithm;

use crate::{Usage, arguments::Plugins};

/// All that are built in: one line each.
pub fn built_in() -> Vec<Arc<dyn Algorithm>> {
    vec![
        Arc::new(adit_sha256d::Sha256d),
        Arc::new(adit_blake2s_kda::Blake2sKda),
        Arc::new(adit_scrypt::Scrypt),
        Arc::new(adit_uhash::Uhash),
    ]
}

/// The algorithms that a command can use.
pub struct Algorithms {
    /// Those built in first, then one of each plugin, in the order of the command line.
    pub all: Vec<Arc<dyn Algorithm>>,
}

impl Algorithms {
    /// Those built in, and those of the plugins that the command line names.
    pub fn load(plugins: &Plugins) -> Result<Self, Usage> {
        let mut all = built_in();
        for file in &plugins.plugins {
            let loaded = plugin::load(file, &all).map_err(|error| Usage(format!("--plugin: {error}")))?;
            all.push(loaded.algorithm);
        }
        Ok(Self { all })
    }

    /// The one with a name.
    pub fn named(&self, name: &str) -> Result<Arc<dyn Algorithm>, Usage> {
        let found = self.all.iter().find(|algorithm| algorithm.name() == name).cloned();
        found.ok_or_else(|| {
            let known = self.names().join(", ");
            Usage(format!("--algorithm {name}: unknown; known are {known}; --plugin FILE adds others"))
        })
    }

    /// Their names.
    pub fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|algorithm| algorithm.name()).collect()
    }
}

/// A header of that algorithm.
pub fn header(algorithm: &dyn Algorithm, text: &str) -> Result<Vec<u8>, Usage> {
    let header = hex::decode(text).map_err(|error| Usage(format!("--header: {error}")))?;
    algorithm
        .layout()
        .check(&header)
        .map_err(|error| Usage(format!("--header: {error} ({})", algorithm.name())))?;
    Ok(header)
}
