//! spec: CHN-4.4
//!
//! One thread for all sockets of this process: it sleeps until one of them has something to say.
//!
//! It begins with the first `ipc://` end and stays. It does nothing for messages: only joins and deaths.

use std::{
    collections::BTreeMap,
    fmt,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, eventfd, poll},
    io::Errno,
};

use crate::endpoint::OpenFailure;

/// The most sockets that are watched at a time.
const MAX_WATCHED: usize = 4096;

/// What is done when a socket has something to say; returns whether to go on watching it.
type OnReady = Box<dyn FnMut(&Arc<OwnedFd>) -> bool + Send>;

/// A watched socket.
struct Entry {
    socket: Arc<OwnedFd>,
    /// `None` while it runs.
    on_ready: Option<OnReady>,
}

#[derive(Default)]
struct Entries {
    next: u64,
    by_number: BTreeMap<u64, Entry>,
}

struct Watcher {
    entries: Mutex<Entries>,
    /// Rung when the entries change.
    bell: OwnedFd,
}

/// A socket is watched until this is dropped.
pub(super) struct Watched(u64);

impl Watched {
    /// Watches until the socket's own callback ends it.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.0).finish()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Ok(watcher) = watcher() {
            let gone = watcher.lock().by_number.remove(&self.0);
            watcher.ring();
            drop(gone);
        }
    }
}

/// Calls `on_ready` whenever the socket has something to say, until it returns false.
pub(super) fn watch(
    socket: Arc<OwnedFd>,
    on_ready: impl FnMut(&Arc<OwnedFd>) -> bool + Send + 'static,
) -> Result<Watched, OpenFailure> {
    let watcher = watcher()?;
    let mut entries = watcher.lock();
    if entries.by_number.len() >= MAX_WATCHED {
        let many = std::io::Error::other("this process has too many ipc:// ends");
        return Err(OpenFailure::system("watch a socket")(many));
    }
    let number = entries.next;
    entries.next += 1;
    entries.by_number.insert(number, Entry { socket, on_ready: Some(Box::new(on_ready)) });
    drop(entries);
    watcher.ring();
    Ok(Watched(number))
}

fn watcher() -> Result<&'static Arc<Watcher>, OpenFailure> {
    static WATCHER: OnceLock<Arc<Watcher>> = OnceLock::new();
    static START: Mutex<()> = Mutex::new(());
    if let Some(watcher) = WATCHER.get() {
        return Ok(watcher);
    }
    let _one = START.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(watcher) = WATCHER.get() {
        return Ok(watcher);
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(OpenFailure::system("make an eventfd"))?;
    let watcher = Arc::new(Watcher { entries: Mutex::default(), bell });
    let thread = Arc::clone(&watcher);
    std::thread::Builder::new()
        .name("adit-channel".into())
        .spawn(move || thread.run())
        .map_err(OpenFailure::system("start a thread"))?;
    Ok(WATCHER.get_or_init(|| watcher))
}

impl Watcher {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // It can only fail when the bell has been rung 2^64 times without being heard.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn run(&self) {
        loop {
            let watched: Vec<(u64, Arc<OwnedFd>)> = self
                .lock()
                .by_number
                .iter()
                .map(|(number, entry)| (*number, Arc::clone(&entry.socket)))
                .collect();
            let mut fds = vec![PollFd::new(&self.bell, PollFlags::IN)];
            fds.extend(
                watched.iter().map(|(_, socket)| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)),
            );
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                // No memory for a moment; nothing else can be wrong with it.
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            drop(fds);
            if ready[0] {
                let _ = rustix::io::read(&self.bell, &mut [0; 8]);
            }
            for ((number, socket), ready) in watched.into_iter().zip(&ready[1..]) {
                if *ready {
                    self.call(number, &socket);
                }
            }
        }
    }

    /// Calls without the lock, so that what is called may watch and stop watching.
    fn call(&self, number: u64, socket: &Arc<OwnedFd>) {
        let on_ready = self.lock().by_number.get_mut(&number).and_then(|entry| entry.on_ready.take());
        let Some(mut on_ready) = on_ready else { return };
        let keep = on_ready(socket);
        let mut entries = self.lock();
        let gone = if keep {
            match entries.by_number.get_mut(&number) {
                Some(entry) => {
                    entry.on_ready = Some(on_ready);
                    return;
                }
                None => None,
            }
        } else {
            entries.by_number.remove(&number)
        };
        drop(entries);
        drop(gone);
    }
}
