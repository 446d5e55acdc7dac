//! The jobs of one session, and from a share to the parameters of `mining.submit`.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use super::work::{HEADER_LEN, NONCE_OFFSET, StratumSpace};
use crate::job::{HeaderSpace, JobKey, Share};

/// Jobs that are remembered when the pool never says that old ones are worthless.
const MAX_JOBS: usize = 32;
/// Submitted headers that are remembered; more go to the pool unchecked.
const MAX_SEEN: usize = 65_536;

/// A header with its nonce.
type Header = [u8; HEADER_LEN];

/// The jobs whose shares the pool still takes, and the shares it has got.
#[derive(Default)]
pub struct Jobs {
    jobs: VecDeque<(JobKey, Arc<StratumSpace>)>,
    seen: HashSet<Header>,
}

/// A share that may go to the pool.
pub struct Submission {
    header: Header,
    params: Vec<Value>,
}

impl Jobs {
    /// Adds a job; a `clean` one forgets all before it.
    pub fn add(&mut self, key: JobKey, space: Arc<StratumSpace>, clean: bool) {
        if clean {
            self.jobs.clear();
            self.seen.clear();
        }
        if self.jobs.len() == MAX_JOBS {
            self.jobs.pop_front();
        }
        self.jobs.push_back((key, space));
    }

    /// The job that was added last.
    pub fn latest(&self) -> Option<&Arc<StratumSpace>> {
        self.jobs.back().map(|(_, space)| space)
    }

    /// What to submit for `share` under the version mask that is in force now, `None` when versions are
    /// not rolled; or why the pool need not be asked.
    pub fn check(&self, share: &Share, user: &str, mask: Option<u32>) -> Result<Submission, String> {
        let (_, space) = self
            .jobs
            .iter()
            .find(|(key, _)| *key == share.job)
            .ok_or("stale: the pool has dropped its job")?;
        let nonce = u32::try_from(share.nonce).map_err(|_| "the nonce is wider than 32 bits")?;
        if share.roll >= space.rolls() {
            return Err("its job has no such header".into());
        }
        let mut header: Header =
            space.header(share.roll).try_into().map_err(|_| "its header has a wrong length")?;
        header[NONCE_OFFSET..].copy_from_slice(&nonce.to_le_bytes());
        if self.seen.contains(&header) {
            return Err("duplicate: submitted before".into());
        }
        let digits = space.digits(share.roll);
        let version = space.version(digits.version);
        let job_version = space.notify().version;
        if (version ^ job_version) & !mask.unwrap_or(0) != 0 {
            return Err("stale: the pool has withdrawn the version bits it uses".into());
        }
        let mut params = vec![
            json!(user),
            json!(space.notify().id),
            json!(crate::hex::encode(&space.extranonce2(digits.extranonce2))),
            json!(format!("{:08x}", space.time(digits.ntime))),
            json!(format!("{nonce:08x}")),
        ];
        params.extend(mask.map(|mask| json!(format!("{:08x}", version & mask))));
        Ok(Submission { header, params })
    }

    /// Remembers that `submission` goes out; gives its parameters.
    pub fn submitted(&mut self, submission: Submission) -> Value {
        if self.seen.len() < MAX_SEEN {
            self.seen.insert(submission.header);
        }
        Value::Array(submission.params)
    }
}
