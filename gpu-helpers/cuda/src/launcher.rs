//! Compiles, prepares, submits and collects, by CUDA. spec: KRN-4.3

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use adit_helper::kernels::{self, Api, Batch, DEPTH, Failure, Found as Hit, JOB_WORDS, Kernels};
use cudarc::{
    driver::{
        CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DeviceRepr, LaunchConfig,
        PinnedHostSlice, PushKernelArg as _,
        sys::{CU_MEMHOSTALLOC_DEVICEMAP, CUevent_flags},
    },
    nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts},
};

use crate::device::failure;

/// Candidates that a launch can store.
const CAPACITY: usize = 256;

/// Words of the results before the first candidate.
const HEAD: usize = 4;

/// Items of one launch of a kernel that needs no scratch memory.
const MOST_ITEMS: u32 = 1 << 30;

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
    generation: Generation,
    copied_back: u64,
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

/// The live generation in host memory that kernels see.
struct Generation {
    word: PinnedHostSlice<u64>,
    address: u64,
    live: u64,
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
    /// Of one launch, once it has scratch.
    most_items: u32,
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
    pub fn new(context: Arc<CudaContext>) -> Result<Self, Failure> {
        // SAFETY: every buffer here is used on one stream at a time, or after a synchronisation: the constants after
        // `set_job` waits, a lane's own buffers on the lane's stream.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(failure("cuStreamCreate"))?;
        let empty = stream.clone_htod(&[0, CAPACITY as u32, 0, 0]).map_err(failure("cuMemcpyHtoDAsync"))?;
        let job = stream.alloc_zeros(JOB_WORDS).map_err(failure("cuMemAlloc of a job"))?;
        let lanes = (0..DEPTH).map(|_| Lane::new(&context)).collect::<Result<_, _>>()?;
        let generation = Generation::new(&context)?;
        stream.synchronize().map_err(failure("cuStreamSynchronize"))?;
        Ok(Self {
            compiled: Vec::new(),
            current: None,
            lanes,
            job,
            empty,
            generation,
            copied_back: 0,
            stream,
            context,
        })
    }

    fn compile(&self, source: &str) -> Result<cudarc::nvrtc::Ptx, Failure> {
        let (major, minor) = self.context.compute_capability().map_err(failure("cuDeviceGetAttribute"))?;
        let options = CompileOptions {
            options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
            ..CompileOptions::default()
        };
        compile_ptx_with_opts(source, options).map_err(|error| {
            Failure::Source(match error {
                CompileError::CompileError { log, .. } => log.to_string_lossy().trim().to_owned(),
                other => format!("{other:?}"),
            })
        })
    }

    /// How many items' scratch memory there is room for, in whole groups: three quarters of what is free now.
    fn items_for(&self, kernels: &Kernels) -> Result<u32, Failure> {
        if kernels.scratch == 0 {
            return Ok(MOST_ITEMS / kernels.group * kernels.group);
        }
        let (free, _) = self.context.mem_get_info().map_err(failure("cuMemGetInfo"))?;
        let group = kernels.scratch * kernels.group as usize;
        match free / 4 * 3 / self.lanes.len() / group {
            0 => Err(Failure::Memory(format!(
                "one work group needs {group} bytes of scratch, {free} are free"
            ))),
            groups => Ok((groups * kernels.group as usize).min(MOST_ITEMS as usize) as u32),
        }
    }

    /// Scratch for each lane, and for how many items: fewer where memory is short.
    fn scratch_for(&self, kernels: &Kernels) -> Result<(u32, Vec<CudaSlice<u32>>), Failure> {
        let mut items = self.items_for(kernels)?;
        loop {
            let words = if kernels.scratch == 0 { 1 } else { kernels.scratch / 4 * items as usize };
            let one = |lane: &Lane| {
                // SAFETY: scratch holds nothing until a kernel has written it.
                unsafe { lane.stream.alloc(words) }.map_err(failure("cuMemAlloc of scratch"))
            };
            match self.lanes.iter().map(one).collect::<Result<_, _>>() {
                Err(Failure::Memory(_)) if items > kernels.group => {
                    items = (items / 2).next_multiple_of(kernels.group);
                }
                other => return Ok((items, other?)),
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
        let module = self.context.load_module(self.compile(source)?).map_err(failure("cuModuleLoadData"))?;
        let function = |name| module.load_function(name).map_err(failure("cuModuleGetFunction"));
        self.compiled.push(Loaded {
            id: kernels.id,
            group: kernels.group,
            most_items: 0,
            count: kernels.constants,
            constants: Box::new(Constants([0; MOST_CONSTANTS])),
            prepared: self
                .stream
                .alloc_zeros(kernels.constants)
                .map_err(failure("cuMemAlloc of constants"))?,
            prepare: function("prepare")?,
            search: function("search")?,
            digest: function("digest")?,
            scratch: Vec::new(),
        });
        Ok(self.compiled.len() - 1)
    }
}

impl Generation {
    fn new(context: &Arc<CudaContext>) -> Result<Self, Failure> {
        // SAFETY: it is written below, before anybody reads it.
        let mut word = unsafe { context.alloc_pinned_with_flags::<u64>(1, CU_MEMHOSTALLOC_DEVICEMAP) }
            .map_err(failure("cuMemHostAlloc"))?;
        let pointer = word.as_mut_ptr().map_err(failure("cuEventSynchronize"))?;
        // SAFETY: one word that was just allocated, and no kernel runs yet.
        unsafe { pointer.write(0) };
        // With unified addressing, which 64-bit processes have, the device knows it by the same address.
        Ok(Self { word, address: pointer as u64, live: 0 })
    }

    fn set(&mut self, live: u64) {
        if live != self.live {
            self.live = live;
            debug_assert!(self.word.len() == 1);
            // SAFETY: the word is aligned, lives as long as `word`, and kernels read it only as a whole.
            unsafe { AtomicU64::from_ptr(self.address as *mut u64) }.store(live, Ordering::Relaxed);
        }
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

fn grid(items: u32, group: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (items.div_ceil(group), 1, 1), block_dim: (group, 1, 1), shared_mem_bytes: 0 }
}

fn nothing_loaded() -> Failure {
    Failure::Source("nothing is loaded".into())
}

impl kernels::Launcher for Launcher {
    fn api(&self) -> Api {
        Api::Cuda
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
        (self.compiled[at].most_items, self.compiled[at].scratch) = self.scratch_for(kernels)?;
        self.current = Some(at);
        Ok(())
    }

    fn set_job(&mut self, job: &[u32; JOB_WORDS]) -> Result<(), Failure> {
        let loaded = self.current.map(|at| &mut self.compiled[at]).ok_or_else(nothing_loaded)?;
        self.stream.memcpy_htod(job, &mut self.job).map_err(failure("cuMemcpyHtoDAsync of a job"))?;
        // SAFETY: `prepare` takes two buffers, of the sizes that the bundle says; see spec KRN-3.1.
        unsafe {
            self.stream
                .launch_builder(&loaded.prepare)
                .arg(&self.job)
                .arg(&mut loaded.prepared)
                .launch(grid(1, 1))
        }
        .map_err(failure("cuLaunchKernel of prepare"))?;
        self.stream
            .memcpy_dtoh(&loaded.prepared, &mut loaded.constants.0[..loaded.count])
            .map_err(failure("cuMemcpyDtoHAsync of constants"))?;
        self.stream.synchronize().map_err(failure("cuStreamSynchronize of prepare"))
    }

    fn most_items(&self) -> u32 {
        self.current.map_or(1, |at| self.compiled[at].most_items)
    }

    fn submit(&mut self, at: usize, start: u64, count: u32) -> Result<(), Failure> {
        let loaded = self.current.map(|at| &mut self.compiled[at]).ok_or_else(nothing_loaded)?;
        let lane = &mut self.lanes[at];
        let stream = &lane.stream;
        let (low, high) = (start as u32, (start >> 32) as u32);
        let (generation, mine) = (self.generation.address, self.generation.live);
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
                .launch(grid(count, loaded.group))
        }
        .map_err(failure("cuLaunchKernel of search"))?;
        stream
            .memcpy_dtoh(&lane.results.slice(..HEAD), &mut lane.head)
            .map_err(failure("cuMemcpyDtoHAsync of results"))?;
        let ended = stream
            .record_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC))
            .map_err(failure("cuEventRecord"))?;
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

    fn collect(&mut self, at: usize) -> Result<Batch, Failure> {
        let loaded = self.current.map(|at| &self.compiled[at]).ok_or_else(nothing_loaded)?;
        let lane = &mut self.lanes[at];
        let Some(ended) = lane.launch.take() else { return Ok(Batch::Hits(Vec::new())) };
        ended.synchronize().map_err(failure("cuEventSynchronize of a search"))?;
        self.copied_back += 4 * HEAD as u64;
        let found = lane.head.as_slice().map_err(failure("cuEventSynchronize of results"))?[0] as usize;
        match found {
            0 => return Ok(Batch::Hits(Vec::new())),
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
                .launch(grid(found as u32, 32))
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

    fn set_generation(&mut self, live: u64) {
        self.generation.set(live);
    }
}
