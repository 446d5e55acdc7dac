//! Devices as people write them: `cpu`, `cpu:threads=2,cores=0-1`, `exec:COMMAND`.

use std::{fmt, str::FromStr};

use adit_topology::{Priority, parse_cpu_list};

use super::{gpu::GpuApi, spawn::CommandLine};
use crate::host::MAX_DEVICES;

/// The most worker threads that one specification may ask for: each is a device.
const MAX_THREADS: usize = MAX_DEVICES;

/// What one `--device` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// Worker threads of this process.
    Cpu(CpuSpec),
    /// A helper process.
    Exec(CommandLine),
    /// Devices of a GPU helper.
    Gpu(GpuSpec),
}

/// Devices of a GPU helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuSpec {
    /// Which helper.
    pub api: GpuApi,
    /// Their numbers with it; `None`: all.
    pub numbers: Option<Vec<u32>>,
}

/// Worker threads of this process.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CpuSpec {
    /// How many; `None`: one for each core in `cores`, or each physical core of the machine.
    pub threads: Option<usize>,
    /// Which cores, by the system's numbers; `None`: physical cores first.
    pub cores: Option<Vec<u32>>,
    /// How they yield to others; idle by default, so that a desktop stays usable.
    pub priority: WorkerPriority,
    /// Which variant of the search; `None`: the one that was measured to be the fastest.
    pub variant: Option<String>,
}

/// How workers yield to other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WorkerPriority {
    /// Run when nobody else wants to.
    #[default]
    Idle,
    /// As every thread.
    Normal,
}

impl From<WorkerPriority> for Priority {
    fn from(priority: WorkerPriority) -> Self {
        match priority {
            WorkerPriority::Idle => Self::Idle,
            WorkerPriority::Normal => Self::Normal,
        }
    }
}

/// A device that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// No such kind of device.
    Kind(String),
    /// An option that is unknown or has a value out of its range; says which and why.
    Option(String),
    /// `exec:` without a command, or with quotes that do not close.
    Command(String),
    /// Cores that this process may not use.
    Cores {
        /// Those asked for and not allowed.
        refused: Vec<u32>,
        /// Those allowed.
        allowed: Vec<u32>,
    },
    /// A GPU that is not there; says which and why.
    Gpu(String),
    /// A GPU helper, or its driver, that does not answer now; says which and why. What was asked for may be right.
    Silent(String),
    /// A variant that no algorithm has, or that this processor does not support; says what there is.
    Variant {
        /// What was asked for.
        variant: String,
        /// The variants of each algorithm, in words.
        known: String,
    },
    /// More devices than a host looks after.
    TooMany(usize),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(text) => write!(
                f,
                "unknown device {text:?}; known are cpu, cpu:threads=N,cores=LIST,priority=idle|normal,variant=V, \
                 exec:COMMAND, and cuda, opencl, wgpu with :all or :0,1,..."
            ),
            Self::Option(what) => f.write_str(what),
            Self::Command(text) => {
                write!(
                    f,
                    "device \"exec:{text}\": give a command, with its quotes closed, such as exec:\"python3 helper.py\""
                )
            }
            Self::Cores { refused, allowed } => write!(
                f,
                "cores {} may not be used by this process; allowed are {}",
                adit_topology::format_cpu_list(refused),
                adit_topology::format_cpu_list(allowed)
            ),
            Self::Gpu(what) | Self::Silent(what) => f.write_str(what),
            Self::Variant { variant, known } => {
                write!(f, "device cpu: variant={variant}: not to be had here; there are {known}")
            }
            Self::TooMany(count) => {
                write!(
                    f,
                    "{count} devices; one host looks after at most {MAX_DEVICES}: name fewer workers with cpu:threads=N, or \
                     start another host for the rest"
                )
            }
        }
    }
}

impl std::error::Error for SpecError {}

impl FromStr for DeviceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if let Some(command) = text.strip_prefix("exec:") {
            let words = shlex::split(command).ok_or_else(|| SpecError::Command(command.into()))?;
            let line = CommandLine::from_words(words.into_iter());
            return line.map(Self::Exec).ok_or_else(|| SpecError::Command(command.into()));
        }
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu(CpuSpec::default())),
            Some(("cpu", options)) => cpu_options(options).map(Self::Cpu),
            other => {
                let (name, which) = other.unwrap_or((text, "all"));
                let api = GpuApi::named(name).ok_or_else(|| SpecError::Kind(text.into()))?;
                gpu_numbers(which).map(|numbers| Self::Gpu(GpuSpec { api, numbers })).ok_or_else(|| {
                    SpecError::Gpu(format!("device {text:?}: give {name}:all or {name}:0,1,..."))
                })
            }
        }
    }
}

/// `all`, or numbers with commas between.
fn gpu_numbers(text: &str) -> Option<Option<Vec<u32>>> {
    if text == "all" {
        return Some(None);
    }
    text.split(',').map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>().map(Some)
}

/// `key=value` pairs; a piece without `=` goes on with the value before it, as lists of cores do.
fn cpu_options(text: &str) -> Result<CpuSpec, SpecError> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for piece in text.split(',') {
        match (piece.split_once('='), pairs.last_mut()) {
            (Some((key, value)), _) => pairs.push((key, value.to_owned())),
            (None, Some((_, value))) => *value = format!("{value},{piece}"),
            (None, None) => {
                return Err(SpecError::Option(format!("device cpu: {piece:?} is no option=value")));
            }
        }
    }
    let mut spec = CpuSpec::default();
    for (key, value) in pairs {
        let bad = |what: &str| SpecError::Option(format!("device cpu: {key}={value}: {what}"));
        match key {
            "threads" if value == "auto" => spec.threads = None,
            "threads" => match value.parse() {
                Ok(threads) if (1..=MAX_THREADS).contains(&threads) => spec.threads = Some(threads),
                _ => return Err(bad(&format!("give auto or a number from 1 to {MAX_THREADS}"))),
            },
            "cores" => spec.cores = Some(parse_cpu_list(&value).map_err(|error| bad(&error.to_string()))?),
            "priority" if value == "idle" => spec.priority = WorkerPriority::Idle,
            "priority" if value == "normal" => spec.priority = WorkerPriority::Normal,
            "priority" => return Err(bad("give idle or normal")),
            "variant" if value.is_empty() => return Err(bad("give a variant's name, such as avx2")),
            "variant" => spec.variant = Some(value),
            _ => return Err(bad("known options are threads, cores, priority and variant")),
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<DeviceSpec, String> {
        text.parse().map_err(|error: SpecError| error.to_string())
    }

    #[test]
    fn what_people_write_is_understood() {
        assert_eq!(spec("cpu"), Ok(DeviceSpec::Cpu(CpuSpec::default())));
        let cpu = CpuSpec {
            threads: Some(2),
            cores: Some(vec![0, 1, 3]),
            priority: WorkerPriority::Normal,
            variant: Some("avx2".into()),
        };
        assert_eq!(spec("cpu:threads=2,cores=0-1,3,priority=normal,variant=avx2"), Ok(DeviceSpec::Cpu(cpu)));
        for (text, api, numbers) in [
            ("opencl", GpuApi::OpenCl, None),
            ("cuda:all", GpuApi::Cuda, None),
            ("wgpu:2,0", GpuApi::Wgpu, Some(vec![2, 0])),
        ] {
            assert_eq!(spec(text), Ok(DeviceSpec::Gpu(GpuSpec { api, numbers })));
        }
        let Ok(DeviceSpec::Exec(line)) = spec("exec:python3 'my helper.py' -x") else { panic!() };
        assert_eq!((line.program.as_str(), line.arguments.len()), ("python3", 2));
        assert_eq!(line.to_string(), "python3 'my helper.py' -x");
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (text, named) in [
            ("gpu", "gpu"),
            ("cpu:", "option=value"),
            ("cpu:threads=0", "threads=0"),
            ("cpu:threads=many", "threads=many"),
            ("cpu:threads=128", "1 to 127"),
            ("cpu:cores=9-3", "cores=9-3"),
            ("cpu:speed=11", "speed=11"),
            ("cpu:priority=high", "priority=high"),
            ("opencl:first", "opencl:0,1"),
            ("cuda:0,,1", "cuda:all"),
            ("cpu:variant=", "variant="),
            ("exec:", "give a command"),
            ("exec:'", "quotes"),
        ] {
            let error = spec(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
