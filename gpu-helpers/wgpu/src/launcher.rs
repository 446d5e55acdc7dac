//! Compiles, prepares, submits and collects, by wgpu. spec: KRN-4.2

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use adit_helper::kernels::{self, Api, Batch, DEPTH, Failure, Found as Hit, JOB_WORDS, Kernels};
use wgpu::{
    Buffer, CommandEncoder, CommandEncoderDescriptor, Device, DeviceDescriptor, Error, Limits, MemoryHints,
    PollError, PollType, Queue, SubmissionIndex,
};

use crate::{
    adapter::{Found, ready},
    kernels::{Layouts, Loaded, job_buffer},
    lane::{CAPACITY, HEAD, Lane, bytes},
};

/// Nonces of one launch of a kernel that needs no scratch memory.
const MOST_ITEMS: u32 = 1 << 28;

/// Items that give a GPU of some size enough to do, whatever they wait for: Vulkan does not tell.
const WAVE: u32 = 1 << 12;

/// Items that a processor works on at once: a vector's.
const VECTOR: u32 = 8;

/// What part of the device's memory scratch may take: three quarters, all lanes together.
const SCRATCH_SHARE: (u64, u64) = (3, 4);

/// A device and its queue, with launches in flight behind each other.
pub struct Launcher {
    /// Every algorithm that was compiled; one of them has its scratch.
    compiled: Vec<Loaded>,
    /// Which of them runs.
    current: Option<usize>,
    lanes: Vec<Lane>,
    job: Buffer,
    layouts: Layouts,
    errors: Errors,
    queue: Queue,
    device: Device,
    limits: Limits,
    memory: u64,
    /// Device and driver.
    identity: String,
    gpu: bool,
    copied_back: u64,
}

/// What went wrong on the device since this was last asked: wgpu tells apart from the call.
#[derive(Clone, Default)]
pub struct Errors(Arc<Mutex<Option<Failure>>>);

impl Errors {
    fn watching(device: &Device) -> Self {
        let errors = Self::default();
        let (uncaptured, lost) = (errors.clone(), errors.clone());
        device.on_uncaptured_error(Arc::new(move |error| {
            uncaptured.keep(match error {
                Error::OutOfMemory { source } => Failure::Memory(source.to_string()),
                other => Failure::Device(other.to_string()),
            });
        }));
        device.set_device_lost_callback(move |reason, text| {
            lost.keep(Failure::Device(format!("it is lost ({reason:?}): {text}")));
        });
        errors
    }

    /// The first says most.
    fn keep(&self, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// An error, if there was one.
    fn none(&self) -> Result<(), Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// The same after a compilation, where whatever is not memory is the source's fault.
    pub fn none_of_source(&self) -> Result<(), Failure> {
        self.none().map_err(|failure| match failure {
            Failure::Device(text) => Failure::Source(text),
            other => other,
        })
    }
}

impl Launcher {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(found: &Found) -> Result<Self, Failure> {
        let limits = found.adapter.limits();
        let opened = ready(found.adapter.request_device(&DeviceDescriptor {
            required_limits: limits.clone(),
            memory_hints: MemoryHints::MemoryUsage,
            ..DeviceDescriptor::default()
        }));
        let opened = opened.ok_or_else(|| Failure::Device("it does not open at once".into()))?;
        let (device, queue) = opened.map_err(|error| Failure::Device(error.to_string()))?;
        let errors = Errors::watching(&device);
        let launcher = Self {
            compiled: Vec::new(),
            current: None,
            lanes: (0..DEPTH).map(|_| Lane::new(&device)).collect(),
            job: job_buffer(&device),
            layouts: Layouts::new(&device),
            errors,
            queue,
            device,
            limits,
            memory: found.memory,
            identity: found.identity(),
            gpu: found.gpu,
            copied_back: 0,
        };
        launcher.errors.none()?;
        Ok(launcher)
    }

    /// How many items of a launch there is room for: a lane's scratch is one binding.
    fn items_for(&self, kernels: &Kernels) -> Result<u32, Failure> {
        if kernels.scratch == 0 {
            return Ok(MOST_ITEMS);
        }
        let largest = self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size);
        let share = match self.memory / SCRATCH_SHARE.1 * SCRATCH_SHARE.0 / self.lanes.len() as u64 {
            0 => largest,
            share => share.min(largest),
        };
        match share / kernels.scratch as u64 {
            // It never has more.
            0 => Err(Failure::Source(format!(
                "an item needs {} bytes of scratch, more than the device has",
                kernels.scratch
            ))),
            items => Ok(items.min(u64::from(MOST_ITEMS)) as u32),
        }
    }

    fn add(&mut self, kernels: &Kernels) -> Result<usize, Failure> {
        let source = kernels.source(Api::Wgpu).ok_or_else(|| Failure::Source("there is none".into()))?;
        let most_items = self.items_for(kernels)?;
        let memory = (&self.job, most_items);
        let loaded = Loaded::compile(&self.device, &self.errors, &self.layouts, kernels, source, memory)?;
        self.compiled.push(loaded);
        Ok(self.compiled.len() - 1)
    }

    fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&CommandEncoderDescriptor::default())
    }

    fn enqueue(&self, encoder: CommandEncoder) -> Result<SubmissionIndex, Failure> {
        let index = self.queue.submit([encoder.finish()]);
        self.errors.none().map(|()| index)
    }

    /// Sleeps until a submission has ended.
    fn wait(&self, index: SubmissionIndex) -> Result<(), Failure> {
        let wait = PollType::Wait { submission_index: Some(index), timeout: None };
        self.poll(wait, "waiting for a launch")
    }

    /// wgpu panics where the device is lost meanwhile.
    fn poll(&self, how: PollType, doing: &str) -> Result<(), Failure> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(how)));
        self.errors.none()?;
        match polled {
            Ok(Ok(_) | Err(PollError::Timeout)) => Ok(()),
            Ok(Err(error)) => Err(Failure::Device(format!("{doing}: {error}"))),
            Err(panic) => Err(Failure::Device(format!("{doing}: {}", said(&*panic)))),
        }
    }

    fn loaded(&self) -> Result<&Loaded, Failure> {
        let nothing = || Failure::Source("nothing is loaded".into());
        self.current.map(|at| &self.compiled[at]).ok_or_else(nothing)
    }
}

/// What somebody said who panicked.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("the driver's library panicked")
}

/// Groups across and down, and the items of a row. spec: KRN-4.2
fn shape(count: u32, group: u32, most_groups: u32) -> ((u32, u32), u32) {
    let groups = count.div_ceil(group);
    let down = groups.div_ceil(most_groups);
    let across = groups.div_ceil(down);
    ((across, down), across * group)
}

impl kernels::Launcher for Launcher {
    fn api(&self) -> Api {
        Api::Wgpu
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn load(&mut self, kernels: &Kernels) -> Result<(), Failure> {
        let known = self.compiled.iter().position(|loaded| loaded.id == kernels.id);
        if known.is_some() && known == self.current {
            return Ok(());
        }
        self.current = None;
        // What one algorithm takes of the memory, the others cannot have.
        self.lanes.iter_mut().for_each(Lane::forget);
        self.current = Some(known.map_or_else(|| self.add(kernels), Ok)?);
        Ok(())
    }

    fn set_job(&mut self, job: &[u32; JOB_WORDS], _: u64) -> Result<(), Failure> {
        let (prepare, seen) = &self.loaded()?.prepare;
        self.queue.write_buffer(&self.job, 0, &bytes(job));
        let mut encoder = self.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(prepare);
            pass.set_bind_group(0, seen, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
        // What is submitted later runs later: nobody has to wait.
        self.enqueue(encoder).map(|_| ())
    }

    fn most_nonces(&self) -> u32 {
        self.loaded().map_or(1, |loaded| loaded.most_items)
    }

    fn wave(&self) -> u32 {
        if self.gpu { WAVE } else { VECTOR }
    }

    fn submit(&mut self, lane: usize, start: u64, count: u32) -> Result<(), Failure> {
        let at = self.current.ok_or_else(|| Failure::Source("nothing is loaded".into()))?;
        let loaded = &self.compiled[at];
        self.lanes[lane].make_room(&self.device, &self.layouts, loaded, &self.job, count);
        if let Err(failure) = self.errors.none() {
            self.lanes[lane].forget();
            return Err(failure);
        }
        let most_groups = self.limits.max_compute_workgroups_per_dimension;
        let (groups, width) = shape(count, loaded.group, most_groups);
        self.lanes[lane].reset(&self.queue, start, count, width);
        let mut encoder = self.encoder();
        self.lanes[lane].encode_search(&mut encoder, &loaded.search, groups);
        let index = self.enqueue(encoder)?;
        self.lanes[lane].map_head();
        self.lanes[lane].launch = Some(index);
        Ok(())
    }

    fn is_done(&mut self, lane: usize) -> Result<bool, Failure> {
        if self.lanes[lane].launch.is_none() {
            return Ok(true);
        }
        self.poll(PollType::Poll, "looking at a launch")?;
        Ok(self.lanes[lane].head_is_there())
    }

    fn copied_back(&self) -> u64 {
        self.copied_back
    }

    fn collect(&mut self, at: usize, wanted: &dyn Fn() -> bool) -> Result<Batch, Failure> {
        let Some(index) = self.lanes[at].launch.take() else { return Ok(Batch::Hits(Vec::new())) };
        self.wait(index)?;
        let lost = || Failure::Device("a launch left nothing to read".into());
        let candidates = self.lanes[at].candidates().ok_or_else(lost)?;
        self.copied_back += 4 * HEAD as u64;
        match candidates {
            0 => return Ok(Batch::Hits(Vec::new())),
            _ if !wanted() => return Ok(Batch::Hits(Vec::new())),
            1..=CAPACITY => {}
            _ => return Ok(Batch::Overflow),
        }
        let mut encoder = self.encoder();
        self.lanes[at].encode_digest(&mut encoder, self.loaded()?, candidates);
        let index = self.enqueue(encoder)?;
        self.lanes[at].map_found(candidates);
        self.wait(index)?;
        let found = self.lanes[at].found(candidates).ok_or_else(lost)?;
        self.copied_back += 4 * found.len() as u64;
        let (nonces, digests) = found.split_at(2 * candidates);
        Ok(Batch::Hits(Hit::from_words(nonces, digests)))
    }
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn every_item_has_its_place_and_no_row_is_too_long() {
        for (count, group, most) in [(1, 64, 10), (640, 64, 10), (641, 64, 10), (100_000, 32, 65_535)] {
            let ((across, down), width) = shape(count, group, most);
            assert!(across <= most && down <= most && width == across * group);
            assert!(across * group * down >= count);
            assert!(across * group * (down - 1) < count, "a row without items");
        }
        assert_eq!(shape(1, 64, 10), ((1, 1), 64));
        assert_eq!(shape(1 << 28, 32, 65_535).0.1, 129);
    }
}
