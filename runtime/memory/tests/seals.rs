//! The seals hold: whatever a peer tries with the descriptor of an owned region, it can only read.

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsRawFd,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicU64, Ordering},
};

use adit_memory::{Access, MemoryError, Options, Region, Segment, attach, create_for_peer, create_owned};
use memmap2::MmapOptions;
use rustix::{
    fs::{FallocateFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals},
    mm::{Advice, MprotectFlags, madvise, mprotect},
};

const MAX: usize = 1 << 20;

fn peer_file(segment: &Segment) -> File {
    File::from(segment.try_clone().unwrap().into_fd())
}

fn word(region: &Region, index: usize) -> &AtomicU64 {
    assert!((index + 1) * 8 <= region.len());
    // SAFETY: the word is inside the region (checked above), aligned because the region is page-aligned, and
    // only ever accessed atomically in these tests.
    unsafe { region.as_ptr().cast::<AtomicU64>().add(index).as_ref() }
}

fn assert_refused<T>(what: &str, result: io::Result<T>) {
    match result {
        Ok(_) => panic!("{what} worked"),
        Err(error) => assert!(
            matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)),
            "{what} failed with something else: {error}"
        ),
    }
}

#[test]
fn an_owned_region_carries_all_seals() {
    let (_region, segment) = create_owned("seals", 4096, &Options::default()).unwrap();
    let wanted = SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL;
    assert!(fcntl_get_seals(segment.fd()).unwrap().contains(wanted));
    let more = fcntl_add_seals(segment.fd(), SealFlags::WRITE);
    assert_refused("adding a seal", more.map_err(io::Error::from));
}

#[test]
fn a_peer_cannot_write_an_owned_region() {
    let (region, segment) = create_owned("seals", 8192, &Options::default()).unwrap();
    word(&region, 0).store(42, Ordering::Release);
    let file = peer_file(&segment);

    assert_refused("a writable mapping", MmapOptions::new().len(8192).map_raw(&file));
    assert_refused("pwrite", file.write_at(b"spoiled!", 0));
    assert_refused("shrinking", file.set_len(4096));
    assert_refused("growing", file.set_len(16384));
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_refused("a hole", fallocate(&file, hole, 0, 4096).map_err(io::Error::from));
    let zeros = FallocateFlags::ZERO_RANGE;
    assert!(fallocate(&file, zeros, 0, 4096).is_err());

    // The owner is unharmed and still writes.
    assert_eq!(word(&region, 0).load(Ordering::Acquire), 42);
    word(&region, 0).store(43, Ordering::Release);
    assert_eq!(region.access(), Access::ReadWrite);
}

#[test]
fn a_read_only_mapping_cannot_be_made_writable() {
    let (region, segment) = create_owned("seals", 4096, &Options::default()).unwrap();
    word(&region, 0).store(42, Ordering::Release);
    let theirs = MmapOptions::new().len(4096).map_raw_read_only(&peer_file(&segment)).unwrap();
    // SAFETY: the range is exactly the live mapping `theirs`; both calls are expected to be refused.
    let (protect, remove) = unsafe {
        let start = theirs.as_mut_ptr().cast();
        (
            mprotect(start, 4096, MprotectFlags::READ | MprotectFlags::WRITE),
            madvise(start, 4096, Advice::LinuxRemove),
        )
    };
    assert_refused("mprotect", protect.map_err(io::Error::from));
    assert!(remove.is_err(), "MADV_REMOVE worked");
    assert_eq!(word(&region, 0).load(Ordering::Acquire), 42);
}

#[test]
fn opening_the_descriptor_again_does_not_help() {
    let (_region, segment) = create_owned("seals", 4096, &Options::default()).unwrap();
    let path = format!("/proc/self/fd/{}", segment.fd().as_raw_fd());
    for truncate in [false, true] {
        // Opening may work (it does for the owner of the file); writing through it must not.
        let Ok(file) = OpenOptions::new().read(true).write(true).truncate(truncate).open(&path) else {
            continue;
        };
        assert!(!truncate, "opening with truncation worked");
        assert_refused(
            "a writable mapping of the second descriptor",
            MmapOptions::new().len(4096).map_raw(&file),
        );
        assert_refused("pwrite to the second descriptor", file.write_at(b"spoiled!", 0));
        assert_refused("shrinking the second descriptor", file.set_len(0));
    }
    assert_eq!(peer_file(&segment).metadata().unwrap().len(), 4096);
}

#[test]
fn the_reader_sees_what_the_owner_writes() {
    let (mine, segment) = create_owned("view", 10_000, &Options::default()).unwrap();
    assert_eq!(mine.len(), segment.len());
    let theirs = attach(segment.into_fd(), Access::ReadOnly, MAX).unwrap();
    assert_eq!(theirs.len(), mine.len());
    assert_eq!(theirs.access(), Access::ReadOnly);
    for index in 0..mine.len() / 8 {
        assert_eq!(word(&theirs, index).load(Ordering::Acquire), 0);
        word(&mine, index).store(index as u64 + 1, Ordering::Release);
        assert_eq!(word(&theirs, index).load(Ordering::Acquire), index as u64 + 1);
    }
}

#[test]
fn a_peer_writes_its_region_but_cannot_resize_it() {
    let (mine, segment) = create_for_peer("device", 8192, &Options::default()).unwrap();
    assert_eq!(mine.access(), Access::ReadOnly);
    let file = peer_file(&segment);
    assert_refused("shrinking", file.set_len(0));
    assert_refused("growing", file.set_len(1 << 20));
    let seals = fcntl_get_seals(&file).unwrap();
    assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL));
    assert_refused("freezing", fcntl_add_seals(&file, SealFlags::FUTURE_WRITE).map_err(io::Error::from));

    let theirs = attach(segment.into_fd(), Access::ReadWrite, MAX).unwrap();
    word(&theirs, 1).store(7, Ordering::Release);
    assert_eq!(word(&mine, 1).load(Ordering::Acquire), 7);

    // A hole is the worst that a writer can do, and it reads as zeros.
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, hole, 0, 8192).unwrap();
    assert_eq!(word(&mine, 1).load(Ordering::Acquire), 0);
}

#[test]
fn a_region_outlives_its_segment() {
    let (region, segment) = create_owned("short", 1, &Options::default()).unwrap();
    drop(segment);
    word(&region, 0).store(1, Ordering::Relaxed);
    assert_eq!(word(&region, 0).load(Ordering::Relaxed), 1);
}

#[test]
fn a_write_sealed_segment_is_not_attached_writable() {
    let (_region, segment) = create_owned("seals", 4096, &Options::default()).unwrap();
    let error = attach(segment.into_fd(), Access::ReadWrite, MAX).unwrap_err();
    assert!(matches!(error, MemoryError::WriteSealed { len: 4096 }), "{error}");
}
