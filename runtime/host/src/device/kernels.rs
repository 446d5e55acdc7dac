//! The bundle: what every algorithm brings for helpers that run kernels. spec: KRN-1.1, KRN-1.2

use std::{os::fd::OwnedFd, sync::Arc};

use adit_plugin::{Algorithm, DevBlock, Digest, Target, kernels::Kernels};
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::Errno,
};
use serde_json::{Value, json};

use crate::hex;

/// The version of the kernel ABI.
const VERSION: u32 = 1;

/// Hits that the first self-test of an algorithm has, on average.
const TEST_HITS: u32 = 8;

/// From so many test nonces on, another test has a hit at each, and more hits than results hold.
const CROWDED: u32 = 300;

/// Of so many nonces the least digest is the target of the last test.
const EXACT: u32 = 256;

/// The bundle of the algorithms that have kernels; `None`: none has.
///
/// Works out the answers of the self-tests with each algorithm's own digest: some milliseconds each.
#[must_use]
pub fn bundle(algorithms: &[Arc<dyn Algorithm>]) -> Option<String> {
    let entries: Vec<Value> = algorithms
        .iter()
        .filter_map(|algorithm| Some(entry(algorithm.as_ref(), &algorithm.kernels()?)))
        .collect();
    (!entries.is_empty()).then(|| json!({ "adit_kernels": VERSION, "algorithms": entries }).to_string())
}

/// A file that holds a bundle and never changes, to be inherited.
///
/// # Errors
/// The system's.
pub fn file(bundle: &str) -> Result<OwnedFd, Errno> {
    let file = memfd_create("adit-kernels", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = bundle.as_bytes();
    while !rest.is_empty() {
        let count = rustix::io::write(&file, rest)?;
        rest = &rest[count..];
    }
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
    Ok(file)
}

fn entry(algorithm: &dyn Algorithm, kernels: &Kernels) -> Value {
    let layout = algorithm.layout();
    json!({
        "name": algorithm.name(), "id": algorithm.id(),
        "header_len": layout.header_len, "nonce_offset": layout.nonce_offset, "nonce_width": layout.nonce_width,
        "constants": kernels.constants, "scratch": kernels.scratch, "group": kernels.group, "lanes": kernels.lanes,
        "operations": kernels.operations,
        "sources": { "opencl": kernels.opencl(), "cuda": kernels.cuda(), "wgpu": kernels.wgpu() },
        "self_test": self_tests(algorithm, kernels),
    })
}

/// From nonce 0; over the carry into the nonce's upper half, or up to its end; and, where hashes are cheap, with a
/// hit at every nonce.
fn self_tests(algorithm: &dyn Algorithm, kernels: &Kernels) -> Vec<Value> {
    let count = kernels.test_nonces.max(1);
    // One that not every digest meets, however few there are.
    let target = Target::from_zero_bits((count / TEST_HITS).max(2).ilog2());
    let half = u64::from(count / 2);
    let carry = (1_u64 << 32) - half;
    let over = if algorithm.layout().nonce_width == 8 { (carry, count) } else { (carry, half as u32) };
    let test = |target: &Target, start, count| {
        self_test(algorithm, &header(algorithm, target, start), target, start, count)
    };
    let mut tests = vec![test(&target, 0, count)];
    tests.extend((over.1 > 0).then(|| test(&target, over.0, over.1)));
    tests.extend((count >= CROWDED).then(|| test(&Target::MAX, 1, CROWDED)));
    // The least digest of some is itself the target: one that is equal is a hit, and no other.
    let (first, few) = (header(algorithm, &target, 0), count.min(EXACT));
    let least = digests(algorithm, &first, 0, few).map(|(_, digest)| Target(digest.0)).min();
    tests.extend(least.map(|least| self_test(algorithm, &first, &least, 0, few)));
    tests
}

fn header(algorithm: &dyn Algorithm, target: &Target, roll: u64) -> Vec<u8> {
    algorithm.dev_header(&DevBlock { parent: &Digest([0x5a; 32]), height: 1, time_us: 1 << 50, roll, target })
}

/// So many nonces and their digests.
fn digests(
    algorithm: &dyn Algorithm,
    header: &[u8],
    start: u64,
    count: u32,
) -> impl Iterator<Item = (u64, Digest)> {
    let mut filled = header.to_vec();
    (start..start + u64::from(count)).filter_map(move |nonce| {
        algorithm.layout().set_nonce(&mut filled, nonce);
        Some((nonce, algorithm.digest(&filled).ok()?))
    })
}

fn self_test(algorithm: &dyn Algorithm, header: &[u8], target: &Target, start: u64, count: u32) -> Value {
    let hits = digests(algorithm, header, start, count).filter(|(_, digest)| digest.meets(target));
    let hits =
        hits.map(|(nonce, digest)| json!({ "nonce": nonce.to_string(), "digest": hex::encode(&digest.0) }));
    let hits: Vec<_> = hits.collect();
    json!({
        "header": hex::encode(header), "target": target.to_string(), "start": start.to_string(),
        "count": count.to_string(), "hits": hits,
    })
}
