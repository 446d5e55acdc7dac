//! Devices that a GPU helper drives: which helper, and which devices it has.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use adit_topology::PciPlace;
use serde::Deserialize;

use super::{GpuSpec, ask::ask, spawn::CommandLine};

/// The environment variable with the folder of the helpers; otherwise they stand beside this program.
pub const ENV_HELPER_DIR: &str = "ADIT_HELPER_DIR";

/// How long a helper may take to list its devices: drivers wake up slowly.
const LIST_WITHIN: Duration = Duration::from_secs(20);

/// The status of a helper that lists nothing because no driver for its API is installed. spec: KRN-5.5
const NO_DRIVER: i32 = 6;

/// The longest list, in bytes.
const LONGEST_LIST: usize = 1 << 20;

/// A device API that a helper exists for. A device that two of them see is used through the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuApi {
    /// NVIDIA's.
    Cuda,
    /// The Khronos group's, for GPUs and CPUs.
    OpenCl,
    /// Vulkan, Metal, DirectX.
    Wgpu,
}

impl GpuApi {
    /// All of them, the preferred first.
    pub const ALL: [Self; 3] = [Self::Cuda, Self::OpenCl, Self::Wgpu];

    /// As in `--device`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::OpenCl => "opencl",
            Self::Wgpu => "wgpu",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.name() == name)
    }

    /// The helper's file, if there is one.
    #[must_use]
    pub fn helper(self) -> Option<PathBuf> {
        let beside = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
        let folder = std::env::var_os(ENV_HELPER_DIR).map(PathBuf::from).or_else(beside)?;
        Some(folder.join(format!("adit-helper-{}", self.name()))).filter(|path| path.is_file())
    }

    /// How its helper is run for a device: on processors near it, where that is known.
    #[must_use]
    pub fn command(self, helper: &Path, device: &GpuDevice) -> CommandLine {
        CommandLine {
            program: helper.to_string_lossy().into_owned(),
            arguments: vec!["run".into(), device.number.to_string()],
            cpus: device.place().cpus,
        }
    }

    /// What its helper finds on this machine, and what it complains of: a device that does not answer.
    ///
    /// # Errors
    /// [`GpuError`].
    pub fn found(self) -> Result<Found, GpuError> {
        let helper = self.helper().ok_or(GpuError::NoHelper(self))?;
        let failed = |why: String| GpuError::List(self, why);
        let mut command = Command::new(&helper);
        command.arg("list");
        let answer = ask(command, LIST_WITHIN, LONGEST_LIST).map_err(|error| failed(error.to_string()))?;
        let complaint = answer.error.trim();
        match answer.status.code() {
            Some(0) => {}
            Some(NO_DRIVER) => return Err(GpuError::NoDriver(self, complaint.to_owned())),
            _ if answer.is_late => {
                let said =
                    if complaint.is_empty() { String::new() } else { format!("; it said: {complaint}") };
                return Err(failed(format!("no answer in {} s{said}", LIST_WITHIN.as_secs())));
            }
            _ => return Err(failed(complaint.to_owned())),
        }
        let parse =
            |line: &str| serde_json::from_str(line).map_err(|error| failed(format!("{error}: {line}")));
        let devices = answer.output.lines().map(parse).collect::<Result<_, _>>()?;
        // Of the helper itself: what drivers write there means nothing to anybody.
        let own = format!("adit-helper-{}: ", self.name());
        let complaints = complaint.lines().filter_map(|line| line.strip_prefix(&own));
        let complaints = complaints.map(|what| GpuError::Device(self, what.to_owned())).collect();
        Ok(Found { devices, complaints })
    }
}

/// What a helper finds.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The devices that work can be given to.
    pub devices: Vec<GpuDevice>,
    /// One for each that does not answer.
    pub complaints: Vec<GpuError>,
}

/// A device as its helper describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct GpuDevice {
    /// Its number with this helper.
    pub number: u32,
    /// What people call it.
    pub name: String,
    /// Version of its driver.
    #[serde(default)]
    pub driver: String,
    /// Whether it is a GPU; a CPU can pose as a device too.
    #[serde(default)]
    pub gpu: bool,
    /// Bytes of its memory.
    #[serde(default)]
    pub memory: u64,
    /// Where it is plugged in, as `0000:3b:00.0`.
    #[serde(default)]
    pub pci: Option<String>,
    /// How many parts it has that work side by side; 0: unknown, as below.
    #[serde(default)]
    pub compute_units: u64,
    /// Operations of 32 bits that each of them does in a clock.
    #[serde(default)]
    pub integer_lanes: u64,
    /// Its highest clock, in thousands a second.
    #[serde(default)]
    pub clock_khz: u64,
    /// Thousandths of a degree Celsius, if it has a thermometer and its API shows it.
    #[serde(default)]
    pub temperature_mc: Option<i32>,
    /// What it takes, in milliwatts.
    #[serde(default)]
    pub power_mw: Option<u32>,
    /// Per cent of the last moments in which it was busy.
    #[serde(default)]
    pub utilisation: Option<u32>,
}

impl GpuDevice {
    /// Whether two APIs show the same GPU: by where it is plugged in, or by name where one does not tell.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.pci, &other.pci) {
            (Some(mine), Some(theirs)) => mine.eq_ignore_ascii_case(theirs),
            _ => self.gpu && other.gpu && self.name == other.name,
        }
    }

    /// Node and processors near it; unknown for what is not plugged in anywhere.
    #[must_use]
    pub fn place(&self) -> PciPlace {
        self.pci.as_deref().map(PciPlace::of).unwrap_or_default()
    }

    /// Nonces a second that its units for logic and shifts allow, for a kernel of so many operations a nonce; `None`: one of the
    /// numbers is unknown.
    #[must_use]
    pub fn bound(&self, operations: u32) -> Option<f64> {
        let numbers = [self.compute_units, self.integer_lanes, self.clock_khz].map(|number| number as f64);
        let known = operations > 0 && numbers.iter().all(|number| *number > 0.0);
        known.then(|| numbers.iter().product::<f64>() * 1e3 / f64::from(operations))
    }
}

/// Every GPU of this machine, each through the preferred API among those that show it, and what people should know of the
/// APIs that cannot list theirs. A processor that poses as a device is none.
#[must_use]
pub fn every() -> (Vec<GpuSpec>, Vec<GpuError>) {
    let answers = std::thread::scope(|scope| {
        let asked = GpuApi::ALL.map(|api| scope.spawn(move || api.found()));
        // A thread that panicked has said so itself.
        asked.map(|answer| answer.join().unwrap_or_else(|_| Ok(Found::default())))
    });
    let (found, errors) = sorted_out(answers);
    (preferred(found), errors)
}

/// The devices, and the errors that are worth a word: an API that is not installed is none.
fn sorted_out(answers: [Result<Found, GpuError>; 3]) -> ([Vec<GpuDevice>; 3], Vec<GpuError>) {
    let mut errors = Vec::new();
    let found = answers.map(|answer| match answer {
        Ok(found) => {
            errors.extend(found.complaints);
            found.devices
        }
        Err(error) => {
            errors.extend((!error.is_absence()).then_some(error));
            Vec::new()
        }
    });
    (found, errors)
}

fn preferred(mut found: [Vec<GpuDevice>; 3]) -> Vec<GpuSpec> {
    found.iter_mut().for_each(|devices| devices.retain(|device| device.gpu));
    let all = GpuApi::ALL.map(|api| GpuSpec { api, numbers: None });
    let wishes: Vec<_> = all.iter().zip(&found).map(|(spec, devices)| (spec, &devices[..])).collect();
    let chosen = GpuApi::ALL.into_iter().zip(once(&wishes)).filter(|(_, numbers)| !numbers.is_empty());
    chosen.map(|(api, numbers)| GpuSpec { api, numbers: Some(numbers) }).collect()
}

/// The numbers that each specification means, where `all` leaves out what a preferred API among them has: a GPU that two
/// drivers show is one. Numbers that were asked for are taken as they are.
#[must_use]
pub fn once(wishes: &[(&GpuSpec, &[GpuDevice])]) -> Vec<Vec<u32>> {
    let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); wishes.len()];
    let mut taken: Vec<(GpuApi, &GpuDevice)> = Vec::new();
    for api in GpuApi::ALL {
        let mut of_api: Vec<usize> = (0..wishes.len()).filter(|&at| wishes[at].0.api == api).collect();
        // What is asked for by its number is not of those that all the others mean, wherever it stands.
        of_api.sort_by_key(|&at| wishes[at].0.numbers.is_none());
        // Of two without an address and with one name, one hides one.
        let mut hiding: Vec<_> = taken.iter().map(|(_, device)| Some(*device)).collect();
        for at in of_api {
            let (spec, there) = wishes[at];
            let mut seen: Vec<&GpuDevice> = Vec::new();
            for device in there {
                // Two drivers of one API may show one GPU; parts of one, which its driver shows, are several.
                let chosen_before = taken.iter().filter(|(other, _)| *other == api).map(|(_, known)| known);
                let is_there = seen.iter().chain(chosen_before).any(|known| {
                    let is_plugged_in = device.pci.is_some() && known.pci.is_some();
                    is_plugged_in && known.is_same(device) && known.driver != device.driver
                });
                seen.push(device);
                let wanted = match &spec.numbers {
                    Some(numbers) => numbers.contains(&device.number),
                    None if is_there => false,
                    // It was asked for by its number, too.
                    None if taken
                        .iter()
                        .any(|(other, known)| *other == api && known.number == device.number) =>
                    {
                        false
                    }
                    None => match hiding.iter_mut().find(|it| it.is_some_and(|it| it.is_same(device))) {
                        Some(hidden) => {
                            *hidden = None;
                            false
                        }
                        None => true,
                    },
                };
                if wanted {
                    chosen[at].push(device.number);
                    taken.push((api, device));
                }
            }
        }
    }
    chosen
}

/// The devices of an API are not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// Its helper is not installed.
    NoHelper(GpuApi),
    /// No driver for it is installed; what to install.
    NoDriver(GpuApi, String),
    /// Its helper could not list them; says why.
    List(GpuApi, String),
    /// One of them does not answer, the others do; says which and why.
    Device(GpuApi, String),
}

impl GpuError {
    /// Whether there is simply nothing of this API here, as on most machines there is not of most APIs.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::NoHelper(_) | Self::NoDriver(..))
    }
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHelper(api) => write!(
                f,
                "there is no adit-helper-{0} beside this program; build it (cargo build --release --bin adit-helper-{0}), or \
                 say in which folder it is with {ENV_HELPER_DIR}",
                api.name()
            ),
            Self::NoDriver(api, why) | Self::List(api, why) => {
                write!(f, "the {} helper lists no devices: {why}", api.name())
            }
            Self::Device(api, what) => write!(f, "the {} helper: {what}", api.name()),
        }
    }
}

impl std::error::Error for GpuError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_needs_every_number() {
        let line = r#"{"number":0,"name":"H100","compute_units":132,"integer_lanes":64,"clock_khz":1980000}"#;
        let mut device: GpuDevice = serde_json::from_str(line).unwrap();
        // 132 x 64 x 1.98 GHz over 1,819 operations.
        assert!((device.bound(1819).unwrap() / 9.196e9 - 1.0).abs() < 0.001);
        assert_eq!(device.bound(0), None);
        device.clock_khz = 0;
        assert_eq!(device.bound(1819), None);
    }

    fn device(number: u32, name: &str, pci: Option<&str>) -> GpuDevice {
        let line = serde_json::json!({ "number": number, "name": name, "gpu": true, "pci": pci });
        serde_json::from_value(line).unwrap()
    }

    fn all(api: GpuApi) -> GpuSpec {
        GpuSpec { api, numbers: None }
    }

    #[test]
    fn a_gpu_that_two_drivers_show_is_used_once() {
        let cuda = [device(0, "H100", Some("0000:3b:00.0")), device(1, "H100", Some("0000:AF:00.0"))];
        let wgpu = [
            device(0, "NVIDIA H100", Some("0000:af:00.0")),
            device(1, "NVIDIA H100", Some("0000:3b:00.0")),
            device(2, "Arc", Some("0000:05:00.0")),
        ];
        let opencl = [device(0, "H100", None), device(1, "H100", None), device(2, "H100", None)];
        let (first, second, third) = (all(GpuApi::Wgpu), all(GpuApi::Cuda), all(GpuApi::OpenCl));
        // In whichever order they are named.
        assert_eq!(once(&[(&first, &wgpu), (&second, &cuda)]), [vec![2], vec![0, 1]]);
        // By name each hides one; a third of that name is another.
        assert_eq!(once(&[(&second, &cuda), (&third, &opencl)]), [vec![0, 1], vec![2]]);
        // What was asked for by number is used, and hides.
        let chosen = GpuSpec { api: GpuApi::Cuda, numbers: Some(vec![1]) };
        assert_eq!(once(&[(&first, &wgpu), (&chosen, &cuda)]), [vec![1, 2], vec![1]]);
        let chosen = GpuSpec { api: GpuApi::Wgpu, numbers: Some(vec![0]) };
        assert_eq!(once(&[(&chosen, &wgpu), (&second, &cuda)]), [vec![0], vec![0, 1]]);
        assert_eq!(once(&[(&first, &wgpu)]), [vec![0, 1, 2]]);
        // Two drivers of one API, and one driver that shows a GPU in parts.
        let by = |driver: &str, device: GpuDevice| GpuDevice { driver: driver.into(), ..device };
        let radeon = |number| device(number, "Radeon", Some("0000:03:00.0"));
        let both = [by("radv", radeon(0)), by("radv", radeon(1)), by("amdvlk", radeon(2))];
        assert_eq!(once(&[(&first, &both)]), [vec![0, 1]]);
        // Of two wishes neither list hides what the other does not choose.
        let both = [by("radv", radeon(0)), by("amdvlk", radeon(1)), device(2, "Arc", Some("0000:05:00.0"))];
        let third_gpu = GpuSpec { api: GpuApi::Wgpu, numbers: Some(vec![2]) };
        assert_eq!(once(&[(&third_gpu, &both), (&first, &both)])[1][0], 0);
        let second_driver = GpuSpec { api: GpuApi::Wgpu, numbers: Some(vec![1]) };
        assert_eq!(once(&[(&second_driver, &both), (&first, &both[..2])]), [vec![1], vec![]]);
        // Nor twice what was asked for by its number as well.
        let by_number = GpuSpec { api: GpuApi::Cuda, numbers: Some(vec![0]) };
        assert_eq!(once(&[(&by_number, &cuda), (&second, &cuda)]), [vec![0], vec![1]]);
        assert_eq!(once(&[(&second, &cuda), (&by_number, &cuda)]), [vec![1], vec![0]]);
        // Also where another API has it.
        let both = [by("radv", radeon(0)), by("amdvlk", radeon(1))];
        assert_eq!(once(&[(&third, &[radeon(0)]), (&first, &both)]), [vec![0], vec![]]);
    }

    #[test]
    fn without_a_wish_each_gpu_is_used_once_and_no_processor() {
        let cpu = |name: &str| GpuDevice { gpu: false, ..device(0, name, None) };
        let h100 = |number| device(number, "H100", Some("0000:3b:00.0"));
        let arc = device(2, "Arc", Some("0000:05:00.0"));
        let gpu = |api, number| GpuSpec { api, numbers: Some(vec![number]) };
        let found = [vec![h100(0)], vec![cpu("PoCL"), h100(1)], vec![cpu("lavapipe"), h100(1), arc]];
        assert_eq!(preferred(found), [gpu(GpuApi::Cuda, 0), gpu(GpuApi::Wgpu, 2)]);
        assert_eq!(preferred([vec![], vec![cpu("PoCL")], vec![]]), []);
    }

    #[test]
    fn of_apis_that_list_nothing_those_are_told_that_are_there() {
        let failed = GpuError::List(GpuApi::Cuda, "no CUDA compiler".into());
        let none = GpuError::NoDriver(GpuApi::OpenCl, "no OpenCL platform".into());
        let (found, errors) =
            sorted_out([Err(failed.clone()), Err(none), Err(GpuError::NoHelper(GpuApi::Wgpu))]);
        assert_eq!(errors, [failed]);
        assert!(found.iter().all(Vec::is_empty));
    }

    #[test]
    fn processors_that_pose_as_devices_hide_nothing() {
        let cpu = |name: &str| GpuDevice { gpu: false, ..device(0, name, None) };
        let (opencl, wgpu) = (all(GpuApi::OpenCl), all(GpuApi::Wgpu));
        assert_eq!(once(&[(&opencl, &[cpu("a")]), (&wgpu, &[cpu("a")])]), [vec![0], vec![0]]);
    }
}
