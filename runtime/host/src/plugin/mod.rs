//! Plugins: algorithms in shared objects, loaded at run time, used as those that are linked in.
//!
//! `docs/spec/plugin.md` is the contract, `runtime/abi` its bytes. A plugin stays loaded until the process ends, so
//! no thread can ever run code that is gone. spec: PLG-1.1

mod error;
mod extension;
mod foreign;
mod open;
mod searcher;
mod shape;
mod table;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use adit_plugin::Algorithm;

pub use error::{PluginError, PluginFault};

/// An algorithm from a shared object.
#[derive(Clone)]
pub struct LoadedPlugin {
    /// What it is.
    pub algorithm: Arc<dyn Algorithm>,
    /// The plugin's own version, for people; empty when it says none.
    pub version: String,
}

/// Loads the plugin in `file`, whose algorithm must differ in name and number from those `known`.
///
/// The table is checked, and the algorithm asked for a digest and a header of a development chain, before
/// anything else is done with it. Loading runs the plugin's code in this process: load what you trust.
///
/// # Errors
/// [`PluginError`] names the file and what is wrong with it.
pub fn load(file: &Path, known: &[Arc<dyn Algorithm>]) -> Result<LoadedPlugin, PluginError> {
    let loaded = open::open(file)
        .and_then(|raw| table::check(&raw))
        .and_then(|facts| {
            error::distinct(&facts, known)?;
            foreign::Foreign::new(file, facts)
        })
        .map_err(|fault| PluginError { file: file.to_owned(), fault })?;
    let version = loaded.version().to_owned();
    Ok(LoadedPlugin { algorithm: Arc::new(loaded), version })
}
