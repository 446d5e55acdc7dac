//! Jobs from a mining pool: the client side of Stratum version 1.
//!
//! ```text
//! host ◀── SourceEvents ── client ◀── Incoming ── connection ◀── TCP
//!      ─── SourceCommand ─▶  │  ▲
//!                            ▼  │ Output
//!                          session: lines and times in, lines and events out
//!                            │
//!                            ├── message      one line, read leniently, every length bounded
//!                            ├── shares       jobs of the session, duplicates, mining.submit
//!                            ├── work         coinbase, merkle root, header, rolls
//!                            └── difficulty   to a target
//! ```
//!
//! What a pool sends is untrusted: it can cost a notice or the connection, never a panic and never
//! unbounded memory. Losing the connection is normal: every share that waits is answered, the host is
//! told [`NoJob`](super::SourceEvent::NoJob), and the next attempt follows after a random time below a
//! ceiling that doubles. Only a user that the pool refuses from the start ends the source.

mod client;
mod connection;
mod difficulty;
mod endpoint;
mod lines;
mod message;
mod notices;
mod options;
mod session;
mod shares;
mod text;
mod work;

use adit_plugin::{Layout, Target};
use crossbeam_channel::Receiver;

pub use endpoint::{Endpoint, EndpointError, without_user};
pub use options::{RollStart, StratumConfigError, StratumOptions, StratumTimeouts};
pub use work::{Roll, StratumSpace};

use super::{Source, SourceCommand, SourceEvent, SourceEvents};

/// The only headers that Stratum version 1 can describe.
const LAYOUT: Layout =
    Layout { header_len: work::HEADER_LEN, nonce_offset: work::NONCE_OFFSET, nonce_width: 4 };

/// A pool as a source of jobs.
#[derive(Debug)]
pub struct StratumSource {
    options: StratumOptions,
    endpoint: Endpoint,
    one: Target,
}

impl StratumSource {
    /// A source that has not connected yet.
    ///
    /// # Errors
    /// [`StratumConfigError`] says which option cannot work.
    pub fn new(options: StratumOptions) -> Result<Self, StratumConfigError> {
        let algorithm = &options.algorithm;
        let endpoint =
            options.url.parse().map_err(|why| StratumConfigError::Url(options.url.clone(), why))?;
        if algorithm.layout() != LAYOUT {
            return Err(StratumConfigError::Layout(algorithm.name()));
        }
        let one = algorithm.stratum_difficulty_one();
        let one = one.ok_or(StratumConfigError::Difficulty(algorithm.name()))?;
        let nonces = options.first.and_then(|first| first.nonces);
        if nonces.is_some_and(|range| range.end > LAYOUT.nonce_end() || u128::from(range.start) >= range.end)
        {
            return Err(StratumConfigError::Nonces);
        }
        if options.timeouts.has_zero() {
            return Err(StratumConfigError::Timeout);
        }
        Ok(Self { options, endpoint, one })
    }
}

impl Source for StratumSource {
    fn name(&self) -> String {
        self.endpoint.to_string()
    }

    fn run(self: Box<Self>, events: SourceEvents, commands: Receiver<SourceCommand>) {
        let Self { options, endpoint, one } = *self;
        let client = client::Client::new(options, endpoint, one, events.clone(), commands);
        events.send(SourceEvent::Ended(client.run()));
    }
}
