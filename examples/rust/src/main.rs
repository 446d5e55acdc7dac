//! The smallest helper written with the SDK: it hashes on the CPU what a real one hashes on its device.
//!
//! Try it: `adit conform -- target/debug/adit-example-helper`.

#![forbid(unsafe_code)]

use std::process::exit;

use adit_blake2s_kda::Blake2sKda;
use adit_helper::{Hello, Helper, JobCopy, Search, UnitStatus};
use adit_plugin::{Algorithm, Searcher, Target};
use adit_sha256d::Sha256d;

const ALGORITHMS: [&dyn Algorithm; 2] = [&Sha256d, &Blake2sKda];

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
    exit(helper.serve(&mut Device(None)).exit_code());
}

/// What the device hashes now, once there is a job.
struct Device(Option<(u32, Box<dyn Searcher>)>);

impl Search for Device {
    fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus> {
        let algorithm = ALGORITHMS.into_iter().find(|algorithm| algorithm.id() == job.algorithm);
        let algorithm = algorithm.ok_or(UnitStatus::UnknownAlgorithm)?;
        let layout = algorithm.layout();
        if (layout.nonce_offset, layout.nonce_width) != (job.nonce_offset, job.nonce_width) {
            return Err(UnitStatus::Invalid);
        }
        if self.0.as_ref().is_none_or(|(id, _)| *id != job.algorithm) {
            self.0 = Some((job.algorithm, algorithm.searcher()));
        }
        let (_, searcher) = self.0.as_mut().ok_or(UnitStatus::Failed)?;
        searcher.set_job(job.header(), &Target(job.target)).map_err(|_| UnitStatus::Invalid)
    }

    fn search(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut dyn FnMut(u64, [u8; 32]),
    ) -> Result<(), UnitStatus> {
        let (_, searcher) = self.0.as_mut().ok_or(UnitStatus::Failed)?;
        searcher.search(start, last, &mut |nonce, digest| hits(nonce, digest.0));
        Ok(())
    }
}
