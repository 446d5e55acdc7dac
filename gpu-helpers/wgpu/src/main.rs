//! `adit-helper-wgpu`: one process for each device that Vulkan knows; runs the kernels that algorithms bring.
//!
//! Its command line and exit status are those of every GPU helper: [`adit_helper::kernels::program`]. The Vulkan
//! loader is looked for when it is needed: without it the helper says what is missing.

mod adapter;
mod kernels;
mod lane;
mod launcher;

use adit_helper::kernels::{
    Failure,
    program::{self, Unlisted},
};
use serde_json::Value;

use crate::launcher::Launcher;

struct Wgpu;

impl program::Devices for Wgpu {
    type Launcher = Launcher;

    const NAME: &'static str = "adit-helper-wgpu";

    fn list() -> Result<Vec<Value>, Unlisted> {
        let adapters = adapter::all().map_err(Unlisted::NoDriver)?;
        Ok(adapters.iter().enumerate().map(|(number, found)| found.to_json(number)).collect())
    }

    fn open(number: usize) -> Result<(String, Launcher), Failure> {
        let mut adapters = adapter::all().map_err(Failure::Device)?;
        if number >= adapters.len() {
            return Err(Failure::Device("it is gone".into()));
        }
        let found = adapters.swap_remove(number);
        Ok((found.name.clone(), Launcher::new(&found)?))
    }
}

fn main() {
    // Mesa's layer that puts a desktop's device first: here all are wanted, in an order that stays, and without its
    // complaints where there is no desktop.
    // SAFETY: no other thread is there that could look.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    program::main::<Wgpu>();
}
