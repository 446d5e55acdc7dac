//! What helpers keep between runs: compiled kernels, which may take a driver seconds, and the size of launches.
//!
//! A file for each key, under `$XDG_CACHE_HOME/adit` (or `~/.cache/adit`), in a folder for each kind. The file begins
//! with the whole key, so that two keys with one name cost the work of one and nothing else. Length and hash of what is
//! kept follow: a machine that lost its power may have left a part of it, or zeros. Whatever goes wrong here (no home,
//! no room, a file cut short) means that it is done again.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
};

/// Bytes of length and hash.
const SEAL: usize = 16;

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
        let key = format!("adit 3 {kind}\n{}\n", on.join("\n"));
        let path = folder.join(kind).join(format!("{:016x}.bin", hash(key.as_bytes())));
        Self { key, path: Some(path) }
    }

    /// What was kept, if it is whole.
    #[must_use]
    pub fn load(&self) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path.as_ref()?).ok()?;
        let (told, kept) = bytes.strip_prefix(self.key.as_bytes())?.split_at_checked(SEAL)?;
        (!kept.is_empty() && told == seal(kept)).then(|| kept.to_vec())
    }

    /// Keeps it: whole or not at all.
    pub fn store(&self, bytes: &[u8]) {
        let Some(path) = &self.path else { return };
        let Some(folder) = path.parent() else { return };
        let beside = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::File::create(&beside))
            .and_then(|mut file| file.write_all(&[self.key.as_bytes(), &seal(bytes), bytes].concat()))
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

/// Length and hash, which stand before what is kept. A hash that another release of Rust works out differently makes
/// what was kept before worthless, and no more.
fn seal(bytes: &[u8]) -> [u8; SEAL] {
    let mut seal = [0; SEAL];
    seal[..8].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    seal[8..].copy_from_slice(&hash(bytes).to_le_bytes());
    seal
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("adit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_counts_as_not_kept() {
        let folder = std::env::temp_dir().join(format!("adit-cache-{}", std::process::id()));
        let entry = Entry::within(&folder, "test", &["device", "source"]);
        assert_eq!(entry.load(), None);
        entry.store(b"a cubin");
        assert_eq!(entry.load().as_deref(), Some(&b"a cubin"[..]));
        let path = entry.path.clone().unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(entry.load(), None, "the first {length} bytes of {}", whole.len());
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert_eq!(entry.load(), None, "a wrong bit at {at}");
        }
        entry.store(b"a cubin");
        assert!(entry.load().is_some());
        entry.forget();
        assert_eq!(entry.load(), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
