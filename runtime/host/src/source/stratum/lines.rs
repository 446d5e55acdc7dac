//! From a stream of bytes to lines, with bounded memory.

/// Cuts at line feeds; keeps at most one unfinished line.
pub struct Lines {
    unfinished: Vec<u8>,
    longest: usize,
}

/// A line is longer than allowed; nothing after it can be trusted.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Lines of up to `longest` bytes, line feed not counted.
    pub fn new(longest: usize) -> Self {
        Self { unfinished: Vec::new(), longest }
    }

    /// Takes `bytes` and gives each line that they finish, without its line feed, to `each`.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Vec<u8>)) -> Result<(), TooLong> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.keep(&bytes[..end])?;
            each(std::mem::take(&mut self.unfinished));
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.unfinished.len() + bytes.len() > self.longest {
            return Err(TooLong);
        }
        self.unfinished.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_line_passes_and_one_byte_more_does_not() {
        let mut got = Vec::new();
        assert_eq!(Lines::new(4).feed(b"1234\n\n1\n", |line| got.push(line)), Ok(()));
        assert_eq!(got, [&b"1234"[..], b"", b"1"]);
        assert_eq!(Lines::new(4).feed(b"12345", drop), Err(TooLong));
        let mut lines = Lines::new(4);
        assert_eq!(lines.feed(b"123", drop), Ok(()));
        assert_eq!(lines.feed(b"45\n", drop), Err(TooLong));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_split_the_lines_are_the_same(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            piece in 1usize..20,
        ) {
            let mut lines = Lines::new(usize::MAX / 2);
            let mut got = Vec::new();
            for part in bytes.chunks(piece) {
                lines.feed(part, |line| got.push(line)).unwrap();
            }
            let mut wanted: Vec<_> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            prop_assert_eq!(Some(lines.unfinished), wanted.pop());
            prop_assert_eq!(got, wanted);
        }
    }
}
