//! The archive that a kernel unpacks as its first file system: cpio in the "new ASCII" format, which has a header
//! of thirteen 8-digit hexadecimal numbers before each name.

use std::collections::BTreeSet;

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;

/// An archive in the making.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a file that may be executed, and the folders that it is in.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            self.folder(&path[..at]);
        }
        self.entry(path, PROGRAM, content);
    }

    /// Adds a folder, once.
    pub fn folder(&mut self, path: &str) {
        if self.folders.insert(path.to_owned()) {
            self.entry(path, FOLDER, &[]);
        }
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let (size, length) = (content.len() as u32, name.len() as u32 + 1);
        // Inode, mode, user, group, links, time, size, four numbers of devices, length of the name, checksum.
        let numbers = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
        self.bytes.extend(b"070701");
        for number in numbers {
            self.bytes.extend(format!("{number:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_padded_and_folders_come_before_their_files() {
        let mut archive = Archive::default();
        archive.file("/lib/deep/file", b"12345");
        archive.file("lib/other", b"");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let at = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(at("lib") < at("lib/deep") && at("lib/deep") < at("lib/deep/file"));
        assert!(at("lib/other") < at("TRAILER!!!"));
        assert_eq!(text.matches("070701").count(), 5);
        // Header and name of "lib" take 110 + 4 bytes, padded to 116.
        assert_eq!(&bytes[116..122], b"070701");
    }
}
