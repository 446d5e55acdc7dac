//! `adit bench`: how fast the parts are on this machine, beside floors and beside others.

mod channel;
mod device;
mod hash;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::Bench;

pub fn run(bench: &Bench) -> Result<ExitCode> {
    match bench {
        Bench::Channel(arguments) => channel::run(arguments),
        Bench::Hash(arguments) => hash::run(arguments),
        Bench::Device(arguments) => device::run(arguments),
        Bench::ChannelEnd => {
            adit_bench_channel::worker::serve()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
