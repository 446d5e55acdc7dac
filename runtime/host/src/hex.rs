//! Bytes as people write them.

use std::fmt;

/// Text that is not whole bytes in hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HexError {
    /// An odd number of digits.
    Odd(usize),
    /// A character that is no hex digit, and where it stands, from 0.
    Digit(char, usize),
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odd(digits) => write!(f, "{digits} hex digits are not whole bytes"),
            Self::Digit(digit, at) => write!(f, "{digit:?} at position {at} is no hex digit"),
        }
    }
}

impl std::error::Error for HexError {}

/// Bytes from hex digits, two a byte; `0x` before them is left out.
///
/// # Errors
/// [`HexError`] says what is wrong and where.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    if let Some((at, digit)) = text.chars().enumerate().find(|(_, c)| !c.is_ascii_hexdigit()) {
        return Err(HexError::Digit(digit, at));
    }
    if !text.len().is_multiple_of(2) {
        return Err(HexError::Odd(text.len()));
    }
    let digit = |c: u8| (c as char).to_digit(16).unwrap_or_default() as u8;
    Ok(text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect())
}

/// Bytes as hex digits, in their order.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_what_are_none() {
        assert_eq!(decode("0x00fFa0"), Ok(vec![0, 255, 160]));
        assert_eq!(decode(""), Ok(vec![]));
        assert_eq!(decode("abc"), Err(HexError::Odd(3)));
        assert_eq!(decode("aé"), Err(HexError::Digit('é', 1)));
    }
}
