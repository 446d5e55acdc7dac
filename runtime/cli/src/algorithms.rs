//! The algorithms of this binary.

use std::sync::Arc;

use adit_host::hex;
use adit_plugin::Algorithm;

use crate::Usage;

/// All of them: one line each.
pub fn all() -> Vec<Arc<dyn Algorithm>> {
    vec![
        Arc::new(adit_sha256d::Sha256d),
        Arc::new(adit_blake2s_kda::Blake2sKda),
        Arc::new(adit_scrypt::Scrypt),
        Arc::new(adit_uhash::Uhash),
    ]
}

/// The one with a name.
pub fn named(name: &str) -> Result<Arc<dyn Algorithm>, Usage> {
    let known = all();
    let found = known.iter().find(|algorithm| algorithm.name() == name).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|algorithm| algorithm.name()).collect();
        Usage(format!("--algorithm {name}: unknown; known are {}", names.join(", ")))
    })
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
