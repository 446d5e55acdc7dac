//! Reserves the bytes of files, so that there is no SIGBUS later.

use std::os::fd::AsFd;

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::{Errno, retry_on_intr},
};

/// So many bytes are reserved at a time. Until Linux 6.10 a signal that a process handles interrupts the call on memory
/// files, and what it had done is undone: a whole gigabyte would never come to its end where a profiler sends them.
const PIECE: u64 = 16 << 20;

/// Reserves the first `len` bytes.
pub(crate) fn reserve(file: impl AsFd, flags: FallocateFlags, len: u64) -> Result<(), Errno> {
    let mut at = 0;
    loop {
        let piece = (len - at).min(PIECE);
        retry_on_intr(|| fallocate(&file, flags, at, piece))?;
        at += piece;
        if at == len {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn every_piece_is_reserved() {
        for len in [1, PIECE, 2 * PIECE + 4096] {
            let file = tempfile::tempfile().unwrap();
            match reserve(&file, FallocateFlags::empty(), len) {
                Err(Errno::OPNOTSUPP) => return eprintln!("not tested: this file system reserves nothing"),
                result => result.unwrap(),
            }
            let found = file.metadata().unwrap();
            assert_eq!(found.len(), len);
            assert!(found.blocks() * 512 >= len, "{} blocks for {len} bytes", found.blocks());
        }
        // What the system says to no bytes at all.
        assert_eq!(reserve(tempfile::tempfile().unwrap(), FallocateFlags::empty(), 0), Err(Errno::INVAL));
    }
}
