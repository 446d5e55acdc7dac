//! Where a channel's memory is: asked for, and reported as the kernel says. What needs two NUMA nodes is shown on
//! a machine that has them, by `cargo xtask numa-test`.

use adit_channel::{Builder, Channel, Pages, Placement};
use adit_memory::current_node;

fn both(test: &str) -> (tempfile::TempDir, [Builder; 2]) {
    let house = tempfile::tempdir().unwrap();
    let memory = Channel::builder(&format!("memory://placement-{test}")).unwrap();
    let ipc = Channel::builder("ipc://placement").unwrap().directory(house.path().join("adit"));
    (house, [memory, ipc])
}

#[test]
fn a_ring_is_on_a_node_that_the_sender_can_tell() {
    let (_house, builders) = both("node");
    for builder in builders {
        let mut receiver = builder.receiver().unwrap();
        for placement in [Placement::NearReceiver, Placement::NearSender, Placement::Node(0)] {
            let sender = builder.clone().placement(placement).sender().unwrap();
            let report = sender.placement();
            assert!(report.node.is_some(), "{report:?}");
            if placement == Placement::Node(0) {
                assert_eq!(report.node, Some(0), "{report:?}");
            } else if std::fs::read_dir("/sys/devices/system/node/node1").is_err() {
                assert_eq!(report.node, current_node());
            }
            receiver.wait_for_sender(std::time::Duration::from_secs(5));
            assert_eq!(receiver.placements()[0].node, report.node);
            drop(sender);
            assert!(receiver.read().is_err(), "closed");
        }
    }
}

#[test]
fn a_node_that_is_not_there_is_a_note() {
    let (_house, builders) = both("wish");
    for builder in builders {
        let _receiver = builder.receiver().unwrap();
        let sender = builder.node(900).sender().unwrap();
        assert!(sender.placement().notes.iter().any(|note| note.contains("node 900")));
        assert!(sender.placement().node.is_some());
    }
}

#[test]
fn huge_pages_are_used_or_it_is_said_why_not() {
    let (_house, builders) = both("pages");
    for builder in builders {
        for pages in [Pages::Transparent, Pages::Huge2M] {
            let builder = builder.clone().capacity(1 << 21).huge_pages(pages);
            let mut receiver = builder.receiver().unwrap();
            let mut sender = builder.sender().unwrap();
            let report = sender.placement();
            assert_eq!(report.asked, pages);
            assert!(report.got == pages || !report.notes.is_empty(), "{report:?}");
            for number in 0..100_u64 {
                sender.try_send(&[number as u8; 20_000]).unwrap();
                assert_eq!(receiver.read().unwrap().unwrap().to_vec(), [number as u8; 20_000]);
            }
        }
    }
}
