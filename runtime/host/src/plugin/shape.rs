//! How long a shared object has to be, so that no part of it is mapped that is not there.
//!
//! The system's loader maps the parts that an object's program headers name. Of a file that was cut off it touches what is
//! not there, which ends the process with SIGBUS.

use std::io::{self, Read, Seek, SeekFrom};

/// What an object for 64 bits, least byte first, begins with.
const IDENT: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];
/// Bytes of its head.
const HEAD: usize = 64;
/// Bytes of a program header.
const ENTRY: usize = 56;
/// The kind of program header whose part is mapped.
const LOAD: u32 = 1;

/// So many bytes a file has at least if its head and its program headers are true; `None`: it is no object whose head says
/// that, which the loader tells.
pub(super) fn length(file: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    let mut head = [0; HEAD];
    if !fill(file, &mut head)? || head[..IDENT.len()] != IDENT {
        return Ok(None);
    }
    let (table, size, count) = (word(&head, 32), half(&head, 54), half(&head, 56));
    if usize::from(size) != ENTRY {
        return Ok(None);
    }
    let mut most = table.saturating_add(u64::from(count) * ENTRY as u64);
    file.seek(SeekFrom::Start(table))?;
    for _ in 0..count {
        let mut entry = [0; ENTRY];
        if !fill(file, &mut entry)? {
            break;
        }
        if entry[..4] == LOAD.to_le_bytes() {
            most = most.max(word(&entry, 8).saturating_add(word(&entry, 32)));
        }
    }
    Ok(Some(most))
}

/// Reads all of `into`, or says that there is less.
fn fill(file: &mut impl Read, into: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    bytes[at..].first_chunk().map_or(0, |half| u16::from_le_bytes(*half))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Cursor};

    use super::*;

    #[test]
    fn this_program_is_as_long_as_it_says_and_shorter_when_cut() {
        let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
        let wanted = length(&mut Cursor::new(&bytes)).unwrap().unwrap();
        assert!((HEAD as u64..=bytes.len() as u64).contains(&wanted));
        // Its table of program headers follows its head, and so tells the same when a part is missing.
        let cut = usize::try_from(wanted).unwrap() - 1;
        assert_eq!(length(&mut Cursor::new(&bytes[..cut])).unwrap(), Some(wanted));
    }

    #[test]
    fn whatever_is_no_object_is_left_to_the_loader() {
        for bytes in [&b""[..], b"\x7fELF", &[0; 100], &[&IDENT[..], &[0; 58]].concat()] {
            assert_eq!(length(&mut Cursor::new(bytes)).unwrap(), None, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_beyond_all_files_are_no_overflow() {
        let mut bytes = [&IDENT[..], &[0xff; 58]].concat();
        bytes[54..56].copy_from_slice(&(ENTRY as u16).to_le_bytes());
        bytes[32..40].copy_from_slice(&(u64::MAX - 1).to_le_bytes());
        assert!(matches!(length(&mut Cursor::new(&bytes)), Ok(Some(u64::MAX)) | Err(_)));
    }
}
