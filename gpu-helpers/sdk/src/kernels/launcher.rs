//! What a device API must do.

use std::fmt;

use adit_channel::session::LiveGeneration;

use super::Kernels;

/// Words of a job as kernels see it.
pub const JOB_WORDS: usize = 144;

/// Which source of an algorithm a helper compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// OpenCL C.
    OpenCl,
    /// CUDA C++, through NVRTC.
    Cuda,
    /// WGSL.
    Wgpu,
}

impl Api {
    /// The name in a bundle's `sources`, and before the colon of `--device`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenCl => "opencl",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }
}

/// A hit: its nonce, and the digest that the device worked out for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The nonce.
    pub nonce: u64,
    /// The 32 bytes as hashed.
    pub digest: [u8; 32],
}

impl Found {
    /// The candidates that are hits: two words of each in `nonces`, nine in `digests`. spec: KRN-2.2, KRN-2.3
    #[must_use]
    pub fn from_words(nonces: &[u32], digests: &[u32]) -> Vec<Self> {
        let candidates = nonces.chunks_exact(2).zip(digests.chunks_exact(9));
        let hits = candidates.filter(|(_, digest)| digest[8] != 0).map(|(nonce, words)| {
            let mut digest = [0; 32];
            for (bytes, word) in digest.chunks_exact_mut(4).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            Self { nonce: u64::from(nonce[0]) | u64::from(nonce[1]) << 32, digest }
        });
        hits.collect()
    }
}

/// What a launch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// Every hit of its range, in any order; the candidates that were none are left out.
    Hits(Vec<Found>),
    /// There were more candidates than the results hold: the range is to be searched again in halves.
    Overflow,
}

/// A device did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is not enough memory for so many items, on the device, or for its compiler.
    Memory(String),
    /// The source does not compile, or uses what the device lacks; the compiler's words, or the call and its error.
    Source(String),
    /// The device is lost, or its driver refuses: the call and its error.
    Device(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(what) => write!(f, "not enough device memory: {what}"),
            Self::Source(what) => write!(f, "the kernels do not compile or run here: {what}"),
            Self::Device(what) => write!(f, "the device failed: {what}"),
        }
    }
}

impl std::error::Error for Failure {}

/// A device with its queues; one algorithm is loaded at a time.
///
/// Launches are numbered by *lanes*, 0 to [`lanes`](Self::lanes) - 1, each with its own results. A lane has at most
/// one launch in flight, and what it found is collected before the next.
pub trait Launcher {
    /// Which sources it takes.
    fn api(&self) -> Api;

    /// The device and its driver: what compiled kernels, and what was measured, depend on.
    fn identity(&self) -> String;

    /// How many launches can be in flight, 1 or more.
    fn lanes(&self) -> usize;

    /// Compiles an algorithm's kernels, or finds them compiled, and makes them the ones that run.
    ///
    /// # Errors
    /// [`Failure`].
    fn load(&mut self, kernels: &Kernels) -> Result<(), Failure>;

    /// Hands a job of a generation to the device and prepares it. No launch is in flight.
    ///
    /// # Errors
    /// [`Failure`].
    fn set_job(&mut self, job: &[u32; JOB_WORDS], generation: u64) -> Result<(), Failure>;

    /// The most nonces of one launch of what is loaded.
    fn most_nonces(&self) -> u32;

    /// The fewest nonces of what is loaded that give each part of the device something to do, and something else while that
    /// waits for memory: with fewer a launch gets no shorter, only emptier. 1, if the device does not tell.
    fn wave(&self) -> u32 {
        1
    }

    /// Begins to search `start .. start + count` on a free lane. `count` is 1 to
    /// [`most_nonces`](Self::most_nonces); the range ends within the nonce's width.
    ///
    /// # Errors
    /// [`Failure`]; the lane stays free.
    fn submit(&mut self, lane: usize, start: u64, count: u32) -> Result<(), Failure>;

    /// Whether the lane's launch has ended.
    ///
    /// # Errors
    /// [`Failure`].
    fn is_done(&mut self, lane: usize) -> Result<bool, Failure>;

    /// Waits for the lane's launch, without keeping a host core busy, and gives what it found: nothing, if `wanted` then
    /// says that the job has died meanwhile.
    ///
    /// # Errors
    /// [`Failure`]; the lane is free again.
    fn collect(&mut self, lane: usize, wanted: &dyn Fn() -> bool) -> Result<Batch, Failure>;

    /// Bytes that were copied from the device to the host so far.
    fn copied_back(&self) -> u64;

    /// Lets kernels see which generation lives, so that they end early when their job dies. Nothing, if they cannot.
    ///
    /// # Errors
    /// [`Failure`].
    fn watch(&mut self, live: LiveGeneration) -> Result<(), Failure> {
        let _ = live;
        Ok(())
    }

    /// What the driver tells of a device that has just failed, beyond the failure itself.
    fn why_lost(&self) -> Option<String> {
        None
    }

    /// Temperature in thousandths of a degree Celsius and power in milliwatts, as far as the device tells.
    fn sensors(&mut self) -> (Option<i32>, Option<u32>) {
        (None, None)
    }
}

/// A job as kernels see it: a header of at most 512 bytes, where its nonce stands, and the target. spec: KRN-2.1
#[must_use]
pub fn job_words(
    header: &[u8],
    nonce_offset: usize,
    nonce_width: usize,
    target: &[u8; 32],
) -> [u32; JOB_WORDS] {
    let mut words = [0; JOB_WORDS];
    let put = |words: &mut [u32], bytes: &[u8]| {
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
            let mut four = [0; 4];
            four[..bytes.len()].copy_from_slice(bytes);
            *word = u32::from_le_bytes(four);
        }
    };
    put(&mut words[..128], header);
    words[128] = header.len() as u32;
    words[129] = nonce_offset as u32;
    words[130] = nonce_width as u32;
    put(&mut words[132..140], target);
    words
}
