//! Readers of an arena beside a ring, of a stream and of a broadcast, whose writer's memory holds anything.
#![no_main]

use std::sync::atomic::Ordering::Relaxed;

use adit_fuzz::{Deaf, Input, Memory};
use adit_ring::{
    broadcast::{self, Follower, ReaderCell, StartCell, WriterCell},
    stream::{Bytes, Consumer, CursorCell, ReadWord, Word, arena::ArenaReader},
};
use libfuzzer_sys::fuzz_target;

const CAPACITY: usize = 256;
const ARENA: usize = 1024;

/// Looks at all that a message has.
fn read(bytes: Bytes<'_>) {
    assert!(bytes.len() <= ARENA);
    bytes.copy_to(0, &mut vec![0; bytes.len()]);
}

/// Reads the next message from the ring, or from the arena, where it is kept or finished.
macro_rules! read_one {
    ($reader:expr, $arena:expr, $keep:expr) => {
        match $reader.read_or_back() {
            Ok(Some(record)) => read(record.bytes()),
            Ok(None) => {}
            Err((reader, refused)) => {
                if let Ok(block) = $arena.read(reader, refused) {
                    read(block.bytes());
                    if $keep {
                        block.keep();
                    } else {
                        let _ = block.finish(&Deaf);
                    }
                }
            }
        }
    };
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (ring, arena, start) = (Memory::new(CAPACITY), Memory::new(ARENA), Memory::new(64));
    let (writer, reader) = (Memory::new(256), Memory::new(64));
    let cells = [Memory::new(64), Memory::new(64)];
    // SAFETY: aligned, of these lengths, alive until the end, and accessed by atomics alone.
    let (words, blocks) =
        unsafe { (Word::from_raw(ring.at(0), CAPACITY / 8), Word::from_raw(arena.at(0), ARENA / 8)) };
    // SAFETY: as above.
    let stream = unsafe { (words, CursorCell::from_raw(writer.at(0)), CursorCell::from_raw(reader.at(0))) };
    // SAFETY: as above.
    let all = |cell: usize| unsafe {
        let (writer, start) = (WriterCell::from_raw(writer.at(0)), StartCell::from_raw(start.at(0)));
        (words, writer, start, ReaderCell::from_raw(cells[cell].at(0)))
    };
    let position = input.near(1 << 20) & !7;
    writer.word(0).store(position, Relaxed);
    reader.word(0).store(position, Relaxed);
    start.word(0).store(position | 1, Relaxed);
    let mut one = Consumer::resume(stream).ok();
    let mut each = broadcast::Consumer::join(all(0)).ok().flatten();
    let mut follower = Follower::join(all(1)).ok().flatten();
    let mut arenas = [ArenaReader::new(blocks).unwrap(), ArenaReader::late(blocks).unwrap()];
    let mut copy = Vec::new();
    while !input.is_empty() {
        for _ in 0..input.below(9) {
            let at = input.below(CAPACITY / 8);
            // A descriptor, or what describes nothing.
            let word = if input.below(2) == 0 { input.near(0) } else { input.header() };
            ring.word(at).store(word, Relaxed);
        }
        let around = one.as_ref().map_or(position, |one| one.position());
        for at in [0, input.below(4) * 8] {
            writer.word(at).store(input.near(around), Relaxed);
        }
        let keep = input.below(4) == 0;
        match input.below(3) {
            0 => {
                if let Some(one) = &mut one {
                    read_one!(one, arenas[0], keep);
                    one.wake(&Deaf);
                }
            }
            1 => {
                if let Some(each) = &mut each {
                    read_one!(each, arenas[1], keep);
                }
            }
            _ => {
                if let Some(follower) = &mut follower {
                    let scratch: Vec<Word> = (0..CAPACITY / 32).map(|_| Word::default()).collect();
                    let refused =
                        if keep { follower.copy_newest(&scratch) } else { follower.copy_next(&scratch) };
                    if let Err(refused) = refused {
                        let copied = follower.copy_far(refused, ReadWord::of(blocks), &mut copy);
                        assert!(copied.ok().flatten().unwrap_or(0) <= ARENA && copy.len() <= ARENA / 8);
                    }
                    follower.publish_head();
                }
            }
        }
    }
});
