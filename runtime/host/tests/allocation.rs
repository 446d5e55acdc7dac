//! A unit costs no allocation once everything has its room.

#[path = "simulation/toy.rs"]
#[allow(dead_code, reason = "the simulator uses all of it")]
mod toy;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Duration,
};

use adit_channel::session::UnitStatus;
use adit_host::{
    engine::{Action, Config, Engine, Event},
    job::{Job, NonceRange},
};
use adit_plugin::Target;
use toy::{Rolls, WIDE};

const WARM_UP: u64 = 100;
const UNITS: u64 = 10_000;

thread_local! {
    /// Allocations of this thread; others, such as the test harness, do not count.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting.
struct Counting;

// SAFETY: everything is the system's; the count touches no memory that is allocated.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps dealloc's contract, and all memory is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps realloc's contract, and all memory is the system's.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Ends the unit that was sent first; a second is always out.
fn end_one(
    engine: &mut Engine,
    held: &mut [u64; 2],
    counts: &mut [u64; 2],
    now: Duration,
    actions: &mut Vec<Action>,
) {
    let event = Event::Done { device: 0, unit: held[0], status: UnitStatus::Complete, hashes: counts[0] };
    engine.step(event, now, actions);
    (held[0], counts[0]) = (held[1], counts[1]);
    for action in actions.drain(..) {
        match action {
            Action::Send { assignment, .. } => {
                (held[1], counts[1]) = (assignment.unit, assignment.nonce_count)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn units_are_sent_and_ended_without_allocating() {
    let mut engine = Engine::new(Config::default());
    let mut actions = Vec::with_capacity(16);
    engine.step(
        Event::DeviceUp { device: 0, trusted: true, preferred_unit: 0 },
        Duration::ZERO,
        &mut actions,
    );
    let job = Job {
        key: 1,
        name: String::new(),
        algorithm: Arc::new(WIDE),
        target: Target([0; 32]),
        clean: true,
        space: Arc::new(Rolls { salt: 1, rolls: 1 }),
        first_roll: 0,
        nonces: NonceRange { start: 0, end: 1 << 64 },
    };
    engine.step(Event::Job(job), Duration::ZERO, &mut actions);
    let mut sent = actions.drain(..).map(|action| match action {
        Action::Send { assignment, .. } => (assignment.unit, assignment.nonce_count),
        other => panic!("{other:?}"),
    });
    let (first, second) = (sent.next().unwrap(), sent.next().unwrap());
    drop(sent);
    let (mut held, mut counts) = ([first.0, second.0], [first.1, second.1]);
    let mut now = Duration::ZERO;
    let mut run = |units: u64, actions: &mut Vec<Action>| {
        let before = ALLOCATIONS.get();
        for _ in 0..units {
            now += Duration::from_millis(150);
            end_one(&mut engine, &mut held, &mut counts, now, actions);
        }
        ALLOCATIONS.get() - before
    };
    run(WARM_UP, &mut actions);
    assert_eq!(run(UNITS, &mut actions), 0);
    assert!(ALLOCATIONS.get() > 0, "the allocator counts");
}
