//! Whose turn it is.

use super::{DisconnectCause, LaneReceiver, ReaderLane, RecvError, TURN};

impl LaneReceiver {
    /// Makes a lane with a message the current one; returns whether there is one. Some of its turn is left.
    #[inline(always)]
    pub(in super::super) fn select(&mut self) -> Result<bool, RecvError> {
        match self.lanes.get(self.current) {
            Some(lane) if lane.is_in_turn() => Ok(true),
            _ => self.select_next(),
        }
    }

    /// Where there is one lane and nothing has joined, a short look at that: the shorter a look, the sooner the next.
    #[inline(never)]
    fn select_next(&mut self) -> Result<bool, RecvError> {
        if let [lane] = self.lanes.as_mut_slice()
            && self.current == 0
            && lane.is_plain()
            && !self.inbox.has_news()
        {
            if self.inbox.is_spread() {
                // Senders look for whoever has read everything.
                lane.acknowledge();
            }
            lane.gather();
            // In this order: a writer that is gone has published all that it ever will.
            let gone = lane.is_gone();
            match lane.begin_plain_turn(TURN) {
                Ok(true) => return Ok(true),
                Ok(false) if !gone => return Ok(false),
                // The whole look tells what it is.
                _ => {}
            }
        }
        if self.lanes.len() > 1
            && let Some(found) = self.select_among_plain()
        {
            return Ok(found);
        }
        self.select_anywhere()
    }

    /// Gives the next lane with messages its turn, if nothing else is to be seen to in any that it looks at; whether there is
    /// one. Where messages come all the time, a turn is as short as to read a hundred of them.
    fn select_among_plain(&mut self) -> Option<bool> {
        if self.inbox.is_spread() || self.inbox.has_news() {
            return None;
        }
        let is_behind = self.lanes.iter().any(|lane| !lane.is_drained());
        let count = self.lanes.len();
        let mut at = self.current;
        if let Some(lane) = self.lanes.get_mut(at)
            && lane.is_plain()
        {
            // What a turn has left is read before the next lane's: to come back for it would take longer than to read it.
            if lane.has_rest() {
                return lane.begin_plain_turn(TURN).ok();
            }
            // Nobody waits for what a lane may have while another has messages.
            if !is_behind {
                lane.gather();
            }
        }
        for _ in 0..count {
            at = if at + 1 < count { at + 1 } else { 0 };
            let lane = &mut self.lanes[at];
            if !lane.is_plain() {
                return None;
            }
            // In this order: a writer that is gone has published all that it ever will.
            let gone = lane.is_gone();
            // Where others have messages, nobody need hear yet that all of these are read.
            let found = if is_behind && lane.is_still() { Ok(false) } else { lane.begin_plain_turn(TURN) };
            match found {
                Ok(true) => {
                    self.current = at;
                    return Some(true);
                }
                Ok(false) if !gone => {}
                // The whole look tells what it is.
                _ => return None,
            }
        }
        Some(false)
    }

    #[inline(never)]
    fn select_anywhere(&mut self) -> Result<bool, RecvError> {
        if self.inbox.is_spread() {
            // Senders look for whoever has read everything.
            self.lanes.iter_mut().for_each(ReaderLane::acknowledge);
        }
        // Nobody waits for what a lane may have while another has messages.
        if self.lanes.iter().all(ReaderLane::is_drained)
            && let Some(lane) = self.lanes.get_mut(self.current)
        {
            lane.gather();
        }
        self.take_arrivals();
        let mut left = self.lanes.len();
        let mut abandoned = 0;
        while left > 0 {
            left -= 1;
            self.current = if self.current + 1 < self.lanes.len() { self.current + 1 } else { 0 };
            if self.lanes[self.current].is_broken() {
                // The read that found it has told.
                let _ = self.cut_off(RecvError::Disconnected { cause: DisconnectCause::Closed });
                continue;
            }
            // In this order: a writer that is gone has published all that it ever will.
            let gone = self.lanes[self.current].gone();
            match self.lanes[self.current].begin_turn(TURN) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(misbehaved) => return Err(self.cut_off(misbehaved.into())),
            }
            if let Some(bad) = self.lanes[self.current].fault() {
                return Err(self.cut_off(RecvError::BadFrame(bad)));
            }
            if let Some(cause) = gone {
                if self.lanes[self.current].is_kept() {
                    self.last = Some(cause);
                    abandoned += 1;
                    continue;
                }
                self.retire(cause);
                if self.take_arrivals() {
                    left = self.lanes.len();
                }
            }
        }
        match self.last {
            Some(_) if self.lanes.is_empty() && self.inbox.is_due() => Ok(false),
            Some(cause) if self.lanes.len() == abandoned => Err(RecvError::Disconnected { cause }),
            _ => Ok(false),
        }
    }
}
