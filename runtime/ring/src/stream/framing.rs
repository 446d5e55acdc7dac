//! How messages lie in the buffer, and which positions they make possible: arithmetic alone. spec: CHN-2.2

use super::{FramingError, Word, check_capacity, error::BadSize, record::WORD};

/// How the messages of a ring lie in its buffer. Both ends must say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Of any length, each behind a header of 8 bytes.
    #[default]
    Records,
    /// All of so many bytes (1 to [`longest_fixed`](super::longest_fixed)), without headers.
    Fixed(usize),
}

impl Framing {
    /// How many messages stand before `position` in a ring of `capacity` bytes, as a cursor in it tells; `None`
    /// if they have no one size, or no ring is like this.
    #[must_use]
    pub fn messages(self, capacity: u64, position: u64) -> Option<u64> {
        let grid = Grid::new(usize::try_from(capacity / 8).ok()?, self).ok()?;
        grid.fixed().map(|_| grid.messages(position))
    }
}

/// What a ring of [`Framing::Records`] has for a size: no message is so long.
const NO_SIZE: u64 = u64::MAX;

/// Where messages may begin in a buffer, and so which cursors are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// A power of two.
    pub capacity: u64,
    /// `capacity - 1`.
    mask: u64,
    /// Of each message, or [`NO_SIZE`].
    size: u64,
    /// From one message to the next; of records, of which each word may begin one, 8.
    /// `stride <= capacity / 4`.
    pub stride: u64,
}

impl Grid {
    pub fn new(words: usize, framing: Framing) -> Result<Self, FramingError> {
        let capacity = check_capacity(words)?;
        match framing {
            Framing::Records => Ok(Self { capacity, mask: capacity - 1, size: NO_SIZE, stride: WORD }),
            Framing::Fixed(size) => {
                let most = super::longest_fixed(capacity as usize);
                if size == 0 || size > most {
                    return Err(BadSize { size, most }.into());
                }
                let size = size as u64;
                Ok(Self { capacity, mask: capacity - 1, size, stride: size.next_multiple_of(WORD) })
            }
        }
    }

    pub fn framing(&self) -> Framing {
        self.fixed().map_or(Framing::Records, Framing::Fixed)
    }

    /// Bytes of each message, if they have one size.
    #[inline(always)]
    pub fn fixed(&self) -> Option<usize> {
        (self.size != NO_SIZE).then_some(self.size as usize)
    }

    /// Whether all messages have `len` bytes.
    #[inline(always)]
    pub fn is_fixed_at(&self, len: usize) -> bool {
        len as u64 == self.size
    }

    /// Words before each payload.
    #[inline(always)]
    pub fn header_words(&self) -> usize {
        usize::from(self.size == NO_SIZE)
    }

    #[inline(always)]
    pub fn index(&self, position: u64) -> u64 {
        position & self.mask
    }

    /// The words of the message of `len` bytes at `position`, in a ring of messages of that one size.
    ///
    /// # Safety
    /// `words` are the ring's, all of them; `len` is [the size](Self::is_fixed_at); and the position is
    /// [possible](Self::has).
    #[inline(always)]
    pub unsafe fn message<'w>(&self, words: &'w [Word], position: u64, len: usize) -> &'w [Word] {
        let (index, count) = (self.index(position) as usize, len.div_ceil(8));
        debug_assert!(self.is_fixed_at(len) && self.has(position) && words.len() as u64 * 8 == self.capacity);
        // SAFETY: possible positions are multiples of 8, and from each there is room for a message before the end of
        // the buffer.
        unsafe {
            std::hint::assert_unchecked(index.is_multiple_of(8));
            words.get_unchecked(index / 8..index / 8 + count)
        }
    }

    /// Bytes from `position` to the end of the buffer, at least one.
    #[inline(always)]
    pub fn room_at(&self, position: u64) -> u64 {
        self.capacity - self.index(position)
    }

    /// Where the message after the one at `position` stands, of messages with one `stride`: none crosses the
    /// end of the buffer.
    ///
    /// With a stride that is known when this is compiled, most of it disappears.
    #[inline(always)]
    pub fn after(&self, position: u64, stride: u64) -> u64 {
        self.place(position + stride, stride)
    }

    /// As [`after`](Self::after), for a position that a message may end at.
    #[inline(always)]
    pub fn place(&self, position: u64, stride: u64) -> u64 {
        if stride.is_power_of_two() {
            // It divides the capacity, so the last message ends where the buffer does.
            return position;
        }
        let to_end = self.room_at(position);
        if to_end < stride { position + to_end } else { position }
    }

    /// Whether a cursor can be here.
    #[inline(always)]
    pub fn has(&self, position: u64) -> bool {
        if self.stride == WORD {
            return position.is_multiple_of(WORD);
        }
        self.index(position).is_multiple_of(self.stride) && self.room_at(position) >= self.stride
    }

    /// How many messages stand before `position`, in a ring of messages of one size.
    fn messages(&self, position: u64) -> u64 {
        position / self.capacity * (self.capacity / self.stride) + self.index(position) / self.stride
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_have_limits() {
        for size in [0, 17, 1 << 40] {
            assert_eq!(Grid::new(8, Framing::Fixed(size)).unwrap_err(), BadSize { size, most: 16 }.into());
        }
        assert!(Grid::new(8, Framing::Fixed(16)).is_ok());
        assert!(matches!(Grid::new(9, Framing::Fixed(8)), Err(FramingError::Capacity(_))));
    }

    #[test]
    fn a_message_that_does_not_fit_begins_the_next_lap() {
        let grid = Grid::new(16, Framing::Fixed(20)).unwrap();
        let positions: Vec<u64> =
            std::iter::successors(Some(0), |at| Some(grid.after(*at, 24))).take(7).collect();
        assert_eq!(positions, [0, 24, 48, 72, 96, 128, 152]);
    }

    proptest! {
        #[test]
        fn a_cursor_is_possible_where_messages_lead_and_nowhere_else(
            bits in 6..10u32,
            size in 1..128usize,
            lap in 0..4u64,
        ) {
            let capacity = 1 << bits;
            prop_assume!(size <= capacity / 4);
            let grid = Grid::new(capacity / 8, Framing::Fixed(size)).unwrap();
            let stride = (size as u64).next_multiple_of(8);
            let begin = lap * capacity as u64;
            let (mut position, mut messages) = (begin, lap * (capacity as u64 / stride));
            for at in begin..begin + 2 * capacity as u64 {
                prop_assert_eq!(grid.has(at), at == position, "{}", at);
                if at == position {
                    prop_assert_eq!(grid.messages(at), messages);
                    position = grid.after(at, stride);
                    prop_assert!(position - at < 2 * stride);
                    messages += 1;
                }
            }
        }
    }
}
