//! Compiled kernels, kept between runs: a driver may take seconds for what it compiled a hundred times.
//!
//! A file for each pair of device and source, under `$XDG_CACHE_HOME/adit/opencl` (or `~/.cache`). The file begins
//! with the whole key, so that two keys with one name cost a compilation and nothing else. Whatever goes wrong here
//! (no home, no room, a file cut short) means compiling again.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::PathBuf,
};

/// Where a compiled program is kept.
pub struct Entry {
    key: String,
    path: Option<PathBuf>,
}

impl Entry {
    /// For a device (its name and driver), compiler options and a source.
    pub fn new(device: &str, options: &str, source: &str) -> Self {
        let key = format!("adit 1\n{device}\n{options}\n{source}\n");
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let path = folder().map(|folder| folder.join(format!("{:016x}.bin", hasher.finish())));
        Self { key, path }
    }

    /// What was compiled before.
    pub fn load(&self) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path.as_ref()?).ok()?;
        let binary = bytes.strip_prefix(self.key.as_bytes())?;
        (!binary.is_empty()).then(|| binary.to_vec())
    }

    /// Keeps what was compiled: whole or not at all.
    pub fn store(&self, binary: &[u8]) {
        let Some(path) = &self.path else { return };
        let Some(folder) = path.parent() else { return };
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::File::create(&beside))
            .and_then(|mut file| file.write_all(self.key.as_bytes()).and_then(|()| file.write_all(binary)))
            .and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
    }

    /// Drops what was kept: the driver does not take it.
    pub fn forget(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("adit/opencl"))
}
