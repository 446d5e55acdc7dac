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
    /// Steps past a message that is alone.
    StepPastOnly,
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
        2 => Just(Operation::StepPastOnly),
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

/// A function of messages of so many bytes, 1 to 39.
macro_rules! of_size {
    ($of:expr, $function:ident) => {
        of_size!($of, $function, 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33
            34 35 36 37 38 39)
    };
    ($of:expr, $function:ident, $($size:literal)*) => {
        match $of {
            $($size => $function::<[u8; $size]>,)*
            size => unreachable!("no message has {size} bytes"),
        }
    };
}
pub(super) use of_size;

/// Begins a turn of `most` bytes and steps past at most `count` messages of it.
fn step<T>(consumer: &mut Consumer<Ends<'_>>, most: u64, count: usize, together: bool) -> Vec<Vec<u8>> {
    let mut got = Vec::new();
    let ready = consumer.begin_turn(most).unwrap();
    let few = consumer.capacity() / 4 < 8 * size_of::<T>().next_multiple_of(8) as u64;
    let mut other = consumer.steps::<[u8; 40]>();
    assert!(!consumer.lend(&mut other) && !other.is_lent() && other.step().is_none(), "of another size");
    let mut steps = consumer.steps::<T>();
    assert!(!steps.is_lent() && steps.step().is_none(), "nothing is lent yet");
    assert_eq!(steps.each(count, |_| unreachable!("nothing is lent yet")), 0);
    let lent = consumer.lend(&mut steps);
    assert_eq!((lent, lent), (ready && most > 0 && !few, steps.has_more()));
    if together {
        let done = steps.each(count, |bytes| got.push(copied(bytes)));
        assert!(done == got.len() && done <= count && (done == count || !steps.has_more()));
    } else {
        while got.len() < count
            && let Some((bytes, position)) = steps.step()
        {
            let bytes = copied(bytes);
            assert!(position <= steps.position() && steps.position() - position < size_of::<T>() as u64 + 8);
            got.push(bytes);
        }
    }
    let (before, position) = (consumer.position(), steps.position());
    consumer.take_back(&mut steps);
    assert_eq!(consumer.position(), if lent { position } else { before });
    assert!(steps.step().is_none(), "taken back");
    got
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
        Operation::PopEach(most) => got = of_size!(size, step)(consumer, u64::MAX, most, true),
        Operation::Step(most, count) => got = of_size!(size, step)(consumer, most, count, false),
        Operation::StepPastOnly => {
            let place = consumer.step_past_only(size);
            got.extend(place.map(|place| copied(consumer.bytes_at(place, size))));
            assert_eq!(consumer.step_past_only(size + 1), None, "of another size");
            assert!(got.is_empty() || consumer.waiting_bytes() == Ok(0), "others waited, too");
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

/// Whoever takes a whole ring at once lets the writer go on meanwhile.
#[test]
fn a_long_batch_is_told_by_quarters() {
    let memory = super::tests::Memory::new(1024);
    let (mut producer, mut consumer) = memory.framed_ends(0, Framing::Fixed(8));
    producer.begin_turn(u64::MAX);
    while producer.try_push(&[1; 8]).is_ok() {}
    let (mut heads, head) =
        (Vec::new(), || memory.reader.position.load(std::sync::atomic::Ordering::Relaxed));
    assert_eq!(consumer.read_batch(usize::MAX, |_| heads.push(head())), Ok(128));
    assert!(heads.is_sorted() && heads[127] == 768, "{heads:?}");
    while producer.try_push(&[1; 8]).is_ok() {}
    assert_eq!(consumer.try_pop_run(8, &mut [0; 2048]), Ok(128));
    assert_eq!(head(), 2048);
}
