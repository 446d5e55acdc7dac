//! The file in which it is kept: `adit/choices.json` in `$XDG_CACHE_HOME`, or else in `$HOME/.cache`.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use adit_plugin::Algorithm;
use serde::{Deserialize, Serialize};

use super::{Known, key::Key};
use crate::files;

/// The file's format.
const FORMAT: u32 = 1;
/// The most that is read of it.
const MOST_BYTES: u64 = 1 << 20;

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Content {
    format: u32,
    key: Key,
    algorithms: BTreeMap<String, Entry>,
}

/// What is kept of one algorithm.
#[derive(Clone, Serialize, Deserialize)]
struct Entry {
    /// Its variants that this processor supports: a plugin may be another one under the same name.
    variants: String,
    variant: String,
    hashes_per_s: Option<f64>,
    threads: Option<usize>,
    unit: Option<u64>,
}

/// The file, read once.
pub struct Kept {
    path: Option<PathBuf>,
    content: Content,
}

impl Kept {
    /// Reads it. Whatever is wrong with it is a note, and then it is as if it were empty.
    pub fn open(notes: &mut Vec<String>) -> Self {
        let key = Key::here();
        let path = path();
        let mut content = Content { format: FORMAT, key, algorithms: BTreeMap::new() };
        match path.as_deref().map(read) {
            Some(Ok(found)) if found.format == FORMAT && found.key == content.key => content = found,
            // Of another machine or build: of no use, and no fault.
            Some(Ok(_)) | None => {}
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Some(Err(error)) => {
                let name = path.as_deref().unwrap_or(Path::new("")).display();
                notes.push(format!("what was measured before is ignored: {name}: {error}"));
            }
        }
        Self { path, content }
    }

    /// What is kept of an algorithm, if it can be true here.
    pub fn get(&self, algorithm: &dyn Algorithm) -> Option<Known> {
        let entry = self.content.algorithms.get(algorithm.name())?;
        let supported = supported(algorithm);
        let possible = entry.variant.is_empty() || supported.contains(&entry.variant.as_str());
        if entry.variants != supported.join(",") || !possible {
            return None;
        }
        Some(Known {
            variant: entry.variant.clone(),
            hashes_per_s: entry.hashes_per_s.filter(|rate| rate.is_finite() && *rate > 0.0),
            threads: entry.threads.filter(|threads| (1..=1024).contains(threads)),
            unit: entry.unit.filter(|unit| *unit > 0),
            kept: true,
        })
    }

    /// Keeps something.
    pub fn put(&mut self, algorithm: &dyn Algorithm, known: &Known) {
        let entry = Entry {
            variants: supported(algorithm).join(","),
            variant: known.variant.clone(),
            hashes_per_s: known.hashes_per_s,
            threads: known.threads,
            unit: known.unit,
        };
        self.content.algorithms.insert(algorithm.name().to_owned(), entry);
    }

    /// Writes it; a failure is a note.
    pub fn save(&self, notes: &mut Vec<String>) {
        let Some(path) = &self.path else { return };
        let written = serde_json::to_vec_pretty(&self.content).map_err(io::Error::other).and_then(|bytes| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            files::replace(path, &[&bytes[..], b"\n"].concat())
        });
        if let Err(error) = written {
            notes.push(format!("what was measured cannot be kept: {}: {error}", path.display()));
        }
    }
}

fn supported(algorithm: &dyn Algorithm) -> Vec<&'static str> {
    let variants = algorithm.variants().into_iter();
    variants.filter(|variant| variant.supported).map(|variant| variant.name).collect()
}

fn path() -> Option<PathBuf> {
    // As the XDG base directory specification says, only absolute paths count.
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("adit/choices.json"))
}

fn read(path: &Path) -> io::Result<Content> {
    // A pipe of that name would keep whoever opens it waiting.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = fs::File::open(path)?;
    let bytes = io::Read::take(file, MOST_BYTES);
    serde_json::from_reader(io::BufReader::new(bytes)).map_err(io::Error::other)
}
