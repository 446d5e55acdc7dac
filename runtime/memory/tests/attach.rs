//! What `attach` refuses from a peer, and that every refusal says why.

use std::{
    fs::File,
    io::{Seek, Write},
    os::fd::OwnedFd,
};

use adit_memory::{Access, MemoryError, Options, attach, create_for_peer};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

const MAX: usize = 1 << 20;

fn memfd(len: u64, seals: SealFlags) -> OwnedFd {
    let fd = memfd_create("peer", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, len).unwrap();
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

fn refusal(fd: OwnedFd, max_len: usize) -> (MemoryError, String) {
    let error = attach(fd, Access::ReadOnly, max_len).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_memfd_that_could_change_its_size_is_refused() {
    for (seals, missing) in [
        (SealFlags::empty(), "F_SEAL_SHRINK and F_SEAL_GROW"),
        (SealFlags::GROW, "F_SEAL_SHRINK"),
        (SealFlags::SHRINK, "F_SEAL_GROW"),
        (SealFlags::FUTURE_WRITE | SealFlags::SEAL, "F_SEAL_SHRINK and F_SEAL_GROW"),
    ] {
        let (error, text) = refusal(memfd(4096, seals), MAX);
        assert!(matches!(error, MemoryError::Unsealed { len: 4096, .. }));
        assert!(text.contains(&format!("lacks {missing},")) && text.contains("4096 bytes"), "{text}");
    }
}

#[test]
fn files_and_other_descriptors_are_refused() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[0; 4096]).unwrap();
    file.rewind().unwrap();
    let (error, text) = refusal(file.into(), MAX);
    // A file on tmpfs has seals, but can have none that hold its size.
    assert!(matches!(error, MemoryError::NotMemfd | MemoryError::Unsealed { .. }), "{text}");

    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(matches!(refusal(reader.into(), MAX).0, MemoryError::NotMemfd));
    let folder = File::open("/").unwrap();
    assert!(matches!(refusal(folder.into(), MAX).0, MemoryError::NotMemfd));
    let device = File::open("/dev/null").unwrap();
    assert!(matches!(refusal(device.into(), MAX).0, MemoryError::NotMemfd));
}

#[test]
fn a_file_in_shared_memory_is_refused() {
    let Ok(file) = tempfile::tempfile_in("/dev/shm") else { return };
    file.set_len(4096).unwrap();
    assert!(matches!(refusal(file.into(), MAX).0, MemoryError::Unsealed { .. } | MemoryError::NotMemfd));
}

#[test]
fn sizes_are_bounded_by_the_receiver() {
    let sealed = SealFlags::SHRINK | SealFlags::GROW;
    for (len, max_len) in [(0, MAX), (4097, MAX), (8192, 8191), (1 << 50, MAX), (4096, 0)] {
        let (error, text) = refusal(memfd(len, sealed), max_len);
        assert!(matches!(error, MemoryError::WrongSize { .. }), "{text}");
        assert!(
            text.contains(&format!("has {len} bytes")) && text.contains(&format!("to {max_len} ")),
            "{text}"
        );
    }
    assert_eq!(attach(memfd(8192, sealed), Access::ReadOnly, 8192).unwrap().len(), 8192);
}

#[test]
fn a_sparse_memfd_is_filled_before_it_is_used() {
    let fd = memfd(64 << 10, SealFlags::SHRINK | SealFlags::GROW);
    let file = File::from(fd.try_clone().unwrap());
    let region = attach(fd, Access::ReadOnly, MAX).unwrap();
    let reserved = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512;
    assert!(reserved >= region.len() as u64, "{reserved}");
}

#[test]
fn a_descriptor_without_write_permission_is_no_writable_region() {
    let (_mine, segment) = create_for_peer("device", 4096, &Options::default()).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&segment.fd()));
    let read_only = File::open(path).unwrap();
    let error = attach(read_only.into(), Access::ReadWrite, MAX).unwrap_err().to_string();
    assert!(error.contains("cannot map a memfd writable (4096 bytes)"), "{error}");
}
