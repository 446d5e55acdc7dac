//! A unit costs the running host no allocation, on any thread: worker, host loop, supervisor, source.
//!
//! One worker searches a toy algorithm in units of 256 nonces. When it begins the first of the units that
//! count, and again 5,000 units later, the searcher reads how much the whole process has allocated: nothing in
//! between. The report of rates, once a second, allocates a handful for its list of devices; it and the
//! watch over slow devices are put off for an hour, so that no clock has a say in what this test sees.

#[path = "simulation/toy.rs"]
#[allow(dead_code, reason = "the simulator uses all of it")]
mod toy;

use std::{
    alloc::{GlobalAlloc, Layout as MemoryLayout, System},
    ops::ControlFlow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use adit_host::{
    device::{Care, DevicePlan},
    engine::{Config, Sizing},
    host::{Host, HostConfig},
    job::{Job, NonceRange},
    source::FixedSource,
};
use adit_plugin::{Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target};
use toy::{Rolls, WIDE};

/// Nonces of each unit.
const UNIT: u64 = 256;
const WARM_UP: u64 = 500;
const UNITS: u64 = 5_000;
/// So that the end of the space, where the host is busy with other things, is not among those that count.
const AFTER: u64 = 100;
const NEVER: Duration = Duration::from_secs(3600);

/// Allocations of all threads.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, counting.
struct Counting;

// SAFETY: everything is the system's; the count touches no memory that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: MemoryLayout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: MemoryLayout) {
        // SAFETY: the caller keeps dealloc's contract, and all memory is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: MemoryLayout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps realloc's contract, and all memory is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What had been allocated when a unit began.
#[derive(Default)]
struct Marks {
    first: OnceLock<u64>,
    last: OnceLock<u64>,
}

/// The toy, whose searchers set the marks.
struct Marking(Arc<Marks>);

impl Algorithm for Marking {
    fn name(&self) -> &'static str {
        WIDE.name()
    }

    fn id(&self) -> u32 {
        WIDE.id()
    }

    fn layout(&self) -> Layout {
        WIDE.layout()
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        WIDE.digest(header)
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Box::new(MarkingSearch { inner: WIDE.searcher(), marks: Arc::clone(&self.0) })
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        WIDE.dev_header(block)
    }
}

struct MarkingSearch {
    inner: Box<dyn Searcher>,
    marks: Arc<Marks>,
}

impl Searcher for MarkingSearch {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        self.inner.set_job(header, target)
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        // One device takes the space from its begin to its end, so a unit begins at a multiple of its size.
        let mark = match start / UNIT {
            WARM_UP => Some(&self.marks.first),
            unit if unit == WARM_UP + UNITS => Some(&self.marks.last),
            _ => None,
        };
        if let Some(mark) = mark {
            mark.get_or_init(|| ALLOCATIONS.load(Ordering::Relaxed));
        }
        self.inner.search(start, last, hits);
    }
}

#[test]
fn units_flow_through_a_whole_host_without_allocating() {
    let marks = Arc::new(Marks::default());
    let algorithm: Arc<dyn Algorithm> = Arc::new(Marking(Arc::clone(&marks)));
    let plans = DevicePlan::from_specs(&["cpu:threads=1".parse().unwrap()], &[Arc::clone(&algorithm)]);
    let config = HostConfig {
        engine: Config {
            sizing: Sizing { first: UNIT, least: UNIT, most: UNIT, ..Sizing::default() },
            ..Config::default()
        },
        care: Care { slow_after: NEVER, stuck_after: NEVER, ..Care::default() },
        report_every: NEVER,
    };
    let nonces = (WARM_UP + UNITS + AFTER) * UNIT;
    let job = Job {
        key: 1,
        name: String::new(),
        algorithm,
        target: Target([0; 32]),
        clean: true,
        space: Arc::new(Rolls { salt: 1, rolls: 1 }),
        first_roll: 0,
        nonces: NonceRange { start: 0, end: nonces.into() },
    };
    let host = Host::new(config, plans.unwrap()).unwrap();
    let summary = host.run(Box::new(FixedSource(job)), &mut |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((summary.hashes, summary.solutions), (nonces, 0));
    let mark = |mark: &OnceLock<u64>| *mark.get().expect("a unit begins there");
    assert!(mark(&marks.first) > 0, "the allocator counts");
    assert_eq!(mark(&marks.last) - mark(&marks.first), 0, "allocations in {UNITS} units");
}
