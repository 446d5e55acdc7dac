//! Rings of others, between two threads: as many messages, as large, in as much memory.

use std::num::NonZeroUsize;

use crate::contests::{Bench, Failure, MANY, Message, RING, message, race, rate, rest, sum, wait_of};

const SLOTS: usize = RING / size_of::<Message>();

/// Several writers; no message is sent through a pointer to a function.
fn contest(
    bench: &Bench,
    writers: u64,
    push: Vec<impl FnMut(Message) -> bool + Send>,
    mut pop: impl FnMut() -> Option<Message>,
) -> Result<f64, Failure> {
    let wait = wait_of(writers, bench.pauses);
    let ends = push.into_iter().zip(0..).map(|(mut push, first): (_, u64)| {
        Box::new(move || {
            for number in (first..MANY).step_by(writers as usize) {
                while !push(message(number)) {
                    wait();
                }
            }
        }) as Box<dyn FnOnce() + Send>
    });
    let (total, time) = race(bench, ends.collect(), || drain(&mut pop, wait));
    rate(total, time)
}

#[inline(always)]
fn drain(pop: &mut impl FnMut() -> Option<Message>, wait: impl Fn()) -> u64 {
    let (mut total, mut count) = (0u64, 0);
    while count < MANY {
        match pop() {
            Some(message) => {
                total = total.wrapping_add(sum(&message));
                count += 1;
            }
            None => wait(),
        }
    }
    total
}

/// One writer.
fn pair(
    bench: &Bench,
    mut push: impl FnMut(Message) -> bool + Send,
    mut pop: impl FnMut() -> Option<Message>,
) -> Result<f64, Failure> {
    let pauses = bench.pauses;
    let writer = move || {
        for number in 0..MANY {
            let message = message(number);
            while !push(message) {
                rest(pauses);
            }
        }
    };
    let (total, time) = race(bench, vec![Box::new(writer)], || drain(&mut pop, || rest(pauses)));
    rate(total, time)
}

pub fn rtrb(bench: &mut Bench) -> Result<f64, Failure> {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Message>::new(SLOTS);
    pair(bench, move |message| producer.push(message).is_ok(), || consumer.pop().ok())
}

pub fn gil(bench: &mut Bench) -> Result<f64, Failure> {
    let slots = NonZeroUsize::new(SLOTS).ok_or("no slots")?;
    let (mut sender, mut receiver) = gil::spsc::channel::<Message>(slots);
    pair(bench, move |message| sender.try_send(message).is_ok(), || receiver.try_recv())
}

pub fn nexus(bench: &mut Bench) -> Result<f64, Failure> {
    let (producer, consumer) = nexus_queue::spsc::ring_buffer::<Message>(SLOTS);
    pair(bench, move |message| producer.push(message).is_ok(), || consumer.pop())
}

pub fn crossbeam(bench: &mut Bench) -> Result<f64, Failure> {
    let (sender, receiver) = crossbeam_channel::bounded::<Message>(SLOTS);
    let push = [sender.clone(), sender].map(|sender| move |message| sender.try_send(message).is_ok());
    contest(bench, 2, push.into(), || receiver.try_recv().ok())
}
