//! Wakers on sockets: how a future waits for what comes over a network.
//!
//! A thread of this process polls the sockets of all futures together (`epoll`), and knows until when each waits at most.
//! It begins when it is needed and stays.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{
        EventfdFlags, Timespec,
        epoll::{self, EventData, EventFlags},
        eventfd,
    },
};

use super::{Waiter, lock};

/// What the bell is registered as; sockets are counted from 0.
const BELL: u64 = u64::MAX;

/// How many events are taken at a time.
const EVENTS: usize = 64;

/// How long to wait before the next attempt where `epoll` fails, which it does for want of memory.
const FAILED: Duration = Duration::from_millis(10);

/// The thread, and who waits for it.
#[derive(Debug)]
pub(super) struct Poller {
    epoll: OwnedFd,
    /// Rung when somebody waits less long than all who waited before.
    bell: OwnedFd,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    items: BTreeMap<u64, Item>,
    /// Of those that wait for a time: when, and which.
    times: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Item {
    /// `None`: it waits for a time alone.
    socket: Option<Arc<OwnedFd>>,
    until: Option<Instant>,
    waiter: Arc<Waiter>,
}

static POLLER: Mutex<Option<Arc<Poller>>> = Mutex::new(None);

/// The one of this process; `None`: the system has no thread or no descriptors for it.
pub(super) fn poller() -> Option<Arc<Poller>> {
    let mut poller = lock(&POLLER);
    if poller.is_none() {
        *poller = Poller::start();
    }
    poller.clone()
}

impl Poller {
    fn start() -> Option<Arc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).ok()?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN).ok()?;
        let poller = Arc::new(Self { epoll, bell, table: Mutex::default() });
        let thread = Arc::clone(&poller);
        let started = std::thread::Builder::new().name("adit-poller".into()).spawn(move || thread.run());
        started.ok().map(|_| poller)
    }

    /// Calls the waiter when the socket is readable, or has failed; says what to [take back](Self::take_back). `None`: it
    /// cannot be polled.
    pub fn leave_socket(&self, socket: &Arc<OwnedFd>, waiter: &Arc<Waiter>) -> Option<u64> {
        let item = Item { socket: Some(Arc::clone(socket)), until: None, waiter: Arc::clone(waiter) };
        // Under the lock, so that its event is not looked up before it is there.
        let mut table = lock(&self.table);
        let number = table.put(item);
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        let added = epoll::add(&self.epoll, socket, EventData::new_u64(number), flags);
        if added.is_err() {
            table.take(number);
        }
        added.ok().map(|()| number)
    }

    /// Calls the waiter when this time has come.
    pub fn leave_time(&self, until: Instant, waiter: &Arc<Waiter>) -> u64 {
        let mut table = lock(&self.table);
        let is_first = table.first().is_none_or(|first| until < first);
        let number = table.put(Item { socket: None, until: Some(until), waiter: Arc::clone(waiter) });
        drop(table);
        if is_first {
            // It can only fail when it has been rung 2^64 times without being heard.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
        number
    }

    pub fn take_back(&self, number: u64) {
        let mut table = lock(&self.table);
        let item = table.take(number);
        // Under the lock: the same socket may be left again at once.
        item.iter().for_each(|item| self.forget(item));
        drop(table);
        // What it kept open may be closed here, without the lock.
        drop(item);
    }

    fn forget(&self, item: &Item) {
        if let Some(socket) = &item.socket {
            // It is there: it was added, and its item keeps it open.
            let _ = epoll::delete(&self.epoll, socket);
        }
    }

    fn run(&self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let first = lock(&self.table).first();
            let timeout = first.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => std::thread::sleep(FAILED),
            }
            let ready: Vec<u64> = events.drain(..).map(|event: epoll::Event| event.data.u64()).collect();
            if ready.contains(&BELL) {
                // It fails when it has not been rung.
                let _ = rustix::io::read(&self.bell, &mut [0; 8]);
            }
            let mut table = lock(&self.table);
            let mut fired: Vec<Item> = ready.into_iter().filter_map(|number| table.take(number)).collect();
            let now = Instant::now();
            while let Some(&(until, number)) = table.times.first()
                && until <= now
            {
                fired.extend(table.take(number));
            }
            fired.iter().for_each(|item| self.forget(item));
            drop(table);
            // Wakers are somebody else's code: without the lock.
            fired.iter().for_each(|item| item.waiter.fire());
        }
    }
}

impl Table {
    fn put(&mut self, item: Item) -> u64 {
        let number = self.next;
        self.next += 1;
        self.times.extend(item.until.map(|until| (until, number)));
        self.items.insert(number, item);
        number
    }

    fn take(&mut self, number: u64) -> Option<Item> {
        let item = self.items.remove(&number)?;
        if let Some(until) = item.until {
            self.times.remove(&(until, number));
        }
        Some(item)
    }

    /// When the first who waits for a time is to be called.
    fn first(&self) -> Option<Instant> {
        self.times.first().map(|(until, _)| *until)
    }
}
