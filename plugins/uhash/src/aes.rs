//! What of AES (FIPS 197) is needed without instructions for it: round keys everywhere, rounds in the portable variant.

/// The field's product: polynomials over bits, modulo x^8 + x^4 + x^3 + x + 1.
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

/// The substitution box: the inverse in the field (its 254th power), then an affine map of bits.
const SUBSTITUTION: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (mut inverse, mut power, mut exponent) = (1, at as u8, 254);
        while exponent != 0 {
            if exponent & 1 != 0 {
                inverse = multiply(inverse, power);
            }
            power = multiply(power, power);
            exponent >>= 1;
        }
        table[at] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        at += 1;
    }
    table
};

/// What a byte of the first row adds to its column: substituted, times 2, 1, 1 and 3, lowest byte first. Lower rows
/// add the same, rotated.
const COLUMN: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = SUBSTITUTION[at];
        table[at] = u32::from_le_bytes([multiply(byte, 2), byte, byte, multiply(byte, 3)]);
        at += 1;
    }
    table
};

/// A round of encryption, its key added last, of a block as four little-endian words: its columns.
#[inline(always)]
pub(crate) fn round(block: [u32; 4], key: [u32; 4]) -> [u32; 4] {
    let byte = |column: usize, row: u32| {
        COLUMN[(block[column % 4] >> (8 * row) & 0xff) as usize].rotate_left(8 * row)
    };
    let column = |at: usize| byte(at, 0) ^ byte(at + 1, 1) ^ byte(at + 2, 2) ^ byte(at + 3, 3) ^ key[at];
    [column(0), column(1), column(2), column(3)]
}

/// The first four round keys of AES-128; the first is the key itself.
pub(crate) fn round_keys(key: [u32; 4]) -> [[u32; 4]; 4] {
    let mut keys = [key; 4];
    for at in 1..4 {
        let before = keys[at - 1];
        let substituted = before[3].to_le_bytes().map(|byte| SUBSTITUTION[byte as usize]);
        let mut word = u32::from_le_bytes(substituted).rotate_right(8) ^ 1 << (at - 1);
        for (new, old) in keys[at].iter_mut().zip(before) {
            word ^= old;
            *new = word;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> [u32; 4] {
        std::array::from_fn(|at| u32::from_str_radix(&text[8 * at..][..8], 16).unwrap().swap_bytes())
    }

    #[test]
    fn substitutions() {
        assert_eq!(SUBSTITUTION[..4], [0x63, 0x7c, 0x77, 0x7b]);
        assert_eq!(SUBSTITUTION[0x53], 0xed);
        assert_eq!(SUBSTITUTION[0xff], 0x16);
    }

    #[test]
    fn keys_and_a_round_of_the_standard() {
        // FIPS 197, appendices A.1 and B.
        let keys = round_keys(words("2b7e151628aed2a6abf7158809cf4f3c"));
        assert_eq!(keys[1], words("a0fafe1788542cb123a339392a6c7605"));
        assert_eq!(keys[2], words("f2c295f27a96b9435935807a7359f67f"));
        assert_eq!(keys[3], words("3d80477d4716fe3e1e237e446d7a883b"));
        let start = words("193de3bea0f4e22b9ac68d2ae9f84808");
        assert_eq!(round(start, keys[1]), words("a49c7ff2689f352b6b5bea43026a5049"));
    }
}
