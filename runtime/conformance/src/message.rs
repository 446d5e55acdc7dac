//! What travels in the rings, read without the help of `adit-channel`: two readings find more than one.

use adit_abi as abi;

use crate::fault::{Checked, fault};

/// Seven words.
pub(crate) type Payload = [u64; 7];

/// A work unit as the host sends it, sensible or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    pub board_slot: u32,
    pub generation: u64,
    pub id: u64,
    pub start: u64,
    pub count: u64,
}

impl Unit {
    pub fn payload(&self, reserved: [u64; 2]) -> Payload {
        let head = u64::from(abi::MESSAGE_WORK) | u64::from(self.board_slot) << 32;
        [head, self.generation, self.id, self.start, self.count, reserved[0], reserved[1]]
    }

    /// Whether `nonce` is one of its nonces.
    pub fn contains(&self, nonce: u64) -> bool {
        nonce.checked_sub(self.start).is_some_and(|place| place < self.count)
    }
}

/// The end of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub unit: u64,
    pub status: u32,
    pub hashes: u64,
}

/// A unit status in words.
pub(crate) fn status_name(status: u32) -> String {
    match status {
        abi::UNIT_COMPLETE => "UNIT_COMPLETE".into(),
        abi::UNIT_STALE => "UNIT_STALE".into(),
        abi::UNIT_STOPPED => "UNIT_STOPPED".into(),
        abi::UNIT_UNKNOWN_ALGORITHM => "UNIT_UNKNOWN_ALGORITHM".into(),
        abi::UNIT_INVALID => "UNIT_INVALID".into(),
        abi::UNIT_FAILED => "UNIT_FAILED".into(),
        other => format!("status {other}"),
    }
}

/// What a device sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Nothing,
    Hello,
    Solution { unit: u64, nonce: u64, digest: [u8; 32] },
    Done(Done),
    Log(String),
    Error { code: u32, unit: u64, text: String },
}

impl Message {
    /// Reads what a device wrote.
    pub fn parse(payload: &Payload) -> Checked<Self> {
        let (kind, second) = (payload[0] as u32, (payload[0] >> 32) as u32);
        let bytes: Vec<u8> = payload.iter().flat_map(|word| word.to_le_bytes()).collect();
        Ok(match kind {
            abi::MESSAGE_NONE => Self::Nothing,
            abi::MESSAGE_HELLO => Self::Hello,
            abi::MESSAGE_SOLUTION => {
                let digest = std::array::from_fn(|at| bytes[24 + at]);
                Self::Solution { unit: payload[1], nonce: payload[2], digest }
            }
            abi::MESSAGE_DONE if second > abi::UNIT_FAILED => {
                return Err(fault(
                    "SES-5.3",
                    format!("unit {} ended with status {second}; 0 to 5 are known", payload[1]),
                ));
            }
            abi::MESSAGE_DONE => Self::Done(Done { unit: payload[1], status: second, hashes: payload[2] }),
            abi::MESSAGE_LOG => {
                let length = usize::from(second.to_le_bytes()[1]);
                if length > 48 {
                    return Err(fault("SES-5.5", format!("a log line says it has {length} bytes; 48 fit")));
                }
                Self::Log(text(&bytes[8..8 + length]))
            }
            abi::MESSAGE_ERROR => Self::Error { code: second, unit: payload[1], text: text(&bytes[16..]) },
            other => {
                return Err(fault(
                    "SES-5.5",
                    format!("it sent a message of kind {other}, which no device sends"),
                ));
            }
        })
    }

    /// Its kind in words.
    pub fn name(&self) -> String {
        match self {
            Self::Nothing => "an empty message".into(),
            Self::Hello => "a hello".into(),
            Self::Solution { unit, nonce, .. } => format!("a solution (unit {unit}, nonce {nonce})"),
            Self::Done(done) => format!("the end of unit {} ({})", done.unit, status_name(done.status)),
            Self::Log(text) => format!("the log line {text:?}"),
            Self::Error { code, unit, text } => format!("error {code} ({text:?}, unit {unit})"),
        }
    }
}

/// A peer's bytes up to the first zero, without control characters.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).replace(|c: char| c.is_control(), " ").trim().to_owned()
}
