//! A bundle of kernels.
#![no_main]

use adit_helper::kernels::Bundle;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(error) = Bundle::parse(data) {
        drop(error.to_string());
    }
});
