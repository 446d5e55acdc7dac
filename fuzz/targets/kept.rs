//! Both ends of a channel that survives its processes, taken up again in a file of which anything may have changed.
#![no_main]

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::OnceLock,
};

use adit_channel::{Builder, Channel, MessageKind, Receiver, Sender};
use adit_fuzz::Input;
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 1 << 10;
const ARENA: usize = 1 << 14;
/// Where the reader's and the writer's part begin, and what follows in that one: header, ring, arena.
const PARTS: [u64; 2] = [1 << 16, 2 << 16];
const HEADER: u64 = 4096;

fn path() -> &'static PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/adit-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder in memory");
        folder.join("channel")
    })
}

fn builder(kind: usize) -> Builder {
    let builder = Channel::builder(&format!("file://{}", path().display())).expect("a channel's name");
    match kind {
        0 => builder.capacity(CAPACITY).kind(MessageKind::bytes()),
        1 => builder.capacity(CAPACITY).kind(MessageKind::fixed("fuzz", 24, 8)),
        _ => builder.capacity(CAPACITY).arena(ARENA),
    }
}

/// Changes words of the file, more often where the ends look first.
fn change(input: &mut Input<'_>, file: &File) {
    for _ in 0..input.below(12) {
        let part = PARTS[input.below(2)];
        let at = match input.below(4) {
            // Header, cursors, counters.
            0 | 1 => part + input.below(64) as u64 * 8,
            2 => PARTS[1] + HEADER + input.below(CAPACITY / 8) as u64 * 8,
            _ => PARTS[1] + HEADER + (input.word() % (CAPACITY + ARENA) as u64) / 8 * 8,
        };
        let mut word = [0; 8];
        let _ = file.read_exact_at(&mut word, at);
        let value = if input.below(3) == 0 { input.header() } else { input.near(u64::from_le_bytes(word)) };
        // What lies behind the end is not the file's.
        if at + 8 <= file.metadata().map_or(0, |found| found.len()) {
            let _ = file.write_all_at(&value.to_le_bytes(), at);
        }
    }
}

/// Sends and receives without waiting; returns whether both ends still may.
fn work(input: &mut Input<'_>, kind: usize, sender: &mut Sender, receiver: &mut Receiver) {
    let longest = sender.longest();
    for _ in 0..input.below(24) {
        match input.below(5) {
            0 | 1 => {
                let len = if kind == 1 { 24 } else { (input.word() as usize) % (longest + 1) };
                let _ = sender.try_send(&vec![input.byte(); len]);
            }
            2 => {
                let _ =
                    receiver.try_recv(&mut vec![0; longest]).map(|len| assert!(len.unwrap_or(0) <= longest));
            }
            3 => {
                if let Ok(Some(message)) = receiver.read() {
                    assert!(
                        message.bytes().len() <= longest && message.to_vec().len() == message.bytes().len()
                    );
                }
            }
            _ => sender.flush(),
        }
    }
    let _ = (sender.counters(), receiver.counters());
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let kind = input.below(3);
    let _ = fs::remove_file(path());
    if let (Ok(mut receiver), Ok(mut sender)) = (builder(kind).receiver(), builder(kind).sender()) {
        work(&mut input, kind, &mut sender, &mut receiver);
    }
    for _ in 0..4 {
        if let Ok(file) = File::options().read(true).write(true).open(path()) {
            change(&mut input, &file);
        }
        let (receiver, sender) = (builder(kind).receiver(), builder(kind).sender());
        if let (Ok(mut receiver), Ok(mut sender)) = (receiver, sender) {
            work(&mut input, kind, &mut sender, &mut receiver);
            if let Ok(file) = File::options().read(true).write(true).open(path()) {
                change(&mut input, &file);
            }
            work(&mut input, kind, &mut sender, &mut receiver);
        }
    }
});
