//! Compiles, prepares, submits and collects, by OpenCL. spec: KRN-4.1

use std::{ptr, time::Instant};

use adit_helper::kernels::{
    self, Api, Batch, DEPTH, Failure, Found as Hit, JOB_WORDS, Kernels, cache::Entry,
};
use opencl3::{
    command_queue::CommandQueue,
    context::Context,
    error_codes::ClError,
    event::{CL_COMPLETE, Event},
    kernel::{ExecuteKernel, Kernel},
    memory::{Buffer, CL_MEM_READ_WRITE},
    program::Program,
    types::{CL_BLOCKING, CL_NON_BLOCKING, cl_device_id, cl_uint},
};

use crate::{device::Found, rhythm::Rhythm};

/// For how sources are compiled.
const OPTIONS: &str = "-cl-std=CL1.2";
const GPU_OPTIONS: &str = "-cl-std=CL1.2 -DADIT_GPU";

/// Candidates that a launch can store.
const CAPACITY: usize = 256;

/// Words of the results before the first candidate.
const HEAD: usize = 4;

/// What results begin with.
static EMPTY: [cl_uint; HEAD] = [0, CAPACITY as cl_uint, 0, 0];

/// Nonces of one launch of a kernel that needs no scratch memory.
const MOST_NONCES: u32 = 1 << 28;

/// What part of the device's memory scratch may take: three quarters, all lanes together.
const SCRATCH_SHARE: (u64, u64) = (3, 4);

/// An OpenCL device with two queues.
pub struct Launcher {
    // Declared in the order in which they are to be dropped.
    /// Every algorithm that was compiled; one of them has its scratch.
    compiled: Vec<Loaded>,
    /// Which of them runs.
    current: Option<usize>,
    lanes: Vec<Lane>,
    job: Buffer<cl_uint>,
    context: Context,
    device: cl_device_id,
    /// Device and driver, for the cache.
    identity: String,
    memory: u64,
    largest: u64,
    /// Items that keep a GPU busy; 0 for others, which do one group after the other.
    items: u32,
    rhythm: Rhythm,
    copied_back: u64,
}

/// An algorithm's kernels on the device.
struct Loaded {
    id: u32,
    group: u32,
    /// Of a group.
    nonces: u32,
    lanes: u32,
    /// Of one launch, once it has scratch.
    most_nonces: u32,
    constants: Buffer<cl_uint>,
    prepare: Kernel,
    /// One for each lane, with its arguments.
    searches: Vec<Kernel>,
    /// One for each lane.
    scratch: Vec<Buffer<cl_uint>>,
    digest: Kernel,
    _program: Program,
}

/// A queue and where its launches leave what they found.
struct Lane {
    queue: CommandQueue,
    results: Buffer<cl_uint>,
    digests: Buffer<cl_uint>,
    /// The results' head, written by a read that is in flight with the launch.
    head: Box<[cl_uint; HEAD]>,
    launch: Option<Launch>,
    submitted: Instant,
}

/// What is in flight on a queue.
struct Launch {
    search: Event,
    /// Of the head, behind the search.
    read: Event,
}

/// What a kernel takes.
#[derive(Clone, Copy, Debug)]
enum Argument {
    Buffer,
    /// 32 bits.
    Word,
}

/// The kernels' arguments. spec: KRN-3.1, KRN-4.1, KRN-4.2
const PREPARE: &[Argument] = &[Argument::Buffer; 2];
const SEARCH: &[Argument] = {
    use Argument::{Buffer, Word};
    &[Buffer, Buffer, Word, Word, Word, Buffer]
};
const DIGEST: &[Argument] = &[Argument::Buffer; 4];

/// What a failed call means.
fn failure(call: &'static str) -> impl FnOnce(ClError) -> Failure {
    move |error| {
        let text = format!("{call}: {error} ({})", error.0);
        match error.0 {
            // Allocation failure, out of resources, out of host memory, invalid buffer size.
            -4 | -5 | -6 | -61 => Failure::Memory(text),
            // What a kernel asks for that the device does not have, from its arguments to its work groups' size.
            -55..=-48 => Failure::Source(text),
            _ => Failure::Device(text),
        }
    }
}

impl Launcher {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn new(found: &Found) -> Result<Self, Failure> {
        let context = Context::from_device(&found.device).map_err(failure("clCreateContext"))?;
        let job = buffer(&context, JOB_WORDS)?;
        let lanes = (0..DEPTH).map(|_| Lane::new(&context)).collect::<Result<_, _>>()?;
        let identity = format!("{}\n{}", found.name, found.driver);
        Ok(Self {
            compiled: Vec::new(),
            current: None,
            lanes,
            job,
            context,
            device: found.device.id(),
            identity,
            memory: found.memory,
            largest: found.largest,
            items: if found.gpu { found.items() } else { 0 },
            rhythm: Rhythm::new(),
            copied_back: 0,
        })
    }

    /// Compiles, or takes what was compiled before.
    fn program(&self, source: &str) -> Result<Program, Failure> {
        let options = if self.items > 0 { GPU_OPTIONS } else { OPTIONS };
        let entry = Entry::new("opencl", &[&self.identity, options, source]);
        if let Some(binary) = entry.load() {
            if let Ok(program) = Program::create_and_build_from_binary(&self.context, &[&binary], options) {
                return Ok(program);
            }
            entry.forget();
        }
        let program = Program::create_and_build_from_source(&self.context, source, options)
            .map_err(|text| Failure::Source(text.trim().to_owned()))?;
        if let Some(binary) = program.get_binaries().ok().and_then(|mut binaries| binaries.pop()) {
            entry.store(&binary);
        }
        Ok(program)
    }

    /// How many nonces' scratch memory there is room for, in whole groups.
    fn nonces_for(&self, kernels: &Kernels) -> Result<u32, Failure> {
        let nonces = kernels.group_nonces();
        if kernels.scratch == 0 {
            return Ok(MOST_NONCES / nonces * nonces);
        }
        let share = self.memory / SCRATCH_SHARE.1 * SCRATCH_SHARE.0 / self.lanes.len() as u64;
        let group = kernels.nonce_scratch() as u64 * u64::from(nonces);
        match share.min(self.largest) / group {
            // It never has more.
            0 => Err(Failure::Source(format!(
                "one work group needs {group} bytes of scratch, more than the device has"
            ))),
            groups => Ok((groups * u64::from(nonces)).min(u64::from(MOST_NONCES / nonces * nonces)) as u32),
        }
    }

    /// Scratch for each lane, and for how many nonces, in whole groups: fewer where memory is short. spec: KRN-3.7
    fn scratch_for(&self, kernels: &Kernels) -> Result<(u32, Vec<Buffer<cl_uint>>), Failure> {
        let mut nonces = self.nonces_for(kernels)?;
        loop {
            let words = if kernels.scratch == 0 { 1 } else { kernels.nonce_scratch() / 4 * nonces as usize };
            match self.lanes.iter().map(|lane| claimed(&self.context, lane, words)).collect::<Result<_, _>>()
            {
                Err(Failure::Memory(_)) if nonces > kernels.group_nonces() => {
                    nonces = (nonces / 2).next_multiple_of(kernels.group_nonces());
                }
                other => return Ok((nonces, other?)),
            }
        }
    }

    /// Compiles an algorithm; where it stands among those compiled.
    fn add(&mut self, kernels: &Kernels) -> Result<usize, Failure> {
        let source = kernels.source(Api::OpenCl).ok_or_else(|| Failure::Source("there is none".into()))?;
        let program = self.program(source)?;
        let of = |name, arguments| self.kernel(&program, name, (arguments, kernels.group));
        let searches = self.lanes.iter().map(|_| of("search", SEARCH)).collect::<Result<_, _>>()?;
        let (prepare, digest) = (self.kernel(&program, "prepare", (PREPARE, 1))?, of("digest", DIGEST)?);
        self.compiled.push(Loaded {
            id: kernels.id,
            group: kernels.group,
            nonces: kernels.group_nonces(),
            lanes: kernels.lanes,
            most_nonces: 0,
            constants: buffer(&self.context, kernels.constants)?,
            prepare,
            searches,
            scratch: Vec::new(),
            digest,
            _program: program,
        });
        Ok(self.compiled.len() - 1)
    }

    /// A kernel of these arguments, for work groups of so many items.
    fn kernel(
        &self,
        program: &Program,
        name: &str,
        (arguments, group): (&[Argument], u32),
    ) -> Result<Kernel, Failure> {
        let failed = |error: ClError| {
            Failure::Source(format!("it has no kernel called {name}: {error} ({})", error.0))
        };
        let kernel = Kernel::create(program, name).map_err(failed)?;
        let has = kernel.num_args().map_err(failure("clGetKernelInfo"))?;
        if has as usize != arguments.len() {
            let expected = arguments.len();
            return Err(Failure::Source(format!("its {name} has {has} arguments; expected: {expected}")));
        }
        for (at, argument) in (0..).zip(arguments) {
            // SAFETY: nothing runs with these; each launch sets its own, whose sizes are the same.
            let set = unsafe {
                match argument {
                    Argument::Buffer => kernel.set_arg(at, &self.job),
                    Argument::Word => kernel.set_arg(at, &0_u32),
                }
            };
            set.map_err(|error| {
                Failure::Source(format!("its {name} has another argument {at}: {error} ({})", error.0))
            })?;
        }
        let most = kernel.get_work_group_size(self.device).map_err(failure("clGetKernelWorkGroupInfo"))?;
        if (group as usize) > most {
            return Err(Failure::Source(format!(
                "its groups have {group} items, and this device takes {most} of {name}"
            )));
        }
        Ok(kernel)
    }
}

impl Lane {
    fn new(context: &Context) -> Result<Self, Failure> {
        let queue = CommandQueue::create_default(context, 0).map_err(failure("clCreateCommandQueue"))?;
        Ok(Self {
            queue,
            results: buffer(context, HEAD + 2 * CAPACITY)?,
            digests: buffer(context, 9 * CAPACITY)?,
            head: Box::new([0; HEAD]),
            launch: None,
            submitted: Instant::now(),
        })
    }
}

fn buffer(context: &Context, words: usize) -> Result<Buffer<cl_uint>, Failure> {
    // SAFETY: no host pointer is given, so the runtime allocates the memory itself.
    unsafe { Buffer::create(context, CL_MEM_READ_WRITE, words.max(1), ptr::null_mut()) }
        .map_err(failure("clCreateBuffer"))
}

/// A buffer that has its memory: many drivers give it when a buffer is first used, and then it is a launch that fails.
fn claimed(context: &Context, lane: &Lane, words: usize) -> Result<Buffer<cl_uint>, Failure> {
    let mut buffer = buffer(context, words)?;
    // SAFETY: the buffer has a word or more, and the call blocks until it is written.
    unsafe { lane.queue.enqueue_write_buffer(&mut buffer, CL_BLOCKING, 0, &[0], &[]) }
        .map_err(failure("clEnqueueWriteBuffer of scratch"))?;
    Ok(buffer)
}

/// Of so many nonces, in whole groups.
fn items(nonces: u32, loaded: &Loaded) -> usize {
    nonces.div_ceil(loaded.nonces) as usize * loaded.group as usize
}

fn nothing_loaded() -> Failure {
    Failure::Source("nothing is loaded".into())
}

impl kernels::Launcher for Launcher {
    fn api(&self) -> Api {
        Api::OpenCl
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
        let at = known.map_or_else(|| self.add(kernels), Ok)?;
        // What one algorithm takes of the memory, the others cannot have.
        self.compiled.iter_mut().for_each(|loaded| loaded.scratch.clear());
        (self.compiled[at].most_nonces, self.compiled[at].scratch) = self.scratch_for(kernels)?;
        self.current = Some(at);
        Ok(())
    }

    fn set_job(&mut self, job: &[u32; JOB_WORDS], _: u64) -> Result<(), Failure> {
        let loaded = self.current.map(|at| &self.compiled[at]).ok_or_else(nothing_loaded)?;
        let queue = &self.lanes[0].queue;
        // SAFETY: the buffer has as many words as `job`, and the call blocks until they are read.
        unsafe { queue.enqueue_write_buffer(&mut self.job, CL_BLOCKING, 0, job, &[]) }
            .map_err(failure("clEnqueueWriteBuffer of a job"))?;
        // SAFETY: `prepare` takes two buffers, of the sizes that the bundle says; see spec KRN-3.1.
        unsafe {
            ExecuteKernel::new(&loaded.prepare)
                .set_arg(&self.job)
                .set_arg(&loaded.constants)
                .set_global_work_size(1)
                .enqueue_nd_range(queue)
        }
        .map_err(failure("clEnqueueNDRangeKernel of prepare"))?;
        // The other lane's queue reads the constants too.
        queue.finish().map_err(failure("clFinish of prepare"))
    }

    fn most_nonces(&self) -> u32 {
        self.current.map_or(1, |at| self.compiled[at].most_nonces)
    }

    fn wave(&self) -> u32 {
        self.current.map_or(1, |at| (self.items / self.compiled[at].lanes).max(1))
    }

    fn submit(&mut self, lane: usize, start: u64, count: u32) -> Result<(), Failure> {
        let loaded = self.current.map(|at| &self.compiled[at]).ok_or_else(nothing_loaded)?;
        let (search, scratch) = (&loaded.searches[lane], &loaded.scratch[lane]);
        let lane = &mut self.lanes[lane];
        // SAFETY: the results are longer than the head, which stays where it is for ever.
        unsafe { lane.queue.enqueue_write_buffer(&mut lane.results, CL_NON_BLOCKING, 0, &EMPTY, &[]) }
            .map_err(failure("clEnqueueWriteBuffer of results"))?;
        // SAFETY: `search` takes these six, as spec KRN-4.1 says; every buffer is as large as spec KRN-2.2 and
        // the bundle say, and lives as long as the queue.
        let search = unsafe {
            ExecuteKernel::new(search)
                .set_arg(&loaded.constants)
                .set_arg(scratch)
                .set_arg(&(start as u32))
                .set_arg(&((start >> 32) as u32))
                .set_arg(&count)
                .set_arg(&lane.results)
                .set_global_work_size(items(count, loaded))
                .set_local_work_size(loaded.group as usize)
                .enqueue_nd_range(&lane.queue)
        }
        .map_err(failure("clEnqueueNDRangeKernel of search"))?;
        // SAFETY: the head is boxed and stays where it is; nobody looks at it before the event has come.
        let read = unsafe {
            lane.queue.enqueue_read_buffer(&lane.results, CL_NON_BLOCKING, 0, &mut lane.head[..], &[])
        }
        .map_err(failure("clEnqueueReadBuffer of results"))?;
        lane.launch = Some(Launch { search, read });
        lane.submitted = Instant::now();
        lane.queue.flush().map_err(failure("clFlush"))
    }

    fn is_done(&mut self, lane: usize) -> Result<bool, Failure> {
        self.lanes[lane].launch.as_ref().map_or(Ok(true), Launch::has_ended)
    }

    fn copied_back(&self) -> u64 {
        self.copied_back
    }

    fn collect(&mut self, at: usize, wanted: &dyn Fn() -> bool) -> Result<Batch, Failure> {
        let loaded = self.current.map(|at| &self.compiled[at]).ok_or_else(nothing_loaded)?;
        let lane = &mut self.lanes[at];
        let Some(launch) = lane.launch.take() else { return Ok(Batch::Hits(Vec::new())) };
        let submitted = lane.submitted;
        // Some drivers wait by keeping a core busy, so this looks now and then instead; the launch behind this
        // one keeps the device busy meanwhile.
        while !launch.has_ended()? {
            std::thread::sleep(self.rhythm.pause(submitted));
        }
        launch.read.wait().map_err(failure("clWaitForEvents of a search"))?;
        self.rhythm.end(submitted);
        let found = lane.head[0] as usize;
        self.copied_back += 4 * HEAD as u64;
        match found {
            0 => return Ok(Batch::Hits(Vec::new())),
            _ if !wanted() => return Ok(Batch::Hits(Vec::new())),
            1..=CAPACITY => {}
            _ => return Ok(Batch::Overflow),
        }
        // SAFETY: `digest` takes four buffers, of the sizes in spec KRN-2.1 to KRN-2.3.
        unsafe {
            ExecuteKernel::new(&loaded.digest)
                .set_arg(&self.job)
                .set_arg(&lane.results)
                .set_arg(&lane.digests)
                .set_arg(&loaded.scratch[at])
                .set_global_work_size(items(found as u32, loaded))
                .set_local_work_size(loaded.group as usize)
                .enqueue_nd_range(&lane.queue)
        }
        .map_err(failure("clEnqueueNDRangeKernel of digest"))?;
        let (mut nonces, mut digests) = (vec![0; 2 * found], vec![0; 9 * found]);
        // SAFETY: both buffers hold `CAPACITY` candidates, of which `found` are read; the calls block.
        unsafe {
            lane.queue
                .enqueue_read_buffer(&lane.results, CL_BLOCKING, 4 * HEAD, &mut nonces, &[])
                .map_err(failure("clEnqueueReadBuffer of nonces"))?;
            lane.queue
                .enqueue_read_buffer(&lane.digests, CL_BLOCKING, 0, &mut digests, &[])
                .map_err(failure("clEnqueueReadBuffer of digests"))?;
        }
        self.copied_back += 4 * (2 + 9) * found as u64;
        Ok(Batch::Hits(Hit::from_words(&nonces, &digests)))
    }
}

impl Launch {
    /// Whether it has ended.
    ///
    /// # Errors
    /// It ended by an error.
    fn has_ended(&self) -> Result<bool, Failure> {
        let read = status(&self.read)?;
        // A read that ended says nothing of the search before it: what a queue does behind one that failed is its driver's choice.
        let search = if read <= CL_COMPLETE { status(&self.search)? } else { CL_COMPLETE };
        has_ended(search, read)
    }
}

fn status(event: &Event) -> Result<i32, Failure> {
    event.command_execution_status().map(|status| status.0).map_err(failure("clGetEventInfo"))
}

/// A negative status is why a command failed. The wait for it would tell that one failed and no more (-14), and so may
/// the read behind a search that did.
fn has_ended(search: i32, read: i32) -> Result<bool, Failure> {
    match (search, read) {
        (_, 1..) => Ok(false),
        (0.., CL_COMPLETE) => Ok(true),
        (..0, _) => Err(failure("the event of a search")(ClError(search))),
        _ => Err(failure("the event of a read of results")(ClError(read))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_that_failed_tells_why() {
        // Queued, submitted, running, complete.
        assert_eq!([3, 2, 1, 0].map(|read| has_ended(0, read)), [Ok(false), Ok(false), Ok(false), Ok(true)]);
        // Short memory shrinks launches, whatever the read makes of it.
        for (search, read) in [(-4, -14), (-5, -5), (0, -4)] {
            assert!(matches!(has_ended(search, read), Err(Failure::Memory(_))), "{search}, {read}");
        }
        let Err(Failure::Device(why)) = has_ended(-9999, -14) else { panic!() };
        assert!(why.contains("search") && why.contains("-9999"), "{why}");
        let Err(Failure::Device(why)) = has_ended(0, -14) else { panic!() };
        assert!(why.contains("read") && why.contains("-14"), "{why}");
    }
}
