//! All that is read from sockets and files: the first byte says as what.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((what, bytes)) = data.split_first() else { return };
    adit_channel::fuzzing::read(*what, bytes);
});
