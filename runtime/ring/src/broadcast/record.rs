//! How a record's header is written and judged: arithmetic alone. spec: CHN-6.3, CHN-7.4

/// Bytes of a word, of a header, and of the smallest record.
pub(super) const WORD: u64 = 8;

const LENGTH_BITS: u32 = 28;
const LENGTH: u64 = (1 << LENGTH_BITS) - 1;
const SKIP: u64 = 1 << LENGTH_BITS;
const SEQUENCE_SHIFT: u32 = LENGTH_BITS + 1;

/// Of a message's number, so many low bits stand in its header.
pub(super) const SEQUENCE_BITS: u32 = 64 - SEQUENCE_SHIFT;

/// Bytes that a message of `len` takes; `len` is at most [`LENGTH`].
#[inline(always)]
pub(super) const fn size(len: u64) -> u64 {
    WORD + len.next_multiple_of(WORD)
}

/// The header of a message.
#[inline(always)]
pub(super) const fn message(len: u64, sequence: u64) -> u64 {
    len | sequence << SEQUENCE_SHIFT
}

/// The header of a skip record that takes `bytes`, itself included.
pub(super) const fn skip(bytes: u64) -> u64 {
    SKIP | (bytes - WORD)
}

/// The low bits of a descriptor's header: of what lies in an arena. No skip is so long, nor of such a length.
const DESCRIPTOR: u64 = SKIP | LENGTH;

/// Bytes of a descriptor, without its header.
pub(super) const DESCRIPTOR_BYTES: u64 = size_of::<adit_abi::Descriptor>() as u64;

/// The header of a descriptor. Only a reader that has the arena takes one.
pub(super) const fn descriptor(sequence: u64) -> u64 {
    DESCRIPTOR | sequence << SEQUENCE_SHIFT
}

/// Bytes of the record with this header, which its own writer wrote.
pub(super) const fn whole(header: u64) -> u64 {
    if is_descriptor(header) { size(DESCRIPTOR_BYTES) } else { size(header & LENGTH) }
}

/// Whether it is a descriptor's, of whatever number.
pub(super) const fn is_descriptor(header: u64) -> bool {
    header & DESCRIPTOR == DESCRIPTOR
}

/// The low bits of the number in a header.
pub(super) const fn sequence(header: u64) -> u64 {
    header >> SEQUENCE_SHIFT
}

/// The low bits of a message's number, as a header has them.
#[inline(always)]
pub(super) const fn low(sequence: u64) -> u64 {
    sequence & ((1 << SEQUENCE_BITS) - 1)
}

/// What a header says, if it can be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A message.
    Message {
        /// Bytes of the payload.
        len: u64,
        /// The low bits of its number.
        sequence: u64,
    },
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
        if header & SKIP != 0 {
            return self.judge_skip(header);
        }
        let len = header & LENGTH;
        let fits = size(len) <= self.published.min(self.to_end).min(self.largest);
        fits.then_some(Header::Message { len, sequence: header >> SEQUENCE_SHIFT })
    }

    /// A skip ends where the buffer does, is shorter than the record that did not fit, and is published
    /// together with that record.
    #[cold]
    fn judge_skip(&self, header: u64) -> Option<Header> {
        let right = self.to_end < self.largest && self.to_end < self.published;
        (right && header == skip(self.to_end)).then_some(Header::Skip(self.to_end))
    }
}

/// How many messages lie between the one that was due and the one with these low bits, where `published` have
/// been sent since the former: the low bits may have come round more than once.
pub(super) const fn missed(due: u64, found: u64, published: u64) -> u64 {
    let least = low(found.wrapping_sub(due));
    if published <= least {
        return least;
    }
    least + ((published - least) >> SEQUENCE_BITS << SEQUENCE_BITS)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PLACE: Place = Place { published: 64, to_end: 24, largest: 32 };

    #[test]
    fn a_message_stays_within_what_is_published_and_before_the_end() {
        let found = |len, sequence| Some(Header::Message { len, sequence });
        assert_eq!(PLACE.judge(message(0, 5)), found(0, 5));
        assert_eq!(PLACE.judge(message(16, u64::MAX)), found(16, low(u64::MAX)));
        assert_eq!(PLACE.judge(message(17, 0)), None);
        assert_eq!(Place { published: 16, ..PLACE }.judge(message(9, 0)), None);
        assert_eq!(Place { to_end: 64, ..PLACE }.judge(message(25, 0)), None);
        assert_eq!(PLACE.judge(LENGTH), None);
    }

    #[test]
    fn a_skip_goes_to_the_end_and_is_followed() {
        assert_eq!(PLACE.judge(skip(24)), Some(Header::Skip(24)));
        for wrong in [skip(16), skip(24) | 1 << 40] {
            assert_eq!(PLACE.judge(wrong), None);
        }
        assert_eq!(Place { published: 24, ..PLACE }.judge(skip(24)), None);
        assert_eq!(Place { to_end: 32, ..PLACE }.judge(skip(32)), None);
    }

    /// Whatever its number, and wherever it stands: to a reader without an arena it is nothing.
    #[test]
    fn a_descriptor_is_neither_a_message_nor_a_skip() {
        for sequence in [0, 1, u64::MAX] {
            for to_end in [8, 24, 64, 1 << 28] {
                let place = Place { published: 1 << 30, to_end, largest: 1 << 28 };
                assert_eq!(place.judge(descriptor(sequence)), None);
            }
        }
        assert_ne!(descriptor(1), descriptor(2));
        assert_eq!(descriptor(1), descriptor(1 + (1 << SEQUENCE_BITS)));
    }

    #[test]
    fn what_was_missed_is_counted_over_laps_of_the_number() {
        let lap = 1 << SEQUENCE_BITS;
        assert_eq!(missed(10, 10, 4), 0);
        assert_eq!(missed(10, 13, 8), 3);
        assert_eq!(missed(lap - 1, 2, 6), 3);
        assert_eq!(missed(10, 13, lap + 8), lap + 3);
        assert_eq!(missed(10, 9, 3 * lap), 3 * lap - 1);
    }
}
