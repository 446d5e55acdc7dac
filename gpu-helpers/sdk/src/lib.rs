//! All that the author of a helper process sees.
//!
//! A helper owns a device. The host starts it with two regions of shared memory; the helper says hello,
//! takes work units, and reports what it finds ([the spec](../../../docs/spec/session.md) has every
//! detail). [`Helper::connect`] does the first part, [`Helper::serve`] the rest for a device that searches
//! one range after the other:
//!
//! ```no_run
//! use adit_helper::{Hello, Helper, JobCopy, Search, UnitStatus};
//!
//! struct MyDevice;
//!
//! impl Search for MyDevice {
//!     fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus> {
//!         // Upload job.header() and job.target; refuse what this device cannot hash.
//!         if job.algorithm == u32::from_le_bytes(*b"SHAD") { Ok(()) } else { Err(UnitStatus::UnknownAlgorithm) }
//!     }
//!
//!     fn search(&mut self, start: u64, last: u64, hits: &mut dyn FnMut(u64, [u8; 32])) -> Result<(), UnitStatus> {
//!         // Hash start ..= last; call hits(nonce, digest) for each digest that meets the target.
//!         Ok(())
//!     }
//! }
//!
//! let mut helper = Helper::connect()?;
//! helper.hello(&Hello { name: "my helper", device: "my device", language: "Rust", preferred_unit: 0 });
//! std::process::exit(helper.serve(&mut MyDevice).exit_code());
//! # #[allow(unreachable_code)]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A device that keeps several launches in flight works with [`Helper::session`] directly, and one that runs the
//! kernels which algorithms bring is a [`kernels::Launcher`].

pub mod kernels;
mod life_line;

pub use adit_channel::session::{
    AttachError, ControlState, DeviceSession, Ended, Hello, JobCopy, LiveGeneration, LogLevel, Search, Unit,
    UnitDone, UnitStatus,
};

/// A helper's session with the host that started it.
#[derive(Debug)]
pub struct Helper {
    session: DeviceSession,
}

impl Helper {
    /// Maps the regions that the environment names and checks the host's header.
    ///
    /// # Errors
    /// [`AttachError`] says what is missing or wrong; [`exit_code`] tells what to exit with.
    pub fn connect() -> Result<Self, AttachError> {
        let mut session = DeviceSession::from_environment()?;
        session.watch_host(life_line::holds);
        Ok(Self { session })
    }

    /// Says hello: the device is ready.
    pub fn hello(&mut self, hello: &Hello<'_>) {
        self.session.hello(hello);
    }

    /// Searches units until the host stops the session or is gone.
    pub fn serve(&mut self, search: &mut dyn Search) -> Exit {
        Exit(adit_channel::session::serve(&mut self.session, search))
    }

    /// The session itself.
    pub fn session(&mut self) -> &mut DeviceSession {
        &mut self.session
    }

    /// Whether the host is still there; to be asked at least once a second. spec: SES-1.5
    pub fn host_lives(&mut self) -> bool {
        self.session.host_lives()
    }
}

/// How a helper's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub Ended);

impl Exit {
    /// What to exit with: 0 when the host said stop, 1 otherwise.
    #[must_use]
    pub fn exit_code(self) -> i32 {
        if self.0 == Ended::Stopped { 0 } else { 1 }
    }
}

/// What to exit with when there is no session: 3 for another layout version, 2 otherwise.
#[must_use]
pub fn exit_code(error: &AttachError) -> i32 {
    if matches!(error, AttachError::Version { .. }) { 3 } else { 2 }
}
