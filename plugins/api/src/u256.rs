//! 256-bit integers as both sides store them: 32 bytes, least significant first.

use std::{cmp::Ordering, fmt, str::FromStr};

/// What hashing one header gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub [u8; 32]);

/// What a digest must not exceed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target(pub [u8; 32]);

impl Digest {
    /// Whether this digest is accepted: `digest <= target`, equality included.
    #[must_use]
    pub fn meets(&self, target: &Target) -> bool {
        compare(&self.0, &target.0) != Ordering::Greater
    }

    /// Zero bits before the first one, read as a big-endian number: 0 to 256.
    #[must_use]
    pub fn leading_zeros(&self) -> u32 {
        leading_zeros(&self.0)
    }
}

impl Target {
    /// Every digest meets it.
    pub const MAX: Self = Self([0xff; 32]);

    /// The easiest target whose digests begin with `bits` zero bits; more than 256 count as 256.
    #[must_use]
    pub fn from_zero_bits(bits: u32) -> Self {
        let mut bytes = [0xff; 32];
        for bit in 0..bits.min(256) {
            let from_top = bit as usize;
            bytes[31 - from_top / 8] &= !(0x80 >> (from_top % 8));
        }
        Self(bytes)
    }

    /// Zero bits before the first one: 0 to 256.
    #[must_use]
    pub fn leading_zeros(&self) -> u32 {
        leading_zeros(&self.0)
    }

    /// Hashes that meet this target once on average, as a float: 2^256 / (target + 1).
    #[must_use]
    pub fn expected_hashes(&self) -> f64 {
        let value = self.0.iter().rev().fold(0.0, |value, &byte| value * 256.0 + f64::from(byte));
        2f64.powi(256) / (value + 1.0)
    }
}

impl PartialOrd for Target {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Target {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

fn compare(a: &[u8; 32], b: &[u8; 32]) -> Ordering {
    a.iter().rev().cmp(b.iter().rev())
}

fn leading_zeros(bytes: &[u8; 32]) -> u32 {
    let mut zeros = 0;
    for byte in bytes.iter().rev() {
        zeros += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    zeros
}

/// Text that is not 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseU256Error {
    /// Another number of characters, `0x` not counted.
    Length(usize),
    /// A character that is no hex digit, and where it stands (from 0, `0x` not counted).
    Digit(char, usize),
}

impl fmt::Display for ParseU256Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(got) => {
                write!(f, "{got} characters; 64 hex digits are wanted, most significant first")
            }
            Self::Digit(digit, at) => write!(f, "{digit:?} at position {at} is no hex digit"),
        }
    }
}

impl std::error::Error for ParseU256Error {}

fn parse(text: &str) -> Result<[u8; 32], ParseU256Error> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    if let Some((at, digit)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_hexdigit()) {
        return Err(ParseU256Error::Digit(digit, at));
    }
    if text.len() != 64 {
        return Err(ParseU256Error::Length(text.len()));
    }
    let mut bytes = [0; 32];
    for (pair, byte) in text.as_bytes().chunks_exact(2).zip(bytes.iter_mut().rev()) {
        let digit = |c: u8| (c as char).to_digit(16).unwrap_or_default() as u8;
        *byte = digit(pair[0]) << 4 | digit(pair[1]);
    }
    Ok(bytes)
}

macro_rules! text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $type {
            type Err = ParseU256Error;

            fn from_str(text: &str) -> Result<Self, ParseU256Error> {
                parse(text).map(Self)
            }
        }
    };
}

text!(Digest);
text!(Target);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_most_significant_first() {
        let text = "0000000000000112b8b8e1416bd9663c2aff1b4c6fdf1a2d4301f3921a99ea07";
        let digest: Digest = text.parse().unwrap();
        assert_eq!(digest.0[0], 0x07);
        assert_eq!(digest.0[31], 0x00);
        assert_eq!(digest.to_string(), text);
        assert_eq!(format!("0x{text}").parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn bad_text_says_what_and_where() {
        assert_eq!("00".parse::<Target>(), Err(ParseU256Error::Length(2)));
        let bad = "zz".repeat(32);
        assert_eq!(bad.parse::<Target>(), Err(ParseU256Error::Digit('z', 0)));
        assert_eq!("é".repeat(32).parse::<Target>(), Err(ParseU256Error::Digit('é', 0)));
    }

    #[test]
    fn equality_is_accepted_and_the_last_byte_weighs_most() {
        let mut target = Target([0; 32]);
        target.0[31] = 1;
        let mut digest = Digest(target.0);
        assert!(digest.meets(&target));
        digest.0[0] = 1;
        assert!(!digest.meets(&target));
        digest.0[31] = 0;
        assert!(digest.meets(&target));
    }

    #[test]
    fn zero_bits_and_expected_hashes_agree() {
        for bits in [0, 1, 7, 8, 9, 16, 20, 255] {
            let target = Target::from_zero_bits(bits);
            assert_eq!(target.leading_zeros(), bits);
            let ratio = target.expected_hashes() / 2f64.powi(bits as i32);
            assert!((ratio - 1.0).abs() < 1e-9, "{bits}: {ratio}");
        }
        assert_eq!(Target::from_zero_bits(300).0, [0; 32]);
    }
}
