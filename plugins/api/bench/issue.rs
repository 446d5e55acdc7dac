//! How many instructions of a kind this core issues in a second, when nothing but their units is in
//! the way: loops of instructions that do not wait for each other.

#![allow(unsafe_code)]

/// Instructions a second; not a number where the CPU does not have them.
pub struct Issue {
    /// Clock cycles.
    pub cycles: f64,
    /// 512-bit additions.
    pub adds: f64,
    /// 512-bit rotations.
    pub rotations: f64,
    /// `sha256rnds2`.
    pub sha_rounds: f64,
}

impl Issue {
    /// Takes about a tenth of a millisecond; the best of some short loops each.
    #[cfg(target_arch = "x86_64")]
    pub fn measure() -> Self {
        let (avx512, sha) = (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("sha"));
        Self {
            cycles: best(true, cycles),
            adds: best(avx512, adds),
            rotations: best(avx512, rotations),
            sha_rounds: best(sha, sha_rounds),
        }
    }

    /// Nothing is known of other architectures.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn measure() -> Self {
        Self { cycles: f64::NAN, adds: f64::NAN, rotations: f64::NAN, sha_rounds: f64::NAN }
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
            // SAFETY: registers only, all of which are named as clobbered; `measure` looks first
            // whether the CPU has the instructions.
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
    adds:
    "vpaddd zmm1, zmm1, zmm0" "vpaddd zmm2, zmm2, zmm0" "vpaddd zmm3, zmm3, zmm0"
    "vpaddd zmm4, zmm4, zmm0" "vpaddd zmm5, zmm5, zmm0" "vpaddd zmm6, zmm6, zmm0"
    "vpaddd zmm7, zmm7, zmm0" "vpaddd zmm8, zmm8, zmm0" "vpaddd zmm9, zmm9, zmm0"
    "vpaddd zmm10, zmm10, zmm0" "vpaddd zmm11, zmm11, zmm0" "vpaddd zmm12, zmm12, zmm0";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    rotations:
    "vprord zmm1, zmm1, 3" "vprord zmm2, zmm2, 3" "vprord zmm3, zmm3, 3" "vprord zmm4, zmm4, 3"
    "vprord zmm5, zmm5, 3" "vprord zmm6, zmm6, 3" "vprord zmm7, zmm7, 3" "vprord zmm8, zmm8, 3"
    "vprord zmm9, zmm9, 3" "vprord zmm10, zmm10, 3" "vprord zmm11, zmm11, 3" "vprord zmm12, zmm12, 3";
    "vzeroupper"
}

#[cfg(target_arch = "x86_64")]
repeat! {
    sha_rounds:
    "sha256rnds2 xmm1, xmm1, xmm0" "sha256rnds2 xmm2, xmm2, xmm0" "sha256rnds2 xmm3, xmm3, xmm0"
    "sha256rnds2 xmm4, xmm4, xmm0" "sha256rnds2 xmm5, xmm5, xmm0" "sha256rnds2 xmm6, xmm6, xmm0"
    "sha256rnds2 xmm7, xmm7, xmm0" "sha256rnds2 xmm8, xmm8, xmm0" "sha256rnds2 xmm9, xmm9, xmm0"
    "sha256rnds2 xmm10, xmm10, xmm0" "sha256rnds2 xmm11, xmm11, xmm0" "sha256rnds2 xmm12, xmm12, xmm0";
}
