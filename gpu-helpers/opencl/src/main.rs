//! `adit-helper-opencl`: one process for each OpenCL device; runs the kernels that algorithms bring.
//!
//! Its command line and exit status are those of every GPU helper: [`adit_helper::kernels::program`].

mod device;
mod launcher;
mod rhythm;

use adit_helper::kernels::{
    Failure,
    program::{self, Unlisted},
};
use serde_json::Value;

use crate::launcher::Launcher;

/// What it is called, and what its messages begin with.
const NAME: &str = "adit-helper-opencl";

struct OpenCl;

impl program::Devices for OpenCl {
    type Launcher = Launcher;

    const NAME: &'static str = NAME;

    fn list() -> Result<Vec<Value>, Unlisted> {
        Ok(device::all()?.iter().enumerate().map(|(number, found)| found.to_json(number)).collect())
    }

    fn open(number: usize) -> Result<(String, Launcher), Failure> {
        let mut devices = device::all().map_err(|error| Failure::Device(error.to_string()))?;
        if number >= devices.len() {
            return Err(Failure::Device("it is gone".into()));
        }
        let found = devices.swap_remove(number);
        Ok((found.name.clone(), Launcher::new(&found)?))
    }
}

fn main() {
    program::main::<OpenCl>();
}
