//! A device whose host writes anything into its region, before it attaches and after.
#![no_main]

use std::{sync::Arc, time::Duration};

use adit_channel::session::{Backing, DeviceSession, Hello, HostSession, JobCopy, PeerRegions, Sizes};
use adit_fuzz::{Input, scribble};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let sizes = Sizes { board_slots: 2, work_slots: 4, solution_slots: 4, heartbeat_ms: 10 };
    let (_host, regions) = HostSession::new(1, sizes, &Backing::Heap).expect("memory");
    let PeerRegions::Mapped { host_region, device_region } = regions else {
        unreachable!("it is on the heap")
    };
    if input.below(2) == 0 {
        scribble(&host_region, &mut input);
    }
    let mut device = match DeviceSession::attach(Arc::clone(&host_region), device_region) {
        Ok(device) => device,
        Err(error) => return drop(error.to_string()),
    };
    // Else a full ring is waited for without an end.
    device.watch_host(|| false);
    device.hello(&Hello { name: "fuzzed", device: "none", language: "Rust", preferred_unit: 0 });
    let mut job = JobCopy::default();
    while !input.is_empty() {
        scribble(&host_region, &mut input);
        let _ = (device.control(), device.live_generation(), device.heartbeat_interval());
        match input.below(4) {
            0 => drop(device.solution(input.word(), input.word(), [1; 32])),
            1 => device.beat(),
            way => {
                let unit = match way {
                    2 => device.try_next_unit(),
                    _ => device.next_unit(Duration::ZERO),
                };
                match unit {
                    Ok(Some(unit)) => {
                        let _ = unit.last_nonce();
                        if device.read_job(&unit, &mut job).is_ok() {
                            assert!(job.nonce_offset + job.nonce_width <= job.header().len());
                        }
                    }
                    Ok(None) => {}
                    Err(error) => return drop(error.to_string()),
                }
            }
        }
    }
});
