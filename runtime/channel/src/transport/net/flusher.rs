//! One thread for all senders of this process: sends what they gathered or could not send at once, and hears
//! when the other side goes. It begins with the first sender, and sleeps when there is nothing to do.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::event::{EventfdFlags, PollFlags, eventfd};

use super::{pace::LOOK, socket};
use crate::endpoint::OpenFailure;

/// The most senders on networks in a process.
const MAX_OUTLETS: usize = 1024;

/// A sender that this thread looks after.
pub(crate) trait Attended: Send + Sync {
    /// What is to be done for it; `None`: nothing, for now.
    fn attention(&self) -> Option<Attention>;

    /// Sends what was left; `has_word`: its socket has something to say.
    fn look(self: Arc<Self>, has_word: bool);
}

struct Flusher {
    outlets: Mutex<Vec<Weak<dyn Attended>>>,
    bell: OwnedFd,
    /// It sleeps, or is about to, until the bell rings.
    asleep: AtomicBool,
}

/// What the flusher is to do for a sender.
#[derive(Debug)]
pub(crate) struct Attention {
    /// To be heard; `None`: nobody answers there.
    pub socket: Option<Arc<OwnedFd>>,
    /// To be polled as well.
    pub room: Option<(Arc<OwnedFd>, PollFlags)>,
    /// It is to look again soon.
    pub soon: bool,
}

static FLUSHER: OnceLock<Arc<Flusher>> = OnceLock::new();

/// Looks after a sender from now on.
pub(crate) fn add(outlet: &Arc<impl Attended + 'static>) -> Result<(), OpenFailure> {
    let flusher = start()?;
    let mut outlets = flusher.outlets.lock().unwrap_or_else(PoisonError::into_inner);
    outlets.retain(|outlet| outlet.strong_count() > 0);
    if outlets.len() >= MAX_OUTLETS {
        let many = std::io::Error::other("this process has too many senders on networks");
        return Err(OpenFailure::system("open another sender")(many));
    }
    let outlet = Arc::downgrade(outlet);
    outlets.push(outlet);
    drop(outlets);
    flusher.ring();
    Ok(())
}

/// Something changed: wakes the thread if it sleeps.
pub(crate) fn look_again() {
    if let Some(flusher) = FLUSHER.get()
        && flusher.asleep.load(Ordering::Acquire)
        && flusher.asleep.swap(false, Ordering::AcqRel)
    {
        flusher.ring();
    }
}

/// Looks at all senders once, as the thread does.
#[cfg(test)]
pub(super) fn look() {
    if let Some(flusher) = FLUSHER.get() {
        flusher.outlets().into_iter().for_each(|outlet| outlet.look(false));
    }
}

fn start() -> Result<&'static Arc<Flusher>, OpenFailure> {
    static START: Mutex<()> = Mutex::new(());
    let _one = START.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(flusher) = FLUSHER.get() {
        return Ok(flusher);
    }
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(OpenFailure::system("make an eventfd"))?;
    let flusher = Arc::new(Flusher { outlets: Mutex::default(), bell, asleep: AtomicBool::new(false) });
    let thread = Arc::clone(&flusher);
    std::thread::Builder::new()
        .name("adit-flusher".into())
        .spawn(move || {
            // The kernel may otherwise sleep 50 us longer than it is told, so that it wakes fewer times.
            let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
            thread.run();
        })
        .map_err(OpenFailure::system("start a thread"))?;
    Ok(FLUSHER.get_or_init(|| flusher))
}

impl Flusher {
    fn ring(&self) {
        // It can only fail when the bell has been rung 2^64 times without being heard.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    fn run(&self) {
        loop {
            // Before the look at the senders: what changes after that rings.
            self.asleep.store(true, Ordering::SeqCst);
            let all: Vec<(Arc<dyn Attended>, Attention)> = self
                .outlets()
                .into_iter()
                .filter_map(|outlet| outlet.attention().map(|attention| (outlet, attention)))
                .collect();
            let soon = all.iter().any(|(_, attention)| attention.soon);
            if soon {
                self.asleep.store(false, Ordering::Release);
            }
            // Weak again while this sleeps, so that a sender that is dropped is dropped.
            let all: Vec<(Weak<dyn Attended>, Attention)> =
                all.into_iter().map(|(outlet, attention)| (Arc::downgrade(&outlet), attention)).collect();
            let words = self.sleep(&all, if soon { LOOK } else { Duration::MAX });
            // What changes from now on is seen before the next sleep, and need not ring.
            self.asleep.store(false, Ordering::Release);
            for ((outlet, _), has_word) in all.iter().zip(words) {
                if let Some(outlet) = outlet.upgrade() {
                    outlet.look(has_word);
                }
            }
        }
    }

    fn outlets(&self) -> Vec<Arc<dyn Attended>> {
        let mut outlets = self.outlets.lock().unwrap_or_else(PoisonError::into_inner);
        outlets.retain(|outlet| outlet.strong_count() > 0);
        outlets.iter().filter_map(Weak::upgrade).collect()
    }

    /// Which senders' sockets have something to say.
    fn sleep(&self, all: &[(Weak<dyn Attended>, Attention)], time: Duration) -> Vec<bool> {
        let mut on = vec![(self.bell.as_fd(), PollFlags::IN)];
        // Each descriptor once: the kernel polls no more than this process may have.
        let is_both = |attention: &Attention, room: &Arc<OwnedFd>| {
            attention.socket.as_ref().is_some_and(|socket| Arc::ptr_eq(socket, room))
        };
        for (_, attention) in all {
            let Some(socket) = &attention.socket else { continue };
            let more = attention.room.as_ref().filter(|(room, _)| is_both(attention, room));
            // One that takes more may be heard in vain.
            let flags = more.map_or(PollFlags::empty(), |(_, flags)| *flags);
            on.push((socket.as_fd(), PollFlags::IN | flags));
        }
        for (_, attention) in all {
            if let Some((room, flags)) = &attention.room
                && !is_both(attention, room)
            {
                on.push((room.as_fd(), *flags));
            }
        }
        // No memory for a moment; nothing else can be wrong with it.
        let ready = socket::wait_each(&on, time).unwrap_or_else(|_| {
            std::thread::sleep(Duration::from_millis(10));
            vec![false; on.len()]
        });
        if ready[0] {
            let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        }
        let mut words = ready[1..].iter();
        all.iter()
            .map(|(_, attention)| attention.socket.is_some() && words.next().is_some_and(|ready| *ready))
            .collect()
    }
}
