//! How many instructions of a kind this core issues in a second, when nothing but their units is in the way: loops of
//! instructions that do not wait for each other.

/// Instructions a second; not a number where the processor does not have them, or where nothing is known of its
/// architecture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IssueRates {
    /// Clock cycles.
    pub cycles: f64,
    /// Additions of 512-bit vectors of 32-bit words.
    pub adds_512: f64,
    /// Rotations of such vectors.
    pub rotates_512: f64,
    /// Additions of 256-bit vectors of 32-bit words.
    pub adds_256: f64,
    /// Shifts of such vectors.
    pub shifts_256: f64,
    /// `sha256rnds2`.
    pub sha256_rounds: f64,
    /// `aesenc` on 128 bits.
    pub aes_rounds: f64,
}

impl IssueRates {
    /// Measures the core that the calling thread runs on, now: about a fifth of a millisecond, the best of some short
    /// loops each. On a busy machine take the median of several.
    ///
    /// ```
    /// let rates = adit_bench_hash::IssueRates::measure();
    /// assert!(rates.cycles.is_nan() || rates.cycles > 1e8);
    /// ```
    #[cfg(target_arch = "x86_64")]
    #[must_use]
    pub fn measure() -> Self {
        let (avx512, avx2) = (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("avx2"));
        let (sha, aes) = (is_x86_feature_detected!("sha"), is_x86_feature_detected!("aes"));
        Self {
            cycles: best(true, cycles),
            adds_512: best(avx512, adds_512),
            rotates_512: best(avx512, rotates_512),
            adds_256: best(avx2, adds_256),
            shifts_256: best(avx2, shifts_256),
            sha256_rounds: best(sha, sha256_rounds),
            aes_rounds: best(aes, aes_rounds),
        }
    }

    /// Nothing is known of other architectures.
    #[cfg(not(target_arch = "x86_64"))]
    #[must_use]
    pub fn measure() -> Self {
        Self {
            cycles: f64::NAN,
            adds_512: f64::NAN,
            rotates_512: f64::NAN,
            adds_256: f64::NAN,
            shifts_256: f64::NAN,
            sha256_rounds: f64::NAN,
            aes_rounds: f64::NAN,
        }
    }
}

/// Rounds of a loop, so long that reading the clock does not show.
#[cfg(target_arch = "x86_64")]
const LOOPS: u64 = 200;

/// Instructions of a round: so many that the loop's own do not get in their way.
#[cfg(target_arch = "x86_64")]
const ROUND: u64 = 8 * 12;

#[cfg(target_arch = "x86_64")]
fn best(supported: bool, run: fn(u64)) -> f64 {
    if !supported {
        return f64::NAN;
    }
    let time = |_| {
        let start = std::time::Instant::now();
        run(LOOPS);
        start.elapsed().as_secs_f64()
    };
    (ROUND * LOOPS) as f64 / (0..6).map(time).fold(f64::INFINITY, f64::min)
}

/// Defines a function that runs twelve instructions eight times in each round of a loop.
#[cfg(target_arch = "x86_64")]
macro_rules! repeat {
    ($(#[$doc:meta])* $name:ident: $($instruction:literal)*; $($end:literal)?) => {
        $(#[$doc])*
        fn $name(loops: u64) {
            // SAFETY: registers only, all of which are named as clobbered; `measure` looks first whether the
            // processor has the instructions.
            unsafe {
                std::arch::asm!(
                    "2:", ".rept 8", $($instruction,)* ".endr", "dec {left}", "jnz 2b", $($end,)?
                    left = inout(reg) loops => _, out("rax") _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                    out("xmm5") _, out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _,
                    out("xmm10") _, out("xmm11") _, out("xmm12") _,
                    options(nomem, nostack),
                );
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
repeat! {
    /// Each waits for the one before, and takes one cycle.
    cycles:
    "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3"
    "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3" "ror rax, 3";
}

#[cfg(target_arch = "x86_64")]
repeat! {
    adds_512:
    "vpaddd zmm1, zmm1, zmm0" "vpaddd zmm2, zmm2, zmm0" "vpaddd zmm3, zmm3, zmm0"
    "vpaddd zmm4, zmm4, zmm0" "vpaddd zmm5, zmm5, zmm0" "vpaddd zmm6, zmm6, zmm0"
    "vpaddd zmm7, zmm7, zmm0" "vpaddd zmm8, zmm8, zmm0" "vpaddd zmm9, zmm9, zmm0"
    "vpaddd zmm10, zmm10, zmm0" "vpaddd zmm11, zmm11, zmm0" "vpaddd zmm12, zmm12, zmm0";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    rotates_512:
    "vprord zmm1, zmm1, 3" "vprord zmm2, zmm2, 3" "vprord zmm3, zmm3, 3"
    "vprord zmm4, zmm4, 3" "vprord zmm5, zmm5, 3" "vprord zmm6, zmm6, 3"
    "vprord zmm7, zmm7, 3" "vprord zmm8, zmm8, 3" "vprord zmm9, zmm9, 3"
    "vprord zmm10, zmm10, 3" "vprord zmm11, zmm11, 3" "vprord zmm12, zmm12, 3";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    adds_256:
    "vpaddd ymm1, ymm1, ymm0" "vpaddd ymm2, ymm2, ymm0" "vpaddd ymm3, ymm3, ymm0"
    "vpaddd ymm4, ymm4, ymm0" "vpaddd ymm5, ymm5, ymm0" "vpaddd ymm6, ymm6, ymm0"
    "vpaddd ymm7, ymm7, ymm0" "vpaddd ymm8, ymm8, ymm0" "vpaddd ymm9, ymm9, ymm0"
    "vpaddd ymm10, ymm10, ymm0" "vpaddd ymm11, ymm11, ymm0" "vpaddd ymm12, ymm12, ymm0";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    shifts_256:
    "vpsrld ymm1, ymm1, 3" "vpsrld ymm2, ymm2, 3" "vpsrld ymm3, ymm3, 3"
    "vpsrld ymm4, ymm4, 3" "vpsrld ymm5, ymm5, 3" "vpsrld ymm6, ymm6, 3"
    "vpsrld ymm7, ymm7, 3" "vpsrld ymm8, ymm8, 3" "vpsrld ymm9, ymm9, 3"
    "vpsrld ymm10, ymm10, 3" "vpsrld ymm11, ymm11, 3" "vpsrld ymm12, ymm12, 3";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    sha256_rounds:
    "sha256rnds2 xmm1, xmm1, xmm0" "sha256rnds2 xmm2, xmm2, xmm0" "sha256rnds2 xmm3, xmm3, xmm0"
    "sha256rnds2 xmm4, xmm4, xmm0" "sha256rnds2 xmm5, xmm5, xmm0" "sha256rnds2 xmm6, xmm6, xmm0"
    "sha256rnds2 xmm7, xmm7, xmm0" "sha256rnds2 xmm8, xmm8, xmm0" "sha256rnds2 xmm9, xmm9, xmm0"
    "sha256rnds2 xmm10, xmm10, xmm0" "sha256rnds2 xmm11, xmm11, xmm0" "sha256rnds2 xmm12, xmm12, xmm0";
}

#[cfg(target_arch = "x86_64")]
repeat! {
    aes_rounds:
    "aesenc xmm1, xmm0" "aesenc xmm2, xmm0" "aesenc xmm3, xmm0"
    "aesenc xmm4, xmm0" "aesenc xmm5, xmm0" "aesenc xmm6, xmm0"
    "aesenc xmm7, xmm0" "aesenc xmm8, xmm0" "aesenc xmm9, xmm0"
    "aesenc xmm10, xmm0" "aesenc xmm11, xmm0" "aesenc xmm12, xmm0";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_issues_a_vector_instruction_six_times_in_a_cycle() {
        let IssueRates { cycles, adds_512, rotates_512, adds_256, shifts_256, sha256_rounds, aes_rounds } =
            IssueRates::measure();
        for rate in [adds_512, rotates_512, adds_256, shifts_256, sha256_rounds, aes_rounds] {
            // Twice over for a clock that changes in between; not a number passes.
            assert!(rate.is_nan() || (rate > 1e6 && rate < 12.0 * cycles), "{rate} at {cycles}");
        }
    }
}
