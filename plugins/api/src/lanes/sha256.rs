//! SHA-256's compression function (FIPS 180-4) over lanes.
//!
//! Rounds are generic in their number, so that every index is a constant. The eight state words do not move between
//! rounds, their roles do: in round `R` the word called `a` stands at index `-R mod 8`, `b` after it, and so on.

use super::Lanes;

/// The state before the first block.
pub const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// Calls a function that is generic in lanes and the round's number once for each number listed.
macro_rules! rounds {
    ($step:ident $arguments:tt: $($round:literal)*) => {
        $($step::<_, $round> $arguments;)*
    };
}

/// One whole compression of each lane: `state`, and the 16 big-endian words of a block.
///
/// Inlined into a function that is compiled for the lanes' instructions; [`Lanes::sha256`] calls one.
#[inline(always)]
pub fn compress<L: Lanes>(l: L, state: &mut [L::Vector; 8], block: &[L::Vector; 16]) {
    let (s, w) = (&mut { *state }, &mut { *block });
    rounds!(round(l, s, w): 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    rounds!(expand_round(l, s, w): 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    rounds!(expand_round(l, s, w): 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
    rounds!(expand_round(l, s, w): 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
    for (state, &word) in state.iter_mut().zip(&*s) {
        *state = l.add(*state, word);
    }
}

/// Where the word of a role (0 is `a`, 7 is `h`) stands in round `round`.
const fn role(round: usize, role: usize) -> usize {
    (role + 64 - round) % 8
}

/// Round `R` with the message word that `w` holds for it.
#[inline(always)]
fn round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &[L::Vector; 16]) {
    let [a, b, c] = [s[const { role(R, 0) }], s[const { role(R, 1) }], s[const { role(R, 2) }]];
    let [e, f, g] = [s[const { role(R, 4) }], s[const { role(R, 5) }], s[const { role(R, 6) }]];
    let big0 = l.xor3(l.rotate_right(a, 2), l.rotate_right(a, 13), l.rotate_right(a, 22));
    let big1 = l.xor3(l.rotate_right(e, 6), l.rotate_right(e, 11), l.rotate_right(e, 25));
    let keyed = l.add(s[const { role(R, 7) }], l.add(w[const { R % 16 }], l.splat(const { K[R] })));
    let sum = l.add(l.add(keyed, l.choose(e, f, g)), big1);
    s[const { role(R, 3) }] = l.add(s[const { role(R, 3) }], sum);
    s[const { role(R, 7) }] = l.add(l.add(l.majority(a, b, c), big0), sum);
}

/// Makes the message word of round `R` in the place of that of `R - 16`, then runs the round.
#[inline(always)]
fn expand_round<L: Lanes, const R: usize>(l: L, s: &mut [L::Vector; 8], w: &mut [L::Vector; 16]) {
    let (late, early) = (w[const { (R + 14) % 16 }], w[const { (R + 1) % 16 }]);
    let small1 = l.xor3(l.rotate_right(late, 17), l.rotate_right(late, 19), l.shift_right(late, 10));
    let small0 = l.xor3(l.rotate_right(early, 7), l.rotate_right(early, 18), l.shift_right(early, 3));
    let old = l.add(l.add(w[const { R % 16 }], small0), w[const { (R + 9) % 16 }]);
    w[const { R % 16 }] = l.add(old, small1);
    round::<_, R>(l, s, w);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Plain;

    /// Each lane has blocks of its own; `Plain` is held against a known answer below.
    fn agrees_with_plain<L: Lanes>(l: L) {
        let mut seed = 1u32;
        let mut words = |_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.rotate_left(seed >> 27)
        };
        let states: Vec<Vec<u32>> = (0..8).map(|_| (0..L::LANES as u32).map(&mut words).collect()).collect();
        let blocks: Vec<Vec<u32>> = (0..16).map(|_| (0..L::LANES as u32).map(&mut words).collect()).collect();
        let mut state: [L::Vector; 8] = std::array::from_fn(|at| l.load(&states[at]));
        l.sha256(&mut state, &std::array::from_fn(|at| l.load(&blocks[at])));
        let mut out = vec![vec![0; L::LANES]; 8];
        for (vector, out) in state.into_iter().zip(&mut out) {
            l.store(vector, out);
        }
        for lane in 0..L::LANES {
            let mut expected = std::array::from_fn(|at| states[at][lane]);
            Plain.sha256(&mut expected, &std::array::from_fn(|at| blocks[at][lane]));
            assert_eq!(std::array::from_fn(|at| out[at][lane]), expected, "lane {lane}");
        }
        l.store(l.swap_bytes(l.splat(0x0102_0304)), &mut out[0]);
        assert!(out[0].iter().all(|&word| word == 0x0403_0201));
    }

    #[test]
    fn abc() {
        // FIPS 180-4, the example of one block.
        let (mut state, mut block) = (INITIAL, [0; 16]);
        block[0] = 0x6162_6380;
        block[15] = 24;
        Plain.sha256(&mut state, &block);
        let digest: String = state.iter().map(|word| format!("{word:08x}")).collect();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn all_lanes_of_all_sets_of_instructions() {
        agrees_with_plain(Plain);
        #[cfg(target_arch = "x86_64")]
        {
            use crate::lanes::{Avx2, Avx512};

            Avx2::detect().map_or_else(|| println!("no AVX2 here"), agrees_with_plain);
            Avx512::detect().map_or_else(|| println!("no AVX-512 here"), agrees_with_plain);
        }
    }
}
