//! Every way to write and to read messages of one size, mixed, beside a queue.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Push,
    PushRun(u64),
    PushEach(u64),
    /// A turn of so many bytes, as far as it goes, and not more messages than so many.
    PushTurn(u64, u64),
    PublishEvery(u64),
    Flush,
    Pop,
    PopRun(usize),
    PopEach(usize),
    /// Steps past so many messages of a turn of so many bytes.
    Step(u64, usize),
    Read,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        3 => Just(Operation::Push),
        2 => (0..9u64).prop_map(Operation::PushRun),
        2 => (0..9u64).prop_map(Operation::PushEach),
        3 => (0..200u64, 0..9u64).prop_map(|(most, count)| Operation::PushTurn(most, count)),
        1 => (0..100u64).prop_map(Operation::PublishEvery),
        1 => Just(Operation::Flush),
        3 => Just(Operation::Pop),
        2 => (0..9usize).prop_map(Operation::PopRun),
        2 => (0..9usize).prop_map(Operation::PopEach),
        3 => (0..200u64, 0..9usize).prop_map(|(most, count)| Operation::Step(most, count)),
        1 => Just(Operation::Read),
    ];
    prop::collection::vec(operation, 0..300)
}

fn message(number: u64, size: usize) -> Vec<u8> {
    (0..size).map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8).collect()
}

fn copied(bytes: Bytes<'_>) -> Vec<u8> {
    let mut copy = vec![0; bytes.len()];
    bytes.copy_to(0, &mut copy);
    copy
}

type Ends<'a> = (&'a [Word], &'a CursorCell, &'a CursorCell);

fn write(producer: &mut Producer<Ends<'_>>, operation: Operation, size: usize, next: &mut u64) {
    let from = *next;
    match operation {
        Operation::Push => *next += u64::from(producer.try_push_fixed(&message(from, size)).is_ok()),
        Operation::PushRun(count) => {
            let run: Vec<u8> = (from..from + count).flat_map(|number| message(number, size)).collect();
            *next += producer.try_push_run(size, &run).unwrap_or(0) as u64;
        }
        Operation::PushEach(count) => {
            let mut numbers = from..from + count;
            let pushed = producer.try_push_each(size, 7, |slot| {
                let number = numbers.next();
                number.map(|number| slot.fill(&message(number, size))).is_some()
            });
            *next += pushed.unwrap_or(0) as u64;
        }
        Operation::PushTurn(most, count) => {
            producer.begin_turn(most);
            while *next - from < count && producer.push_in_turn(&message(*next, size)) {
                *next += 1;
            }
            assert!((*next - from) * size as u64 <= most);
        }
        Operation::PublishEvery(bytes) => producer.publish_every(bytes),
        Operation::Flush => producer.flush(),
        _ => {}
    }
}

fn read(consumer: &mut Consumer<Ends<'_>>, operation: Operation, size: usize) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    match operation {
        Operation::Pop => {
            let mut into = vec![0; size];
            got.extend(consumer.try_pop(&mut into).unwrap().map(|_| into));
        }
        Operation::PopRun(most) => {
            let mut into = vec![0; most * size];
            let count = consumer.try_pop_run(size, &mut into).unwrap();
            got.extend(into.chunks_exact(size).take(count).map(<[u8]>::to_vec));
        }
        Operation::PopEach(most) => {
            let count = consumer.try_pop_each(size, most, |bytes| got.push(copied(bytes))).unwrap();
            assert_eq!(count, got.len());
        }
        Operation::Step(most, count) => {
            let ready = consumer.begin_turn(most).unwrap();
            let few = consumer.capacity() / 4 < 8 * size.next_multiple_of(8) as u64;
            let mut steps = consumer.steps();
            assert!(!steps.is_lent() && steps.next(size).is_none(), "nothing is lent yet");
            let lent = consumer.lend(&mut steps);
            assert_eq!(lent, ready && most > 0 && !few);
            while got.len() < count
                && let Some((bytes, position)) = steps.next(size)
            {
                let bytes = copied(bytes);
                assert_eq!(position, steps.position());
                got.push(bytes);
            }
            assert!(steps.next(size + 1).is_none(), "of another size");
            let position = steps.position();
            consumer.take_back(&mut steps);
            assert_eq!(consumer.position(), position);
            assert!(steps.next(size).is_none(), "taken back");
        }
        Operation::Read => got.extend(consumer.read().unwrap().map(|record| copied(record.bytes()))),
        _ => {}
    }
    got
}

proptest! {
    #[test]
    fn every_way_is_the_same_queue(
        bits in 6..11u32,
        size in 1..40usize,
        operations in operations(),
    ) {
        let capacity = 1usize << bits;
        prop_assume!(size <= longest_fixed(capacity));
        let words: Vec<Word> = (0..capacity / 8).map(|_| Word::default()).collect();
        let cells = (CursorCell::default(), CursorCell::default());
        let ends = (&words[..], &cells.0, &cells.1);
        let mut producer = Producer::framed(ends, Framing::Fixed(size)).unwrap();
        let mut consumer = Consumer::framed(ends, Framing::Fixed(size)).unwrap();
        let (mut written, mut taken) = (0, 0);
        for operation in operations {
            write(&mut producer, operation, size, &mut written);
            for got in read(&mut consumer, operation, size) {
                prop_assert!(taken < written);
                prop_assert_eq!(got, message(taken, size));
                taken += 1;
            }
            // The writer sees all but what may be held back.
            let unread = producer.position() - consumer.position();
            let free = producer.refresh();
            prop_assert!(free + unread + (capacity as u64) / 4 >= capacity as u64);
        }
        producer.flush();
        while let Some(got) = read(&mut consumer, Operation::Pop, size).pop() {
            prop_assert_eq!(got, message(taken, size));
            taken += 1;
        }
        prop_assert_eq!(taken, written);
    }
}
