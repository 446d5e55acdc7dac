//! The two frames of a handshake, 120 bytes each: the sender's greeting and the receiver's answer.
//!
//! ```text
//!  0  magic "ADITWIRE"    16  mode          32  type size        44  codec: u8, rule: u8, then zero
//!  8  wire version        20  pid           36  type alignment   48  session
//! 12  status              24  capacity      40  name length      56  type name, padded with zeros
//! ```
//!
//! Magic, version and status stay where they are in every version, so that two versions can say that they
//! differ.

use crate::{
    codec,
    endpoint::OpenFailure,
    lane::{MAX_TYPE_NAME, MessageKind, Mode, Spec},
};

/// Bytes of a handshake frame.
pub(super) const HELLO: usize = NAME + MAX_TYPE_NAME;

/// Where the name stands.
const NAME: usize = 56;

/// So many of them are the same in every version.
pub(super) const COMMON: usize = 16;

/// Of everything that crosses the wire.
pub(super) const VERSION: u32 = 1;

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// From the sender: may I?
    Hello = 0,
    /// You are in.
    Accepted = 1,
    /// We differ in what this frame says.
    Different = 2,
    /// There are as many senders as there may be.
    Taken = 3,
    /// Something else; this side has its own trouble.
    Failed = 4,
}

const STATUSES: [Status; 5] =
    [Status::Hello, Status::Accepted, Status::Different, Status::Taken, Status::Failed];

/// A handshake frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    pub status: Status,
    pub spec: Spec,
    /// What the sender will compress with; in an answer what it said.
    pub codec: u8,
    /// In the answer of a broadcast's sender what it does when it is full, as its policy's number; elsewhere 0.
    pub rule: u8,
    /// A number of the sender's own, the same when it comes back.
    pub session: u64,
}

impl Hello {
    /// What every handshake of every version begins with.
    pub const MAGIC: &[u8; 8] = b"ADITWIRE";

    /// Whether what begins so can be a handshake's.
    pub fn may_begin_with(bytes: &[u8]) -> bool {
        let common = bytes.len().min(Self::MAGIC.len());
        bytes[..common] == Self::MAGIC[..common]
    }

    pub fn to_bytes(&self) -> [u8; HELLO] {
        let Spec { mode, capacity, kind } = &self.spec;
        let name = kind.name().as_bytes();
        let mut bytes = [0; HELLO];
        bytes[..8].copy_from_slice(Self::MAGIC);
        let mut put = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(8, VERSION);
        put(12, self.status as u32);
        put(16, mode.to_number());
        put(20, std::process::id());
        put(32, kind.size_or_arena());
        put(36, kind.alignment_and_flag());
        put(40, name.len() as u32);
        bytes[24..32].copy_from_slice(&(*capacity as u64).to_le_bytes());
        (bytes[44], bytes[45]) = (self.codec, self.rule);
        bytes[48..NAME].copy_from_slice(&self.session.to_le_bytes());
        bytes[NAME..NAME + name.len()].copy_from_slice(name);
        bytes
    }

    /// Reads what a peer sent; [`COMMON`] bytes are enough to see that it is of another version.
    ///
    /// spec: NET-2.2
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpenFailure> {
        let wrong = |what: &str| OpenFailure::Peer(format!("its handshake of {} bytes {what}", bytes.len()));
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
            four.map(u32::from_le_bytes).ok_or_else(|| wrong("is too short"))
        };
        if bytes.get(..8) != Some(Self::MAGIC) {
            return Err(wrong("does not begin with ADITWIRE: it is no end of a channel"));
        }
        let version = number(8)?;
        if version != VERSION {
            return Err(OpenFailure::Mismatch {
                what: "wire version",
                ours: VERSION.to_string(),
                theirs: version.to_string(),
            });
        }
        if bytes.len() != HELLO {
            return Err(wrong("has not the right length"));
        }
        let status = STATUSES.get(number(12)? as usize).ok_or_else(|| wrong("has an unknown status"))?;
        let mode = Mode::from_number(number(16)?).ok_or_else(|| wrong("has an unknown mode"))?;
        let capacity = u64::from(number(24)?) | u64::from(number(28)?) << 32;
        let capacity = usize::try_from(capacity).map_err(|_| wrong("has an impossible capacity"))?;
        let name = (number(40)? as usize).checked_add(NAME).and_then(|end| bytes.get(NAME..end));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| wrong("has no type name"))?;
        let kind = MessageKind::from_parts(name.to_owned(), number(32)?, number(36)?);
        kind.check().map_err(|_| wrong("has an impossible message type"))?;
        let session = u64::from(number(48)?) | u64::from(number(52)?) << 32;
        let (codec, rule) = (bytes[44], bytes[45]);
        Ok(Self { status: *status, spec: Spec { mode, capacity, kind }, codec, rule, session })
    }

    /// The first thing in which a sender's greeting differs from what this receiver has.
    pub fn difference(&self, ours: &Spec) -> Option<OpenFailure> {
        if let Some((what, ours, theirs)) = ours.difference(&self.spec) {
            return Some(OpenFailure::Mismatch { what, ours, theirs });
        }
        codec::name(self.codec).is_none().then(|| OpenFailure::Mismatch {
            what: "compression",
            ours: "none, lz4, zstd or snappy".into(),
            theirs: format!("codec {}", self.codec),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello() -> Hello {
        let kind = MessageKind::fixed("sample::Frame", 48, 16);
        let spec = Spec { mode: Mode::Mpsc, capacity: 1 << 16, kind };
        Hello { status: Status::Different, spec, codec: 2, rule: 3, session: u64::MAX - 7 }
    }

    #[test]
    fn a_handshake_is_read_as_it_was_written() {
        for kind in [hello().spec.kind, MessageKind::bytes(), MessageKind::fixed(&"x".repeat(64), 8, 8)] {
            let spec = Spec { kind, ..hello().spec };
            let hello = Hello { spec, ..hello() };
            assert_eq!(Hello::from_bytes(&hello.to_bytes()).unwrap(), hello);
        }
    }

    #[test]
    fn another_version_says_both() {
        let mut bytes = hello().to_bytes();
        bytes[8] = 9;
        let error = Hello::from_bytes(&bytes[..COMMON]).unwrap_err().to_string();
        assert!(
            error.starts_with("the wire version differs: this side asks for 1, the other side has 9;"),
            "{error}"
        );
    }

    #[test]
    fn what_differs_is_named() {
        let ours = Spec { mode: Mode::Spsc, ..hello().spec };
        let error = hello().difference(&ours).unwrap().to_string();
        assert!(error.contains("SPSC") && error.contains("MPSC"), "{error}");
        assert!(hello().difference(&hello().spec).is_none());
        let strange = Hello { codec: 77, ..hello() };
        assert!(strange.difference(&hello().spec).unwrap().to_string().contains("codec 77"));
    }

    proptest! {
        #[test]
        fn no_handshake_is_too_strange(
            at in 0..HELLO,
            value in any::<u8>(),
            len in 0..=HELLO,
            noise in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut bytes = hello().to_bytes();
            bytes[at] = value;
            if let Ok(read) = Hello::from_bytes(&bytes) {
                prop_assert_eq!(Hello::from_bytes(&read.to_bytes()).unwrap(), read);
            }
            prop_assert!(len == HELLO || Hello::from_bytes(&bytes[..len]).is_err());
            prop_assert!(Hello::from_bytes(&noise).is_err());
        }
    }
}
