//! Compiles, prepares, submits and collects, by CUDA. spec: KRN-4.3

use std::sync::Arc;

use adit_helper::{
    LiveGeneration,
    kernels::{self, Api, Batch, DEPTH, Failure, Found as Hit, JOB_WORDS, Kernels},
};
use cudarc::{
    driver::{
        CudaContext, CudaEvent, CudaFunction, CudaModule, CudaSlice, CudaStream, DeviceRepr, LaunchConfig,
        PinnedHostSlice, PushKernelArg as _,
        sys::{CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, CUevent_flags},
    },
    nvrtc::Ptx,
};

use crate::{
    compile::Compiler,
    device::{Gpu, failure},
    live::Live,
    sensors::Sensors,
    xid,
};

/// Candidates that a launch can store.
const CAPACITY: usize = 256;

/// Words of the results before the first candidate.
const HEAD: usize = 4;

/// Nonces of one launch of a kernel that needs no scratch memory.
const MOST_NONCES: u32 = 1 << 30;

/// The most words that `prepare` can write: kernel parameters have 4 KiB on every GPU, and others follow.
const MOST_CONSTANTS: usize = 1000;

/// A GPU with two streams.
pub struct Launcher {
    // Declared in the order in which they are to be dropped.
    /// Every algorithm that was compiled; one of them has its scratch.
    compiled: Vec<Loaded>,
    /// Which of them runs.
    current: Option<usize>,
    lanes: Vec<Lane>,
    job: CudaSlice<u32>,
    /// What results begin with.
    empty: CudaSlice<u32>,
    /// The live generation where kernels see it, and that of the job they work for.
    live: Live,
    generation: u64,
    copied_back: u64,
    multiprocessors: u32,
    compiler: Compiler,
    sensors: Sensors,
    errors: xid::Listener,
    pci: String,
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

/// What `prepare` wrote, as a kernel parameter: the driver copies as many words as the kernel declares.
#[repr(transparent)]
struct Constants([u32; MOST_CONSTANTS]);

// SAFETY: plain words, laid out as the kernel's struct of words; the driver copies the declared size, which is not
// more: `load` refuses kernels with more constants.
unsafe impl DeviceRepr for Constants {}

/// An algorithm's kernels on the device.
struct Loaded {
    id: u32,
    group: u32,
    /// Of a group.
    nonces: u32,
    /// Work groups that a multiprocessor has at a time.
    resident: u32,
    /// Of one launch, once it has scratch.
    most_nonces: u32,
    count: usize,
    constants: Box<Constants>,
    prepared: CudaSlice<u32>,
    prepare: CudaFunction,
    search: CudaFunction,
    digest: CudaFunction,
    /// One for each lane.
    scratch: Vec<CudaSlice<u32>>,
}

/// A stream and where its launches leave what they found.
struct Lane {
    stream: Arc<CudaStream>,
    results: CudaSlice<u32>,
    digests: CudaSlice<u32>,
    /// The results' head, as copied behind the launch.
    head: PinnedHostSlice<u32>,
    launch: Option<CudaEvent>,
}

impl Launcher {
    /// Sets a GPU up.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(gpu: Gpu) -> Result<Self, Failure> {
        let Gpu { context, pci, driver, name } = gpu;
        // SAFETY: every buffer here is used on one stream at a time, or after a synchronisation: the constants after
        // `set_job` waits, a lane's own buffers on the lane's stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failure("cuStreamCreate"))?;
        let empty = stream.clone_htod(&[0, CAPACITY as u32, 0, 0]).map_err(failure("cuMemcpyHtoDAsync"))?;
        let job = stream.alloc_zeros(JOB_WORDS).map_err(failure("cuMemAlloc of a job"))?;
        let lanes = (0..DEPTH).map(|_| Lane::new(&context)).collect::<Result<_, _>>()?;
        let attribute = failure("cuDeviceGetAttribute");
        let capability = context.compute_capability().map_err(attribute)?;
        let multiprocessors = context.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
        let multiprocessors = multiprocessors.map_err(failure("cuDeviceGetAttribute"))?.max(1) as u32;
        stream.synchronize().map_err(failure("cuStreamSynchronize"))?;
        Ok(Self {
            compiled: Vec::new(),
            current: None,
            lanes,
            job,
            empty,
            live: Live::Unwatched,
            generation: u64::MAX,
            copied_back: 0,
            multiprocessors,
            compiler: Compiler { identity: format!("{name}\n{driver}"), capability },
            sensors: Sensors::new(),
            errors: xid::Listener::start(pci.clone()),
            pci,
            stream,
            context,
        })
    }

    /// On the GPU: as it was kept, or compiled anew where nothing was or the driver does not take it.
    fn module(&self, source: &str) -> Result<Arc<CudaModule>, Failure> {
        let entry = self.compiler.entry(source);
        if let Some(kept) = entry.load() {
            match self.image(kept) {
                Err(Failure::Source(_)) => entry.forget(),
                loaded => return loaded,
            }
        }
        let compiled = self.compiler.compile(source)?;
        let module = self.image(compiled.clone())?;
        // Only what the driver took is worth keeping.
        entry.store(&compiled);
        Ok(module)
    }

    fn image(&self, bytes: Vec<u8>) -> Result<Arc<CudaModule>, Failure> {
        self.context.load_module(Ptx::from_binary(bytes)).map_err(failure("cuModuleLoadData"))
    }

    /// How many nonces' scratch memory there is room for, in whole groups: three quarters of what is free now.
    fn nonces_for(&self, kernels: &Kernels) -> Result<u32, Failure> {
        let nonces = kernels.group_nonces();
        if kernels.scratch == 0 {
            return Ok(MOST_NONCES / nonces * nonces);
        }
        let (free, total) = self.context.mem_get_info().map_err(failure("cuMemGetInfo"))?;
        let group = kernels.nonce_scratch() * nonces as usize;
        let groups = |bytes: usize| bytes / 4 * 3 / self.lanes.len() / group;
        match groups(free) {
            // It never has more.
            0 if groups(total) == 0 => Err(Failure::Source(format!(
                "one work group needs {group} bytes of scratch, more than the device has"
            ))),
            0 => Err(Failure::Memory(format!(
                "one work group needs {group} bytes of scratch, {free} are free"
            ))),
            groups => Ok((groups * nonces as usize).min((MOST_NONCES / nonces * nonces) as usize) as u32),
        }
    }

    /// Scratch for each lane, and for how many nonces, in whole groups: fewer where memory is short. spec: KRN-3.7
    fn scratch_for(&self, kernels: &Kernels) -> Result<(u32, Vec<CudaSlice<u32>>), Failure> {
        let mut nonces = self.nonces_for(kernels)?;
        loop {
            let words = if kernels.scratch == 0 { 1 } else { kernels.nonce_scratch() / 4 * nonces as usize };
            let one = |lane: &Lane| {
                // SAFETY: scratch holds nothing until a kernel has written it.
                unsafe { lane.stream.alloc(words) }.map_err(failure("cuMemAlloc of scratch"))
            };
            match self.lanes.iter().map(one).collect::<Result<_, _>>() {
                Err(Failure::Memory(_)) if nonces > kernels.group_nonces() => {
                    nonces = (nonces / 2).next_multiple_of(kernels.group_nonces());
                }
                other => return Ok((nonces, other?)),
            }
        }
    }

    /// Compiles an algorithm; where it stands among those compiled.
    fn add(&mut self, kernels: &Kernels) -> Result<usize, Failure> {
        if kernels.constants > MOST_CONSTANTS {
            return Err(Failure::Source(format!(
                "{} constants; CUDA takes {MOST_CONSTANTS}",
                kernels.constants
            )));
        }
        let source = kernels.source(Api::Cuda).ok_or_else(|| Failure::Source("there is none".into()))?;
        let module = self.module(source)?;
        let function = |name| module.load_function(name).map_err(failure("cuModuleGetFunction"));
        let search = function("search")?;
        let resident = search.occupancy_max_active_blocks_per_multiprocessor(kernels.group, 0, None);
        let resident =
            resident.map_err(failure("cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags of search"))?;
        self.compiled.push(Loaded {
            id: kernels.id,
            group: kernels.group,
            nonces: kernels.group_nonces(),
            resident,
            most_nonces: 0,
            count: kernels.constants,
            constants: Box::new(Constants([0; MOST_CONSTANTS])),
            prepared: self
                .stream
                .alloc_zeros(kernels.constants)
                .map_err(failure("cuMemAlloc of constants"))?,
            prepare: function("prepare")?,
            search,
            digest: function("digest")?,
            scratch: Vec::new(),
        });
        Ok(self.compiled.len() - 1)
    }
}

impl Lane {
    fn new(context: &Arc<CudaContext>) -> Result<Self, Failure> {
        let stream = context.new_stream().map_err(failure("cuStreamCreate"))?;
        let alloc = |words| stream.alloc_zeros(words).map_err(failure("cuMemAlloc of results"));
        let (results, digests) = (alloc(HEAD + 2 * CAPACITY)?, alloc(9 * CAPACITY)?);
        // SAFETY: it is read only after a copy into it has ended.
        let head = unsafe { context.alloc_pinned_with_flags(HEAD, 0) }
            .map_err(failure("cuMemHostAlloc of results"))?;
        Ok(Self { stream, results, digests, head, launch: None })
    }
}

/// So many nonces in whole groups.
fn grid(nonces: u32, loaded: &Loaded) -> LaunchConfig {
    let groups = nonces.div_ceil(loaded.nonces);
    LaunchConfig { grid_dim: (groups, 1, 1), block_dim: (loaded.group, 1, 1), shared_mem_bytes: 0 }
}

fn nothing_loaded() -> Failure {
    Failure::Source("nothing is loaded".into())
}

impl kernels::Launcher for Launcher {
    fn api(&self) -> Api {
        Api::Cuda
    }

    fn identity(&self) -> String {
        self.compiler.identity.clone()
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
        let at = known.map_or_else(|| self.add(kernels), Ok)?;
        // What one algorithm takes of the memory, the others cannot have.
        self.compiled.iter_mut().for_each(|loaded| loaded.scratch.clear());
        for lane in &self.lanes {
            // Only then is what was given back free for others.
            lane.stream.synchronize().map_err(failure("cuStreamSynchronize"))?;
        }
        (self.compiled[at].most_nonces, self.compiled[at].scratch) = self.scratch_for(kernels)?;
        self.current = Some(at);
        Ok(())
    }

    fn set_job(&mut self, job: &[u32; JOB_WORDS], generation: u64) -> Result<(), Failure> {
        self.generation = generation;
        let loaded = self.current.map(|at| &mut self.compiled[at]).ok_or_else(nothing_loaded)?;
        self.stream.memcpy_htod(job, &mut self.job).map_err(failure("cuMemcpyHtoDAsync of a job"))?;
        // SAFETY: `prepare` takes two buffers, of the sizes that the bundle says; see spec KRN-3.1.
        unsafe {
            self.stream
                .launch_builder(&loaded.prepare)
                .arg(&self.job)
                .arg(&mut loaded.prepared)
                .launch(LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 })
        }
        .map_err(failure("cuLaunchKernel of prepare"))?;
        self.stream
            .memcpy_dtoh(&loaded.prepared, &mut loaded.constants.0[..loaded.count])
            .map_err(failure("cuMemcpyDtoHAsync of constants"))?;
        self.stream.synchronize().map_err(failure("cuStreamSynchronize of prepare"))
    }

    fn most_nonces(&self) -> u32 {
        self.current.map_or(1, |at| self.compiled[at].most_nonces)
    }

    fn wave(&self) -> u32 {
        let groups = |at: usize| self.multiprocessors * self.compiled[at].resident * self.compiled[at].nonces;
        self.current.map_or(1, groups).max(1)
    }

    fn submit(&mut self, at: usize, start: u64, count: u32) -> Result<(), Failure> {
        let loaded = self.current.map(|at| &mut self.compiled[at]).ok_or_else(nothing_loaded)?;
        let lane = &mut self.lanes[at];
        let (stream, shape) = (&lane.stream, grid(count, loaded));
        let (low, high) = (start as u32, (start >> 32) as u32);
        let (generation, mine) = (self.live.address(), self.generation);
        stream
            .memcpy_dtod(&self.empty, &mut lane.results.slice_mut(..HEAD))
            .map_err(failure("cuMemcpyDtoDAsync of results"))?;
        // SAFETY: `search` takes these eight, as spec KRN-4.3 says; every buffer is as large as spec KRN-2.2 and the
        // bundle say, and lives as long as the stream; the generation's word is mapped.
        unsafe {
            stream
                .launch_builder(&loaded.search)
                .arg(&*loaded.constants)
                .arg(&mut loaded.scratch[at])
                .arg(&low)
                .arg(&high)
                .arg(&count)
                .arg(&mut lane.results)
                .arg(&generation)
                .arg(&mine)
                .launch(shape)
        }
        .map_err(failure("cuLaunchKernel of search"))?;
        stream
            .memcpy_dtoh(&lane.results.slice(..HEAD), &mut lane.head)
            .map_err(failure("cuMemcpyDtoHAsync of results"))?;
        let ended = self
            .context
            .new_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC))
            .map_err(failure("cuEventCreate"))?;
        ended.record(stream).map_err(failure("cuEventRecord"))?;
        lane.launch = Some(ended);
        Ok(())
    }

    fn is_done(&mut self, lane: usize) -> Result<bool, Failure> {
        let launch = self.lanes[lane].launch.as_ref();
        launch.map_or(Ok(true), |ended| ended.try_is_complete().map_err(failure("cuEventQuery of a search")))
    }

    fn copied_back(&self) -> u64 {
        self.copied_back
    }

    fn collect(&mut self, at: usize, wanted: &dyn Fn() -> bool) -> Result<Batch, Failure> {
        let loaded = self.current.map(|at| &self.compiled[at]).ok_or_else(nothing_loaded)?;
        let lane = &mut self.lanes[at];
        let Some(ended) = lane.launch.take() else { return Ok(Batch::Hits(Vec::new())) };
        ended.synchronize().map_err(failure("cuEventSynchronize of a search"))?;
        self.copied_back += 4 * HEAD as u64;
        let found = lane.head.as_slice().map_err(failure("cuEventSynchronize of results"))?[0] as usize;
        match found {
            0 => return Ok(Batch::Hits(Vec::new())),
            _ if !wanted() => return Ok(Batch::Hits(Vec::new())),
            1..=CAPACITY => {}
            _ => return Ok(Batch::Overflow),
        }
        let stream = &lane.stream;
        // SAFETY: `digest` takes four buffers, of the sizes in spec KRN-2.1 to KRN-2.3.
        unsafe {
            stream
                .launch_builder(&loaded.digest)
                .arg(&self.job)
                .arg(&lane.results)
                .arg(&mut lane.digests)
                .arg(&loaded.scratch[at])
                .launch(grid(found as u32, loaded))
        }
        .map_err(failure("cuLaunchKernel of digest"))?;
        let (mut nonces, mut digests) = (vec![0; 2 * found], vec![0; 9 * found]);
        stream
            .memcpy_dtoh(&lane.results.slice(HEAD..HEAD + 2 * found), &mut nonces)
            .map_err(failure("cuMemcpyDtoHAsync of nonces"))?;
        stream
            .memcpy_dtoh(&lane.digests.slice(..9 * found), &mut digests)
            .map_err(failure("cuMemcpyDtoHAsync of digests"))?;
        stream.synchronize().map_err(failure("cuStreamSynchronize of digests"))?;
        self.copied_back += 4 * (2 + 9) * found as u64;
        Ok(Batch::Hits(Hit::from_words(&nonces, &digests)))
    }

    fn watch(&mut self, live: LiveGeneration) -> Result<(), Failure> {
        self.live = Live::watch(&self.context, live)?;
        Ok(())
    }

    fn why_lost(&self) -> Option<String> {
        self.errors.recent()
    }

    fn sensors(&mut self) -> (Option<i32>, Option<u32>) {
        let reading = self.sensors.read(&self.pci);
        (reading.temperature_mc, reading.power_mw)
    }
}
