//! What long messages hold.

/// What a long message holds behind its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Lines of a log, as programs write them: numbers change, words repeat.
    Text,
    /// Bytes that no codec makes shorter.
    Random,
}

impl Payload {
    /// So many bytes of it, the same at each call.
    #[must_use]
    pub fn bytes(self, len: usize) -> Vec<u8> {
        let mut state = 0x1234_5678_9abc_def1_u64;
        let mut random = || {
            // Xorshift, Marsaglia 2003.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut bytes = Vec::with_capacity(len + 256);
        while bytes.len() < len {
            let number = random();
            match self {
                Self::Random => bytes.extend(number.to_le_bytes()),
                Self::Text => {
                    let (device, unit, hashes) = (number % 7, number >> 40, number >> 20 & 0xfffff);
                    let line = format!(
                        "{{\"event\":\"unit\",\"device\":\"cpu{device}\",\"unit\":{unit},\"hashes\":{hashes},\
                         \"algorithm\":\"sha256d\",\"state\":\"done\"}}\n"
                    );
                    bytes.extend(line.as_bytes());
                }
            }
        }
        bytes.truncate(len);
        bytes
    }
}
