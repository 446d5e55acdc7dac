//! How a receiver of a broadcast waits, for messages and for its sender.

use std::{sync::Arc, time::Duration};

use adit_ring::{
    broadcast::ReaderMemory as _,
    park::{Park as _, SleepOn},
};

use super::{BroadcastReceiver, RecvError, State};
use crate::{
    endpoint::{Pause, Wait},
    lane::SHORT_SLEEP,
    sleeper::{BACKSTOP, Watch, Watchword},
};

impl BroadcastReceiver {
    #[cold]
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        self.end.stalled();
        let mut wait = Wait::new(self.waiting, timeout).hearing_all();
        while !self.is_ready()? {
            match wait.pause() {
                Pause::Look => {}
                Pause::Park(time) => self.park(time),
                Pause::Over => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Waits until the sender has taken this end over, at most `timeout`; returns whether it has.
    pub fn wait_for_sender(&mut self, timeout: Duration) -> bool {
        let mut wait = Wait::new(self.waiting, timeout);
        loop {
            match self.has_begun() {
                Ok(true) => return true,
                Ok(false) if self.end.gone().is_none() => {}
                Ok(false) => return false,
                Err(error) => {
                    self.cut_off();
                    self.untold = Some(error);
                    return false;
                }
            }
            match wait.pause() {
                Pause::Look => {}
                Pause::Park(time) => self.park(time),
                Pause::Over => return false,
            }
        }
    }

    /// Sleeps until a message is there, the sender is gone, or `time` is over; may return early.
    fn park(&mut self, time: Duration) {
        // How a receiver that joins fares is not all told by words.
        let time = if matches!(self.state, State::Joining(_)) { time.min(SHORT_SLEEP) } else { time };
        self.arm();
        if let Some(on) = self.sleep_on() {
            self.end.sleep(&self.end.futex, on, time);
        }
        self.disarm();
    }

    /// Announces a sleep and says what ends it; nothing: there is something to see at once. Then:
    /// [`disarm`](Self::disarm).
    pub fn watch(&mut self) -> Option<Watch> {
        self.arm();
        let link = || self.end.link() as Arc<dyn Send + Sync>;
        // That the sender is gone changes none of the ring's words.
        let words = std::iter::once(self.sleep_on()?).chain(self.end.farewells());
        let words = words.map(|on| Watchword::new(on, link())).collect();
        // How a receiver that joins fares is not all told by words.
        let within = matches!(self.state, State::Joining(_)).then_some(BACKSTOP);
        Some(Watch { words, within, ..Watch::default() })
    }

    /// Whether a sleep is announced.
    pub fn is_armed(&self) -> bool {
        self.armed
    }

    fn arm(&mut self) {
        self.armed = true;
        match &mut self.state {
            State::Lossless(consumer) => {
                consumer.arm();
                if consumer.wake(&self.end.futex) {
                    self.end.woke();
                }
            }
            State::Lossy { follower, .. } => follower.arm(),
            State::Joining(_) | State::Broken => {}
        }
        self.end.futex.heavy_fence();
    }

    fn sleep_on(&self) -> Option<SleepOn<'_>> {
        match &self.state {
            _ if self.end.gone().is_some() => None,
            State::Lossless(consumer) => consumer.sleep_on(),
            State::Lossy { follower, .. } => follower.sleep_on(),
            State::Joining(Some(regions)) => regions.start().sleep_on(),
            State::Joining(None) | State::Broken => None,
        }
    }

    /// Takes the announcement back.
    pub fn disarm(&mut self) {
        self.armed = false;
        match &mut self.state {
            State::Lossless(consumer) => consumer.disarm(),
            State::Lossy { follower, .. } => follower.disarm(),
            State::Joining(_) | State::Broken => {}
        }
    }
}
