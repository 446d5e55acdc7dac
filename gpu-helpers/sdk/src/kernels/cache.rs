//! What helpers keep between runs: compiled kernels, which may take a driver seconds, and the size of launches.
//!
//! A file for each key, under `$XDG_CACHE_HOME/adit` (or `~/.cache/adit`), in a folder for each kind. The file begins
//! with the whole key, so that two keys with one name cost the work of one and nothing else. Whatever goes wrong here
//! (no home, no room, a file cut short) means that it is done again.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Where something is kept.
#[derive(Debug)]
pub struct Entry {
    key: String,
    path: Option<PathBuf>,
}

impl Entry {
    /// Of a kind, for whatever it depends on: device and driver, options, a source.
    #[must_use]
    pub fn new(kind: &str, on: &[&str]) -> Self {
        folder().map_or_else(Self::nowhere, |folder| Self::within(&folder, kind, on))
    }

    /// Keeps nothing.
    pub(super) fn nowhere() -> Self {
        Self { key: String::new(), path: None }
    }

    /// In a folder of the caller's.
    pub(super) fn within(folder: &Path, kind: &str, on: &[&str]) -> Self {
        let key = format!("adit 2 {kind}\n{}\n", on.join("\n"));
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let path = folder.join(kind).join(format!("{:016x}.bin", hasher.finish()));
        Self { key, path: Some(path) }
    }

    /// What was kept.
    #[must_use]
    pub fn load(&self) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path.as_ref()?).ok()?;
        let kept = bytes.strip_prefix(self.key.as_bytes())?;
        (!kept.is_empty()).then(|| kept.to_vec())
    }

    /// Keeps it: whole or not at all.
    pub fn store(&self, bytes: &[u8]) {
        let Some(path) = &self.path else { return };
        let Some(folder) = path.parent() else { return };
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::File::create(&beside))
            .and_then(|mut file| file.write_all(self.key.as_bytes()).and_then(|()| file.write_all(bytes)))
            .and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
    }

    /// Drops what was kept: it is of no use.
    pub fn forget(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("adit"))
}
