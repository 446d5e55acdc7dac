//! Devices: helper processes and in-process workers, each behind a session.
//!
//! A *unit* of supervision is a slot: it has a number and a name that stay the same over restarts. One
//! thread stands behind each slot; it makes a session, starts the device's end of it, hands the host's end
//! to the host loop ([`Mail::Session`]), says when the device is gone ([`Mail::Gone`]), and begins again
//! after a while, or gives up ([`Mail::Quarantined`]).

mod ask;
mod cpu;
pub mod gpu;
mod helper;
pub mod kernels;
pub(crate) mod lines;
pub mod spawn;
mod spec;
mod supervise;

use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use adit_channel::session::HostSession;
use adit_plugin::Algorithm;

pub use spec::{CpuSpec, DeviceSpec, GpuSpec, SpecError};
pub use supervise::Supervised;

use crate::{engine::DeviceId, host::MAX_DEVICES, mailbox::Mailbox};

/// What a supervisor tells the host loop.
#[derive(Debug)]
pub enum Mail {
    /// A fresh session; its device says hello in a moment.
    Session {
        /// Which device.
        device: DeviceId,
        /// Which run of it, for [`Supervised::kill`].
        run: u64,
        /// The host's end.
        session: Box<HostSession>,
    },
    /// The device's end is gone. What it published before can still be read.
    Gone {
        /// Which device.
        device: DeviceId,
        /// Why, for people.
        reason: String,
        /// When it is started again; `None` for never.
        retry_in: Option<Duration>,
    },
    /// The device is left out from now on.
    Quarantined {
        /// Which device.
        device: DeviceId,
        /// Why, for people.
        reason: String,
    },
    /// A line of the helper's standard error.
    Line {
        /// Which device.
        device: DeviceId,
        /// The text, printable.
        text: String,
    },
}

/// How devices are looked after.
#[derive(Clone, Copy, Debug)]
pub struct Care {
    /// How often a device must raise its heartbeat, in milliseconds.
    pub heartbeat_ms: u32,
    /// No heartbeat for so long: slow.
    pub slow_after: Duration,
    /// No heartbeat for so long: stuck, killed and restarted.
    pub stuck_after: Duration,
    /// How long a helper has to say hello.
    pub hello_within: Duration,
    /// How long a GPU helper has: a driver's compiler may take its time, once for each version of a kernel.
    pub gpu_hello_within: Duration,
    /// How long a helper has to end after it was told to stop.
    pub grace: Duration,
    /// Before the first restart; doubles with each failure in a row.
    pub restart_first: Duration,
    /// Before any restart, at most.
    pub restart_most: Duration,
    /// Failures in a row, without a unit in between, after which a device is left out. One that cannot even
    /// be started counts three; that a GPU is lost counts nothing, but from so many on it is tried once in
    /// `restart_most`.
    pub failures: u32,
    /// Wrong results within ten minutes after which a device is left out.
    pub faults: u32,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            heartbeat_ms: 100,
            slow_after: Duration::from_secs(1),
            stuck_after: Duration::from_secs(10),
            hello_within: Duration::from_secs(10),
            gpu_hello_within: Duration::from_secs(180),
            grace: Duration::from_secs(2),
            restart_first: Duration::from_millis(50),
            restart_most: Duration::from_secs(30),
            failures: 8,
            faults: 3,
        }
    }
}

/// What was measured on this machine before, so that it need not be measured again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// The fastest variant of some algorithms, by the algorithms' numbers. One that is unknown or does not work here
    /// counts as none.
    pub variants: HashMap<u32, String>,
    /// How many worker threads `threads=auto` means; `None`: one for each physical core.
    pub threads: Option<usize>,
    /// Nonces of a worker's first unit, before its rate is measured; `None`: the host's own guess.
    pub unit: Option<u64>,
}

/// One device before it is started.
#[derive(Clone)]
pub struct DevicePlan {
    /// For people and logs: `cpu0`, `exec1`.
    pub name: String,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Cpu(cpu::WorkerPlan),
    /// A command, and the kernels that it may run.
    Helper(spawn::CommandLine, Option<Arc<OwnedFd>>),
    /// The same, of a GPU helper.
    Gpu(spawn::CommandLine, Option<Arc<OwnedFd>>),
}

/// Leaves the last out of those that are `spare`, so that at most so many are left.
fn leave_out<T>(plans: &mut Vec<T>, mut spare: Vec<bool>, most: usize) {
    while plans.len() > most
        && let Some(at) = spare.iter().rposition(|spare| *spare)
    {
        plans.remove(at);
        spare.remove(at);
    }
}

impl DevicePlan {
    /// The devices that some specifications mean, in their order. Of workers whose number nobody said there are at most as
    /// many as the host can look after beside the others.
    ///
    /// # Errors
    /// [`SpecError`]: a core that does not exist or may not be used.
    pub fn from_specs(
        specs: &[DeviceSpec],
        algorithms: &[Arc<dyn Algorithm>],
    ) -> Result<Vec<Self>, SpecError> {
        Self::from_specs_with(specs, algorithms, &Choices::default())
    }

    /// As [`from_specs`](Self::from_specs), with what is already known of this machine for whatever the
    /// specifications leave open.
    ///
    /// # Errors
    /// As [`from_specs`](Self::from_specs).
    pub fn from_specs_with(
        specs: &[DeviceSpec],
        algorithms: &[Arc<dyn Algorithm>],
        choices: &Choices,
    ) -> Result<Vec<Self>, SpecError> {
        let (mut plans, mut helpers, mut workers) = (Vec::new(), 0, 0);
        // Which of them nobody asked for by number.
        let mut spare = Vec::new();
        let mut kernels = None;
        let mut gpus = gpu_commands(specs)?;
        for spec in specs {
            match spec {
                DeviceSpec::Cpu(spec) => {
                    for worker in cpu::plan(spec, algorithms, choices)? {
                        spare.resize(plans.len(), false);
                        spare.push(spec.threads.is_none() && spec.cores.is_none());
                        plans.push(Self { name: format!("cpu{workers}"), kind: Kind::Cpu(worker) });
                        workers += 1;
                    }
                }
                DeviceSpec::Exec(command) => {
                    let kernels: &Option<_> = kernels.get_or_insert_with(|| kernels_of(algorithms));
                    let kind = Kind::Helper(command.clone(), kernels.clone());
                    plans.push(Self { name: format!("exec{helpers}"), kind });
                    helpers += 1;
                }
                DeviceSpec::Gpu(spec) => {
                    let kernels: &Option<_> = kernels.get_or_insert_with(|| kernels_of(algorithms));
                    for (number, command) in gpus.pop_front().unwrap_or_default() {
                        let name = format!("{}{number}", spec.api.name());
                        plans.push(Self { name, kind: Kind::Gpu(command, kernels.clone()) });
                    }
                }
            }
        }
        spare.resize(plans.len(), false);
        leave_out(&mut plans, spare, MAX_DEVICES);
        if plans.len() > MAX_DEVICES {
            return Err(SpecError::TooMany(plans.len()));
        }
        Ok(plans)
    }

    /// Whether it runs the host's own code.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        matches!(self.kind, Kind::Cpu(_))
    }

    /// Where it runs, for people: a core, or the command.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.kind {
            Kind::Cpu(worker) => worker.place(),
            Kind::Helper(command, _) | Kind::Gpu(command, _) => command.to_string(),
        }
    }

    /// How long it may take to say hello.
    pub(crate) fn hello_within(&self, care: &Care) -> Duration {
        if matches!(self.kind, Kind::Gpu(..)) { care.gpu_hello_within } else { care.hello_within }
    }

    /// Starts the thread that looks after it.
    pub(crate) fn start(
        self,
        device: DeviceId,
        care: Care,
        mailbox: Arc<Mailbox>,
    ) -> std::io::Result<Supervised> {
        let name = self.name;
        let is_gpu = matches!(self.kind, Kind::Gpu(..));
        match self.kind {
            Kind::Cpu(worker) => supervise::start(name, device, care, mailbox, worker),
            Kind::Helper(command, kernels) | Kind::Gpu(command, kernels) => {
                supervise::start(name, device, care, mailbox, helper::HelperPlan { command, kernels, is_gpu })
            }
        }
    }
}

/// The kernels of these algorithms, for helpers to inherit. Without memory for it they run without.
fn kernels_of(algorithms: &[Arc<dyn Algorithm>]) -> Option<Arc<OwnedFd>> {
    kernels::file(&kernels::bundle(algorithms)?).ok().map(Arc::new)
}

/// How the devices that some specifications mean are run, for each GPU specification in its turn.
fn gpu_commands(specs: &[DeviceSpec]) -> Result<VecDeque<Vec<(u32, spawn::CommandLine)>>, SpecError> {
    let mut wishes = Vec::new();
    for spec in specs {
        let DeviceSpec::Gpu(spec) = spec else { continue };
        let name = spec.api.name();
        let failed = |error: gpu::GpuError| SpecError::Silent(format!("device {name}: {error}"));
        let helper = spec.api.helper().ok_or_else(|| failed(gpu::GpuError::NoHelper(spec.api)))?;
        let gpu::Found { devices: there, complaints } = spec.api.found().map_err(failed)?;
        let numbers: Vec<u32> = there.iter().map(|device| device.number).collect();
        let why: String = complaints.iter().map(|complaint| format!("; {complaint}")).collect();
        if there.is_empty() {
            return Err(SpecError::Silent(format!(
                "device {name}: its helper finds none on this machine{why}"
            )));
        }
        if spec.numbers.is_none() && !complaints.is_empty() {
            // All were asked for.
            return Err(SpecError::Silent(format!(
                "device {name}: name those that answer, {numbers:?}{why}"
            )));
        }
        let has = |number: &u32| there.iter().any(|device| device.number == *number);
        if let Some(missing) = spec.numbers.iter().flatten().find(|number| !has(number)) {
            let what = format!("device {name}:{missing} is not there; there are {numbers:?}{why}");
            return Err(if complaints.is_empty() { SpecError::Gpu(what) } else { SpecError::Silent(what) });
        }
        wishes.push((helper, spec, there));
    }
    let once = gpu::once(&wishes.iter().map(|(_, spec, there)| (*spec, &there[..])).collect::<Vec<_>>());
    let command = |(helper, spec, there): &(PathBuf, &GpuSpec, Vec<gpu::GpuDevice>), numbers: Vec<u32>| {
        let chosen = there.iter().filter(|device| numbers.contains(&device.number));
        chosen.map(|device| (device.number, spec.api.command(helper, device))).collect()
    };
    Ok(wishes.iter().zip(once).map(|(wish, numbers)| command(wish, numbers)).collect())
}

/// What somebody's code panicked with.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    match text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)) {
        Some(text) => format!("panicked: {text}"),
        None => "panicked".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_asked_for_makes_room() {
        let left = |spare: &[bool], most| {
            let mut plans: Vec<usize> = (0..spare.len()).collect();
            leave_out(&mut plans, spare.to_vec(), most);
            plans
        };
        assert_eq!(left(&[true, true, false, true, false], 3), [0, 2, 4]);
        assert_eq!(left(&[true, true, false], 3), [0, 1, 2]);
        // That is an error, of those who ask.
        assert_eq!(left(&[false, true, false], 1), [0, 2]);
    }
}
