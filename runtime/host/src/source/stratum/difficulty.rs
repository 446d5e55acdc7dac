//! From a pool's difficulty, which may be fractional, to a target.

use adit_plugin::Target;

/// `floor(one / difficulty)` with the difficulty's exact binary value; results over 2^256 - 1 become
/// [`Target::MAX`].
///
/// `None` when `difficulty` is no finite number over 0, or so large that no digest could be meant.
pub fn target(one: &Target, difficulty: f64) -> Option<Target> {
    if !difficulty.is_finite() || difficulty <= 0.0 {
        return None;
    }
    let (mantissa, exponent) = split(difficulty);
    // floor(one / (m * 2^e)): the bits of `one` from the top, then -e zero bits, divided by m.
    // For e > 0 the last e bits of the dividend are left out instead, which rounds down likewise.
    let bits = 256 - i64::from(exponent);
    let mut quotient = [0; 32];
    let mut remainder = 0u64;
    for position in 0..bits {
        let bit = usize::try_from(255 - position).is_ok_and(|bit| one.0[bit / 8] >> (bit % 8) & 1 == 1);
        remainder = remainder << 1 | u64::from(bit);
        let digit = remainder >= mantissa;
        if digit {
            remainder -= mantissa;
        }
        if shift_in(&mut quotient, digit) {
            return Some(Target::MAX);
        }
    }
    (quotient != [0; 32]).then_some(Target(quotient))
}

/// `value = mantissa * 2^exponent` with an odd mantissa below 2^53.
fn split(value: f64) -> (u64, i32) {
    const FRACTION_BITS: u32 = 52;
    let bits = value.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let biased = (bits >> FRACTION_BITS & 0x7ff) as i32;
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << FRACTION_BITS, biased - 1075) };
    let zeros = mantissa.trailing_zeros();
    (mantissa >> zeros, exponent + zeros as i32)
}

/// Doubles `value`, adds `bit`; true when the result no longer fits.
fn shift_in(value: &mut [u8; 32], bit: bool) -> bool {
    let mut carry = u8::from(bit);
    for byte in value {
        let next = *byte >> 7;
        *byte = *byte << 1 | carry;
        carry = next;
    }
    carry == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Target {
        let mut bytes = [0; 32];
        bytes[26..28].fill(0xff);
        Target(bytes)
    }

    fn text(difficulty: f64) -> String {
        target(&one(), difficulty).unwrap().to_string()
    }

    #[test]
    fn whole_and_fractional_difficulties_are_exact() {
        assert_eq!(text(1.0), format!("00000000ffff{}", "0".repeat(52)));
        assert_eq!(text(2.0), format!("000000007fff8{}", "0".repeat(51)));
        assert_eq!(text(0.5), format!("00000001fffe{}", "0".repeat(52)));
        assert_eq!(text(1.0 / 65536.0), format!("0000ffff{}", "0".repeat(56)));
        // 0xffff / 3 = 0x5555 exactly.
        assert_eq!(text(3.0), format!("000000005555{}", "0".repeat(52)));
        // 0xffff * 2^208 / 16307.420938523983 as a pool once set it, from arbitrary-precision arithmetic.
        assert_eq!(
            text(16_307.420_938_523_983),
            "00000000000404cb0000000007c5747a627a628969a358d48b51dade7bd7a049"
        );
    }

    #[test]
    fn the_ends_saturate_or_are_refused() {
        assert_eq!(target(&one(), f64::MIN_POSITIVE), Some(Target::MAX));
        assert_eq!(target(&one(), f64::from_bits(1)), Some(Target::MAX));
        assert_eq!(
            target(&one(), 2f64.powi(-32)),
            Some(Target({
                let mut bytes = [0; 32];
                bytes[30..].fill(0xff);
                bytes
            }))
        );
        for bad in [0.0, -1.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            assert_eq!(target(&one(), bad), None, "{bad}");
        }
    }
}
