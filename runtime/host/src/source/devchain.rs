//! A chain that lives in this process: real headers of the real shape, real work, no network.
//!
//! The difficulty follows the rate at which blocks come, so that one comes every couple of seconds whatever
//! the machine. What is submitted is hashed again from the header this source made itself; neither the
//! device's digest nor the engine's word is taken.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use adit_plugin::{Algorithm, DevBlock, Digest, Target};
use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Source, SourceCommand, SourceEvent, SourceEvents, Verdict};
use crate::job::{HeaderSpace, Job, JobKey, NonceRange, Share};

/// Expected hashes of the first block.
const FIRST_DIFFICULTY: f64 = 65_536.0;
/// Easiest block.
const LEAST_DIFFICULTY: f64 = 256.0;
/// Hardest block: far above any machine, far below what a float cannot tell apart.
const MOST_DIFFICULTY: f64 = 1e18;
/// Blocks that the rate is measured over.
const WINDOW: usize = 8;
/// The difficulty changes by at most this factor from one block to the next.
const MOST_CHANGE: f64 = 4.0;
/// After so many block times without a block the difficulty is lowered.
const PATIENCE: u32 = 5;

/// A local development chain.
pub struct Devchain {
    algorithm: Arc<dyn Algorithm>,
    block_time: Duration,
}

impl Devchain {
    /// A chain with a block about every `block_time` (10 ms or longer).
    #[must_use]
    pub fn new(algorithm: Arc<dyn Algorithm>, block_time: Duration) -> Self {
        Self { algorithm, block_time: block_time.max(Duration::from_millis(10)) }
    }
}

impl Source for Devchain {
    fn name(&self) -> String {
        format!("devchain of {}", self.algorithm.name())
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        events.send(SourceEvent::Connected(self.name()));
        let mut chain = Chain::new(*self);
        events.send(SourceEvent::Job(chain.job()));
        loop {
            let patience = chain.chain.block_time.saturating_mul(PATIENCE);
            let waited = chain.began.elapsed();
            match commands.recv_timeout(patience.saturating_sub(waited).max(Duration::from_millis(1))) {
                Ok(SourceCommand::Submit(share)) => {
                    let verdict = chain.judge(&share);
                    let accepted = verdict.accepted;
                    events.send(SourceEvent::Verdict(verdict));
                    if accepted {
                        events.send(SourceEvent::Job(chain.job()));
                    }
                }
                Ok(SourceCommand::Exhausted(_)) => {}
                Err(RecvTimeoutError::Timeout) => {
                    chain.lower();
                    events.send(SourceEvent::Job(chain.job()));
                }
                Ok(SourceCommand::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        events.send(SourceEvent::Ended(Ok(())));
    }
}

/// The chain's tip and what is mined on it.
struct Chain {
    chain: Devchain,
    key: JobKey,
    space: Arc<BlockSpace>,
    difficulty: f64,
    /// When the current block's first job was given out.
    began: Instant,
    /// Expected hashes and seconds of the last blocks.
    recent: VecDeque<(f64, f64)>,
}

impl Chain {
    fn new(chain: Devchain) -> Self {
        let difficulty = FIRST_DIFFICULTY;
        let genesis = Digest([0; 32]);
        let space = Arc::new(BlockSpace::new(&chain.algorithm, genesis, 0, difficulty));
        Self {
            chain,
            key: 0,
            space,
            difficulty,
            began: Instant::now(),
            recent: VecDeque::with_capacity(WINDOW),
        }
    }

    /// The job for the present block, under a new number.
    fn job(&mut self) -> Job {
        self.key += 1;
        Job {
            key: self.key,
            name: format!("block {}", self.space.height),
            algorithm: Arc::clone(&self.chain.algorithm),
            target: self.space.target,
            clean: true,
            space: Arc::clone(&self.space) as Arc<dyn HeaderSpace>,
            first_roll: 0,
            nonces: NonceRange::all(&*self.chain.algorithm),
        }
    }

    /// Hashes what was submitted and, if it is a block, puts it on the chain.
    fn judge(&mut self, share: &Share) -> Verdict {
        let verdict =
            |accepted, reason: Option<String>| Verdict { share: share.id, accepted, reason, block: accepted };
        if share.job != self.key {
            return verdict(false, Some("stale: the chain has moved on".into()));
        }
        let mut header = self.space.header(share.roll);
        self.chain.algorithm.layout().set_nonce(&mut header, share.nonce);
        let digest = match self.chain.algorithm.digest(&header) {
            Ok(digest) if digest.meets(&self.space.target) => digest,
            Ok(digest) => return verdict(false, Some(format!("digest {digest} is above the target"))),
            Err(error) => return verdict(false, Some(error.to_string())),
        };
        self.extend(digest);
        verdict(true, None)
    }

    fn extend(&mut self, digest: Digest) {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back((self.difficulty, self.began.elapsed().as_secs_f64()));
        self.difficulty = retarget(self.difficulty, &self.recent, self.chain.block_time.as_secs_f64());
        self.restart(digest, self.space.height + 1);
    }

    /// No block for long: the machine is slower than it was.
    fn lower(&mut self) {
        self.recent.clear();
        self.difficulty = (self.difficulty / MOST_CHANGE).max(LEAST_DIFFICULTY);
        self.restart(self.space.parent, self.space.height);
    }

    fn restart(&mut self, parent: Digest, height: u64) {
        self.space = Arc::new(BlockSpace::new(&self.chain.algorithm, parent, height, self.difficulty));
        self.began = Instant::now();
    }
}

/// Expected hashes of the next block: the rate over the last blocks, times the block time.
fn retarget(difficulty: f64, recent: &VecDeque<(f64, f64)>, block_time: f64) -> f64 {
    let (work, seconds) = recent.iter().fold((0.0, 0.0), |sum, block| (sum.0 + block.0, sum.1 + block.1));
    let wanted = work / seconds.max(1e-6) * block_time;
    wanted.clamp(difficulty / MOST_CHANGE, difficulty * MOST_CHANGE).clamp(LEAST_DIFFICULTY, MOST_DIFFICULTY)
}

/// The target that takes `hashes` on average, with 23 significant bits, as Bitcoin's compact form has.
fn target_for(hashes: f64) -> Target {
    let mut exponent = 256;
    let mut mantissa = 1.0 / hashes.max(1.0);
    while mantissa < f64::from(1 << 22) {
        mantissa *= 2.0;
        exponent -= 1;
    }
    // The compact form has whole bytes of zeros below its mantissa.
    let mut mantissa = mantissa as u64;
    while exponent % 8 != 0 {
        mantissa >>= 1;
        exponent += 1;
    }
    let mut bytes = [0; 32];
    for (at, byte) in mantissa.to_le_bytes().into_iter().enumerate().take(3) {
        match bytes.get_mut(exponent as usize / 8 + at) {
            Some(place) => *place = byte,
            None if byte == 0 => {}
            None => return Target::MAX,
        }
    }
    Target(bytes)
}

/// The headers of one block.
struct BlockSpace {
    algorithm: Arc<dyn Algorithm>,
    parent: Digest,
    height: u64,
    time_us: u64,
    target: Target,
}

impl BlockSpace {
    fn new(algorithm: &Arc<dyn Algorithm>, parent: Digest, height: u64, difficulty: f64) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            algorithm: Arc::clone(algorithm),
            parent,
            height,
            time_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
            target: target_for(difficulty),
        }
    }
}

impl HeaderSpace for BlockSpace {
    fn rolls(&self) -> u64 {
        u64::MAX
    }

    fn header(&self, roll: u64) -> Vec<u8> {
        let Self { parent, height, time_us, target, .. } = self;
        let block = DevBlock { parent, height: *height, time_us: *time_us, roll, target };
        self.algorithm.dev_header(&block)
    }
}

#[cfg(test)]
mod tests {
    use adit_sha256d::Sha256d;

    use super::*;

    #[test]
    fn targets_are_as_hard_as_asked_and_fit_the_compact_form() {
        for hashes in [1.0, 2.0, 256.0, 65_536.0, 1e6, 123_456_789.0, 1e12, 1e18] {
            let target = target_for(hashes);
            let ratio = target.expected_hashes() / hashes;
            assert!((0.99..1.01).contains(&ratio), "{hashes}: {target} takes {}", target.expected_hashes());
            let significant = target.0.iter().filter(|&&byte| byte != 0).count();
            assert!(significant <= 3 || hashes < 2.0, "{target}");
        }
    }

    #[test]
    fn the_difficulty_follows_the_rate() {
        let mut recent = VecDeque::new();
        let (mut difficulty, rate) = (FIRST_DIFFICULTY, 8e6);
        for _ in 0..20 {
            recent.push_back((difficulty, difficulty / rate));
            if recent.len() > WINDOW {
                recent.pop_front();
            }
            difficulty = retarget(difficulty, &recent, 2.0);
        }
        assert!((difficulty / (rate * 2.0) - 1.0).abs() < 0.01, "{difficulty}");
    }

    #[test]
    fn a_block_must_be_true_and_fresh() {
        let algorithm: Arc<dyn Algorithm> = Arc::new(Sha256d);
        let mut chain = Chain::new(Devchain::new(Arc::clone(&algorithm), Duration::from_secs(2)));
        chain.difficulty = 256.0;
        chain.restart(Digest([0; 32]), 0);
        let job = chain.job();
        let header = job.space.header(3);
        let mut searcher = algorithm.searcher();
        searcher.set_job(&header, &job.target).unwrap();
        let mut hits = Vec::new();
        searcher.search(0, 20_000, &mut |nonce, digest| hits.push((nonce, digest)));
        let (nonce, digest) = hits[0];
        let share = Share { id: 1, job: job.key, roll: 3, nonce, digest };

        // One in 256 of others is a hit as well.
        let wrong = (nonce + 1..).find(|other| hits.iter().all(|(hit, _)| hit != other)).unwrap();
        assert!(!chain.judge(&Share { nonce: wrong, ..share }).accepted);
        let mut is_hit = |roll: u64| {
            searcher.set_job(&job.space.header(roll), &job.target).unwrap();
            let mut any = false;
            searcher.search(nonce, nonce, &mut |_, _| any = true);
            any
        };
        let roll = (4..).find(|roll| !is_hit(*roll)).unwrap();
        assert!(!chain.judge(&Share { roll, ..share }).accepted);
        assert!(chain.judge(&share).accepted);
        assert_eq!(chain.space.height, 1);
        let next = chain.job();
        let stale = chain.judge(&share);
        assert!(!stale.accepted && stale.reason.unwrap().contains("stale"));
        assert_ne!(next.space.header(0), header);
    }
}
