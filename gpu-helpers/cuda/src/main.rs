//! `adit-helper-cuda`: one process for each NVIDIA GPU; runs the kernels that algorithms bring.
//!
//! Its command line and exit status are those of every GPU helper: [`adit_helper::kernels::program`]. Driver and
//! compiler are loaded when they are needed: without them it says what is missing.

mod compile;
mod device;
mod launcher;
mod live;
mod sensors;
mod xid;

use adit_helper::kernels::{
    Failure,
    program::{self, Unlisted},
};
use serde_json::Value;

use crate::launcher::Launcher;

/// What it is called where it complains.
const NAME: &str = "adit-helper-cuda";

struct Cuda;

impl program::Devices for Cuda {
    type Launcher = Launcher;

    const NAME: &'static str = NAME;

    fn list() -> Result<Vec<Value>, Unlisted> {
        device::list()
    }

    fn open(number: usize) -> Result<(String, Launcher), Failure> {
        let gpu = device::open(number)?;
        Ok((gpu.name.clone(), Launcher::new(gpu)?))
    }
}

fn main() {
    program::main::<Cuda>();
}
