//! How to talk to a pool.

use std::{fmt, sync::Arc, time::Duration};

use adit_plugin::Algorithm;

use super::{
    endpoint::{EndpointError, without_user},
    work::Roll,
};
use crate::job::NonceRange;

/// What a [`StratumSource`](super::StratumSource) needs to know.
#[derive(Clone)]
pub struct StratumOptions {
    /// `stratum+tcp://host[:port]`; the port is 3333 when left out.
    pub url: String,
    /// Usually an account or a payout address, a dot, the name of this machine.
    pub user: String,
    /// Many pools ignore it.
    pub pass: String,
    /// What the pool mines: headers of 80 bytes that end in a nonce of four.
    pub algorithm: Arc<dyn Algorithm>,
    /// How far a header's time may be moved into the future, in seconds.
    pub ntime_range: u32,
    /// Where to begin in each job, to do a recorded session again.
    pub first: Option<RollStart>,
    /// How long to wait for what.
    pub timeouts: StratumTimeouts,
}

impl StratumOptions {
    /// The usual options; the fields are there to be changed.
    pub fn new(
        url: impl Into<String>,
        user: impl Into<String>,
        pass: impl Into<String>,
        algorithm: Arc<dyn Algorithm>,
    ) -> Self {
        Self {
            url: url.into(),
            user: user.into(),
            pass: pass.into(),
            algorithm,
            ntime_range: 60,
            first: None,
            timeouts: StratumTimeouts::default(),
        }
    }
}

/// Never shows the password.
impl fmt::Debug for StratumOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StratumOptions")
            .field("url", &without_user(&self.url))
            .field("user", &self.user)
            .field("algorithm", &self.algorithm.name())
            .field("ntime_range", &self.ntime_range)
            .field("first", &self.first)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

/// Where to begin in each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollStart {
    /// The first header; those before it are left out.
    pub roll: Roll,
    /// The nonces of each header; all of them when `None`.
    pub nonces: Option<NonceRange>,
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StratumTimeouts {
    /// For a connection to one of the host's addresses: 10 s.
    pub connect: Duration,
    /// For the network to take a line: 500 ms. More delays [`Stop`](crate::source::SourceCommand::Stop).
    pub write: Duration,
    /// For the answer to `mining.configure`, which some pools ignore: 5 s.
    pub configure: Duration,
    /// For any other answer: 30 s.
    pub response: Duration,
    /// For any line at all, before the connection counts as dead: 5 min.
    pub silence: Duration,
    /// At most this long before the second attempt; doubles with each: 1 s.
    pub backoff_first: Duration,
    /// At most this long before any attempt: 60 s. Also the longest wait that a pool can ask for.
    pub backoff_most: Duration,
}

impl Default for StratumTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            write: Duration::from_millis(500),
            configure: Duration::from_secs(5),
            response: Duration::from_secs(30),
            silence: Duration::from_secs(300),
            backoff_first: Duration::from_secs(1),
            backoff_most: Duration::from_secs(60),
        }
    }
}

impl StratumTimeouts {
    /// Whether one of them is zero; a first attempt's backoff may be.
    pub(super) fn has_zero(&self) -> bool {
        [self.connect, self.write, self.configure, self.response, self.silence].contains(&Duration::ZERO)
    }
}

/// Options that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StratumConfigError {
    /// The address.
    Url(String, EndpointError),
    /// The algorithm's headers are not 80 bytes that end in a nonce of four.
    Layout(&'static str),
    /// The algorithm does not say what difficulty 1 is.
    Difficulty(&'static str),
    /// The nonces to begin with are none of the algorithm's.
    Nonces,
    /// A timeout that may not be zero is.
    Timeout,
}

impl fmt::Display for StratumConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url, why) => write!(f, "{:?} is no pool address: {why}", without_user(url)),
            Self::Layout(name) => {
                write!(f, "{name} cannot be mined over Stratum version 1: its headers are not Bitcoin's")
            }
            Self::Difficulty(name) => {
                write!(f, "{name} cannot be mined over Stratum version 1: it has no difficulty 1")
            }
            Self::Nonces => write!(f, "the range of nonces to begin with is empty or too wide"),
            Self::Timeout => write!(f, "a timeout of zero"),
        }
    }
}

impl std::error::Error for StratumConfigError {}
