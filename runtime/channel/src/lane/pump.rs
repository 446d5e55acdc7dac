//! Lanes whose other end is not memory: what a transport does for them, on the thread of the lane's user.

use std::{
    fmt::Debug,
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use adit_memory::Region;
use adit_ring::{
    park::Park as _,
    stream::{Consumer, Framing, Run},
};

use super::{Spec, WriterLane, end::End, header, memory::LaneMemory};
use crate::transport::{net::BadFrame, udp::Datagrams};

/// Takes away what a writer writes.
pub(crate) trait Pump: Send + Debug {
    /// As much was published as the [`Drain`] was armed for.
    fn published(&mut self);

    /// Takes away what it can, now.
    fn push_out(&mut self);

    /// Sleeps until it can take more, at most `time`; may return early.
    fn wait(&mut self, time: Duration);

    /// Whether it took everything when it last tried: what is published since then is gathered, and goes by itself.
    fn keeps_up(&self) -> bool {
        false
    }
}

/// Brings what a reader reads.
pub(crate) trait Source: Send + Debug {
    /// Writes into the lane what has come.
    fn fill(&mut self);

    /// What is wrong with the other side.
    fn fault(&self) -> Option<BadFrame>;

    /// Messages that were sent to this end and never come.
    fn lost(&self) -> u64 {
        0
    }

    /// What was met on the way of datagrams, if these are.
    fn datagrams(&self) -> Option<Datagrams> {
        None
    }

    /// How long the reader may sleep without a look.
    fn longest_sleep(&self) -> Duration {
        Duration::MAX
    }

    /// The reader has slept on what it [polls](Self::poll_on) until then: it would have looked had there been anything.
    fn slept_until(&mut self, woken: Instant) {
        let _ = woken;
    }

    /// What is readable when more has come; `None`: nothing more will.
    fn poll_on(&self) -> Option<Arc<OwnedFd>>;
}

/// The reading end of a writer's lane in a transport's hands: reads messages together, as they stand in the
/// ring. Both regions are private memory of this process.
#[derive(Debug)]
pub(crate) struct Drain {
    consumer: Consumer<LaneMemory>,
    end: End,
}

/// A lane whose reading end is a transport's.
pub(crate) fn drained(spec: &Spec) -> Result<(WriterLane, Drain), adit_memory::MemoryError> {
    let writer = Arc::new(Region::heap(header::writer_size(spec.capacity))?);
    let reader = Arc::new(Region::heap(header::READER_SIZE)?);
    let memory = LaneMemory::new(spec.capacity, Arc::clone(&writer), Arc::clone(&reader));
    let consumer = Consumer::framed(memory, spec.kind.framing())
        .expect("capacity and size were checked when the channel was built");
    let drain = Drain { consumer, end: End::new(Arc::clone(&reader), Arc::clone(&writer)) };
    Ok((WriterLane::new(spec, writer, reader), drain))
}

impl Drain {
    /// The next messages, of `most` bytes together, or one of any length.
    pub fn run(&mut self, most: u64) -> Option<Run> {
        // Nobody but the sender writes here, and the sender is this library.
        self.consumer.run(most).ok().flatten()
    }

    pub fn bytes(&self, run: Run) -> &[u8] {
        // SAFETY: both ends are in this process, and a producer does not write to what is not consumed.
        unsafe { self.consumer.run_bytes(run).as_slice() }
    }

    pub fn consume(&mut self, run: Run) {
        self.consumer.consume_run(run);
        // So that the sender knows what was handed over of a receiver that goes.
        if self.consumer.framing() == Framing::Records {
            self.end.count(run.messages().into(), run.bytes() as u64);
        }
        self.end.show_position(self.consumer.position());
        // A future may wait for the room.
        self.consumer.wake(&self.end.futex);
    }

    /// Looks how much is published, so that [`arm`](Self::arm) counts from there.
    pub fn look(&mut self) {
        let _ = self.consumer.waiting_bytes();
    }

    /// Has the writer call its pump when more than `more` bytes are published beyond what was found last.
    pub fn arm(&self, more: u64) {
        self.consumer.arm_beyond(more);
    }

    /// Whether the writer, if it has published since the last look, will call its pump.
    pub fn is_settled(&self) -> bool {
        self.end.futex.heavy_fence();
        self.consumer.is_settled()
    }

    /// The other side was closed.
    pub fn close(&self) {
        self.end.close();
    }
}
