//! What both ends of a lane have: their page, the peer's, counters, and whether the peer is there.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use adit_memory::{Region, Report};
use adit_ring::{park::Park as _, stream::Framing};

use super::{
    Pump,
    header::{CLOSED, COUNTERS, CURSOR, PID, POSITION, WAITING},
    latency::{Stamper, WAKES},
    memory::Page,
};
use crate::{futex::Futex, sleeper};

/// Nothing is shown of each message, to see what it costs: `cargo xtask uncounted`.
const UNCOUNTED: bool = cfg!(uncounted);

/// How often a peer that says it sleeps is woken by an end that closes.
const WAKES_TO_CLOSE: u32 = 20;

/// What an end that closed waits for: no cursor is ever so high.
const NEVER: u64 = u64::MAX;

/// How long it gets to see why.
const BETWEEN_WAKES: Duration = Duration::from_micros(50);

/// The process at the other end is gone.
const DEAD: u64 = 1;

/// It is dealt with no more, whether it lives or not.
const MISBEHAVED: u64 = 2;

/// Why nobody is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DisconnectCause {
    /// It was closed: the other end was dropped.
    Closed,
    /// The other process ended without closing it.
    PeerDied,
    /// The other end wrote what no correct one writes, so that nothing it says is believed any more.
    Misbehaved,
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the other end was closed",
            Self::PeerDied => "the process at the other end died",
            Self::Misbehaved => "the other end broke the rules",
        })
    }
}

/// What an end counted. It alone writes them, in its own region, except messages of one size and their bytes:
/// the cursors tell how many those are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages sent or received.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// How often this end had to wait: for room, or for a message.
    pub stalls: u64,
    /// How often this end woke the other.
    pub wakes: u64,
    /// Messages dropped because there was no room; the sender counts them.
    pub drops: u64,
    /// Messages that never arrived: in a broadcast those that were overwritten, or passed by, before this
    /// receiver took them; at the sender of a channel with many receivers those that a receiver which is gone
    /// had and did not finish.
    pub lost: u64,
    /// The most bytes (headers included) that waited to be read when the receiver looked. It looks when what it
    /// knew of is read, so at no time did more than twice as much wait. With [slots](crate::endpoint::Builder::slots) it
    /// looks now and then, and in between knows of one message at a time.
    pub depth: u64,
}

impl Counters {
    /// Messages and bytes as the cursor of an end tells them that stood at `since` and stands at `position`, if
    /// messages have one size.
    pub(super) fn with_traffic(mut self, framing: Framing, capacity: u64, since: u64, position: u64) -> Self {
        let messages = |position| framing.messages(capacity, position);
        if let (Framing::Fixed(size), Some(before), Some(now)) =
            (framing, messages(since), messages(position))
        {
            self.messages = now.saturating_sub(before);
            self.bytes = self.messages.saturating_mul(size as u64);
        }
        self
    }

    /// Adds those of another lane; of depths the greater counts.
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.stalls += other.stalls;
        self.wakes += other.wakes;
        self.drops += other.drops;
        self.lost += other.lost;
        self.depth = self.depth.max(other.depth);
    }
}

/// As [`End::show_position`], for who has the start of the end's region alone.
#[inline(always)]
pub(super) fn show_position(own: &Page, position: u64) {
    if !UNCOUNTED {
        own.word(COUNTERS + POSITION * 8).store(position, Ordering::Relaxed);
    }
}

/// What a transport says of the peer's life, and what wakes whoever waits for it. Looked at for each message, and
/// so alone on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Link {
    /// 0, [`DEAD`] or [`MISBEHAVED`]; slept on.
    dead: AtomicU64,
    peer: Page,
}

impl Link {
    /// Whether the process at the other end is known to be gone.
    #[inline(always)]
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire) != 0
    }

    /// Whether the other end is not there; as [`End::gone`].
    #[inline(always)]
    pub fn is_gone(&self) -> bool {
        self.is_dead() | (self.peer.load(CLOSED) != 0)
    }

    #[cold]
    fn cause(&self, closed: bool) -> DisconnectCause {
        match self.dead.load(Ordering::Acquire) {
            MISBEHAVED => DisconnectCause::Misbehaved,
            _ if closed => DisconnectCause::Closed,
            _ => DisconnectCause::PeerDied,
        }
    }

    /// The process at the other end is gone: wakes who sleeps on that, or on its cursor.
    pub fn mark_dead(&self) {
        self.mark(DEAD);
    }

    /// What was found out before stands.
    fn mark(&self, why: u64) {
        let _ = self.dead.compare_exchange(0, why, Ordering::AcqRel, Ordering::Relaxed);
        let futex = Futex::new();
        futex.wake(&self.dead);
        futex.wake(self.peer.word(CURSOR));
        sleeper::wake(self.peer.word(CURSOR));
    }
}

/// One end's page and the peer's.
#[derive(Debug)]
pub(crate) struct End {
    own: Page,
    peer: Page,
    link: Arc<Link>,
    pub futex: Futex,
    pub counters: Counters,
    /// The position from which on the next message is stamped.
    pub stamp_at: u64,
    stamper: Option<Box<Stamper>>,
    /// The peer is a transport, which is not woken but called.
    pump: Option<Box<dyn Pump>>,
}

impl End {
    pub fn new(own: Arc<Region>, peer: Arc<Region>) -> Self {
        let peer = Page::new(peer);
        let link = Arc::new(Link { dead: AtomicU64::new(0), peer: peer.clone() });
        Self {
            own: Page::new(own),
            peer,
            link,
            futex: Futex::new(),
            counters: Counters::default(),
            stamp_at: u64::MAX,
            stamper: None,
            pump: None,
        }
    }

    /// Begins to stamp messages, in this end's own region.
    pub fn stamp_messages(&mut self, own: &Arc<Region>) {
        self.stamper = Some(Box::new(Stamper::new(own)));
        self.stamp_at = 0;
    }

    /// Stamps the message that is written next, at `position`, if that is due.
    #[cold]
    pub fn stamp(&mut self, position: u64) {
        let head = self.peer.load(CURSOR);
        self.stamp_at = self.stamper.as_mut().map_or(u64::MAX, |stamper| stamper.stamp(position, head));
    }

    pub fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// Why the peer is not there, if it is not. What it published before is to be seen after this.
    #[inline(always)]
    pub fn gone(&self) -> Option<DisconnectCause> {
        let dead = self.link.is_dead();
        // Looked at after the link: a peer closes before it hangs up.
        let closed = self.peer_closed();
        if dead | closed { Some(self.link.cause(closed)) } else { None }
    }

    /// Nothing that the peer says is believed any more.
    pub fn peer_misbehaved(&self) {
        self.link.mark(MISBEHAVED);
    }

    /// Whether the process at the other end is known to be gone; as [`gone`](Self::gone) without its having closed.
    #[inline(always)]
    pub fn link_is_dead(&self) -> bool {
        self.link.is_dead()
    }

    /// Whether the peer is not there; as [`gone`](Self::gone).
    #[inline(always)]
    pub fn is_gone(&self) -> bool {
        self.link.is_gone()
    }

    /// Whether this end has announced a sleep, and not taken that back.
    pub fn is_armed(&self) -> bool {
        self.own.load(WAITING) != 0
    }

    /// Says that this end is taken up again, by this process.
    pub fn reopen(&self) {
        self.own.word(PID).store(u64::from(std::process::id()), Ordering::Relaxed);
        self.own.word(CLOSED).store(0, Ordering::Release);
    }

    /// Whether the peer says that it closed.
    #[inline(always)]
    pub fn peer_closed(&self) -> bool {
        self.peer.load(CLOSED) != 0
    }

    /// Not 0 once the peer's process is gone.
    pub(super) fn dead_word(&self) -> &AtomicU64 {
        &self.link.dead
    }

    /// Not 0 once the peer has closed.
    pub(super) fn closed_word(&self) -> &AtomicU64 {
        self.peer.word(CLOSED)
    }

    /// Whether anybody ever had the peer's end.
    pub fn peer_was_there(&self) -> bool {
        self.peer.load(PID) != 0
    }

    /// Where this end's region is.
    pub fn own_placement(&self) -> &Report {
        self.own.report()
    }

    /// Where the peer's region is.
    pub fn peer_placement(&self) -> &Report {
        self.peer.report()
    }

    /// Counts messages, of `bytes` together, in a lane where nobody can tell from the cursors.
    #[inline(always)]
    pub fn count(&mut self, messages: u64, bytes: u64) {
        self.counters.messages += messages;
        self.counters.bytes += bytes;
        if UNCOUNTED {
            return;
        }
        self.counter(0).store(self.counters.messages, Ordering::Relaxed);
        self.counter(1).store(self.counters.bytes, Ordering::Relaxed);
    }

    /// Puts where others can see it how far this end has read. Its cursor says so only now and then, for the
    /// writer.
    #[inline(always)]
    pub fn show_position(&self, position: u64) {
        show_position(&self.own, position);
    }

    /// The start of this end's region.
    pub(super) fn own(&self) -> &Page {
        &self.own
    }

    /// How far the peer, who reads, says it has read.
    pub fn peer_position(&self) -> u64 {
        self.peer.load(COUNTERS + POSITION * 8)
    }

    /// How many messages the peer, who reads, says it has finished.
    pub fn peer_messages(&self, framing: Framing, capacity: u64) -> u64 {
        let shown = |at: usize| self.peer.load(COUNTERS + at * 8);
        Counters { messages: shown(0), ..Counters::default() }
            .with_traffic(framing, capacity, 0, self.peer_position())
            .messages
    }

    /// Puts the rarer counters where others can see them.
    pub fn show_rare(&self) {
        let counters = &self.counters;
        let rare = [counters.stalls, counters.wakes, counters.drops, counters.depth];
        for (at, value) in rare.into_iter().enumerate() {
            self.counter(2 + at).store(value, Ordering::Relaxed);
        }
    }

    /// Has `pump` called where a peer that sleeps would be woken.
    pub fn set_pump(&mut self, pump: Box<dyn Pump>) {
        self.futex = Futex::silent();
        self.pump = Some(pump);
    }

    pub fn pump(&mut self) -> Option<&mut Box<dyn Pump>> {
        self.pump.as_mut()
    }

    #[cold]
    pub fn woke(&mut self) {
        if let Some(pump) = &mut self.pump {
            return pump.published();
        }
        self.counters.wakes += 1;
        if self.stamper.is_some() && self.counters.wakes % WAKES == 1 {
            self.stamp_at = 0;
        }
        self.show_rare();
    }

    pub fn stalled(&mut self) {
        self.counters.stalls += 1;
        self.show_rare();
    }

    /// spec: CHN-5.1
    ///
    /// Says that this end is closed and wakes the other if it sleeps.
    ///
    /// No position changes, so the kernel does not notice when this happens between the last look of one that sleeps on
    /// the position alone and its sleep: it is woken until it has seen it. A process that was killed in its sleep never
    /// does.
    pub fn close(&self) {
        self.own.word(CLOSED).store(1, Ordering::Release);
        // For a writer that looks at this word for each message, and at the other one now and then.
        self.own.word(WAITING).store(NEVER, Ordering::Release);
        sleeper::wake(self.own.word(CURSOR));
        if self.pump.is_some() {
            // Nobody sleeps there: the transport hears of it when its pump is dropped.
            return;
        }
        self.futex.light_fence();
        for _ in 0..WAKES_TO_CLOSE {
            if matches!(self.peer.word(WAITING).load(Ordering::Relaxed), 0 | NEVER) {
                return;
            }
            self.futex.wake(self.own.word(CLOSED));
            self.futex.wake(self.own.word(CURSOR));
            std::thread::sleep(BETWEEN_WAKES);
        }
    }

    /// Says that this end is closed to whoever may have joined it unheard.
    pub fn close_unjoined(own: &Arc<Region>) {
        let own = Page::new(Arc::clone(own));
        own.word(CLOSED).store(1, Ordering::Release);
        own.word(WAITING).store(NEVER, Ordering::Release);
    }

    fn counter(&self, at: usize) -> &AtomicU64 {
        self.own.word(COUNTERS + at * 8)
    }

    /// Publishes a cursor that is not so, for tests.
    #[cfg(test)]
    pub fn lie(&self, position: u64) {
        self.own.word(CURSOR).store(position, Ordering::Relaxed);
    }

    /// What stands in the shared region, for tests.
    #[cfg(test)]
    pub fn shown(&self) -> [u64; 6] {
        std::array::from_fn(|at| self.counter(at).load(Ordering::Relaxed))
    }
}
