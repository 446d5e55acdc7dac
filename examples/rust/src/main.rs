//! The smallest helper written with the SDK: it hashes on the CPU what a real one hashes on its device.
//!
//! Try it: `adit conform -- target/debug/adit-example-helper`.

#![forbid(unsafe_code)]

use std::{collections::HashMap, process::exit};

use adit_blake2s_kda::Blake2sKda;
use adit_helper::{Hello, Helper, JobCopy, Search, UnitStatus};
use adit_plugin::{Algorithm, Searcher, Target};
use adit_sha256d::Sha256d;

fn main() {
    let mut helper = Helper::connect().unwrap_or_else(|error| {
        eprintln!("adit-example-helper: {error}");
        exit(adit_helper::exit_code(&error));
    });
    helper.hello(&Hello {
        name: "example helper",
        device: "one CPU thread",
        language: "Rust",
        preferred_unit: 0,
    });
    exit(helper.serve(&mut Device::new()).exit_code());
}

/// Every algorithm this device can hash, and the one it hashes now.
struct Device {
    searchers: HashMap<u32, Box<dyn Searcher>>,
    current: u32,
}

impl Device {
    fn new() -> Self {
        let algorithms: [&dyn Algorithm; 2] = [&Sha256d, &Blake2sKda];
        let searchers = algorithms.map(|algorithm| (algorithm.id(), algorithm.searcher()));
        Self { searchers: searchers.into(), current: 0 }
    }
}

impl Search for Device {
    fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus> {
        let searcher = self.searchers.get_mut(&job.algorithm).ok_or(UnitStatus::UnknownAlgorithm)?;
        self.current = job.algorithm;
        searcher.set_job(job.header(), &Target(job.target)).map_err(|_| UnitStatus::Invalid)
    }

    fn search(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
    ) -> Result<(), UnitStatus> {
        let searcher = self.searchers.get_mut(&self.current).ok_or(UnitStatus::Failed)?;
        searcher.search(start, last, &mut |nonce, digest| hits(nonce, digest.0));
        Ok(())
    }
}
