//! How a host ends: devices first, and what they have found still goes to the source; then the source.

use std::{
    io,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use adit_channel::session::ControlState;

use super::{HostError, Summary, run::Running};
use crate::{
    device::{Mail, Supervised},
    engine::Event,
    mailbox::Letter,
    source::{SourceCommand, SourceEvent},
};

/// How long devices may take beyond the grace after which they are killed, and the source in all.
const BEYOND: Duration = Duration::from_secs(3);

/// How often is looked whether a thread has returned.
const LOOK: Duration = Duration::from_millis(5);

/// Ends devices that were started before something could not be: nobody else would.
pub(super) fn give_up(started: Vec<Supervised>, grace: Duration, error: io::Error) -> HostError {
    started.iter().for_each(Supervised::stop);
    let until = Instant::now() + grace + BEYOND;
    while started.iter().any(|device| !device.is_finished()) && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
    started.into_iter().filter(Supervised::is_finished).for_each(Supervised::join);
    HostError::System(error)
}

impl Running<'_, '_> {
    /// Stops everything and waits for it, within bounds.
    pub(super) fn end(mut self, source: JoinHandle<()>) -> Result<Summary, HostError> {
        for link in &mut self.links {
            if let Some(live) = &mut link.session {
                live.session.set_control(ControlState::Stop);
            }
            link.supervised.stop();
        }
        if self.enough {
            // Whoever had enough of it wants no share more.
            self.waiting.clear();
        }
        let devices = |running: &Self| running.links.iter().all(|link| link.supervised.is_finished());
        self.wait_for(self.config.care.grace + BEYOND, devices);
        // Its queue may be full of what was found last.
        self.waiting.push_back(SourceCommand::Stop);
        self.wait_for(BEYOND, |_| source.is_finished());
        self.summary.hashes = self.engine.hashes();
        self.summary.seconds = self.begin.elapsed().as_secs_f64();
        self.summary.working_seconds = self.working.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        for link in self.links {
            if link.supervised.is_finished() {
                link.supervised.join();
            }
        }
        if source.is_finished() {
            let _ = source.join();
        }
        self.outcome.unwrap_or(Ok(())).map(|()| self.summary)
    }

    /// Waits until `is_over`, at most so long. Threads that wait for room in the mailbox must get it, or they never see
    /// their orders.
    fn wait_for(&mut self, time: Duration, is_over: impl Fn(&Self) -> bool) {
        let until = Instant::now() + time;
        loop {
            let (ticket, over) = (self.mailbox.ticket(), is_over(self));
            while let Some(letter) = self.mailbox.take() {
                self.last_letter(letter);
            }
            let busy = self.flush() | (!self.enough && self.messages());
            // What the source has no room for yet may be a block.
            let through = self.waiting.is_empty();
            if Instant::now() >= until || over && through && !busy {
                return;
            }
            self.sleep_on_mailbox(ticket, if busy { Duration::ZERO } else { LOOK });
        }
    }

    fn last_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Device(Mail::Session { mut session, .. }) => session.set_control(ControlState::Stop),
            Letter::Device(Mail::Gone { device, .. }) if !self.enough => self.read_last(device),
            Letter::Device(_) => {}
            Letter::Source(SourceEvent::Verdict(verdict)) => self.verdict(&verdict),
            // What was for the job before is worth nothing any more.
            Letter::Source(SourceEvent::Job(job)) => self.step(Event::Job(job)),
            Letter::Source(SourceEvent::NoJob) => self.step(Event::NoJob),
            // What went wrong did, though somebody had asked for the end.
            Letter::Source(SourceEvent::Ended(Err(error))) if !matches!(self.outcome, Some(Err(_))) => {
                self.outcome = Some(Err(HostError::Source(error)));
            }
            Letter::Source(_) => {}
        }
    }
}
