//! A lane: a launch, and where it leaves what it found.
//!
//! ```text
//!  range, head ─► search ─► results ─ 16 bytes ─► head                      once for each launch
//!                              └─► digest ─► digests ─► found (nonces, digests)     if there are candidates
//! ```

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use wgpu::{
    BindGroup, Buffer, BufferDescriptor, BufferUsages, CommandEncoder, ComputePipeline, Device, MapMode,
    SubmissionIndex,
};

use crate::kernels::{CONSTANTS, DIGESTS, JOB, Layouts, Loaded, RANGE, RESULTS, SCRATCH, buffer};

/// Candidates that a launch can store.
pub const CAPACITY: usize = 256;

/// Words of the results before the first candidate.
pub const HEAD: usize = 4;

/// A launch and its memory.
pub struct Lane {
    range: Buffer,
    results: Buffer,
    digests: Buffer,
    /// The results' head, for the host to read.
    head: Readable,
    /// Nonces and digests of candidates, for the host to read.
    found: Readable,
    scratch: Option<(Buffer, u32)>,
    /// What `search` and `digest` see, until the algorithm changes or scratch grows.
    seen: Option<Seen>,
    /// The launch in flight.
    pub launch: Option<SubmissionIndex>,
}

struct Seen {
    search: BindGroup,
    digest: BindGroup,
}

/// Memory that the device copies to and the host reads.
struct Readable {
    buffer: Buffer,
    mapped: Arc<AtomicBool>,
}

impl Lane {
    pub fn new(device: &Device) -> Self {
        let copied = BufferUsages::COPY_SRC;
        Self {
            range: device.create_buffer(&BufferDescriptor {
                label: None,
                size: 16,
                usage: BufferUsages::UNIFORM | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            results: buffer(device, HEAD + 2 * CAPACITY, copied | BufferUsages::COPY_DST),
            digests: buffer(device, 9 * CAPACITY, copied),
            head: Readable::new(device, HEAD),
            found: Readable::new(device, (2 + 9) * CAPACITY),
            scratch: None,
            seen: None,
            launch: None,
        }
    }

    /// Another algorithm comes: its memory is another's.
    pub fn forget(&mut self) {
        (self.scratch, self.seen) = (None, None);
    }

    /// Makes room for a launch of `count` items: twice as much as before, so that it seldom has to.
    pub fn make_room(
        &mut self,
        device: &Device,
        layouts: &Layouts,
        loaded: &Loaded,
        job: &Buffer,
        count: u32,
    ) {
        let has = self.scratch.as_ref().map_or(0, |(_, items)| *items);
        if has < count || self.seen.is_none() {
            self.forget();
            let items = count.next_power_of_two().min(loaded.most_items);
            let words = (loaded.scratch * u64::from(items) / 4).max(4) as usize;
            let items = if loaded.scratch == 0 { u32::MAX } else { items };
            let scratch = buffer(device, words, BufferUsages::empty());
            self.seen = Some(Seen {
                search: layouts.search.bind(
                    device,
                    &[
                        (CONSTANTS, &loaded.constants),
                        (RANGE, &self.range),
                        (RESULTS, &self.results),
                        (SCRATCH, &scratch),
                    ],
                ),
                digest: layouts.digest.bind(
                    device,
                    &[(JOB, job), (RESULTS, &self.results), (DIGESTS, &self.digests), (SCRATCH, &scratch)],
                ),
            });
            self.scratch = Some((scratch, items));
        }
    }

    /// Before a launch: its range, and results without candidates.
    pub fn reset(&self, queue: &wgpu::Queue, start: u64, count: u32, width: u32) {
        queue.write_buffer(&self.range, 0, &bytes(&[start as u32, (start >> 32) as u32, count, width]));
        queue.write_buffer(&self.results, 0, &bytes(&[0, CAPACITY as u32, 0, 0]));
    }

    pub fn encode_search(&self, encoder: &mut CommandEncoder, search: &ComputePipeline, groups: (u32, u32)) {
        let Some(seen) = &self.seen else { return };
        dispatch(encoder, search, &seen.search, groups);
        encoder.copy_buffer_to_buffer(&self.results, 0, &self.head.buffer, 0, 4 * HEAD as u64);
    }

    pub fn encode_digest(&self, encoder: &mut CommandEncoder, loaded: &Loaded, candidates: usize) {
        let Some(seen) = &self.seen else { return };
        let groups = (candidates as u32).div_ceil(loaded.group);
        dispatch(encoder, &loaded.digest, &seen.digest, (groups, 1));
        let (nonces, digests) = (8 * candidates as u64, 36 * candidates as u64);
        encoder.copy_buffer_to_buffer(&self.results, 4 * HEAD as u64, &self.found.buffer, 0, nonces);
        encoder.copy_buffer_to_buffer(&self.digests, 0, &self.found.buffer, nonces, digests);
    }

    /// Asks for the head, once what fills it is submitted.
    pub fn map_head(&self) {
        self.head.map(4 * HEAD);
    }

    pub fn map_found(&self, candidates: usize) {
        self.found.map(4 * (2 + 9) * candidates);
    }

    pub fn head_is_there(&self) -> bool {
        self.head.is_there()
    }

    /// The number of candidates; `None`: the head is not there.
    pub fn candidates(&self) -> Option<usize> {
        self.head.take(HEAD).map(|words| words[0] as usize)
    }

    /// Nonces and digests, one after the other; `None`: they are not there.
    pub fn found(&self, candidates: usize) -> Option<Vec<u32>> {
        self.found.take((2 + 9) * candidates)
    }
}

impl Readable {
    fn new(device: &Device, words: usize) -> Self {
        let buffer = device.create_buffer(&BufferDescriptor {
            label: None,
            size: 4 * words as u64,
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self { buffer, mapped: Arc::default() }
    }

    fn map(&self, bytes: usize) {
        let mapped = self.mapped.clone();
        self.buffer.map_async(MapMode::Read, ..bytes as u64, move |result| {
            mapped.store(result.is_ok(), Ordering::Release);
        });
    }

    fn is_there(&self) -> bool {
        self.mapped.load(Ordering::Acquire)
    }

    /// The words that were mapped, which the device may then fill again.
    fn take(&self, words: usize) -> Option<Vec<u32>> {
        if !self.mapped.swap(false, Ordering::AcqRel) {
            return None;
        }
        let view = self.buffer.get_mapped_range(..4 * words as u64).ok()?;
        let word = |four: &[u8]| u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let words = view.chunks_exact(4).map(word).collect();
        drop(view);
        self.buffer.unmap();
        Some(words)
    }
}

fn dispatch(
    encoder: &mut CommandEncoder,
    pipeline: &ComputePipeline,
    seen: &BindGroup,
    (across, down): (u32, u32),
) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, seen, &[]);
    pass.dispatch_workgroups(across, down, 1);
}

/// Words as the device has them.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
