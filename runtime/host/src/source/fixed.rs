//! One header and one range of nonces: what `adit search` works on.

use crossbeam_channel::Receiver;

use super::{Source, SourceCommand, SourceEvent, SourceEvents, Verdict};
use crate::job::Job;

/// A source with one job, finished when all of it was searched.
pub struct FixedSource(pub Job);

impl Source for FixedSource {
    fn name(&self) -> String {
        format!("fixed range of {}", self.0.algorithm.name())
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        let key = self.0.key;
        events.send(SourceEvent::Job(self.0));
        for command in commands {
            match command {
                SourceCommand::Submit(share) => {
                    let verdict = Verdict { share: share.id, accepted: true, reason: None, block: false };
                    events.send(SourceEvent::Verdict(verdict));
                }
                SourceCommand::Exhausted(job) if job == key => break,
                SourceCommand::Exhausted(_) => {}
                SourceCommand::Stop => break,
            }
        }
        events.send(SourceEvent::Ended(Ok(())));
    }
}
