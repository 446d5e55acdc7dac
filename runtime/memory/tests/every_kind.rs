//! Every kind of memory passes the same suite.

use std::{cell::Cell, sync::Arc};

use adit_conformance::{Made, check_memory};
use adit_memory::{Access, Home, Kept, Options, PART, Pages, Region, attach, create_for_peer, create_owned};

const MAX: usize = 1 << 24;

fn options(pages: Pages) -> Options {
    Options { pages, node: None }
}

#[test]
fn private() {
    for pages in [Pages::Auto, Pages::Normal, Pages::Transparent] {
        let make = |len| Made { writer: Region::heap_with(len, &options(pages)).unwrap(), reader: None };
        assert_eq!(check_memory(make), Ok(()));
    }
}

#[test]
fn memfds_of_the_writer() {
    for pages in [Pages::Auto, Pages::Normal, Pages::Transparent] {
        let make = |len| {
            let (writer, segment) = create_owned("suite", len, &options(pages)).unwrap();
            let reader = attach(segment.into_fd(), Access::ReadOnly, MAX).unwrap();
            Made { writer, reader: Some(reader) }
        };
        assert_eq!(check_memory(make), Ok(()));
    }
}

#[test]
fn memfds_of_the_reader() {
    let make = |len| {
        let (reader, segment) = create_for_peer("suite", len, &Options::default()).unwrap();
        let writer = attach(segment.into_fd(), Access::ReadWrite, MAX).unwrap();
        Made { writer, reader: Some(reader) }
    };
    assert_eq!(check_memory(make), Ok(()));
}

/// Both ends of a new segment at `home`, each by an opening of its own, the last part of several.
fn kept(home: &Home, len: usize) -> Made {
    let part = len.next_multiple_of(PART);
    let made = home.create(PART + part, |made| made.write_at(&[7; PART], 0)).unwrap();
    let opened: Arc<Kept> = Arc::new(home.open(PART, MAX).unwrap());
    let writer = made.map(PART, part, Access::ReadWrite).unwrap();
    let reader = opened.map(PART, part, Access::ReadOnly).unwrap();
    // The bytes stay for whoever has them mapped.
    opened.remove().unwrap();
    Made { writer, reader: Some(reader) }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let number = Cell::new(0);
    let make = |len| {
        number.set(number.get() + 1);
        kept(&Home::file(folder.path().join(number.get().to_string())), len)
    };
    assert_eq!(check_memory(make), Ok(()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn named_segments() {
    let number = Cell::new(0);
    let make = |len| {
        number.set(number.get() + 1);
        let name = format!("adit-test-suite-{}-{}", std::process::id(), number.get());
        kept(&Home::shared(&name).unwrap(), len)
    };
    assert_eq!(check_memory(make), Ok(()));
}
