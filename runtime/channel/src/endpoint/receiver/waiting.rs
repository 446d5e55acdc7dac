//! How a receiving end waits, for messages and for senders.

use std::time::Duration;

use adit_ring::park::Park as _;

use super::{Bytes, LaneReceiver, RecvError, TURN};
use crate::{
    endpoint::wait::{Pause, Wait},
    lane::{Peek, ReaderLane},
};

/// While a receiver with one lane waits, one of so many looks is at joining, closing and death as well.
const LOOKS_A_ROUND: u32 = 16;

impl LaneReceiver {
    /// Waits until a message is there, at most `timeout`; returns whether one is.
    ///
    /// # Errors
    /// [`RecvError`].
    #[inline(always)]
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, RecvError> {
        if self.select()? {
            return Ok(true);
        }
        self.wait_long(timeout, Self::look_in_short)
    }

    /// As [`wait`](Self::wait), where all messages have `size` bytes. One that is found alone is stepped past.
    ///
    /// # Errors
    /// [`RecvError`].
    pub(in super::super) fn wait_for_one(
        &mut self,
        size: usize,
        timeout: Duration,
    ) -> Result<Peek, RecvError> {
        if self.select()? {
            return Ok(Peek::Ready);
        }
        let mut only = None;
        let ready = self.wait_long(timeout, |this| match this.peek(size) {
            Peek::Only(place) => {
                only = Some(place);
                Ok(true)
            }
            Peek::Ready => Ok(true),
            Peek::Nothing => Ok(false),
            Peek::Look => this.look_in_short(),
        })?;
        Ok(match only {
            Some(place) => Peek::Only(place),
            None if ready => Peek::Ready,
            None => Peek::Nothing,
        })
    }

    #[cold]
    fn wait_long(
        &mut self,
        timeout: Duration,
        mut look_in_short: impl FnMut(&mut Self) -> Result<bool, RecvError>,
    ) -> Result<bool, RecvError> {
        self.stalled();
        let mut wait = Wait::new(self.waiting, timeout).hearing_all();
        let mut looks = 0;
        loop {
            match wait.pause() {
                Pause::Look => looks += 1,
                Pause::Park(time) => {
                    self.park(time);
                    looks = 0;
                }
                Pause::Over => return self.select(),
            }
            if if looks % LOOKS_A_ROUND == 0 { self.select()? } else { look_in_short(self)? } {
                return Ok(true);
            }
        }
    }

    /// The shortest look, where there is one lane and nothing has joined.
    #[inline(always)]
    pub(in super::super) fn peek(&mut self, size: usize) -> Peek {
        match self.lanes.as_mut_slice() {
            [lane] if self.current == 0 && !self.inbox.has_news() => lane.peek(TURN, size),
            _ => Peek::Look,
        }
    }

    /// The message that a [look](Self::peek) stepped past.
    #[inline(always)]
    pub(in super::super) fn bytes_at(&self, place: usize, size: usize) -> Option<Bytes<'_>> {
        Some(self.lanes.get(self.current)?.bytes_at(place, size))
    }

    /// Looks for a message of the one lane that there is, and at nothing else: the shorter a look, the sooner the
    /// next one.
    #[inline(always)]
    fn look_in_short(&mut self) -> Result<bool, RecvError> {
        let [lane] = self.lanes.as_mut_slice() else { return self.select() };
        self.current = 0;
        // What is wrong is told by the next whole look.
        Ok(lane.begin_turn(TURN).unwrap_or(false))
    }

    /// Waits until a sender has joined that is not gone or not drained yet, at most `timeout`; returns whether
    /// one has. What to do after [`RecvError::Disconnected`], to go on with the next one.
    pub fn wait_for_sender(&mut self, timeout: Duration) -> bool {
        let mut wait = Wait::new(self.waiting, timeout);
        loop {
            if self.take_arrivals() || self.lanes.iter_mut().any(ReaderLane::is_in_use) {
                return true;
            }
            match wait.pause() {
                Pause::Look => {}
                Pause::Over => return false,
                Pause::Park(time) if self.inbox.bell().is_some() => self.poll(time),
                Pause::Park(time) => {
                    if let Some(on) = self.inbox.sleep_on() {
                        self.futex.wait(on.word, on.expected, time);
                    }
                }
            }
        }
    }
}
