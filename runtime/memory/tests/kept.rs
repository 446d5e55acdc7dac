//! Memory that survives its processes: what is refused, that every refusal says why, and that nothing is lost.

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::{
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    sync::{Arc, Barrier},
    thread,
};

use adit_memory::{Access, Home, Kept, KeptError, PART};

const MAX: usize = 1 << 22;

fn make(home: &Home) -> Kept {
    home.create(2 * PART, |made| made.write_at(b"kept", 0)).unwrap()
}

fn refusal(path: &Path) -> String {
    let error = Home::file(path).open(PART, MAX).unwrap_err().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
    error
}

#[test]
fn what_is_no_segment_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(refusal(&at("missing")).contains("there is no"));
    assert!(refusal(&at("missing/inner")).contains("its directory exists"));

    fs::write(at("empty"), "").unwrap();
    assert!(refusal(&at("empty")).contains("0 bytes"));
    fs::write(at("text"), "my precious text").unwrap();
    assert!(refusal(&at("text")).contains("16 bytes, but 65536 to 4194304"));
    assert!(refusal(&at("text/inner")).contains("no directory"));
    assert_eq!(fs::read(at("text")).unwrap(), b"my precious text");
    File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
    assert!(refusal(&at("huge")).contains("1099511627776 bytes"));

    fs::create_dir(at("directory")).unwrap();
    assert!(refusal(&at("directory")).contains("a directory"));
    let _socket = UnixListener::bind(at("socket")).unwrap();
    assert!(refusal(&at("socket")).contains("a socket"));
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    assert!(refusal(&at("fifo")).contains("a FIFO"));
    drop(make(&Home::file(at("real"))));
    symlink(at("real"), at("link")).unwrap();
    assert!(refusal(&at("link")).contains("a symbolic link"));
    assert!(matches!(Home::file(at("link")).create(PART, |_| Ok(())), Err(KeptError::Exists { .. })));
}

#[test]
fn permissions_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    drop(make(&Home::file(&path)));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
    assert!(refusal(&path).contains("(mode 620); chmod go-w"));
    // Somebody who only may read is no danger.
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(Home::file(&path).open(PART, MAX).is_ok());
    // Only root can give a file away, and only others than root can be kept from it.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(refusal(&path).contains("belongs to user 12345"));
    } else {
        fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(refusal(&path).contains("check who may read and write it"));
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
        let error = Home::file(folder.path().join("new")).create(PART, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains("check who may read and write it"), "{error}");
    }
}

#[test]
fn a_directory_that_takes_no_files_is_named_and_not_the_passing_name() {
    let error = Home::file("/proc/kept").create(PART, |_| Ok(())).unwrap_err().to_string();
    assert!(error.contains("make a file in /proc:") && !error.contains(".new"), "{error}");
}

#[test]
fn a_segment_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::file(folder.path().join("kept"));
    let seen = home.create(2 * PART, |made| {
        assert!(matches!(home.open(PART, MAX), Err(KeptError::Missing { .. })));
        made.write_at(b"kept", 0)?;
        made.write_at(b"beyond", 2 * PART as u64 - 5)
    });
    assert!(seen.unwrap_err().to_string().contains("beyond its end"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let kept = make(&home);
    assert!(matches!(home.create(PART, |_| Ok(())), Err(KeptError::Exists { .. })));
    let mut start = [0; 4];
    kept.read_at(&mut start, 0).unwrap();
    assert_eq!(&start, b"kept", "the one that was there first stays");
    for len in [0, 1, PART + 4096] {
        assert!(matches!(home.create(len, |_| Ok(())), Err(KeptError::Length { .. })));
    }
}

#[test]
fn one_of_many_makers_wins() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::file(folder.path().join("kept"));
    let barrier = Barrier::new(8);
    let won: usize = thread::scope(|scope| {
        let makers: Vec<_> = (0..8_u8)
            .map(|maker| {
                let (home, barrier) = (&home, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    home.create(PART, |made| made.write_at(&[maker; 64], 0)).is_ok()
                })
            })
            .collect();
        makers.into_iter().map(|maker| usize::from(maker.join().unwrap())).sum()
    });
    assert_eq!(won, 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_is_an_error_at_the_start() {
    // A file system of its own, where this process may make one.
    let folder = tempfile::tempdir().unwrap();
    let mount = |options: &str| {
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path()).output();
        status.is_ok_and(|output| output.status.success())
    };
    if !mount("size=1m") {
        // Also where what tests print is kept back.
        let _ = writeln!(std::io::stderr(), "skipped: no file system can be mounted here");
        return;
    }
    let path = folder.path().join("kept");
    let made = Home::file(&path).create(1 << 21, |_| Ok(()));
    let left = fs::read_dir(folder.path()).unwrap().count();
    // A file with holes, as some copies are, on a disk that cannot fill them.
    drop(make(&Home::file(&path)));
    File::options().write(true).open(&path).unwrap().set_len(1 << 21).unwrap();
    let opened = Home::file(&path).open(PART, MAX).and_then(|kept| kept.map(0, PART, Access::ReadWrite));
    let len = fs::metadata(&path).map(|found| found.len());
    assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
    let error = made.unwrap_err().to_string();
    assert!(error.contains("no room for 2097152 bytes") && error.contains("free some"), "{error}");
    assert_eq!(left, 0);
    assert!(matches!(opened, Err(KeptError::Full { .. })), "{opened:?}");
    assert_eq!(len.unwrap(), 1 << 21);
}

#[test]
fn a_copy_with_holes_gets_its_bytes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept");
    let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    file.set_len(16 * PART as u64).unwrap();
    file.write_all_at(b"kept", 0).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(file.metadata().unwrap().blocks() * 512 < 16 * PART as u64);
    let kept = Home::file(&path).open(PART, MAX).unwrap();
    // Nobody knows yet that it is one.
    assert!(file.metadata().unwrap().blocks() * 512 < 16 * PART as u64);
    kept.map(0, PART, Access::ReadOnly).unwrap();
    assert!(file.metadata().unwrap().blocks() * 512 >= 16 * PART as u64);
    let mut start = [0; 4];
    kept.read_at(&mut start, 0).unwrap();
    assert_eq!(&start, b"kept");
}

#[test]
fn a_file_that_was_cut_off_is_not_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let homes = [
        Home::file(folder.path().join("kept")),
        Home::shared(&format!("adit-test-{}-cut", std::process::id())).unwrap(),
    ];
    for home in homes {
        let kept = make(&home);
        assert!(kept.is_current());
        File::options().write(true).open(home.path()).unwrap().set_len(PART as u64).unwrap();
        assert!(!kept.is_current());
        let error = kept.map(PART, PART, Access::ReadWrite).unwrap_err().to_string();
        assert!(error.contains("65536 bytes and should have 131072"), "{error}");
        assert!(matches!(kept.remove(), Err(KeptError::Replaced { .. })));
        fs::remove_file(home.path()).unwrap();
    }
}

#[test]
fn a_named_segment_that_was_replaced_is_not_mapped() {
    let home = Home::shared(&format!("adit-test-{}-new", std::process::id())).unwrap();
    let old = make(&home);
    fs::remove_file(home.path()).unwrap();
    let new = make(&home);
    assert!(matches!(old.map(0, PART, Access::ReadOnly), Err(KeptError::Replaced { .. })));
    assert!(matches!(old.remove(), Err(KeptError::Replaced { .. })));
    new.sync().unwrap();
    new.remove().unwrap();
    for name in ["", ".", "..", ".hidden", "a/b", "a\0b", &"x".repeat(201)] {
        assert!(matches!(Home::shared(name), Err(KeptError::Name { .. })), "{name:?}");
    }
}

#[test]
fn a_lock_is_one_openings_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::file(folder.path().join("kept"));
    let (one, two) = (Arc::new(make(&home)), Arc::new(home.open(PART, MAX).unwrap()));
    let lock = one.lock(0).unwrap().expect("it is free");
    assert!(two.lock(0).unwrap().is_none());
    assert!(two.is_locked(0).unwrap() && !two.is_locked(1).unwrap());
    let other = two.lock(1).unwrap().expect("parts have locks of their own");
    assert!(one.is_locked(1).unwrap());
    drop(lock);
    assert!(!two.is_locked(0).unwrap());
    assert!(two.lock(0).unwrap().is_some());
    assert!(Arc::ptr_eq(other.kept(), &two));
}

#[test]
fn homes_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.ring", "a.ring", "c.txt"] {
        drop(make(&Home::file(folder.path().join(name))));
    }
    let found = Home::list(Some(folder.path()), |name| name.ends_with(".ring")).unwrap();
    let names: Vec<_> = found.iter().map(|home| home.path().file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.ring", "b.ring"]);
    let home = Home::shared(&format!("adit-test-{}-list", std::process::id())).unwrap();
    let kept = make(&home);
    let mine = home.path().file_name().unwrap().to_str().unwrap();
    let listed = Home::list(None, |name| name == mine).unwrap();
    kept.remove().unwrap();
    assert_eq!(listed, [home]);
}
