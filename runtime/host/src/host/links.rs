//! The host loop's end of one device.

use std::time::{Duration, Instant};

use adit_channel::session::{Board, ControlState, HostSession, PeerError, SessionError, Unit};

use crate::{
    device::{Care, Supervised, lines::LineRate},
    engine::Assignment,
};

/// What the loop knows of a device.
pub struct Link {
    /// Its thread.
    pub supervised: Supervised,
    /// Where it runs, for people.
    pub place: String,
    /// Runs the host's own code.
    pub trusted: bool,
    /// How long it may take to say hello.
    pub hello_within: Duration,
    /// The session, while there is one.
    pub session: Option<Live>,
    /// Why it is out for good, if it is.
    pub lost: Option<String>,
    /// Why its session was ended, until it is gone.
    pub ended: Option<String>,
    /// The algorithm it cannot do.
    pub unable: bool,
    /// Text of a log line that goes on.
    pub partial_line: Vec<u8>,
    /// Of what it says through its ring.
    pub lines: LineRate,
}

/// A session and what is known of its device.
pub struct Live {
    pub session: Box<HostSession>,
    /// Which run of its device this is.
    run: u64,
    /// The device said hello.
    pub up: bool,
    /// Which generation is in which board slot.
    published: Vec<(u64, u32)>,
    next_published: usize,
    beat: Beat,
    /// How often in a row it was found to be overdue.
    pub overdue: u32,
}

/// When the heartbeat last changed.
struct Beat {
    value: u64,
    seen: Instant,
    slow: bool,
}

/// How a device's heartbeat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    /// As before.
    Steady,
    /// It became slow.
    BecameSlow,
    /// It is back.
    Recovered,
    /// It never said hello.
    Silent,
    /// It is stuck.
    Stuck,
}

impl Link {
    pub fn new(supervised: Supervised, place: String, trusted: bool, hello_within: Duration) -> Self {
        Self {
            supervised,
            place,
            trusted,
            hello_within,
            session: None,
            lost: None,
            ended: None,
            unable: false,
            partial_line: Vec::new(),
            lines: LineRate::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.supervised.name
    }

    /// Ends the session: nothing more is read from it, and its process is killed.
    pub fn end(&mut self, reason: String) {
        if let Some(live) = &mut self.session {
            // A worker thread has no process to kill; it ends by itself.
            live.session.set_control(ControlState::Stop);
            self.supervised.kill(live.run);
        }
        self.session = None;
        self.partial_line.clear();
        self.ended = Some(reason);
    }
}

impl Live {
    pub fn new(session: Box<HostSession>, run: u64) -> Self {
        let slots = session.sizes().board_slots as usize;
        let seen = Instant::now();
        Self {
            session,
            run,
            up: false,
            published: vec![(0, 0); slots],
            next_published: 0,
            beat: Beat { value: 0, seen, slow: false },
            overdue: 0,
        }
    }

    /// Sends a unit, after its header if the device's board does not have it.
    pub fn send(&mut self, assignment: &Assignment) -> Result<(), SendError> {
        let generation = assignment.header.generation;
        let known = self.published.iter().find(|(published, _)| *published == generation);
        let board_slot = match known {
            Some((_, slot)) => *slot,
            None => self.publish(assignment)?,
        };
        let unit = Unit {
            board_slot,
            generation,
            unit_id: assignment.unit,
            nonce_start: assignment.nonce_start,
            nonce_count: assignment.nonce_count,
        };
        self.session.send(&unit).map_err(|_| match self.session.check_peer() {
            Err(error) => SendError::Peer(error),
            Ok(()) => SendError::Full,
        })
    }

    fn publish(&mut self, assignment: &Assignment) -> Result<u32, SendError> {
        let header = &assignment.header;
        let layout = header.algorithm.layout();
        let board = Board {
            generation: header.generation,
            algorithm: header.algorithm.id(),
            header: &header.bytes,
            nonce_offset: layout.nonce_offset as u32,
            nonce_width: layout.nonce_width as u32,
            target: header.target.0,
        };
        let slot = self.session.publish(&board).map_err(SendError::Board)?;
        self.published[self.next_published] = (header.generation, slot);
        self.next_published = (self.next_published + 1) % self.published.len();
        Ok(slot)
    }

    /// Looks at the heartbeat, or whether the device said hello in time.
    pub fn pulse(&mut self, now: Instant, hello_within: Duration, care: &Care) -> Pulse {
        let value = self.session.status().heartbeat;
        let quiet = now.saturating_duration_since(self.beat.seen);
        if !self.up {
            return if quiet > hello_within { Pulse::Silent } else { Pulse::Steady };
        }
        if value != self.beat.value {
            let was_slow = self.beat.slow;
            self.beat = Beat { value, seen: now, slow: false };
            return if was_slow { Pulse::Recovered } else { Pulse::Steady };
        }
        if quiet > care.stuck_after {
            return Pulse::Stuck;
        }
        if quiet > care.slow_after && !self.beat.slow {
            self.beat.slow = true;
            return Pulse::BecameSlow;
        }
        Pulse::Steady
    }

    /// What a device that left without a hello wrote into its header about it.
    pub fn refusal(&self) -> Option<String> {
        match self.session.hello() {
            Err(error @ (PeerError::Refused { .. } | PeerError::Version { .. })) if !self.up => {
                Some(error.to_string())
            }
            _ => None,
        }
    }

    /// Whether all that it has sent was read.
    pub fn is_read(&self) -> bool {
        self.session.sleep_on().is_some()
    }

    /// For so long nobody could hear it.
    pub fn forgive(&mut self, time: Duration, now: Instant) {
        self.beat.seen = (self.beat.seen + time).min(now);
    }

    /// The device said hello: its heartbeat counts from now.
    pub fn greet(&mut self, now: Instant) {
        self.up = true;
        self.beat.seen = now;
    }
}

/// A unit did not go out.
pub enum SendError {
    /// The ring is full, which a device with a few units never causes.
    Full,
    /// The device broke its ring.
    Peer(PeerError),
    /// The header fits no board.
    Board(SessionError),
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => f.write_str("it reads no work: its ring is full"),
            Self::Peer(error) => write!(f, "{error}"),
            Self::Board(error) => write!(f, "{error}"),
        }
    }
}

/// How often pulses are taken.
pub const PULSE_EVERY: Duration = Duration::from_millis(50);
