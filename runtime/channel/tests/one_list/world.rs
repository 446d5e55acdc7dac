//! Every mode over every memory that it goes with.

use std::{
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use adit_channel::{Builder, Channel, Mode, kept};

/// Bytes of each ring.
pub const CAPACITY: usize = 1024;

/// How long something may take that another thread does: a sender hears of a receiver, a receiver of a lane.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where the messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Heap,
    Ipc,
    File,
    Shm,
}

/// A mode over a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub memory: Memory,
    pub mode: Mode,
}

const fn world(memory: Memory, mode: Mode) -> World {
    World { memory, mode }
}

/// All that there are: channels that survive their processes have one receiver.
pub const WORLDS: [World; 14] = [
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

    /// Whether the end that joins meets nobody if the other was not opened.
    pub fn needs_the_other(self) -> bool {
        self.memory == Memory::Ipc
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
        };
        Self { directory, uri }
    }

    pub fn builder(&self) -> Builder {
        let builder = Channel::builder(&self.uri).unwrap().capacity(CAPACITY);
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
