//! Every mode over every memory that it goes with.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use adit_channel::{Builder, Channel, Mode, kept};

/// Bytes of each ring.
pub const CAPACITY: usize = 1024;

/// Bytes of each arena.
pub const ARENA: usize = 2 << 20;

/// How long something may take that another thread does: a sender hears of a receiver, a receiver of a lane.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Heap,
    Ipc,
    File,
    Shm,
    /// That of both ends, with a connection in between.
    Unix,
}

/// A mode over a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub memory: Memory,
    pub mode: Mode,
    /// Long messages lie in arenas.
    pub has_arenas: bool,
}

const fn world(memory: Memory, mode: Mode) -> World {
    World { memory, mode, has_arenas: false }
}

const fn with_arenas(memory: Memory, mode: Mode) -> World {
    World { memory, mode, has_arenas: true }
}

/// All in which it is known who gets what: channels that survive their processes have one receiver, and what
/// a receiver that goes leaves in a connection is not known to its sender.
pub const WORLDS: [World; 28] = [
    world(Memory::Heap, Mode::Spsc),
    world(Memory::Heap, Mode::Mpsc),
    world(Memory::Heap, Mode::Spmc),
    world(Memory::Heap, Mode::Mpmc),
    world(Memory::Heap, Mode::Broadcast),
    world(Memory::Ipc, Mode::Spsc),
    world(Memory::Ipc, Mode::Mpsc),
    world(Memory::Ipc, Mode::Spmc),
    world(Memory::Ipc, Mode::Mpmc),
    world(Memory::Ipc, Mode::Broadcast),
    world(Memory::File, Mode::Spsc),
    world(Memory::File, Mode::Mpsc),
    world(Memory::Shm, Mode::Spsc),
    world(Memory::Shm, Mode::Mpsc),
    world(Memory::Unix, Mode::Broadcast),
    with_arenas(Memory::Heap, Mode::Spsc),
    with_arenas(Memory::Heap, Mode::Mpsc),
    with_arenas(Memory::Heap, Mode::Spmc),
    with_arenas(Memory::Heap, Mode::Mpmc),
    with_arenas(Memory::Heap, Mode::Broadcast),
    with_arenas(Memory::Ipc, Mode::Spsc),
    with_arenas(Memory::Ipc, Mode::Mpsc),
    with_arenas(Memory::Ipc, Mode::Spmc),
    with_arenas(Memory::Ipc, Mode::Mpmc),
    with_arenas(Memory::Ipc, Mode::Broadcast),
    with_arenas(Memory::File, Mode::Spsc),
    with_arenas(Memory::File, Mode::Mpsc),
    with_arenas(Memory::Shm, Mode::Mpsc),
];

impl World {
    pub fn many_senders(self) -> bool {
        matches!(self.mode, Mode::Mpsc | Mode::Mpmc)
    }

    /// Each message goes to one of many receivers.
    pub fn is_spread(self) -> bool {
        matches!(self.mode, Mode::Spmc | Mode::Mpmc)
    }

    pub fn is_broadcast(self) -> bool {
        self.mode == Mode::Broadcast
    }

    pub fn many_receivers(self) -> bool {
        self.is_spread() || self.is_broadcast()
    }

    /// Nobody needs to be there.
    pub fn is_kept(self) -> bool {
        matches!(self.memory, Memory::File | Memory::Shm)
    }

    /// How long a message is of which a list says so many bytes: where there are arenas some are far longer.
    pub fn len(self, said: usize) -> usize {
        if self.has_arenas && said > CAPACITY / 5 { said * 1500 } else { said }
    }

    /// The longest message that may come.
    pub fn longest(self) -> usize {
        if self.has_arenas { ARENA } else { CAPACITY }
    }

    /// Whether the end that joins meets nobody if the other was not opened.
    pub fn needs_the_other(self) -> bool {
        matches!(self.memory, Memory::Ipc | Memory::Unix)
    }

    /// Whether what was sent is not there at once.
    pub fn takes_time(self) -> bool {
        self.is_kept() || self.memory == Memory::Unix
    }
}

/// The place of one channel; nothing of it is left when this is dropped.
pub struct House {
    directory: tempfile::TempDir,
    uri: String,
}

impl House {
    pub fn new(memory: Memory) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let directory = tempfile::tempdir().unwrap();
        let name = format!("one-list-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let uri = match memory {
            Memory::Heap => format!("memory://{name}"),
            Memory::Ipc => format!("ipc://{name}"),
            Memory::File => format!("file://{}", directory.path().join("kept").display()),
            Memory::Shm => format!("shm://{name}"),
            Memory::Unix => format!("unix://{}", directory.path().join("all.sock").display()),
        };
        Self { directory, uri }
    }

    pub fn builder(&self, world: World) -> Builder {
        let builder = Channel::builder(&self.uri).unwrap().capacity(CAPACITY).mode(world.mode);
        let builder = if world.has_arenas { builder.arena(ARENA) } else { builder };
        builder.directory(self.directory.path().join("adit"))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.uri.starts_with("shm://") {
            for found in kept::list_shared().unwrap_or_default() {
                if found.uri == self.uri {
                    let _ = kept::clean(&found.home);
                }
            }
        }
    }
}
