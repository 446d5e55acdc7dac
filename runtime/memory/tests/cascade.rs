//! Wishes for pages and nodes: whatever comes out works, and the report tells the truth about it.

use std::fs;

use adit_memory::{Access, MemoryError, Options, Pages, Region, attach, create_for_peer, create_owned};

fn free_huge_pages() -> u64 {
    let text = fs::read_to_string("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

fn faults_may_be_huge() -> bool {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/shmem_enabled").unwrap_or_default();
    !text.is_empty() && !text.contains("[never]") && !text.contains("[deny]")
}

fn touch_both_ends(region: &Region) {
    for offset in [0, region.len() - 1] {
        // SAFETY: the offset is inside the region, which lives until the end of this function.
        unsafe { region.as_ptr().add(offset).read_volatile() };
    }
}

fn wish(pages: Pages) -> Options {
    Options { pages, node: None }
}

#[test]
fn normal_pages_need_no_excuse() {
    let (region, segment) = create_owned("normal", 5000, &Options::default()).unwrap();
    assert_eq!(region.len(), 8192);
    assert_eq!(segment.len(), 8192);
    assert_eq!((region.report().asked, region.report().got), (Pages::Auto, Pages::Normal));
    assert!(region.report().notes.is_empty(), "{:?}", region.report());
    touch_both_ends(&region);
}

#[test]
fn huge_pages_or_a_reason() {
    let (region, _segment) = create_owned("huge", 3 << 20, &wish(Pages::Huge2M)).unwrap();
    let report = region.report();
    assert_eq!(report.asked, Pages::Huge2M);
    touch_both_ends(&region);
    match report.got {
        Pages::Huge2M => assert_eq!(region.len(), 4 << 20),
        lesser => {
            assert!(report.notes[0].contains("no 2 MiB pages"), "{report:?}");
            assert!(region.len() >= 3 << 20);
            if lesser == Pages::Normal {
                assert_eq!(region.len(), 3 << 20, "no more is taken than the pages need");
                assert!(report.notes.len() >= 2, "{report:?}");
            }
        }
    }
    // The pool is shared with everything else on the machine, so only an empty one is certain.
    if free_huge_pages() == 0 {
        assert_ne!(report.got, Pages::Huge2M);
    }
}

#[test]
fn transparent_pages_or_a_reason() {
    for make in [create_owned, create_for_peer] {
        let (region, _segment) = make("transparent", 4 << 20, &wish(Pages::Transparent)).unwrap();
        let report = region.report();
        touch_both_ends(&region);
        if report.got != Pages::Transparent {
            assert_eq!(report.got, Pages::Normal);
            assert_eq!(report.notes.len(), 1, "{report:?}");
        }
        if report.got == Pages::Normal && !faults_may_be_huge() {
            assert!(report.notes[0].contains("transparent huge pages"), "{report:?}");
        }
    }
}

#[test]
fn memory_that_a_peer_writes_never_has_pool_pages() {
    let (region, segment) = create_for_peer("device", 1 << 20, &wish(Pages::Huge2M)).unwrap();
    assert_ne!(region.report().got, Pages::Huge2M);
    assert!(region.report().notes[0].contains("peer"), "{:?}", region.report());
    attach(segment.into_fd(), Access::ReadWrite, 4 << 20).unwrap();
}

#[test]
fn impossible_lengths_are_clear_errors() {
    for make in [create_owned, create_for_peer] {
        for pages in [Pages::Auto, Pages::Normal, Pages::Transparent, Pages::Huge2M] {
            assert!(matches!(make("none", 0, &wish(pages)), Err(MemoryError::ZeroLength)));
            let error = make("vast", 1 << 50, &wish(pages)).unwrap_err();
            assert!(matches!(error, MemoryError::TooLarge { .. }));
            let text = error.to_string();
            assert!(text.contains("1125899906842624 bytes") && text.contains("ask for less"), "{text}");
            assert!(make("vast", usize::MAX, &wish(pages)).is_err());
        }
    }
}

#[test]
fn impossible_names_are_clear_errors() {
    for name in ["a\0b", &"x".repeat(1000)] {
        let error = create_owned(name, 4096, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("cannot create a memfd (4096 bytes)"), "{error}");
    }
}

#[test]
fn a_node_is_verified_or_a_note() {
    let here = Options { pages: Pages::Normal, node: Some(0) };
    for make in [create_owned, create_for_peer] {
        let (region, _segment) = make("near", 1 << 20, &here).unwrap();
        let report = region.report();
        assert!(report.node == Some(0) || !report.notes.is_empty(), "{report:?}");
    }
    let nowhere = Options { pages: Pages::Normal, node: Some(1000) };
    let (region, _segment) = create_owned("far", 4096, &nowhere).unwrap();
    assert_ne!(region.report().node, Some(1000));
    assert!(region.report().notes.iter().any(|note| note.contains("1000")), "{:?}", region.report());
}

#[test]
fn all_pages_are_reserved_at_once() {
    use std::os::unix::fs::MetadataExt;
    for make in [create_owned, create_for_peer] {
        let (region, segment) = make("reserved", 256 << 10, &Options::default()).unwrap();
        let file = fs::File::from(segment.into_fd());
        assert!(file.metadata().unwrap().blocks() * 512 >= region.len() as u64);
    }
}
