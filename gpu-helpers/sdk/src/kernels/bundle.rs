//! The bundle: every algorithm's kernels in one document. spec: KRN-1.2

use std::{
    fmt, fs, io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
    path::PathBuf,
};

use serde::Deserialize;

use super::{Api, Found};

/// The environment variable that names the bundle's file descriptor.
pub const ENV_KERNELS_FD: &str = adit_abi::ENV_KERNELS_FD;

/// The environment variable that names the bundle's file, for people who try things by hand.
pub const ENV_KERNELS: &str = "ADIT_KERNELS";

/// The version of the kernel ABI that this is.
pub const VERSION: u32 = 1;

/// The longest bundle, in bytes.
const LONGEST: u64 = 8 << 20;
const MOST_ALGORITHMS: usize = 64;

/// Every algorithm's kernels.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// In the order in which the host knows them.
    pub algorithms: Vec<Kernels>,
}

/// An algorithm's kernels and what must be known to run them.
#[derive(Clone, Debug, Deserialize)]
pub struct Kernels {
    /// As in the plugin.
    pub name: String,
    /// The job board's number.
    pub id: u32,
    /// Bytes of a header, 1 to 512.
    pub header_len: usize,
    /// First byte of the nonce.
    pub nonce_offset: usize,
    /// Bytes of the nonce: 4 or 8.
    pub nonce_width: usize,
    /// Words that `prepare` writes, 1 to 4,096.
    pub constants: usize,
    /// Bytes of device memory for each work item of `search`.
    #[serde(default)]
    pub scratch: usize,
    /// Work items of a work group.
    pub group: u32,
    /// Work items of a nonce, in OpenCL C and CUDA C++.
    #[serde(default = "one")]
    pub lanes: u32,
    /// Shifts, rotations and logic of 32 bits a nonce; 0: unknown.
    #[serde(default)]
    pub operations: u32,
    sources: Sources,
    /// Searches with known answers.
    pub self_test: Vec<SelfTest>,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Sources {
    opencl: Option<String>,
    cuda: Option<String>,
    wgpu: Option<String>,
}

/// A search with a known answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawTest")]
pub struct SelfTest {
    /// The header, `header_len` bytes.
    pub header: Vec<u8>,
    /// The target as a little-endian integer.
    pub target: [u8; 32],
    /// The first nonce.
    pub start: u64,
    /// How many.
    pub count: u32,
    /// All hits, in rising order.
    pub hits: Vec<Found>,
}

#[derive(Deserialize)]
struct RawTest {
    header: String,
    target: String,
    start: String,
    count: String,
    hits: Vec<RawHit>,
}

#[derive(Deserialize)]
struct RawHit {
    nonce: String,
    digest: String,
}

/// There is no bundle, or not one that this helper understands.
#[derive(Debug)]
#[non_exhaustive]
pub enum BundleError {
    /// Neither variable is set.
    Missing,
    /// It could not be read.
    Read {
        /// What was read.
        from: String,
        /// Why not.
        source: io::Error,
    },
    /// It is not what the specification says; says where and how.
    Malformed(String),
    /// It is of another version.
    Version(u32),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(
                f,
                "no kernels: neither {ENV_KERNELS_FD} nor {ENV_KERNELS} is set; hosts set the first, and \
                 `adit kernels > FILE` writes what the second may name"
            ),
            Self::Read { from, source } => write!(f, "cannot read the kernels from {from}: {source}"),
            Self::Malformed(what) => write!(f, "the bundle of kernels is malformed: {what}"),
            Self::Version(version) => {
                write!(f, "the bundle of kernels has version {version}; this helper speaks {VERSION}")
            }
        }
    }
}

impl std::error::Error for BundleError {}

impl Bundle {
    /// Reads what the environment names. spec: KRN-1.1
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn from_environment() -> Result<Self, BundleError> {
        if let Ok(number) = std::env::var(ENV_KERNELS_FD) {
            return Self::from_descriptor(&number);
        }
        let path = PathBuf::from(std::env::var_os(ENV_KERNELS).ok_or(BundleError::Missing)?);
        let from = || path.display().to_string();
        let read = |source| BundleError::Read { from: from(), source };
        if fs::metadata(&path).map_err(read)?.len() > LONGEST {
            return Err(BundleError::Malformed(format!("{} is longer than {LONGEST} bytes", from())));
        }
        Self::parse(&fs::read(&path).map_err(read)?)
    }

    fn from_descriptor(number: &str) -> Result<Self, BundleError> {
        let malformed =
            || BundleError::Malformed(format!("{ENV_KERNELS_FD} is {number:?}, not a descriptor"));
        let fd: RawFd = number.parse().ok().filter(|fd| *fd > 2).ok_or_else(malformed)?;
        // SAFETY: the host left this descriptor open for the helper and names it once; nothing else here owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let read = |error: rustix::io::Errno| BundleError::Read {
            from: format!("{ENV_KERNELS_FD} {number}"),
            source: error.into(),
        };
        let size = rustix::fs::fstat(&fd).map_err(read)?.st_size as u64;
        if size > LONGEST {
            return Err(BundleError::Malformed(format!("{size} bytes; {LONGEST} are the most")));
        }
        // By position: whoever else has the same file shares the offset.
        let mut bytes = vec![0; size as usize];
        let mut at = 0;
        while at < bytes.len() {
            match rustix::io::pread(&fd, &mut bytes[at..], at as u64).map_err(read)? {
                0 => return Err(BundleError::Malformed("it ends early".into())),
                count => at += count,
            }
        }
        Self::parse(&bytes)
    }

    /// Reads a bundle and checks all that can be checked without a device.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Version {
            adit_kernels: u32,
        }
        #[derive(Deserialize)]
        struct Document {
            algorithms: Vec<Kernels>,
        }
        let malformed = |error: serde_json::Error| BundleError::Malformed(error.to_string());
        let Version { adit_kernels } = serde_json::from_slice(bytes).map_err(malformed)?;
        if adit_kernels != VERSION {
            return Err(BundleError::Version(adit_kernels));
        }
        let Document { algorithms } = serde_json::from_slice(bytes).map_err(malformed)?;
        if algorithms.len() > MOST_ALGORITHMS {
            return Err(BundleError::Malformed(format!("more than {MOST_ALGORITHMS} algorithms")));
        }
        for kernels in &algorithms {
            kernels.check().map_err(|what| BundleError::Malformed(format!("{}: {what}", kernels.name)))?;
        }
        Ok(Self { algorithms })
    }
}

impl Kernels {
    /// The source for a device API, if the algorithm brings one.
    #[must_use]
    pub fn source(&self, api: Api) -> Option<&str> {
        match api {
            Api::OpenCl => self.sources.opencl.as_deref(),
            Api::Cuda => self.sources.cuda.as_deref(),
            Api::Wgpu => self.sources.wgpu.as_deref(),
        }
    }

    /// Nonces of a work group, in OpenCL C and CUDA C++.
    #[must_use]
    pub fn group_nonces(&self) -> u32 {
        self.group / self.lanes
    }

    /// Bytes of scratch memory of a nonce, in OpenCL C and CUDA C++.
    #[must_use]
    pub fn nonce_scratch(&self) -> usize {
        self.scratch * self.lanes as usize
    }

    fn check(&self) -> Result<(), String> {
        let within = |what: &str, value: usize, range: std::ops::RangeInclusive<usize>| {
            let text = format!("{what} is {value}, which is not within {range:?}");
            if range.contains(&value) { Ok(()) } else { Err(text) }
        };
        within("header_len", self.header_len, 1..=512)?;
        if !matches!(self.nonce_width, 4 | 8) {
            return Err(format!("nonce_width is {}, which is neither 4 nor 8", self.nonce_width));
        }
        within("the nonce's end", self.nonce_offset.saturating_add(self.nonce_width), 1..=self.header_len)?;
        within("constants", self.constants, 1..=4096)?;
        within("scratch", self.scratch, 0..=64 << 20)?;
        if !self.scratch.is_multiple_of(16) {
            return Err(format!("scratch is {}, which is no multiple of 16", self.scratch));
        }
        within("group", self.group as usize, 1..=1024)?;
        within("lanes", self.lanes as usize, 1..=self.group as usize)?;
        if !self.group.is_multiple_of(self.lanes) {
            return Err(format!("group is {}, which is no multiple of its {} lanes", self.group, self.lanes));
        }
        if self.self_test.is_empty() {
            return Err("it has no self-test".into());
        }
        for (at, test) in self.self_test.iter().enumerate() {
            within(
                &format!("the header of self-test {at}"),
                test.header.len(),
                self.header_len..=self.header_len,
            )?;
            let last = test.start.checked_add(u64::from(test.count) - 1);
            if last.is_none_or(|last| self.nonce_width == 4 && last > u64::from(u32::MAX)) {
                return Err(format!("self-test {at} ends past the nonce's width"));
            }
        }
        Ok(())
    }
}

impl TryFrom<RawTest> for SelfTest {
    type Error = String;

    fn try_from(raw: RawTest) -> Result<Self, String> {
        let number = |what: &str, text: &str| {
            text.parse::<u64>().map_err(|_| format!("{what} is {text:?}, not a number in quotes"))
        };
        let mut target = bytes32("target", &raw.target)?;
        target.reverse();
        let mut hits = Vec::new();
        for hit in &raw.hits {
            hits.push(Found { nonce: number("nonce", &hit.nonce)?, digest: bytes32("digest", &hit.digest)? });
        }
        hits.sort_unstable();
        let count = u32::try_from(number("count", &raw.count)?).ok().filter(|count| *count > 0);
        Ok(Self {
            header: bytes("header", &raw.header)?,
            target,
            start: number("start", &raw.start)?,
            count: count.ok_or("count is not within 1 to 4294967295")?,
            hits,
        })
    }
}

fn bytes32(what: &str, text: &str) -> Result<[u8; 32], String> {
    bytes(what, text)?
        .try_into()
        .map_err(|bytes: Vec<u8>| format!("{what} has {} bytes, not 32", bytes.len()))
}

fn bytes(what: &str, text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes().chunks(2).map(|two| {
        let two = std::str::from_utf8(two).ok().filter(|two| two.len() == 2 && !two.starts_with('+'));
        two.and_then(|two| u8::from_str_radix(two, 16).ok())
    });
    digits.collect::<Option<_>>().ok_or_else(|| format!("{what} is not hex"))
}
