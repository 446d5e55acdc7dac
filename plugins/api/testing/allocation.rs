//! What the tests that a search allocates nothing share: once it exists, whatever it finds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use adit_plugin::{Algorithm, Target};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// This thread's: that of the test harness allocates when it likes. Needs no allocation itself, and nothing dropped.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// No variant allocates for jobs, nor for searching `start ..= last`; each is to find `start ..= last` when all digests
/// are hits.
pub fn none(algorithm: &dyn Algorithm, start: u64, last: u64) {
    let header = vec![7; algorithm.layout().header_len];
    for variant in algorithm.variants().into_iter().filter(|variant| variant.supported) {
        let mut searcher = algorithm.searcher_of(variant.name).unwrap();
        let before = ALLOCATIONS.get();
        let mut found = 0;
        for target in [Target::MAX, Target::from_zero_bits(4), Target([0; 32])] {
            searcher.set_job(&header, &target).unwrap();
            searcher.search(start, last, &mut |_, _| found += 1);
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{}", variant.name);
        assert!(found > last - start, "{}: {found}", variant.name);
    }
}
