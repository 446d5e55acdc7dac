//! The `adit` command.

#![forbid(unsafe_code)]

#[macro_use]
mod output;

mod algorithms;
mod arguments;
mod aside;
mod bench;
mod channels;
mod choices;
mod conform;
mod devices;
mod files;
mod mine;
mod screen;
mod search;
mod status;
mod tune;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};

/// What a user or a file got wrong: exit status 2, as clap's own.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let result = match command {
        Command::Mine(arguments) => mine::run(&arguments),
        Command::Search(arguments) => search::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Devices(arguments) => devices::devices(&arguments),
        Command::Topology(arguments) => devices::topology(&arguments),
        Command::Channels(arguments) => channels::run(&arguments),
        Command::Bench(bench) => bench::run(&bench),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Conform(arguments) => conform::run(&arguments),
        Command::Kernels(arguments) => devices::kernels(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            complain!("{error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
