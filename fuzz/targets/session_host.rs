//! A host whose device writes anything into its region.
#![no_main]

use std::time::Duration;

use adit_channel::session::{Backing, Board, ControlState, HostSession, PeerRegions, Sizes, Unit};
use adit_fuzz::{Input, scribble};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let sizes = Sizes { board_slots: 2, work_slots: 4, solution_slots: 4, heartbeat_ms: 10 };
    let (mut host, regions) = HostSession::new(1, sizes, &Backing::Heap).expect("memory");
    let PeerRegions::Mapped { device_region, .. } = regions else { unreachable!("it is on the heap") };
    while !input.is_empty() {
        scribble(&device_region, &mut input);
        match input.below(8) {
            0 => {
                let board = Board {
                    generation: 1,
                    algorithm: 1,
                    header: &[0; 80],
                    nonce_offset: 76,
                    nonce_width: 4,
                    target: [1; 32],
                };
                host.publish(&board).expect("a board that is one");
            }
            1 => {
                let unit = Unit { board_slot: 0, generation: 1, unit_id: 1, nonce_start: 0, nonce_count: 1 };
                let _ = host.send(&unit);
            }
            2 => drop(host.check_peer()),
            3 => drop(host.hello().map(|hello| format!("{hello:?}"))),
            4 => drop(format!("{:?}", host.status())),
            5 => host.set_control(ControlState::Pause),
            6 => drop(host.wait(Duration::ZERO)),
            _ => {
                for _ in 0..10 {
                    match host.poll() {
                        Ok(Some(message)) => drop(format!("{message:?}")),
                        Ok(None) => break,
                        Err(error) => return drop(error.to_string()),
                    }
                }
            }
        }
    }
});
