//! Runs a worker thread of this process as a device.

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use adit_channel::session::{
    Backing, DeviceSession, Ended, Hello, HostSession, JobCopy, PeerRegions, Search, Sizes, UnitStatus, serve,
};
use adit_plugin::{Algorithm, Searcher, Target, Variant};
use adit_topology::{Machine, allowed_cpus, pin_current_thread, set_current_thread_priority};

use super::{
    Choices, CpuSpec, Mail, SpecError, panicked,
    spec::WorkerPriority,
    supervise::{Context, End, Order, Run},
};

/// One worker thread.
#[derive(Clone)]
pub struct WorkerPlan {
    cpu: Option<u32>,
    priority: WorkerPriority,
    variant: Option<String>,
    choices: Choices,
    algorithms: Vec<Arc<dyn Algorithm>>,
}

impl WorkerPlan {
    /// For people.
    pub fn place(&self) -> String {
        self.cpu.map_or_else(|| "not pinned".into(), |cpu| format!("core {cpu}"))
    }
}

/// The workers that a specification means.
pub fn plan(
    spec: &CpuSpec,
    algorithms: &[Arc<dyn Algorithm>],
    choices: &Choices,
) -> Result<Vec<WorkerPlan>, SpecError> {
    // A count that was measured is that of all cores: it says nothing of a list.
    let measured = choices.threads.filter(|_| spec.cores.is_none());
    let threads = spec.threads.or(measured);
    let allowed = allowed_cpus();
    let cores = match &spec.cores {
        Some(cores) => {
            let refused: Vec<u32> = cores.iter().copied().filter(|core| !allowed.contains(core)).collect();
            if !refused.is_empty() {
                return Err(SpecError::Cores { refused, allowed });
            }
            cores.clone()
        }
        None => match Machine::detect() {
            Ok(machine) => {
                let count = if threads.is_some() { allowed.len() } else { machine.allowed_core_count() };
                machine.worker_cpus(count.max(1))
            }
            Err(_) => allowed,
        },
    };
    if let Some(variant) = &spec.variant {
        check_variant(variant, algorithms)?;
    }
    let threads = threads.unwrap_or(cores.len()).max(1);
    // More threads than cores share them.
    let core = |at: usize| (!cores.is_empty()).then(|| cores[at % cores.len()]);
    let algorithms = algorithms.to_vec();
    Ok((0..threads)
        .map(|at| WorkerPlan {
            cpu: core(at),
            priority: spec.priority,
            variant: spec.variant.clone(),
            choices: choices.clone(),
            algorithms: algorithms.clone(),
        })
        .collect())
}

/// Refuses a variant that none of the algorithms has here.
fn check_variant(variant: &str, algorithms: &[Arc<dyn Algorithm>]) -> Result<(), SpecError> {
    let here = |algorithm: &Arc<dyn Algorithm>| {
        algorithm.variants().iter().any(|known| known.name == variant && known.supported)
    };
    if algorithms.iter().any(here) {
        return Ok(());
    }
    let known: Vec<String> = algorithms.iter().map(|algorithm| known_variants(&**algorithm)).collect();
    Err(SpecError::Variant { variant: variant.into(), known: known.join("; ") })
}

/// The variants of an algorithm, for people.
fn known_variants(algorithm: &dyn Algorithm) -> String {
    let variants = algorithm.variants();
    if variants.is_empty() {
        return format!("none of {}", algorithm.name());
    }
    let word = |variant: &Variant| match variant.supported {
        true => variant.name.to_owned(),
        false => format!("{} (not on this processor)", variant.name),
    };
    let words: Vec<String> = variants.iter().map(word).collect();
    format!("{} of {}", words.join(", "), algorithm.name())
}

impl Run for WorkerPlan {
    fn run(&mut self, context: &Context) -> Result<End, String> {
        let sizes = Sizes { heartbeat_ms: context.care.heartbeat_ms, ..Sizes::default() };
        let id = context.device as u64;
        let (session, regions) =
            HostSession::new(id, sizes, &Backing::Heap).map_err(|error| error.to_string())?;
        let PeerRegions::Mapped { host_region, device_region } = regions else {
            return Err("a session for a thread has no regions".into());
        };
        let mut device =
            DeviceSession::attach(host_region, device_region).map_err(|error| error.to_string())?;
        context.send(Mail::Session {
            device: context.device,
            run: context.shared.run(),
            session: Box::new(session),
        });
        if let Some(cpu) = self.cpu
            && let Err(error) = pin_current_thread(cpu)
        {
            context.send(Mail::Line { device: context.device, text: error.to_string() });
        }
        if let Err(error) = set_current_thread_priority(self.priority.into()) {
            context.send(Mail::Line { device: context.device, text: error.to_string() });
        }
        let place = self.place();
        device.hello(&Hello {
            name: "adit worker",
            device: &place,
            language: "Rust",
            preferred_unit: self.choices.unit.unwrap_or(0),
        });
        let mut search = CpuSearch::new(&self.algorithms, self.variant.as_deref(), &self.choices.variants);
        let shared = Arc::clone(&context.shared);
        device.watch_host(move || shared.order() == Order::Run);
        // A searcher that panics is a device that died; the session's state is dropped with it.
        let ended = catch_unwind(AssertUnwindSafe(|| serve(&mut device, &mut search)));
        match ended {
            Ok(Ended::Stopped | Ended::HostGone) => Ok(End::new("stopped")),
            // It had started: what ends it is no reason to take it for one that cannot.
            Ok(Ended::HostBroken) => Ok(End::new("the host's region is broken")),
            Err(panic) => Ok(End::new(format!("its searcher {}", panicked(&*panic)))),
        }
    }
}

/// The searchers of the algorithms that were asked for, and which one is at work.
struct CpuSearch {
    algorithms: Vec<Arc<dyn Algorithm>>,
    /// The one that was asked for; an algorithm that does not have it searches with its fastest.
    variant: Option<String>,
    /// The fastest of some algorithms, where that is known.
    known: HashMap<u32, String>,
    /// Made when first needed: making one may measure which variant is the fastest here.
    searchers: HashMap<u32, Box<dyn Searcher>>,
    current: u32,
}

impl CpuSearch {
    fn new(algorithms: &[Arc<dyn Algorithm>], variant: Option<&str>, known: &HashMap<u32, String>) -> Self {
        let (variant, known) = (variant.map(str::to_owned), known.clone());
        Self { algorithms: algorithms.to_vec(), variant, known, searchers: HashMap::new(), current: 0 }
    }
}

impl Search for CpuSearch {
    fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus> {
        let searcher = match self.searchers.entry(job.algorithm) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let algorithm = known(&self.algorithms, job.algorithm)?;
                let named = [self.variant.as_ref(), self.known.get(&job.algorithm)];
                let made = named.into_iter().flatten().find_map(|variant| algorithm.searcher_of(variant));
                entry.insert(made.unwrap_or_else(|| algorithm.searcher()))
            }
        };
        let layout = known(&self.algorithms, job.algorithm)?.layout();
        if (layout.nonce_offset, layout.nonce_width) != (job.nonce_offset, job.nonce_width) {
            return Err(UnitStatus::Invalid);
        }
        self.current = job.algorithm;
        searcher.set_job(job.header(), &Target(job.target)).map_err(|_| UnitStatus::Invalid)
    }

    fn search(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
    ) -> Result<(), UnitStatus> {
        self.search_while(start, last, hits, &mut || true).map(|_| ())
    }

    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, UnitStatus> {
        let searcher = self.searchers.get_mut(&self.current).ok_or(UnitStatus::Failed)?;
        Ok(searcher.search_while(start, last, &mut |nonce, digest| hits(nonce, digest.0), go_on))
    }

    fn group(&self) -> u64 {
        self.searchers.get(&self.current).map_or(1, |searcher| searcher.group())
    }
}

fn known(algorithms: &[Arc<dyn Algorithm>], id: u32) -> Result<&dyn Algorithm, UnitStatus> {
    let found = algorithms.iter().find(|algorithm| algorithm.id() == id);
    found.map(|algorithm| &**algorithm).ok_or(UnitStatus::UnknownAlgorithm)
}
