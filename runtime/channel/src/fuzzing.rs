//! For fuzzing: all that is read from sockets and files, by the code that reads it.

use std::sync::{Arc, atomic::Ordering};

use adit_memory::Region;

use crate::{
    inspect::Snapshot,
    lane::{self, MessageKind, Mode, Side, Spec},
    transport::{ipc, kept, net, udp},
    uri::Uri,
};

/// Reads `bytes` as what `what` says; an answer of any kind is good, a panic is not.
pub fn read(what: u8, bytes: &[u8]) {
    match what % 8 {
        0 => ipc::fuzz(bytes),
        1 => {
            if let Ok(snapshot) = Snapshot::from_bytes(bytes) {
                let _ = (snapshot.sent(), snapshot.received(), snapshot.drops(), snapshot.depth_most());
            }
        }
        2 => kept::fuzz(bytes),
        3 => net::fuzz_frames(bytes),
        4 => net::fuzz_hello(bytes),
        5 => udp::fuzz(bytes),
        6 => lane_header(bytes),
        _ => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                let _ = text.parse::<Uri>().map_err(|error| error.to_string());
            }
        }
    }
}

/// Bytes that replace those of a good header, from where the first of them says.
fn lane_header(bytes: &[u8]) {
    let Some((at, bytes)) = bytes.split_first() else { return };
    let spec = Spec { mode: Mode::Mpsc, capacity: 64, kind: MessageKind::bytes() };
    for side in [Side::Writer, Side::Reader] {
        let region = Arc::new(Region::heap(lane::writer_size(spec.capacity)).expect("memory"));
        lane::write_header(&region, side, &spec);
        let page = lane::HeaderWords::new(Arc::clone(&region));
        for (word, value) in bytes.chunks_exact(8).enumerate() {
            let at = (usize::from(*at) + word) % 8 * 8;
            let value = u64::from_le_bytes(value.try_into().expect("eight bytes"));
            page.word(at).store(value, Ordering::Relaxed);
        }
        let _ = lane::check_header(&region, side, &spec);
    }
}
