//! `adit-helper-opencl`: one process for each OpenCL device; runs the kernels that algorithms bring.
//!
//! ```text
//! adit-helper-opencl list              one JSON object a line for each device of this machine
//! adit-helper-opencl run [DEVICE]      works for the host that started it, on the device with that number (0)
//! ```
//!
//! It finds its session and the kernels as `docs/spec/session.md` and `docs/spec/kernel.md` say. Exit status: 0 when
//! the host said stop, 1 when the host is gone, 2 for bad arguments or no session, 3 for another layout version, 4
//! when no algorithm passes its tests here, 5 when the device failed.

mod cache;
mod device;
mod launcher;

use std::process::exit;

use adit_helper::{
    Hello, Helper, LogLevel,
    kernels::{Bundle, Kernels, Launcher as _, Offer, Options, offer, serve},
};

use crate::launcher::Launcher;

const USAGE: &str = "usage: adit-helper-opencl list | run [DEVICE]";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => list(),
        [] | ["run"] => run(0),
        ["run", number] => match number.parse() {
            Ok(number) => run(number),
            Err(_) => end(2, &format!("{number:?} is not a device number; {USAGE}")),
        },
        _ => end(2, USAGE),
    }
}

fn end(status: i32, text: &str) -> ! {
    eprintln!("adit-helper-opencl: {text}");
    exit(status)
}

fn list() {
    match device::all() {
        Ok(devices) => {
            devices.iter().enumerate().for_each(|(number, found)| println!("{}", found.to_json(number)))
        }
        Err(error) => end(5, &error),
    }
}

fn run(number: usize) {
    let bundle = Bundle::from_environment().unwrap_or_else(|error| end(2, &error.to_string()));
    let devices = device::all().unwrap_or_else(|error| end(5, &error));
    let Some(found) = devices.get(number) else {
        end(2, &format!("there is no OpenCL device {number}; this machine has {}", devices.len()));
    };
    let mut helper =
        Helper::connect().unwrap_or_else(|error| end(adit_helper::exit_code(&error), &error.to_string()));
    let mut launcher = Launcher::new(found).unwrap_or_else(|failure| end(5, &failure.to_string()));
    let (offered, complaints) = test_all(&mut launcher, bundle.algorithms);
    if offered.is_empty() {
        end(4, &format!("no algorithm passes its tests on {}: {}", found.name, complaints.join("; ")));
    }
    helper.hello(&Hello {
        name: "adit-helper-opencl",
        device: &found.name,
        language: "Rust",
        preferred_unit: 0,
    });
    for complaint in &complaints {
        helper.session().log(LogLevel::Warn, complaint);
    }
    match serve(helper.session(), &mut launcher, &offered, Options::default()) {
        Ok(ended) => exit(adit_helper::Exit(ended).exit_code()),
        Err(failure) => end(5, &failure.to_string()),
    }
}

/// The algorithms that pass their tests, and what there is to say of the others. spec: KRN-1.3
fn test_all(launcher: &mut Launcher, algorithms: Vec<Kernels>) -> (Vec<Kernels>, Vec<String>) {
    let (mut offered, mut complaints) = (Vec::new(), Vec::new());
    for kernels in algorithms {
        match offer(launcher, &kernels) {
            Ok(Offer::Passed) => offered.push(kernels),
            Ok(Offer::NoSource) => {
                complaints.push(format!("{} has no kernels for {}", kernels.name, launcher.api().name()));
            }
            Ok(Offer::Failed(why)) => complaints.push(format!("{} is left out: {why}", kernels.name)),
            Err(failure) => end(5, &failure.to_string()),
        }
    }
    (offered, complaints)
}
