//! A search allocates nothing once it exists, whatever it finds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_plugin::{Algorithm, Target};
use adit_sha256d::Sha256d;

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
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

// One test in this file: another would allocate beside it.
#[test]
fn jobs_and_searches_do_not_allocate() {
    for variant in Sha256d.variants().into_iter().filter(|variant| variant.supported) {
        let mut searcher = Sha256d.searcher_of(variant.name).unwrap();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let mut found = 0;
        for target in [Target::MAX, Target::from_zero_bits(4), Target([0; 32])] {
            searcher.set_job(&[7; 80], &target).unwrap();
            searcher.search(0xffff - 500, 0x1_0000 + 500, &mut |_, _| found += 1);
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{}", variant.name);
        assert!(found > 1002, "{}: {found}", variant.name);
    }
}
