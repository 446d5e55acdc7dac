//! What the pool answers to our requests, and what it leaves unanswered.

use super::*;
use crate::source::stratum::message::PoolError;

/// What the pool answered.
type Outcome = Result<Value, PoolError>;

impl Session {
    pub(super) fn answer(&mut self, id: u64, outcome: Outcome) {
        match self.live.waiting.remove(&id).map(|waiting| waiting.ask) {
            None => self.notice(format!("the pool answered request {id}, which does not wait for one")),
            Some(Ask::Configure) => self.configured(outcome),
            Some(Ask::Subscribe) => self.subscribed(outcome),
            Some(Ask::Authorize) => self.authorized(outcome),
            Some(Ask::Submit(share)) => self.verdict(share, judged(outcome)),
        }
    }

    fn configured(&mut self, outcome: Outcome) {
        let mask = outcome.ok().and_then(|result| message::granted_mask(&result));
        if mask.is_none() {
            self.rolling = Rolling::Never;
        }
        self.live.mask = mask.map(|mask| mask & VERSION_MASK);
        self.subscribe();
    }

    fn subscribed(&mut self, outcome: Outcome) {
        let extranonce = outcome
            .map_err(|error| format!("the pool refuses mining.subscribe: {error}"))
            .and_then(|result| {
                message::parse_extranonce(result.get(1), result.get(2))
                    .map_err(|why| format!("the pool's answer to mining.subscribe has {why}"))
            });
        match extranonce {
            Err(reason) => self.fail(reason),
            Ok(extranonce) => {
                self.live.extranonce = Some(extranonce);
                if self.rolling == Rolling::Suspect {
                    self.rolling = Rolling::Never;
                }
                let login = json!([self.options.user, self.options.pass]);
                self.request(Ask::Authorize, "mining.authorize", login);
                let peer = self.live.peer.clone();
                self.outputs.push(Output::Event(SourceEvent::Connected(peer)));
                if let Some((notify, target)) = self.live.early.take() {
                    self.start_job(notify, target);
                }
            }
        }
    }

    fn authorized(&mut self, outcome: Outcome) {
        let why = match outcome {
            Ok(result) if result.is_null() || message::is_yes(&result) => {
                self.live.authorized = true;
                self.authorized_before = true;
                return;
            }
            Ok(_) => "no reason given".to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("the pool refuses the user {:?}: {why}", text::shown(&self.options.user));
        if self.authorized_before {
            // It took the same user before, so the fault is the pool's and may pass.
            self.fail(text);
        } else {
            self.live.open = false;
            self.outputs.push(Output::End(text));
        }
    }

    /// Deals with requests whose answer is overdue.
    pub(super) fn expire(&mut self) {
        let (now, response) = (self.now, self.options.timeouts.response);
        let late = self.live.waiting.iter().filter(|(_, waiting)| waiting.deadline <= now);
        let overdue: Vec<_> = late.map(|(&id, waiting)| (id, waiting.ask, waiting.deadline)).collect();
        for (id, ask, deadline) in overdue {
            self.live.waiting.remove(&id);
            match ask {
                Ask::Configure => {
                    self.rolling = Rolling::Never;
                    self.notice("the pool ignores mining.configure: versions are not rolled".into());
                    self.subscribe();
                }
                Ask::Subscribe => self.fail(format!("no answer to mining.subscribe in {response:?}")),
                Ask::Authorize => self.fail(format!("no answer to mining.authorize in {response:?}")),
                Ask::Submit(share) => {
                    self.verdict(share, Err(format!("the pool did not answer in {response:?}")));
                    // Nothing at all since then: a pool that is gone without a word takes every share with it.
                    if self.live.heard <= deadline.saturating_sub(response) {
                        self.fail(format!(
                            "the pool has been silent for {response:?}, since a share was sent"
                        ));
                    }
                }
            }
        }
    }
}

/// Whether an answer to `mining.submit` takes the share, or why not.
fn judged(outcome: Outcome) -> Result<(), String> {
    match outcome {
        Ok(result) if message::is_yes(&result) => Ok(()),
        Ok(_) => Err("rejected without a reason".into()),
        Err(error) => Err(error.to_string()),
    }
}
