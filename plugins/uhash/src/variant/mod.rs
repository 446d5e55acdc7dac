//! The variants of the search: one kernel for each set of instructions.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod aes_ni;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vaes;

use adit_plugin::Variants;
use adit_plugin::scratch::Scratch;
use adit_plugin::search::BatchSearch;

use crate::chains::Scratchpads;

/// All variants of this architecture.
pub(crate) static VARIANTS: Variants = Variants::new(&[
    #[cfg(target_arch = "x86_64")]
    (
        "avx512",
        || vaes::Vaes::detect().is_some(),
        || vaes::Vaes::detect().map(|m| BatchSearch::boxed(vaes::Kernel::new(m))),
    ),
    #[cfg(target_arch = "x86_64")]
    (
        "avx2",
        || aes_ni::AesNi::detect().is_some(),
        || aes_ni::AesNi::detect().map(|m| BatchSearch::boxed(aes_ni::Kernel::new(m))),
    ),
    ("portable", || true, || Some(BatchSearch::boxed(portable::Kernel::new(portable::Plain)))),
]);

/// The scratchpads of both groups.
type Pads<const NONCES: usize> = [Scratchpads<NONCES>; 2];

/// The memory of scratchpads, as what it is.
fn pads<const NONCES: usize>(scratch: &mut Scratch) -> &mut Pads<NONCES> {
    let bytes = scratch.bytes_mut();
    assert!(bytes.len() >= size_of::<Pads<NONCES>>());
    assert!(bytes.as_ptr().addr().is_multiple_of(align_of::<Pads<NONCES>>()));
    // SAFETY: long enough and aligned, as was just checked; any bytes are numbers; borrowed as long as the bytes.
    unsafe { &mut *bytes.as_mut_ptr().cast() }
}

/// Defines the kernel of a machine: the proof, memory for the scratchpads, and a function that is compiled for its
/// instructions.
macro_rules! kernel {
    ($machine:ty, $nonces:literal, $(#[$feature:meta])?) => {
        /// Nonces of a group; there are two.
        const NONCES: usize = $nonces;

        /// The proof that this CPU has the instructions, and memory for the scratchpads.
        pub(super) struct Kernel {
            machine: $machine,
            scratch: adit_plugin::scratch::Scratch,
        }

        impl Kernel {
            pub(super) fn new(machine: $machine) -> Self {
                let scratch = adit_plugin::scratch::Scratch::new(size_of::<super::Pads<NONCES>>());
                Self { machine, scratch }
            }
        }

        impl adit_plugin::search::Batch for Kernel {
            type Job = crate::job::Job;
            type Digests = [adit_plugin::Digest; 2 * NONCES];

            const GROUP: u64 = 2 * NONCES as u64;

            fn hash(
                &mut self,
                job: &crate::job::Job,
                first: u64,
                go_on: &mut dyn FnMut() -> bool,
            ) -> Option<Self::Digests> {
                #[allow(unused_unsafe)]
                // SAFETY: the machine exists, so `detect` has found its instructions.
                unsafe { hash(self.machine, job, (first, go_on), super::pads(&mut self.scratch)) }
            }

            fn scratch(&self) -> Option<adit_plugin::scratch::Pages> {
                Some(self.scratch.pages())
            }
        }

        $(#[$feature])?
        fn hash(
            machine: $machine,
            job: &crate::job::Job,
            (first, go_on): (u64, &mut dyn FnMut() -> bool),
            pads: &mut super::Pads<NONCES>,
        ) -> Option<[adit_plugin::Digest; 2 * NONCES]> {
            adit_plugin::lanes::align_frame();
            crate::round::hash::<_, NONCES, { 2 * NONCES }>(machine, job, (first, go_on), pads)
        }
    };
}
use kernel;

#[cfg(test)]
mod tests {
    use adit_plugin::search::Batch;

    use super::*;
    use crate::algorithm::number;
    use crate::job::Job;

    /// A kernel's first digest of a header of any length.
    fn digest(kernel: &mut impl Batch<Job = Job>, header: &[u8], nonce: u64) -> adit_plugin::Digest {
        kernel.hash(&Job::new(header), nonce, &mut || true).unwrap().as_ref()[0]
    }

    /// Calls a function with each kernel that works here.
    macro_rules! each_kernel {
        ($call:ident) => {
            $call("portable", &mut portable::Kernel::new(portable::Plain));
            #[cfg(target_arch = "x86_64")]
            if let Some(machine) = aes_ni::AesNi::detect() {
                $call("avx2", &mut aes_ni::Kernel::new(machine));
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(machine) = vaes::Vaes::detect() {
                $call("avx512", &mut vaes::Kernel::new(machine));
            }
        };
    }

    /// Header and nonce of an input: its last eight bytes, or, when it has fewer, some of its BLAKE3.
    fn split(input: &[u8]) -> (&[u8], u64) {
        match input.split_last_chunk() {
            Some((header, nonce)) => (header, u64::from_le_bytes(*nonce)),
            None => {
                let hash = blake3::hash(input);
                (&[], u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap()))
            }
        }
    }

    /// Holds a kernel against the vectors of `vectors/inputs.txt`.
    fn inputs(name: &str, kernel: &mut impl Batch<Job = Job>) {
        let mut count = 0;
        for line in include_str!("../../vectors/inputs.txt").lines().filter(|line| !line.starts_with('#')) {
            let (hex, expected) = line.split_once(' ').unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let input: Vec<u8> =
                if hex == "-" { Vec::new() } else { (0..hex.len()).step_by(2).map(byte).collect() };
            let (header, nonce) = split(&input);
            assert_eq!(digest(kernel, header, nonce), expected.parse().unwrap(), "{name}: {hex}");
            assert_eq!(number(uhash_core::hash(&input)), expected.parse().unwrap(), "{hex}");
            count += 1;
        }
        assert_eq!(count, 8);
    }

    /// Inputs that look random, of 0 to 300 bytes: `ADIT_UHASH_INPUTS` says how many, `ADIT_UHASH_SEED` gives others.
    fn random_inputs(name: &str, kernel: &mut impl Batch<Job = Job>) {
        let count = std::env::var("ADIT_UHASH_INPUTS").map_or(16, |count| count.parse().unwrap());
        let seed = std::env::var("ADIT_UHASH_SEED").unwrap_or_default();
        let mut source = blake3::Hasher::new().update(seed.as_bytes()).finalize_xof();
        let mut oracle = uhash_core::UniversalHash::new();
        for _ in 0..count {
            let mut input = [0; 302];
            source.fill(&mut input);
            let len = usize::from(u16::from_le_bytes([input[0], input[1]])) % 301;
            let input = &input[2..2 + len];
            let (header, nonce) = split(input);
            assert_eq!(digest(kernel, header, nonce), number(oracle.hash(input)), "{name}: {input:02x?}");
        }
    }

    #[test]
    fn inputs_of_any_length() {
        each_kernel!(inputs);
    }

    #[test]
    fn random_inputs_of_any_length() {
        each_kernel!(random_inputs);
    }
}
