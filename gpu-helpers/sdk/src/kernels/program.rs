//! The program around a [`Launcher`]: arguments, tests, hello, exit status.
//!
//! ```text
//! adit-helper-API list                one JSON object a line for each device of this machine
//! adit-helper-API run [DEVICE] ...    works for the host that started it, on the device with that number (0)
//!     --launch-us N                   how long a launch should take, in microseconds (3000)
//!     --statistics                    logs at the end what was launched and copied back
//! ```
//!
//! Exit status: 0 when the host said stop, 1 when the host is gone, 2 for bad arguments or no session, 3 for another
//! layout version, 4 when no algorithm passes its tests here, 5 when the device failed or has no memory left for any,
//! 6 when there is nothing to list because no driver for this API is installed.

use std::{fmt, process::exit, time::Duration};

use adit_channel::session::{Hello, LogLevel};
use serde_json::Value;

use super::{Bundle, Failure, Kernels, Launcher, Offer, Options, offer, serve};
use crate::Helper;

/// A device API as a program needs it.
pub trait Devices {
    /// What drives a device.
    type Launcher: Launcher;

    /// The program's name, such as `adit-helper-opencl`.
    const NAME: &'static str;

    /// An object for each device, with at least `number` and `name`.
    ///
    /// # Errors
    /// [`Unlisted`].
    fn list() -> Result<Vec<Value>, Unlisted>;

    /// Opens the device with a number that [`list`](Self::list) gave, and says its name.
    ///
    /// # Errors
    /// [`Failure`].
    fn open(number: usize) -> Result<(String, Self::Launcher), Failure>;
}

/// There is no list of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// No driver for this API is installed; what to install. Nobody who did not ask for the API need hear of it.
    NoDriver(String),
    /// There is one, and it cannot be used; says why.
    Failed(String),
}

impl Unlisted {
    /// spec: KRN-5.5
    fn status(&self) -> i32 {
        match self {
            Self::NoDriver(_) => 6,
            Self::Failed(_) => 5,
        }
    }
}

impl fmt::Display for Unlisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDriver(text) | Self::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Unlisted {}

/// Runs the program.
pub fn main<D: Devices>() -> ! {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => list::<D>(),
        [] => run::<D>(0, Options::default()),
        ["run", rest @ ..] => match run_options(rest) {
            Ok((number, options)) => run::<D>(number, options),
            Err(word) => end::<D>(2, &format!("{word:?} is not understood; {}", usage(D::NAME))),
        },
        _ => end::<D>(2, &usage(D::NAME)),
    }
}

fn usage(name: &str) -> String {
    format!("usage: {name} list | run [DEVICE] [--launch-us N] [--statistics]")
}

/// The device's number and how it is kept full, or the word that is wrong. spec: KRN-5.3
fn run_options<'a>(mut words: &[&'a str]) -> Result<(usize, Options), &'a str> {
    let (mut number, mut options) = (0, Options::default());
    if let [first, rest @ ..] = words
        && !first.starts_with("--")
    {
        number = first.parse().map_err(|_| *first)?;
        words = rest;
    }
    while let [word, rest @ ..] = words {
        words = match (*word, rest) {
            ("--statistics", rest) => {
                options.statistics = true;
                rest
            }
            ("--launch-us", [value, rest @ ..]) => {
                let microseconds: u64 = value.parse().map_err(|_| *value)?;
                options.launch = Duration::from_micros(microseconds.clamp(1, 10_000_000));
                rest
            }
            _ => return Err(word),
        };
    }
    Ok((number, options))
}

fn end<D: Devices>(status: i32, text: &str) -> ! {
    eprintln!("{}: {text}", D::NAME);
    exit(status)
}

fn list<D: Devices>() -> ! {
    match D::list() {
        Ok(devices) => devices.iter().for_each(|device| println!("{device}")),
        Err(error) => end::<D>(error.status(), &error.to_string()),
    }
    exit(0)
}

fn run<D: Devices>(number: usize, options: Options) -> ! {
    let bundle = Bundle::from_environment().unwrap_or_else(|error| end::<D>(2, &error.to_string()));
    let mut helper =
        Helper::connect().unwrap_or_else(|error| end::<D>(crate::exit_code(&error), &error.to_string()));
    // The device alone, and no list: what ails another is no reason to end.
    let (name, mut launcher) =
        D::open(number).unwrap_or_else(|failure| end::<D>(5, &format!("device {number}: {failure}")));
    let Tested { offered, complaints, no_room } = test_all::<D>(&mut launcher, bundle.algorithms);
    if offered.is_empty() {
        // Memory that another program has may be free later, so that is no verdict on the device.
        let status = if no_room { 5 } else { 4 };
        end::<D>(status, &format!("no algorithm passes its tests on {name}: {}", complaints.join("; ")));
    }
    helper.hello(&Hello { name: D::NAME, device: &name, language: "Rust", preferred_unit: 0 });
    for complaint in &complaints {
        helper.session().log(LogLevel::Warn, complaint);
    }
    match serve(helper.session(), &mut launcher, &offered, options) {
        Ok(ended) => exit(crate::Exit(ended).exit_code()),
        Err(failure) => end::<D>(5, &failure.to_string()),
    }
}

/// What came of the tests.
#[derive(Default)]
struct Tested {
    /// The algorithms that pass.
    offered: Vec<Kernels>,
    /// What there is to say of the others.
    complaints: Vec<String>,
    /// Whether one of them was not tested for want of memory.
    no_room: bool,
}

/// spec: KRN-1.3
fn test_all<D: Devices>(launcher: &mut D::Launcher, algorithms: Vec<Kernels>) -> Tested {
    let mut tested = Tested::default();
    let complaints = &mut tested.complaints;
    for kernels in algorithms {
        match offer(launcher, &kernels) {
            Ok(Offer::Passed) => tested.offered.push(kernels),
            Ok(Offer::NoSource) => {
                complaints.push(format!("{} has no kernels for {}", kernels.name, launcher.api().name()));
            }
            Ok(Offer::NoRoom(why)) => {
                tested.no_room = true;
                complaints.push(format!("{} is left out: {why}", kernels.name));
            }
            Ok(Offer::Failed(why)) => complaints.push(format!("{} is left out: {why}", kernels.name)),
            Err(failure) => end::<D>(5, &format!("{}: {failure}", kernels.name)),
        }
    }
    tested
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_run_are_read_or_named() {
        let (number, options) = run_options(&[]).unwrap();
        assert_eq!((number, options.launch, options.statistics), (0, Options::default().launch, false));
        let (number, options) = run_options(&["3", "--launch-us", "500", "--statistics"]).unwrap();
        assert_eq!((number, options.launch.as_micros(), options.statistics), (3, 500, true));
        for (words, wrong) in [
            (vec!["x"], "x"),
            (vec!["1", "2"], "2"),
            (vec!["--launch-us"], "--launch-us"),
            (vec!["--launch-us", "-1"], "-1"),
        ] {
            assert_eq!(run_options(&words).unwrap_err(), wrong);
        }
    }
}
