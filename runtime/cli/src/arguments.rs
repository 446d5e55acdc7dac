//! What can be said on the command line.

use std::{path::PathBuf, time::Duration};

use adit_host::device::DeviceSpec;
use clap::{Args, Parser, Subcommand};
use glob::Pattern;

/// Mines, searches and measures: every device is a pair of shared-memory rings.
#[derive(Debug, Parser)]
#[command(name = "adit", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work for a pool, or on a chain of this machine's own
    Mine(Mine),
    /// Scan a range of nonces of one header for digests that meet a target
    Search(Search),
    /// Hash one header; exit 0 when the digest meets the target, 1 when not
    Verify(Verify),
    /// List the devices of this machine
    Devices(DeviceList),
    /// Show processors, caches and memory nodes, and where workers and the ends of channels would run
    Topology(Topology),
    /// Show the channels of this user: who has joined, how much waits, how fast it goes
    Channels(Channels),
    /// Measure how fast the parts are on this machine
    #[command(subcommand)]
    Bench(Bench),
    /// Measure afresh which variant and how many threads are best here, and how large a first unit of 0.2 s is; keep it
    Tune(Tune),
    /// Check a helper program, or a plugin, against its specification
    Conform(Conform),
    /// Print the bundle of kernels that GPU helpers are given, to try one by hand with ADIT_KERNELS=FILE
    Kernels(Kernels),
}

#[derive(Debug, Args)]
pub struct Kernels {
    #[command(flatten)]
    pub plugins: Plugins,
}

#[derive(Debug, Args)]
pub struct Json {
    /// Print one JSON object a line, and nothing else
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Plugins {
    /// A shared object with another algorithm; may be repeated. Its code runs in this process: load what you trust
    #[arg(long = "plugin", value_name = "FILE")]
    pub plugins: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DeviceList {
    #[command(flatten)]
    pub plugins: Plugins,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Topology {
    /// Plan for a machine that is not there, such as "pack:2 numa:1 l3:2 core:4 pu:2"
    #[arg(long, value_name = "TEXT")]
    pub synthetic: Option<String>,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Devices {
    /// A device: cpu, cpu:threads=2,cores=0-1,priority=idle|normal,variant=V, cuda, opencl or wgpu with :all or :0,1 (a
    /// GPU helper's), or exec:COMMAND (a helper); may be repeated. Without it: cpu, and every GPU that a helper finds
    #[arg(long = "device", value_name = "D")]
    pub devices: Vec<DeviceSpec>,

    /// Seconds without a heartbeat after which a helper is taken for stuck, killed and started again
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    pub stuck_after: Duration,
}

#[derive(Debug, Args)]
pub struct Mine {
    /// Where jobs come from: stratum+tcp://HOST:PORT, replay:FILE, or devchain
    #[arg(long, value_name = "URL", default_value = "devchain")]
    pub pool: String,

    /// User name for the pool, often WALLET.WORKER
    #[arg(long, value_name = "U")]
    pub user: Option<String>,

    /// Password for the pool
    #[arg(long, value_name = "P", default_value = "x")]
    pub pass: String,

    /// What to hash: `adit devices` lists what there is
    #[arg(long, value_name = "A", default_value = "sha256d")]
    pub algorithm: String,

    #[command(flatten)]
    pub plugins: Plugins,

    #[command(flatten)]
    pub devices: Devices,

    /// End after so many accepted blocks (devchain) or shares (pools)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub blocks: Option<u64>,

    /// End after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// Seconds between two blocks of the devchain
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub block_time: Duration,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Search {
    /// What to hash: `adit devices` lists what there is
    #[arg(long, value_name = "A")]
    pub algorithm: String,

    #[command(flatten)]
    pub plugins: Plugins,

    /// The header in hex, as it is hashed; the nonce's bytes may hold anything
    #[arg(long, value_name = "HEX")]
    pub header: String,

    /// 64 hex digits, most significant first; a digest is a hit when it is not above this
    #[arg(long, value_name = "HEX")]
    pub target: String,

    /// First nonce
    #[arg(long, value_name = "N")]
    pub start: u64,

    /// How many nonces
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,

    #[command(flatten)]
    pub devices: Devices,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// What to hash: `adit devices` lists what there is
    #[arg(long, value_name = "A")]
    pub algorithm: String,

    #[command(flatten)]
    pub plugins: Plugins,

    /// The header in hex, as it is hashed
    #[arg(long, value_name = "HEX")]
    pub header: String,

    /// 64 hex digits, most significant first; without it every digest meets the target
    #[arg(long, value_name = "HEX")]
    pub target: Option<String>,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Channels {
    #[command(subcommand)]
    pub action: Option<ChannelAction>,

    /// Go on showing them, until Ctrl-C
    #[arg(long)]
    pub watch: bool,

    /// Seconds between two looks, from which rates are made [default: 0.25, or 1 with --watch]
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub interval: Option<Duration>,

    /// Where the channels' sockets are [default: $XDG_RUNTIME_DIR/adit, or /tmp/adit-UID]
    #[arg(long, value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,

    /// Print one JSON object a line, and nothing else
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum ChannelAction {
    /// Remove what processes left behind that died
    Clean,
    /// Show the channels that survive their processes: those of shm:// names
    Kept {
        /// Those of the files in a directory that end with .ring instead
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,

        /// Remove those that no living process has an end of, with what was not received
        #[arg(long)]
        remove: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Throughput and round trips of channels, beside raw floors and, with --peers, beside other channels
    Channel(BenchChannel),
    /// Hash rates of every variant, beside a reference and the rate that the machine allows
    Hash(BenchHash),
    /// Hash rates of GPUs, or of what poses as one, through their helpers, by algorithm and length of launches
    Device(BenchDevice),
    /// An end in another process: what `bench channel` starts
    #[command(hide = true)]
    ChannelEnd,
}

#[derive(Debug, Args)]
pub struct BenchChannel {
    /// Measure other channels, too; needs a build with the feature `peers`
    #[arg(long)]
    pub peers: bool,

    /// Write one self-contained page with plots
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    /// Only what has such a name: NAME/TRANSPORT/MODE/BYTES/BATCH/REGIME with * and ?; may be repeated
    #[arg(long, value_name = "GLOB", value_parser = Pattern::new)]
    pub only: Vec<Pattern>,

    /// How often each throughput is measured (round trips three times as often); 9 if not set
    #[arg(long, value_name = "N", value_parser = rounds)]
    pub rounds: Option<usize>,

    /// Seconds of one round; 0.06 if not set
    #[arg(long, value_name = "S", value_parser = round_seconds)]
    pub seconds: Option<Duration>,

    /// Three short rounds: for a first look, not for figures
    #[arg(long)]
    pub quick: bool,

    /// The cores to put the ends on, senders on the first; two physical ones if not set
    #[arg(long, value_name = "A,B", value_parser = cores)]
    pub cores: Option<Cores>,

    /// Bytes of each queue for messages up to 4 KiB, the same for all: a power of two from 65536 to 268435456; 1048576 if not
    /// set. What fits a core's second-level cache and what does not are worlds apart on some processors
    #[arg(long, value_name = "BYTES", value_parser = ring)]
    pub ring: Option<usize>,

    #[command(flatten)]
    pub json: Json,
}

/// Cores in the order in which they are used.
#[derive(Clone, Debug)]
pub struct Cores(pub Vec<u32>);

fn cores(text: &str) -> Result<Cores, String> {
    let cores: Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    match cores {
        Ok(cores) if cores.len() >= 2 && (1..cores.len()).all(|at| !cores[..at].contains(&cores[at])) => {
            Ok(Cores(cores))
        }
        _ => Err("give two cores or more, each once, such as 0,1".into()),
    }
}

fn ring(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(bytes) if bytes.is_power_of_two() && (1 << 16..=1 << 28).contains(&bytes) => Ok(bytes),
        _ => Err("give a power of two from 65536 to 268435456".into()),
    }
}

fn rounds(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(rounds) if (1..=1000).contains(&rounds) => Ok(rounds),
        _ => Err("give a number from 1 to 1000".into()),
    }
}

fn round_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Ok(time) if (0.001..=10.0).contains(&time.as_secs_f64()) => Ok(time),
        _ => Err("give seconds from 0.001 to 10".into()),
    }
}

#[derive(Debug, Args)]
pub struct BenchHash {
    /// Only this algorithm
    #[arg(long, value_name = "A")]
    pub algorithm: Option<String>,

    /// Threads, each on a processor of its own, so no more than this process may use; 1 and one for each core if not set
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,

    /// Write one self-contained page with plots
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,

    #[command(flatten)]
    pub plugins: Plugins,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct BenchDevice {
    /// Devices of a GPU helper: cuda, opencl or wgpu with :all or :0,1,...; may be repeated
    #[arg(long = "device", value_name = "D", required = true)]
    pub devices: Vec<DeviceSpec>,

    /// Only this algorithm
    #[arg(long, value_name = "A")]
    pub algorithm: Option<String>,

    /// How long a launch should take, in microseconds; may be repeated; 500, 2000 and 8000 if not set
    #[arg(long = "launch-us", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub launches: Vec<u32>,

    /// Seconds of each measurement; 3 if not set
    #[arg(long, value_name = "S", value_parser = round_seconds, default_value = "3")]
    pub seconds: Duration,

    #[command(flatten)]
    pub plugins: Plugins,

    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Tune {
    /// Only this algorithm
    #[arg(long, value_name = "A")]
    pub algorithm: Option<String>,

    #[command(flatten)]
    pub plugins: Plugins,

    #[command(flatten)]
    pub json: Json,
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(threads) if (1..=1024).contains(&threads) => Ok(threads),
        _ => Err("give a number from 1 to 1024".into()),
    }
}

#[derive(Debug, Args)]
pub struct Conform {
    /// Only the cases whose name has this in it
    #[arg(long, value_name = "S")]
    pub filter: Option<String>,

    /// Seconds that a helper has until its hello: more where it compiles kernels first
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds, conflicts_with = "plugin")]
    pub hello_within: Duration,

    #[command(flatten)]
    pub json: Json,

    /// Check this plugin instead of a helper, each case in a process of its own
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub plugin: Option<PathBuf>,

    /// Seconds after which a plugin's case counts as hanging
    #[arg(long, value_name = "S", default_value = "60", value_parser = seconds, conflicts_with = "command")]
    pub case_limit: Duration,

    /// Play one case of a plugin in this process
    #[arg(long, value_name = "CASE", hide = true, requires = "plugin")]
    pub play: Option<String>,

    /// The helper and its arguments
    #[arg(last = true, required_unless_present = "plugin", value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// Seconds, more than 0 and at most ten years, with a fraction if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 3.2e8 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give seconds, more than 0, such as 90 or 0.5".into()),
    }
}
