//! How a record's header is written and judged: arithmetic alone. spec: CHN-2.1

/// Bytes of a word, of a header, and of the smallest record.
pub(super) const WORD: u64 = 8;

const MESSAGE: u64 = adit_abi::RECORD_MESSAGE as u64;
const SKIP: u64 = adit_abi::RECORD_SKIP as u64;

/// Bytes that a message of `len` takes; `len` is at most `u32::MAX`.
#[inline(always)]
pub(super) const fn size(len: u64) -> u64 {
    WORD + len.next_multiple_of(WORD)
}

/// The header of a message.
#[inline(always)]
pub(super) const fn message(len: u64) -> u64 {
    MESSAGE << 32 | len
}

/// The header of a skip record that takes `bytes`, itself included.
pub(super) const fn skip(bytes: u64) -> u64 {
    SKIP << 32 | (bytes - WORD)
}

/// The header of a descriptor: of what lies in an arena. Only a reader that has the arena takes one.
pub(super) const DESCRIPTOR: u64 = (adit_abi::RECORD_DESCRIPTOR as u64) << 32 | DESCRIPTOR_BYTES;

/// Bytes of a descriptor, without its header.
pub(super) const DESCRIPTOR_BYTES: u64 = size_of::<adit_abi::Descriptor>() as u64;

/// What a header says, if it can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A message with a payload of so many bytes.
    Message(u64),
    /// So many bytes until the end of the buffer, header included; a message comes after them.
    Skip(u64),
}

/// Where a header stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Published bytes from the header on.
    pub published: u64,
    /// Bytes from the header to the end of the buffer.
    pub to_end: u64,
    /// Bytes that the largest record takes.
    pub largest: u64,
}

impl Place {
    /// Judges a header that the peer wrote; `None` means that no correct writer puts it here.
    #[inline(always)]
    pub(super) fn judge(&self, header: u64) -> Option<Header> {
        let len = header & u64::from(u32::MAX);
        if header >> 32 == MESSAGE {
            let fits = size(len) <= self.published.min(self.to_end).min(self.largest);
            return fits.then_some(Header::Message(len));
        }
        self.judge_skip(header)
    }

    /// A skip ends where the buffer does, is shorter than the record that did not fit, and is published
    /// together with that record.
    #[cold]
    fn judge_skip(&self, header: u64) -> Option<Header> {
        let right = self.to_end < self.largest && self.to_end < self.published;
        (right && header == skip(self.to_end)).then_some(Header::Skip(self.to_end))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PLACE: Place = Place { published: 64, to_end: 24, largest: 32 };

    #[test]
    fn a_message_stays_within_what_is_published_and_before_the_end() {
        assert_eq!(PLACE.judge(message(0)), Some(Header::Message(0)));
        assert_eq!(PLACE.judge(message(16)), Some(Header::Message(16)));
        assert_eq!(PLACE.judge(message(17)), None);
        assert_eq!(Place { published: 16, ..PLACE }.judge(message(9)), None);
        assert_eq!(Place { to_end: 64, ..PLACE }.judge(message(25)), None);
        assert_eq!(PLACE.judge(message(u64::from(u32::MAX))), None);
    }

    #[test]
    fn a_skip_goes_to_the_end_and_is_followed() {
        assert_eq!(PLACE.judge(skip(24)), Some(Header::Skip(24)));
        assert_eq!(PLACE.judge(skip(16)), None);
        assert_eq!(Place { published: 24, ..PLACE }.judge(skip(24)), None);
        assert_eq!(Place { to_end: 32, ..PLACE }.judge(skip(32)), None);
    }

    #[test]
    fn other_kinds_are_refused() {
        for header in [0, 1, 3 << 32, DESCRIPTOR, u64::MAX, 1 << 63 | message(8)] {
            assert_eq!(PLACE.judge(header), None);
        }
    }
}
