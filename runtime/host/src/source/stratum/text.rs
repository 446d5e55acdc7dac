//! Text that came from a pool: hex digits, and words that people will read.

/// Longest pool text that reaches people, in characters.
const SHOWN: usize = 200;

/// The bytes of `hex`, or why it has none; `max` is the most bytes that are taken.
pub fn bytes(hex: &str, max: usize) -> Result<Vec<u8>, String> {
    let digits = hex.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{} hex digits, which is odd", digits.len()));
    }
    if digits.len() / 2 > max {
        return Err(format!("{} bytes, at most {max} are taken", digits.len() / 2));
    }
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| "something that is no hex digit".into())
}

/// Exactly 32 bytes from 64 hex digits.
pub fn bytes32(hex: &str) -> Result<[u8; 32], String> {
    let found = bytes(hex, 32)?;
    found.try_into().map_err(|found: Vec<u8>| format!("{} bytes, 32 are wanted", found.len()))
}

/// A big-endian number of one to eight hex digits.
pub fn number(hex: &str) -> Result<u32, String> {
    let digits = hex.strip_prefix("0x").unwrap_or(hex);
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err("no number of one to eight hex digits".into());
    }
    u32::from_str_radix(digits, 16).map_err(|error| error.to_string())
}

/// `text` made safe for a terminal and short: control characters become spaces.
pub fn shown(text: &str) -> String {
    let mut characters = text.chars().map(|c| if is_plain(c) { c } else { ' ' });
    let mut short: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// No control character, nothing that changes the direction of writing.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_goes_both_ways_and_says_what_is_wrong() {
        assert_eq!(bytes("00fFa5", 3).unwrap(), [0, 0xff, 0xa5]);
        assert_eq!(crate::hex::encode(&[0, 0xff, 0xa5]), "00ffa5");
        assert!(bytes("0", 3).unwrap_err().contains("odd"));
        assert!(bytes("00112233", 3).unwrap_err().contains("at most 3"));
        assert!(bytes("zz", 3).is_err());
        assert!(bytes("é", 3).is_err());
        assert!(bytes32("00").is_err());
        assert_eq!(number("1fffe000").unwrap(), 0x1fff_e000);
        assert_eq!(number("2").unwrap(), 2);
        for bad in ["", "123456789", "+1", "é", "0x"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_text_is_short_and_harmless() {
        assert_eq!(shown("a\x1b[31mb\nc"), "a [31mb c");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), SHOWN + 1);
    }
}
