//! The compression function of SHA-256 (FIPS 180-4) on plain words, for what the search does seldom.
//!
//! Rounds are generic in their number, so that every index is a constant.
//!
//! The eight state words do not move between rounds, their roles do: in round `R` the word called
//! `a` stands at index `-R mod 8`, `b` after it, and so on.

/// The state before the first block.
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

#[rustfmt::skip]
pub(crate) const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// Calls a function that is generic in the round's number once for each number listed.
macro_rules! rounds {
    ($step:ident $arguments:tt: $($round:literal)*) => {
        $($step::<$round> $arguments;)*
    };
}
pub(crate) use rounds;

/// The small sigma that takes the word 15 rounds back into the schedule.
#[inline(always)]
pub(crate) const fn sigma0(word: u32) -> u32 {
    word.rotate_right(7) ^ word.rotate_right(18) ^ (word >> 3)
}

/// The small sigma that takes the word 2 rounds back into the schedule.
#[inline(always)]
pub(crate) const fn sigma1(word: u32) -> u32 {
    word.rotate_right(17) ^ word.rotate_right(19) ^ (word >> 10)
}

/// Round `R` with the message word that `w` holds for it.
#[inline(always)]
pub(crate) fn round<const R: usize>(s: &mut [u32; 8], w: &[u32; 16]) {
    let [a, b, c] = [s[const { role(R, 0) }], s[const { role(R, 1) }], s[const { role(R, 2) }]];
    let [e, f, g] = [s[const { role(R, 4) }], s[const { role(R, 5) }], s[const { role(R, 6) }]];
    let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choose = g ^ (e & (f ^ g));
    let majority = (a & b) ^ (c & (a ^ b));

    let keyed = w[const { R % 16 }].wrapping_add(const { K[R] });
    let h = s[const { role(R, 7) }].wrapping_add(keyed);
    let sum = h.wrapping_add(big1).wrapping_add(choose);
    s[const { role(R, 3) }] = s[const { role(R, 3) }].wrapping_add(sum);
    s[const { role(R, 7) }] = sum.wrapping_add(big0).wrapping_add(majority);
}

/// Makes the message word of round `R`, which is 16 or more, in the place of that of `R - 16`.
#[inline(always)]
pub(crate) fn expand<const R: usize>(w: &mut [u32; 16]) {
    w[const { R % 16 }] = w[const { R % 16 }]
        .wrapping_add(sigma0(w[const { (R + 1) % 16 }]))
        .wrapping_add(w[const { (R + 9) % 16 }])
        .wrapping_add(sigma1(w[const { (R + 14) % 16 }]));
}

/// [`expand`], then [`round`].
#[inline(always)]
pub(crate) fn expand_round<const R: usize>(s: &mut [u32; 8], w: &mut [u32; 16]) {
    expand::<R>(w);
    round::<R>(s, w);
}

/// Where the word of a role (0 is `a`, 7 is `h`) stands in round `round`.
pub(crate) const fn role(round: usize, role: usize) -> usize {
    (role + 64 - round) % 8
}

/// One whole compression: `state` and the 16 big-endian words of a block.
pub(crate) fn compress(state: &[u32; 8], block: &[u32; 16]) -> [u32; 8] {
    let (mut s, mut w) = (*state, *block);
    rounds!(round(&mut s, &w): 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    rounds!(expand_round(&mut s, &mut w): 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    rounds!(expand_round(&mut s, &mut w): 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47);
    rounds!(expand_round(&mut s, &mut w): 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
    add(&s, state)
}

/// The sum word by word: what ends a compression.
#[inline(always)]
pub(crate) fn add(s: &[u32; 8], state: &[u32; 8]) -> [u32; 8] {
    std::array::from_fn(|i| s[i].wrapping_add(state[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abc() {
        // FIPS 180-4, the example of one block.
        let mut block = [0; 16];
        block[0] = 0x6162_6380;
        block[15] = 24;
        let digest: String = compress(&INITIAL, &block).iter().map(|word| format!("{word:08x}")).collect();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
