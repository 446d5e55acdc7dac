//! Every interleaving of several rings with one end between them: a receiver that sleeps on all of its lanes, and a
//! sender that sleeps for credit on all of its.
//!
//! The rings are the real ones. What stands around them in `adit-channel` calls the system, so it is restated here:
//! the loop over lanes and the sleep of `endpoint/receiver.rs`, the inbox of `endpoint/inbox.rs`, the choice and the
//! sleep of `endpoint/spread.rs`, and how an end closes, of `lane/end.rs`. Who changes one changes the other.

mod merged;
mod spread;

use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::{Consumer, CursorCell, Producer, StreamMemory, Word};
use crate::{
    park::{Park, SleepOn},
    primitive::{AtomicU64, Ordering, fence, load_acquire},
};

/// Words of each ring: four records of 8 bytes, each published by itself.
const WORDS: usize = 8;

/// What a record takes.
const RECORD: u64 = 16;

#[derive(Debug, Default)]
struct Lane {
    words: Vec<Word>,
    writer: CursorCell,
    reader: CursorCell,
    /// The writer has closed; then the reader.
    closed: [AtomicU64; 2],
}

#[derive(Clone, Debug)]
struct Shared(Arc<Lane>);

// SAFETY: what the `Arc` holds stays what it is.
unsafe impl StreamMemory for Shared {
    fn words(&self) -> &[Word] {
        &self.0.words
    }

    fn writer(&self) -> &CursorCell {
        &self.0.writer
    }

    fn reader(&self) -> &CursorCell {
        &self.0.reader
    }
}

impl Shared {
    fn new() -> Self {
        Self(Arc::new(Lane { words: (0..WORDS).map(|_| Word::default()).collect(), ..Lane::default() }))
    }
}

/// One sleeper, on many words: `futex_waitv`. Each word is compared and queued for by itself, in turn, as the
/// kernel does it.
#[derive(Default)]
struct Futexes {
    queue: Mutex<Queue>,
    bed: Condvar,
}

#[derive(Default)]
struct Queue {
    words: Vec<usize>,
    woken: bool,
}

impl Futexes {
    fn wait_any<'a>(&self, words: impl Iterator<Item = SleepOn<'a>>) {
        for on in words {
            let mut queue = self.queue.lock().unwrap();
            if on.word.load(Ordering::SeqCst) as u32 != on.expected {
                *queue = Queue::default();
                return;
            }
            queue.words.push(std::ptr::from_ref(on.word).addr());
        }
        let mut queue = self.queue.lock().unwrap();
        while !queue.woken {
            queue = self.bed.wait(queue).unwrap();
        }
        *queue = Queue::default();
    }
}

impl Park for Futexes {
    fn light_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn heavy_fence(&self) {
        fence(Ordering::SeqCst);
    }

    fn wait(&self, word: &AtomicU64, expected: u32, _: std::time::Duration) {
        self.wait_any([SleepOn { word, expected }].into_iter());
    }

    fn wake(&self, word: &AtomicU64) {
        let mut queue = self.queue.lock().unwrap();
        if queue.words.contains(&std::ptr::from_ref(word).addr()) {
            queue.woken = true;
            self.bed.notify_one();
        }
    }
}

/// `End::close`, with as many wakes as it takes: there it is 20, and after those a backstop of 50 ms.
fn close(own: &AtomicU64, cursor: &AtomicU64, waiting: &AtomicU64, futex: &Futexes) {
    own.store(1, Ordering::Release);
    futex.light_fence();
    while waiting.load(Ordering::Relaxed) != 0 {
        futex.wake(cursor);
        thread::yield_now();
    }
}

/// `WriterLane`.
struct Writer {
    producer: Option<Producer<Shared>>,
    memory: Shared,
    futex: Arc<Futexes>,
}

impl Writer {
    fn push(&mut self, value: u64) {
        self.push_quietly(value);
        self.producer.as_mut().unwrap().wake(&*self.futex);
    }

    fn push_quietly(&mut self, value: u64) {
        self.producer.as_mut().unwrap().try_push(&value.to_ne_bytes()).unwrap();
    }

    fn gone(&self) -> bool {
        load_acquire(&self.memory.0.closed[1]) != 0
    }

    fn outstanding(&mut self) -> u64 {
        let producer = self.producer.as_mut().unwrap();
        producer.capacity() - producer.refresh()
    }

    fn enough(&self, ahead: u64) -> u64 {
        let producer = self.producer.as_ref().unwrap();
        let room = producer.capacity().saturating_sub(2 * (8 + 16));
        producer.position().saturating_sub(ahead.min(room)).max(1)
    }

    fn arm_for(&mut self, ahead: u64) {
        let head = self.enough(ahead);
        let producer = self.producer.as_mut().unwrap();
        producer.arm_for(head);
        producer.wake(&*self.futex);
    }

    fn sleep_for(&self, ahead: u64) -> Option<SleepOn<'_>> {
        if self.gone() { None } else { self.producer.as_ref().unwrap().sleep_for(self.enough(ahead)) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.producer.take());
        let lane = &self.memory.0;
        close(&lane.closed[0], &lane.writer.position, &lane.reader.waiting, &self.futex);
    }
}

/// `ReaderLane`.
struct Reader {
    consumer: Option<Consumer<Shared>>,
    memory: Shared,
    futex: Arc<Futexes>,
}

impl Reader {
    fn gone(&self) -> bool {
        load_acquire(&self.memory.0.closed[0]) != 0
    }

    fn consumer(&mut self) -> &mut Consumer<Shared> {
        self.consumer.as_mut().unwrap()
    }

    fn pop(&mut self) -> Option<u64> {
        let futex = Arc::clone(&self.futex);
        let record = self.consumer().read().unwrap()?;
        let value = record.bytes().to_words::<1>().expect("eight bytes were written")[0];
        record.finish(&*futex);
        Some(value)
    }

    fn acknowledge(&mut self) {
        let futex = Arc::clone(&self.futex);
        self.consumer().publish_head();
        self.consumer().wake(&*futex);
    }

    fn sleep_on(&self) -> Option<SleepOn<'_>> {
        if self.gone() { None } else { self.consumer.as_ref().unwrap().sleep_on() }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.consumer.take());
        let lane = &self.memory.0;
        close(&lane.closed[1], &lane.reader.position, &lane.writer.waiting, &self.futex);
    }
}

fn lane(futex: &Arc<Futexes>) -> (Writer, Reader) {
    let memory = Shared::new();
    let (producer, consumer) =
        (Producer::new(memory.clone()).unwrap(), Consumer::new(memory.clone()).unwrap());
    (
        Writer { producer: Some(producer), memory: memory.clone(), futex: Arc::clone(futex) },
        Reader { consumer: Some(consumer), memory, futex: Arc::clone(futex) },
    )
}

fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 10_000;
    model.check(check);
}
