//! A reading end of a ring that is overwritten: messages are copied first, and believed afterwards.

mod descriptor;

use std::time::Duration;

use super::{
    ReaderMemory, ResumeError, Word,
    consumer::{self, start},
    is_aligned,
    record::{self, Header, Place, WORD},
};
use crate::{
    Misbehaved,
    park::{Park, SleepOn},
    primitive::{Ordering, fence, load_acquire},
    stream::{FramingError, check_capacity, longest},
};

/// So often in a row a record may be overwritten while it is copied; then there is nothing for now.
const TRIES: u32 = 8;

/// A reading end of a broadcast ring whose writer overwrites what was not read.
#[derive(Debug)]
pub struct Follower<M: ReaderMemory> {
    memory: M,
    /// A power of two.
    capacity: u64,
    /// Position of the next record to read.
    head: u64,
    /// Number of the message that is due.
    sequence: u64,
    /// Some records before the head were not seen, so that the next may have a later number.
    gap: bool,
    /// What the writer's tail was when last looked at; at least `head`.
    cached_tail: u64,
    /// Messages that were overwritten, or passed by, before this end copied them.
    lost: u64,
}

/// What became of a copy.
enum Copied {
    /// It is whole: the message has so many bytes, and this number's low bits.
    Whole(u64, u64),
    /// There is a skip record, of so many bytes.
    Skip(u64),
    /// The writer was faster: nothing of it counts.
    Torn,
}

impl<M: ReaderMemory> Follower<M> {
    /// A reading end that begins where the writer says; `None`: it has not said it yet.
    ///
    /// # Errors
    /// [`ResumeError`]: no ring has this size, or the writer names a start that cannot be.
    pub fn join(memory: M) -> Result<Option<Self>, ResumeError> {
        let capacity = check_capacity(memory.words().len()).map_err(FramingError::from)?;
        let Some((head, sequence)) = start(&memory)? else { return Ok(None) };
        let mut follower = Self { memory, capacity, head, sequence, gap: false, cached_tail: head, lost: 0 };
        follower.memory.reader().head.store(head, Ordering::Release);
        follower.refresh()?;
        Ok(Some(follower))
    }

    /// Bytes of the ring.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The longest message, and how many bytes of words a copy needs.
    #[must_use]
    pub fn longest(&self) -> usize {
        longest(self.capacity as usize)
    }

    /// Position of the next record.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.head
    }

    /// Messages that were sent to this reader and that it never got, as far as it knows: those up to the last
    /// one that it did get.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Copies the next message that is whole to the start of `into`, which has room for the
    /// [`longest`](Self::longest), and says how long it is.
    ///
    /// `None`: nothing is there, or for now the writer is too fast.
    ///
    /// # Errors
    /// [`Misbehaved`]: there is what no correct writer leaves.
    ///
    /// # Panics
    /// `into` is too short.
    pub fn copy_next(&mut self, into: &[Word]) -> Result<Option<usize>, Misbehaved> {
        for _ in 0..TRIES {
            if self.head >= self.cached_tail {
                self.refresh()?;
                if self.head == self.cached_tail {
                    return Ok(None);
                }
            }
            match self.copy(self.head, self.cached_tail - self.head, into)? {
                Copied::Whole(len, sequence) => return self.accept(self.head, len, sequence).map(Some),
                Copied::Skip(bytes) => self.head += bytes,
                Copied::Torn => self.lapped()?,
            }
        }
        Ok(None)
    }

    /// As [`copy_next`](Self::copy_next), for the newest message alone: those before it count as lost.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As there.
    pub fn copy_newest(&mut self, into: &[Word]) -> Result<Option<usize>, Misbehaved> {
        for _ in 0..TRIES {
            self.refresh()?;
            if self.head == self.cached_tail {
                return Ok(None);
            }
            let newest = self.memory.writer().newest.load(Ordering::Relaxed);
            if newest < self.head || newest > super::MAX_POSITION || !is_aligned(newest) {
                let (lowest, highest) = (self.head, super::MAX_POSITION);
                return Err(Misbehaved::Value { name: "newest", value: newest, lowest, highest });
            }
            // It is stored before the tail, so it may be beyond the one that was just seen; what is below the
            // tail is seen with that.
            self.refresh()?;
            if newest >= self.cached_tail {
                continue;
            }
            let published = self.cached_tail - newest;
            match self.copy(newest, published, into)? {
                Copied::Whole(len, sequence) => {
                    self.gap |= newest != self.head;
                    return self.accept(newest, len, sequence).map(Some);
                }
                // Without a newer one there is nothing any more, and this end may sleep.
                Copied::Torn => self.lapped()?,
                Copied::Skip(_) => {}
            }
        }
        Ok(None)
    }

    /// Copies the record at `position`, then looks whether it was still there. `published` bytes from it on
    /// are.
    fn copy(&self, position: u64, published: u64, into: &[Word]) -> Result<Copied, Misbehaved> {
        let index = position & (self.capacity - 1);
        let words = &self.memory.words()[index as usize / 8..];
        let header = words[0].load();
        let place = Place { published, to_end: self.capacity - index, largest: self.capacity / 4 };
        let judged = place.judge(header);
        if let Some(Header::Message { len, .. }) = judged {
            let count = (len as usize).div_ceil(8);
            crate::stream::copy::between(&words[1..][..count], &into[..count]);
        }
        if self.is_given_up(position) {
            return Ok(Copied::Torn);
        }
        match judged {
            Some(Header::Message { len, sequence }) => Ok(Copied::Whole(len, sequence)),
            Some(Header::Skip(bytes)) => Ok(Copied::Skip(bytes)),
            None => Err(Misbehaved::Record { position, header }),
        }
    }

    /// Whether what was loaded before, of the record at `position` or of what it describes, may be of a later lap.
    #[inline(always)]
    fn is_given_up(&self, position: u64) -> bool {
        // SYNC with the producer's release fence: who saw a word of a later lap sees that it was given up.
        fence(Ordering::Acquire);
        self.memory.writer().oldest.load(Ordering::Relaxed) > position
    }

    /// Goes on after a copy of the record at `position` that is whole.
    fn accept(&mut self, position: u64, len: u64, sequence: u64) -> Result<usize, Misbehaved> {
        if self.gap {
            let count = self.memory.writer().count.load(Ordering::Relaxed);
            let missed = record::missed(self.sequence, sequence, count.wrapping_sub(self.sequence));
            self.lost = self.lost.saturating_add(missed);
            self.sequence = self.sequence.wrapping_add(missed);
            self.gap = false;
        } else if sequence != record::low(self.sequence) {
            return Err(Misbehaved::Record { position, header: record::message(len, sequence) });
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.head = position + record::size(len);
        self.cached_tail = self.cached_tail.max(self.head);
        Ok(len as usize)
    }

    /// Goes to the oldest record that is not given up.
    #[cold]
    fn lapped(&mut self) -> Result<(), Misbehaved> {
        let oldest = load_acquire(&self.memory.writer().oldest);
        let (lowest, highest) = (self.head, super::MAX_POSITION);
        if !(lowest..=highest).contains(&oldest) || !is_aligned(oldest) {
            return Err(Misbehaved::Value { name: "oldest", value: oldest, lowest, highest });
        }
        (self.head, self.gap) = (oldest, true);
        // It was published before it was given up; the tail is looked at when it is behind.
        self.cached_tail = self.cached_tail.max(oldest);
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), Misbehaved> {
        // SYNC with the producer's release of the tail.
        let tail = load_acquire(&self.memory.writer().tail);
        let (lowest, highest) = (self.cached_tail, super::MAX_POSITION);
        if !(lowest..=highest).contains(&tail) || !is_aligned(tail) {
            return Err(Misbehaved::Tail { tail, lowest, highest });
        }
        self.cached_tail = tail;
        Ok(())
    }

    /// Whether a message is there; it may be overwritten before it is copied.
    ///
    /// # Errors
    /// [`Misbehaved::Tail`]: the writer moved backwards.
    #[inline]
    pub fn is_ready(&mut self) -> Result<bool, Misbehaved> {
        if self.head == self.cached_tail {
            self.refresh()?;
        }
        Ok(self.head != self.cached_tail)
    }

    /// Announces that this end is about to sleep. Then: [`Park::heavy_fence`], sleep on
    /// [`sleep_on`](Self::sleep_on) if there is anything to sleep for, and [`disarm`](Self::disarm).
    pub fn arm(&mut self) {
        self.publish_head();
        self.memory.reader().waiting.store(self.head + WORD, Ordering::Relaxed);
    }

    /// As [`Consumer::arm_beyond`](super::Consumer::arm_beyond).
    pub fn arm_beyond(&self, more: u64) {
        consumer::arm_beyond(&self.memory, more);
    }

    /// As [`Consumer::is_called`](super::Consumer::is_called).
    #[must_use]
    pub fn is_called(&self) -> bool {
        consumer::is_called(&self.memory)
    }

    /// Shows how far this end has read; the writer does not wait for it.
    pub fn publish_head(&mut self) {
        self.memory.reader().head.store(self.head, Ordering::Release);
    }

    /// What to sleep on until the next message is there; `None`: it is there already.
    #[must_use]
    pub fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let word = &self.memory.writer().tail;
        let tail = load_acquire(word);
        (tail == self.head).then_some(SleepOn { word, expected: tail as u32 })
    }

    /// Takes the announcement back.
    pub fn disarm(&self) {
        self.memory.reader().waiting.store(0, Ordering::Relaxed);
    }

    /// Sleeps until a message is there or `timeout` is over; returns whether one is there.
    ///
    /// # Errors
    /// As [`is_ready`](Self::is_ready).
    pub fn wait(&mut self, park: &impl Park, timeout: Duration) -> Result<bool, Misbehaved> {
        if self.is_ready()? {
            return Ok(true);
        }
        self.arm();
        park.heavy_fence();
        if let Some(sleep) = self.sleep_on() {
            park.wait(sleep.word, sleep.expected, timeout);
        }
        self.disarm();
        self.is_ready()
    }
}
