//! Files that are written whole or not at all.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// A new file in the old one's place: whoever reads sees one of the two, whole.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let written = write(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::File::create(path)?.write_all(bytes)
}

/// The page of `--report`, which is there once all was measured.
pub struct Page(PathBuf);

impl Page {
    /// Before minutes are spent on what cannot be written: makes it if it is not there, and leaves an older one alone.
    pub fn begin(file: &Path) -> Result<Self> {
        let opened = fs::File::options().append(true).create(true).open(file);
        opened.with_context(|| format!("--report {}", file.display()))?;
        Ok(Self(file.to_owned()))
    }

    /// Writes it; where that fails, an older one is still there.
    pub fn write(&self, text: &str) -> Result<()> {
        let Self(file) = self;
        // Only a file can be replaced; a link stays one, and a device what it is.
        let written = match fs::symlink_metadata(file) {
            // In a folder that takes no new files, or where the file itself is a mount, it is written over.
            Ok(found) if found.is_file() => {
                replace(file, text.as_bytes()).or_else(|error| match error.kind() {
                    io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ResourceBusy
                    | io::ErrorKind::CrossesDevices => fs::write(file, text.as_bytes()),
                    _ => Err(error),
                })
            }
            _ => fs::write(file, text),
        };
        written.with_context(|| format!("--report {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error() {
        // The kernel's own full disk.
        assert_eq!(write(Path::new("/dev/full"), b"{}").unwrap_err().kind(), io::ErrorKind::StorageFull);
        let page = Page::begin(Path::new("/dev/full")).unwrap();
        assert!(page.write("text").unwrap_err().to_string().contains("/dev/full"));
    }

    #[test]
    fn an_older_page_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page.html");
        fs::write(&file, "old").unwrap();
        let page = Page::begin(&file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"old");
        page.write("new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Page::begin(&folder.path().join("no/page.html")).is_err());
    }
}
