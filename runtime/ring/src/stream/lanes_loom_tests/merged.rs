//! One receiver with a lane for each sender.

use loom::{
    sync::{Arc, Mutex},
    thread,
};

use super::{Futexes, RECORD, Reader, lane, model};
use crate::{
    park::{Park as _, SleepOn},
    primitive::{AtomicU64, Ordering},
};

/// `Inbox`.
#[derive(Default)]
struct Inbox {
    lanes: Mutex<Vec<Reader>>,
    arrivals: AtomicU64,
    taken: AtomicU64,
}

impl Inbox {
    fn put(&self, lane: Reader, futex: &Futexes) {
        let mut lanes = self.lanes.lock().unwrap();
        lanes.push(lane);
        self.arrivals.fetch_add(1, Ordering::Release);
        drop(lanes);
        futex.wake(&self.arrivals);
    }

    fn has_lanes(&self) -> bool {
        self.arrivals.load(Ordering::Acquire) != self.taken.load(Ordering::Relaxed)
    }

    fn take(&self, into: &mut Vec<Reader>) {
        if self.has_lanes() {
            let mut lanes = self.lanes.lock().unwrap();
            self.taken.fetch_add(lanes.len() as u64, Ordering::Relaxed);
            into.append(&mut lanes);
        }
    }

    fn sleep_on(&self) -> Option<SleepOn<'_>> {
        let expected = self.taken.load(Ordering::Relaxed) as u32;
        (!self.has_lanes()).then_some(SleepOn { word: &self.arrivals, expected })
    }
}

/// `LaneReceiver`.
struct Receiver {
    lanes: Vec<Reader>,
    current: usize,
    inbox: Arc<Inbox>,
    futex: Arc<Futexes>,
    /// So many lanes are retired.
    retired: usize,
}

impl Receiver {
    fn new(lanes: Vec<Reader>, inbox: Arc<Inbox>, futex: &Arc<Futexes>) -> Self {
        Self { lanes, current: 0, inbox, futex: Arc::clone(futex), retired: 0 }
    }

    fn select(&mut self) -> bool {
        self.inbox.take(&mut self.lanes);
        let mut left = self.lanes.len();
        while left > 0 {
            left -= 1;
            self.current = if self.current + 1 < self.lanes.len() { self.current + 1 } else { 0 };
            let lane = &mut self.lanes[self.current];
            // In this order: a writer that is gone has published all that it ever will.
            let gone = lane.gone();
            if lane.consumer().begin_turn(RECORD).unwrap() {
                return true;
            }
            if gone {
                drop(self.lanes.remove(self.current));
                self.current = self.current.checked_sub(1).unwrap_or(self.lanes.len());
                self.retired += 1;
            }
        }
        false
    }

    fn park(&mut self) {
        for lane in &mut self.lanes {
            let futex = Arc::clone(&lane.futex);
            lane.consumer().arm();
            lane.consumer().wake(&*futex);
        }
        self.futex.heavy_fence();
        let words = self.lanes.iter().map(Reader::sleep_on).chain([self.inbox.sleep_on()]);
        if let Some(words) = words.collect::<Option<Vec<_>>>() {
            self.futex.wait_any(words.into_iter());
        }
        self.lanes.iter_mut().for_each(|lane| lane.consumer().disarm());
    }

    /// The next message; `None`: none is there and so many lanes are retired.
    fn receive(&mut self, retired: usize) -> Option<u64> {
        loop {
            if self.select() {
                return self.lanes[self.current].pop();
            }
            if self.retired == retired {
                return None;
            }
            self.park();
        }
    }
}

/// A value that says its lane.
fn value(lane: u64, number: u64) -> u64 {
    lane << 8 | number
}

/// Receives until so much came of each lane and so many of them are retired; holds the messages of each lane to be
/// all that were sent, once and in order.
fn receive_all(receiver: &mut Receiver, sent: &[u64], retired: usize) {
    let mut next = vec![0; sent.len()];
    while next != sent {
        // More lanes than there are: it waits for messages.
        let got = receiver.receive(usize::MAX).unwrap();
        let lane = (got >> 8) as usize;
        assert_eq!(got & 0xff, next[lane], "lane {lane}");
        next[lane] += 1;
    }
    assert_eq!(receiver.receive(retired), None);
}

/// Each lane has a writer of its own; the receiver sleeps between their messages.
fn writers_and_a_sleeping_receiver(sent: &'static [u64]) -> impl Fn() + Sync + Send + 'static {
    move || {
        let futex = Arc::new(Futexes::default());
        let (writers, lanes): (Vec<_>, Vec<_>) = sent.iter().map(|_| lane(&futex)).unzip();
        let threads: Vec<_> = (0..)
            .zip(writers)
            .zip(sent)
            .map(|((number, mut writer), count)| {
                thread::spawn(move || {
                    (0..*count).for_each(|message| writer.push(value(number, message)));
                    // It closes after the end, which others look at.
                    writer
                })
            })
            .collect();
        let mut receiver = Receiver::new(lanes, Arc::default(), &futex);
        receive_all(&mut receiver, sent, 0);
        threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    }
}

#[test]
fn a_receiver_that_sleeps_on_two_lanes_hears_of_both() {
    model(3, writers_and_a_sleeping_receiver(&[1, 1]));
}

/// It may sleep, be woken by either, and sleep again.
#[test]
fn a_receiver_that_sleeps_again_hears_of_both() {
    model(3, writers_and_a_sleeping_receiver(&[2, 1]));
}

/// One lane closes, and there is a message in the other, in either order. Without a timeout: a receiver that slept
/// through either would sleep for ever.
#[test]
fn a_lane_that_closes_under_a_sleeping_receiver_is_retired() {
    for closes_first in [true, false] {
        model(4, move || {
            let futex = Arc::new(Futexes::default());
            let (closing, first) = lane(&futex);
            let (mut writer, second) = lane(&futex);
            let thread = thread::spawn(move || {
                let mut closing = Some(closing);
                drop(closing.take_if(|_| closes_first));
                writer.push(value(1, 0));
                drop(closing);
                writer
            });
            let mut receiver = Receiver::new(vec![first, second], Arc::default(), &futex);
            receive_all(&mut receiver, &[0, 1], 1);
            drop(thread.join().unwrap());
        });
    }
}

/// What a lane has when it closes is received before it is retired. It is closed without a wake before, which would
/// be a fence and order the two by itself.
#[test]
fn a_lane_is_drained_before_it_is_retired() {
    model(5, || {
        let futex = Arc::new(Futexes::default());
        let (mut writer, reader) = lane(&futex);
        let thread = thread::spawn(move || writer.push_quietly(value(0, 0)));
        let mut receiver = Receiver::new(vec![reader], Arc::default(), &futex);
        receive_all(&mut receiver, &[1], 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_lane_that_joins_under_a_sleeping_receiver_is_heard() {
    model(5, || {
        let (futex, inbox) = (Arc::new(Futexes::default()), Arc::new(Inbox::default()));
        let (quiet, first) = lane(&futex);
        let guest = {
            let (futex, inbox) = (Arc::clone(&futex), Arc::clone(&inbox));
            thread::spawn(move || {
                let (mut writer, reader) = lane(&futex);
                inbox.put(reader, &futex);
                writer.push(value(1, 0));
                (writer, quiet)
            })
        };
        let mut receiver = Receiver::new(vec![first], inbox, &futex);
        receive_all(&mut receiver, &[0, 1], 0);
        drop(guest.join().unwrap());
    });
}
