//! The compression function of blake2s (RFC 7693) on plain words, for what the search does seldom.
//!
//! A mix is made of two halves, each of which takes one message word; the search does the halves
//! before the nonce once per job.

/// The first eight constants of SHA-256, as blake2s has them.
const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The chain value before the first block: 32 bytes of digest, no key, no tree.
pub(crate) const INITIAL: [u32; 8] = {
    let mut h = IV;
    h[0] ^= 0x0101_0020;
    h
};

/// Which message word goes where in each round.
pub(crate) const SIGMA: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The first half of a mix: rotations by 16 and 12.
pub(crate) fn half1<const A: usize, const B: usize, const C: usize, const D: usize>(
    v: &mut [u32; 16],
    m: u32,
) {
    v[A] = v[A].wrapping_add(v[B]).wrapping_add(m);
    v[D] = (v[D] ^ v[A]).rotate_right(16);
    v[C] = v[C].wrapping_add(v[D]);
    v[B] = (v[B] ^ v[C]).rotate_right(12);
}

/// The second half of a mix: rotations by 8 and 7.
pub(crate) fn half2<const A: usize, const B: usize, const C: usize, const D: usize>(
    v: &mut [u32; 16],
    m: u32,
) {
    v[A] = v[A].wrapping_add(v[B]).wrapping_add(m);
    v[D] = (v[D] ^ v[A]).rotate_right(8);
    v[C] = v[C].wrapping_add(v[D]);
    v[B] = (v[B] ^ v[C]).rotate_right(7);
}

/// Round `r`: columns, then diagonals.
fn round(v: &mut [u32; 16], m: &[u32; 16], r: usize) {
    let word = |i: usize| m[SIGMA[r][i]];
    half1::<0, 4, 8, 12>(v, word(0));
    half2::<0, 4, 8, 12>(v, word(1));
    half1::<1, 5, 9, 13>(v, word(2));
    half2::<1, 5, 9, 13>(v, word(3));
    half1::<2, 6, 10, 14>(v, word(4));
    half2::<2, 6, 10, 14>(v, word(5));
    half1::<3, 7, 11, 15>(v, word(6));
    half2::<3, 7, 11, 15>(v, word(7));

    half1::<0, 5, 10, 15>(v, word(8));
    half2::<0, 5, 10, 15>(v, word(9));
    half1::<1, 6, 11, 12>(v, word(10));
    half2::<1, 6, 11, 12>(v, word(11));
    half1::<2, 7, 8, 13>(v, word(12));
    half2::<2, 7, 8, 13>(v, word(13));
    half1::<3, 4, 9, 14>(v, word(14));
    half2::<3, 4, 9, 14>(v, word(15));
}

/// What the rounds begin with: `count` is the bytes hashed by the end of this block.
pub(crate) fn start(h: &[u32; 8], count: u32, last: bool) -> [u32; 16] {
    let mut v = [0; 16];
    v[..8].copy_from_slice(h);
    v[8..].copy_from_slice(&IV);
    v[12] ^= count;
    v[14] ^= if last { u32::MAX } else { 0 };
    v
}

/// One whole compression: chain value, 16 little-endian words, and as [`start`].
pub(crate) fn compress(h: &[u32; 8], m: &[u32; 16], count: u32, last: bool) -> [u32; 8] {
    let mut v = start(h, count, last);
    for r in 0..SIGMA.len() {
        round(&mut v, m, r);
    }
    std::array::from_fn(|i| h[i] ^ v[i] ^ v[i + 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abc() {
        // RFC 7693, appendix B.
        let mut m = [0; 16];
        m[0] = u32::from_le_bytes(*b"abc\0");
        let h = compress(&INITIAL, &m, 3, true);
        let digest: String = h.iter().map(|word| format!("{:08x}", word.swap_bytes())).collect();
        assert_eq!(digest, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
    }
}
