//! Messages that stand one behind the other, read together as they stand in the ring.

use super::{Consumer, Header, Place, StreamMemory, WORD};
use crate::{Misbehaved, stream::Bytes, stream::record};

/// Messages at a ring's head that stand one behind the other: for a reader that passes bytes on, headers and
/// padding included, and looks into none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    position: u64,
    bytes: u64,
    messages: u32,
}

impl Run {
    /// Bytes, a multiple of 8.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Messages, at least one.
    #[must_use]
    pub fn messages(&self) -> u32 {
        self.messages
    }
}

impl<M: StreamMemory> Consumer<M> {
    /// As many messages as are published, stand one behind the other and take `most` bytes together; one of
    /// any length, if there is one. Nothing is consumed.
    ///
    /// # Errors
    /// [`Misbehaved`]: as [`read`](Self::read), if it is so of the first; later ones end the run.
    pub fn run(&mut self, most: u64) -> Result<Option<Run>, Misbehaved> {
        self.refresh()?;
        let Some(first) = self.next()? else { return Ok(None) };
        let all = (self.cached_tail - self.head).min(self.grid.room_at(self.head));
        let (mut bytes, mut messages) = match self.grid.fixed() {
            Some(size) => {
                let stride = (size as u64).next_multiple_of(WORD);
                let count = (all.min(most) / stride).clamp(1, u64::from(u32::MAX));
                return Ok(Some(Run { position: self.head, bytes: count * stride, messages: count as u32 }));
            }
            None => (record::size(first as u64), 1),
        };
        while bytes < all && messages < u32::MAX {
            let Some(size) = self.size_at(self.head + bytes).filter(|size| bytes + size <= most) else {
                break;
            };
            (bytes, messages) = (bytes + size, messages + 1);
        }
        Ok(Some(Run { position: self.head, bytes, messages }))
    }

    /// What the record at `position`, which is published, takes; `None`: it is a skip or makes no sense.
    fn size_at(&self, position: u64) -> Option<u64> {
        let place = Place {
            published: self.cached_tail - position,
            to_end: self.grid.room_at(position),
            largest: self.grid.capacity / 4,
        };
        match place.judge(self.memory.words()[self.grid.index(position) as usize / 8].load()) {
            Some(Header::Message(len)) => Some(record::size(len)),
            _ => None,
        }
    }

    /// The bytes of a run.
    ///
    /// # Panics
    /// Something was consumed since the run was taken.
    #[must_use]
    pub fn run_bytes(&self, run: Run) -> Bytes<'_> {
        assert_eq!(run.position, self.head, "the run is not at the head any more");
        let index = self.grid.index(run.position) as usize / 8;
        Bytes::new(&self.memory.words()[index..][..run.bytes() / 8], run.bytes())
    }

    /// Consumes a run; the writer hears of it at once, if it is not asleep.
    ///
    /// # Panics
    /// As [`run_bytes`](Self::run_bytes), or it is another ring's.
    pub fn consume_run(&mut self, run: Run) {
        assert_eq!(run.position, self.head, "the run is not at the head any more");
        let stride = self.grid.fixed().map_or(WORD, |size| (size as u64).next_multiple_of(WORD));
        let known = run.bytes <= self.cached_tail - self.head && run.bytes.is_multiple_of(stride);
        assert!(known, "the run is another ring's");
        self.head += run.bytes;
        if let Some(size) = self.grid.fixed() {
            self.head = self.grid.place(self.head, (size as u64).next_multiple_of(WORD));
        }
        self.publish_head();
    }

    /// Published bytes that were not consumed, after a look at the writer's tail.
    ///
    /// # Errors
    /// As [`is_ready`](Self::is_ready).
    pub fn waiting_bytes(&mut self) -> Result<u64, Misbehaved> {
        self.refresh()?;
        Ok(self.cached_tail - self.head)
    }

    /// Announces that the writer is to [wake](crate::stream::Producer::wake) this end once it has published
    /// more than `more` bytes beyond what is known to be published.
    pub fn arm_beyond(&self, more: u64) {
        self.memory.reader().waiting.store(
            self.cached_tail.saturating_add(more).saturating_add(WORD),
            crate::primitive::Ordering::Relaxed,
        );
    }

    /// Whether the writer has published nothing since the last look.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        crate::primitive::load_acquire(&self.memory.writer().position) == self.cached_tail
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use crate::stream::{Consumer, CursorCell, Framing, Producer, Word};

    proptest! {
        /// A run's bytes, put one behind the other, are the messages as they would be read one by one.
        #[test]
        fn runs_hold_what_reads_would_give(
            lens in prop::collection::vec(0..60usize, 1..80),
            fixed in prop::option::of(1..60usize),
            most in 0..300u64,
        ) {
            let framing = fixed.map_or(Framing::Records, Framing::Fixed);
            let words: Vec<Word> = (0..32).map(|_| Word::default()).collect();
            let (writer, reader) = (CursorCell::default(), CursorCell::default());
            let mut producer = Producer::framed((&words[..], &writer, &reader), framing).unwrap();
            let mut consumer = Consumer::framed((&words[..], &writer, &reader), framing).unwrap();
            let (mut next, mut read) = (0, 0);
            while read < lens.len() {
                while next < lens.len() {
                    let message = vec![next as u8; fixed.unwrap_or(lens[next].min(56))];
                    if producer.try_push(&message).is_err() {
                        break;
                    }
                    next += 1;
                }
                let run = consumer.run(most).unwrap().expect("not all was read");
                prop_assert!(run.messages() == 1 || run.bytes() as u64 <= most);
                let mut bytes = vec![0; run.bytes()];
                consumer.run_bytes(run).copy_to(0, &mut bytes);
                let mut at = 0;
                for _ in 0..run.messages() {
                    let len = match fixed {
                        Some(size) => size,
                        None => {
                            let head = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
                            prop_assert_eq!(head >> 32, 1);
                            at += 8;
                            head as u32 as usize
                        }
                    };
                    prop_assert_eq!(len, fixed.unwrap_or(lens[read].min(56)));
                    prop_assert!(bytes[at..at + len].iter().all(|byte| *byte == read as u8));
                    at += len.next_multiple_of(8);
                    read += 1;
                }
                prop_assert_eq!(at, bytes.len());
                consumer.consume_run(run);
            }
            prop_assert_eq!(consumer.run(most), Ok(None));
            prop_assert_eq!(consumer.waiting_bytes(), Ok(0));
        }
    }
}
