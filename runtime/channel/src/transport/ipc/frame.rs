//! The frames of a join, 112 bytes each.
//!
//! ```text
//!  0  magic "ADITJOIN"    16  mode          32  type size        44  node, plus 1
//!  8  layout version      20  pid           36  type alignment   48  type name, padded with zeros
//! 12  status              24  capacity      40  name length
//! ```
//!
//! spec: CHN-4.2
//!
//! Magic, version and status stay where they are in every version, so that two versions can say that they
//! differ.

use crate::{
    endpoint::OpenFailure,
    lane::{LAYOUT_VERSION, MAX_TYPE_NAME, MessageKind, Mode, Spec},
};

/// Bytes of a frame.
pub(super) const FRAME: usize = 48 + MAX_TYPE_NAME;

/// What every frame of every version begins with.
pub(super) const MAGIC: &[u8; 8] = b"ADITJOIN";

/// What a frame says of the join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// From the sender: may I?
    Hello,
    /// You are in; here is my region.
    Accepted,
    /// We differ in what this frame says.
    Different,
    /// There are as many senders as there may be.
    Taken,
    /// Something else; this side has its own trouble.
    Failed,
    /// From the sender: where are you?
    Where,
    /// On this NUMA node.
    Here,
    /// Your user is not one of those whom this side permits.
    Forbidden,
}

const STATUSES: [Status; 8] = [
    Status::Hello,
    Status::Accepted,
    Status::Different,
    Status::Taken,
    Status::Failed,
    Status::Where,
    Status::Here,
    Status::Forbidden,
];

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub status: Status,
    pub spec: Spec,
    /// The NUMA node of who sends the frame, where that is known; in the answer to a receiver of a broadcast,
    /// its slot.
    pub node: Option<u32>,
}

impl Frame {
    /// What a stranger is told: nothing of the channel.
    pub fn forbidden() -> Self {
        let spec = Spec { mode: Mode::Spsc, capacity: 0, kind: MessageKind::bytes() };
        Self { status: Status::Forbidden, spec, node: None }
    }

    pub fn to_bytes(&self) -> [u8; FRAME] {
        let Spec { mode, capacity, kind } = &self.spec;
        let status = STATUSES.iter().position(|status| *status == self.status).unwrap_or(0);
        let name = kind.name().as_bytes();
        let mut bytes = [0; FRAME];
        bytes[..8].copy_from_slice(MAGIC);
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(8, LAYOUT_VERSION);
        put(12, status as u32);
        put(16, mode.to_number());
        put(20, std::process::id());
        put(32, kind.size_or_arena());
        put(36, kind.alignment_and_flag());
        put(40, name.len() as u32);
        put(44, self.node.map_or(0, |node| node.saturating_add(1)));
        bytes[24..32].copy_from_slice(&(*capacity as u64).to_le_bytes());
        bytes[48..48 + name.len()].copy_from_slice(name);
        bytes
    }

    /// Reads what a peer sent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenFailure> {
        let wrong = |what: &str| OpenFailure::Peer(format!("its frame of {} bytes {what}", bytes.len()));
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            four.map(u32::from_le_bytes).ok_or_else(|| wrong("is too short"))
        };
        if bytes.get(..8) != Some(MAGIC) {
            return Err(wrong("does not begin with ADITJOIN"));
        }
        let version = number(8)?;
        if version != LAYOUT_VERSION {
            return Err(OpenFailure::Mismatch {
                what: "layout version",
                ours: LAYOUT_VERSION.to_string(),
                theirs: version.to_string(),
            });
        }
        if bytes.len() != FRAME {
            return Err(wrong("has not the right length"));
        }
        let status = STATUSES.get(number(12)? as usize).ok_or_else(|| wrong("has an unknown status"))?;
        let mode = Mode::from_number(number(16)?).ok_or_else(|| wrong("has an unknown mode"))?;
        let capacity = u64::from(number(24)?) | u64::from(number(28)?) << 32;
        let capacity = usize::try_from(capacity).map_err(|_| wrong("has an impossible capacity"))?;
        let name = (number(40)? as usize).checked_add(48).and_then(|end| bytes.get(48..end));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| wrong("has no type name"))?;
        let kind = MessageKind::from_parts(name.to_owned(), number(32)?, number(36)?);
        kind.check().map_err(|_| wrong("has an impossible message type"))?;
        let node = number(44)?.checked_sub(1);
        Ok(Self { status: *status, spec: Spec { mode, capacity, kind }, node })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> Frame {
        let kind = MessageKind::fixed("sample::Frame", 48, 16);
        let spec = Spec { mode: Mode::Mpsc, capacity: 1 << 16, kind };
        Frame { status: Status::Different, spec, node: Some(3) }
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        for kind in [frame().spec.kind, MessageKind::bytes(), MessageKind::fixed(&"x".repeat(64), 8, 8)] {
            let spec = Spec { kind, ..frame().spec };
            let frame = Frame { spec, ..frame() };
            assert_eq!(Frame::from_bytes(&frame.to_bytes()).unwrap(), frame);
        }
    }

    #[test]
    fn another_version_says_both() {
        let mut bytes = frame().to_bytes();
        bytes[8] = 9;
        let error = Frame::from_bytes(&bytes[..16]).unwrap_err().to_string();
        assert!(
            error.starts_with("the layout version differs: this side asks for 2, the other side has 9;"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_frame_is_too_strange(
            at in 0..FRAME,
            value in any::<u8>(),
            len in 0..=FRAME,
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = frame().to_bytes();
            bytes[at] = value;
            if let Ok(read) = Frame::from_bytes(&bytes) {
                prop_assert_eq!(Frame::from_bytes(&read.to_bytes()).unwrap(), read);
            }
            prop_assert!(len == FRAME || Frame::from_bytes(&bytes[..len]).is_err());
            prop_assert!(Frame::from_bytes(&noise).is_err());
        }
    }
}
