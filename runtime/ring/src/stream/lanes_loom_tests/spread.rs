//! One sender with a lane to each receiver.

use loom::{sync::Arc, thread};

use super::{Futexes, RECORD, Reader, Writer, lane, model};
use crate::park::Park as _;

/// `SpreadSender`, with a credit of one message.
struct Sender {
    /// Each with its number.
    lanes: Vec<(usize, Writer)>,
    current: usize,
    futex: Arc<Futexes>,
}

const CREDIT: u64 = RECORD;

impl Sender {
    /// `choose_next`: the first lane from the next one on whose receiver has read everything.
    fn choose(&mut self) -> bool {
        let mut at = 0;
        while at < self.lanes.len() {
            if self.lanes[at].1.gone() {
                drop(self.lanes.remove(at));
                if at < self.current {
                    self.current -= 1;
                }
            } else {
                at += 1;
            }
        }
        for step in 1..=self.lanes.len() {
            let at = (self.current + step) % self.lanes.len();
            let ahead = self.lanes[at].1.outstanding();
            if ahead == 0 || ahead + RECORD <= CREDIT {
                self.current = at;
                return true;
            }
        }
        false
    }

    fn park(&mut self) {
        let ahead = CREDIT - RECORD;
        self.lanes.iter_mut().for_each(|(_, lane)| lane.arm_for(ahead));
        self.futex.heavy_fence();
        let words: Option<Vec<_>> = self.lanes.iter().map(|(_, lane)| lane.sleep_for(ahead)).collect();
        if let Some(words) = words {
            self.futex.wait_any(words.into_iter());
        }
        self.lanes.iter().for_each(|(_, lane)| lane.producer.as_ref().unwrap().disarm());
    }

    /// Returns the number of the lane that it went to.
    fn send(&mut self, message: u64) -> usize {
        while !self.choose() {
            self.park();
        }
        let (number, lane) = &mut self.lanes[self.current];
        lane.push(message);
        *number
    }
}

/// Takes what is there until the sender is gone; leaves after `most`.
fn serve(mut reader: Reader, most: usize) -> Vec<u64> {
    let mut got = Vec::new();
    while got.len() < most {
        reader.acknowledge();
        let gone = reader.gone();
        match reader.pop() {
            Some(message) => got.push(message),
            None if gone => break,
            None => thread::yield_now(),
        }
    }
    got
}

fn sender(futex: &Arc<Futexes>) -> (Sender, [Reader; 2]) {
    let (lanes, readers): (Vec<_>, Vec<_>) = (0..2).map(|_| lane(futex)).unzip();
    let lanes = lanes.into_iter().enumerate().collect();
    let sender = Sender { lanes, current: 0, futex: Arc::clone(futex) };
    (sender, readers.try_into().unwrap_or_else(|_| unreachable!("two were made")))
}

/// The sender sleeps on two heads; whoever reads first wakes it, and every message comes once. Two more than the
/// credit, so that it may sleep again.
#[test]
fn a_sender_that_sleeps_for_credit_hears_of_whoever_is_idle() {
    model(3, || {
        let futex = Arc::new(Futexes::default());
        let (mut sender, readers) = sender(&futex);
        assert_eq!([sender.send(0), sender.send(1)], [1, 0]);
        // Nobody spins here: of two that do, loom would run one after the other for ever.
        let threads = readers.map(|mut reader| {
            thread::spawn(move || {
                let got = reader.pop().expect("it was there before");
                reader.acknowledge();
                (reader, got)
            })
        });
        let to = [sender.send(2), sender.send(3)];
        assert!(to == [0, 1] || to == [1, 0], "one at a time to each");
        drop(sender);
        let mut all: Vec<_> = Vec::new();
        for thread in threads {
            let (reader, got) = thread.join().unwrap();
            all.push(got);
            all.extend(serve(reader, usize::MAX));
        }
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    });
}

/// One receiver reads its message and leaves, and only then the other goes on: the sender is woken by either, and
/// what it sends is lost with the first or comes to the second.
#[test]
fn a_receiver_that_leaves_under_a_sleeping_sender_is_retired() {
    model(3, || {
        let futex = Arc::new(Futexes::default());
        let (mut sender, [first, second]) = sender(&futex);
        assert_eq!([sender.send(0), sender.send(1)], [1, 0]);
        let thread = thread::spawn(move || (serve(first, 1), serve(second, usize::MAX)));
        let to = sender.send(2);
        drop(sender);
        let (left, got) = thread.join().unwrap();
        assert_eq!(left, [1]);
        assert_eq!(got, if to == 0 { vec![0] } else { vec![0, 2] });
    });
}
