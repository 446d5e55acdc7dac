//! Messages of one type.

use std::{collections::VecDeque, fmt::Debug, time::Duration};

use proptest::prelude::*;

use super::{
    tests::{House, SCHEMES},
    *,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Sizes with and without rest in the last word and in the ring.
type Small = [u8; 3];
type Odd = [u32; 3];
type Line = [u64; 8];
type Long = [u8; 250];

fn bytes_of<T: Plain>(number: u32) -> T {
    let mut value = T::new_zeroed();
    for (at, byte) in value.as_mut_bytes().iter_mut().enumerate() {
        *byte = (at as u32 ^ number.wrapping_mul(0x9e37_79b9) >> 11) as u8;
    }
    value
}

#[derive(Clone, Debug)]
enum Operation {
    Send,
    SendBatch(usize),
    SendIter(usize),
    Claim,
    Recv,
    RecvBatch(usize),
    RecvEach(usize),
    Read,
    Replace,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => Just(Operation::Send),
        3 => (0..40_usize).prop_map(Operation::SendBatch),
        3 => (0..40_usize).prop_map(Operation::SendIter),
        1 => Just(Operation::Claim),
        4 => Just(Operation::Recv),
        3 => (0..40_usize).prop_map(Operation::RecvBatch),
        3 => (0..40_usize).prop_map(Operation::RecvEach),
        1 => Just(Operation::Read),
        1 => Just(Operation::Replace),
    ];
    prop::collection::vec(operation, 0..100)
}

fn send_batch<T: Plain + Copy>(
    sender: &mut TypedSender<T>,
    next: u32,
    count: usize,
    oracle: &mut VecDeque<T>,
) -> Result<u32, TestCaseError> {
    let batch: Vec<T> = (next..next + count as u32).map(bytes_of).collect();
    match sender.try_send_batch(&batch) {
        Ok(sent) => {
            oracle.extend(&batch[..sent]);
            Ok(sent as u32)
        }
        Err(error) => {
            prop_assert_eq!(error, SendError::Full);
            Ok(0)
        }
    }
}

fn send_iter<T: Plain>(
    sender: &mut TypedSender<T>,
    next: u32,
    count: usize,
    oracle: &mut VecDeque<T>,
) -> Result<u32, TestCaseError> {
    let mut values = (next..next + count as u32).map(bytes_of::<T>);
    match sender.try_send_iter(&mut values) {
        Ok(sent) => {
            oracle.extend((next..next + sent as u32).map(bytes_of::<T>));
            prop_assert_eq!(values.count(), count - sent, "what is left is what was not sent");
            Ok(sent as u32)
        }
        Err(error) => {
            prop_assert_eq!((error, values.count()), (SendError::Full, count));
            Ok(0)
        }
    }
}

/// The same operations on a queue.
fn trial<T: Plain + Copy + PartialEq + Debug>(
    scheme: &str,
    operations: &[Operation],
) -> Result<(), TestCaseError> {
    let house = House::new("typed");
    let channel = house.builder(scheme).of::<T>("trial");
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    let (mut oracle, mut next, mut received) = (VecDeque::new(), 0, 0);
    for operation in operations {
        match *operation {
            Operation::Send => match sender.try_send(&bytes_of(next)) {
                Ok(()) => {
                    oracle.push_back(bytes_of::<T>(next));
                    next += 1;
                }
                Err(error) => prop_assert_eq!(error, SendError::Full),
            },
            Operation::SendBatch(count) => next += send_batch(&mut sender, next, count, &mut oracle)?,
            Operation::SendIter(count) => next += send_iter(&mut sender, next, count, &mut oracle)?,
            Operation::Claim => {
                let value = bytes_of::<T>(next);
                if let Ok(mut claim) = sender.untyped().claim(size_of::<T>()) {
                    claim.write(0, value.as_bytes());
                    claim.commit();
                    oracle.push_back(value);
                    next += 1;
                }
            }
            Operation::Recv => {
                received += u64::from(!oracle.is_empty());
                prop_assert_eq!(receiver.try_recv(), Ok(oracle.pop_front()));
            }
            Operation::RecvBatch(most) => {
                let mut into = vec![T::new_zeroed(); most];
                let count = receiver.recv_batch(&mut into).unwrap();
                prop_assert_eq!(count, most.min(oracle.len()));
                prop_assert!(into[..count].iter().eq(oracle.drain(..count).collect::<Vec<_>>().iter()));
                received += count as u64;
            }
            Operation::RecvEach(most) => {
                let mut got = Vec::new();
                let count = receiver.recv_each(most, |value| got.push(value)).unwrap();
                prop_assert!(count == got.len() && count <= most);
                prop_assert!(count > 0 || most == 0 || oracle.is_empty());
                prop_assert!(got.into_iter().eq(oracle.drain(..count)));
                received += count as u64;
            }
            Operation::Read => {
                let message = receiver.untyped().read().unwrap().map(|message| message.to_vec());
                received += u64::from(message.is_some());
                prop_assert_eq!(message, oracle.pop_front().map(|value| value.as_bytes().to_vec()));
            }
            Operation::Replace if oracle.is_empty() => {
                sender = {
                    drop(sender);
                    prop_assert!(receiver.try_recv().is_err());
                    channel.sender().unwrap()
                };
                next = 0;
                receiver.untyped().wait_for_sender(PATIENCE);
            }
            Operation::Replace => {}
        }
        let size = size_of::<T>() as u64;
        let counters = sender.counters();
        prop_assert_eq!((counters.messages, counters.bytes), (u64::from(next), u64::from(next) * size));
        let counters = receiver.counters();
        prop_assert_eq!((counters.messages, counters.bytes), (received, received * size));
    }
    Ok(())
}

proptest! {
    #[test]
    fn behaves_as_a_queue_of_values(operations in operations()) {
        trial::<Small>("memory", &operations)?;
        trial::<Odd>("memory", &operations)?;
        trial::<Line>("memory", &operations)?;
        trial::<Long>("memory", &operations)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn behaves_as_a_queue_of_values_between_mappings(operations in operations()) {
        trial::<Odd>("ipc", &operations)?;
        trial::<Line>("ipc", &operations)?;
    }
}

/// Through a ring so small that both ends wait, in every way.
#[test]
fn batches_and_single_values_arrive_in_order() {
    for (scheme, waiting) in SCHEMES.into_iter().flat_map(|scheme| {
        [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark].map(|waiting| (scheme, waiting))
    }) {
        let house = House::new("threads");
        let channel = house.builder(scheme).waiting(waiting).of::<Odd>("threads");
        let count = if waiting == Waiting::Spin { 2_000 } else { 50_000 };
        let mut receiver = channel.receiver().unwrap();
        let mut sender = channel.sender().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut next = 0;
                while next < count {
                    let batch: Vec<Odd> = (next..(next + next % 70).min(count)).map(bytes_of).collect();
                    assert_eq!(sender.send_batch(&batch, PATIENCE), Ok(batch.len()));
                    next += batch.len() as u32;
                    if next < count {
                        sender.send(&bytes_of(next), PATIENCE).unwrap();
                        next += 1;
                    }
                }
            });
            let mut seen = 0;
            for message in receiver.messages() {
                assert_eq!(message.unwrap(), bytes_of::<Odd>(seen));
                seen += 1;
            }
            assert_eq!(seen, count);
        });
        assert_eq!(receiver.counters().messages, u64::from(count));
    }
}

/// Each is answered before the next, so each is found alone, by ends that wait and by ends that look; the first ones of a
/// ring that is gone round often.
#[test]
fn messages_that_come_one_by_one_are_found_and_counted() {
    // Ends that only spin have each other wait for a whole turn of the scheduler where they share a core.
    let cases = [
        (Waiting::Spin, true, 100),
        (Waiting::SpinThenPark, true, 2000),
        (Waiting::SpinThenPark, false, 2000),
    ];
    for (waiting, waits, count) in cases {
        for scheme in SCHEMES {
            let houses = [House::new("there"), House::new("back")];
            let [there, back] = houses
                .each_ref()
                .map(|house| house.builder(scheme).capacity(4096).waiting(waiting).of::<Line>("line"));
            let (mut asked, mut answered) = (there.receiver().unwrap(), back.receiver().unwrap());
            let (mut ask, mut answer) = (there.sender().unwrap(), back.sender().unwrap());
            let next = move |receiver: &mut TypedReceiver<Line>| loop {
                let found = if waits { receiver.recv(PATIENCE) } else { receiver.try_recv() };
                match found.unwrap() {
                    Some(line) => return line,
                    None => std::thread::yield_now(),
                }
            };
            let other = std::thread::spawn(move || {
                for _ in 0..count {
                    let line = next(&mut asked);
                    answer.send(&line, PATIENCE).unwrap();
                }
                (asked, answer)
            });
            for number in 0..count {
                let line = [number; 8];
                ask.send(&line, PATIENCE).unwrap();
                assert_eq!(next(&mut answered), line);
            }
            let (asked, answer) = other.join().unwrap();
            assert_eq!((asked.counters().messages, answer.counters().messages), (count, count));
            assert_eq!((answered.counters().messages, answered.counters().depth), (count, 64));
        }
    }
}

#[test]
fn another_type_is_refused_and_both_are_named() {
    for scheme in SCHEMES {
        let house = House::new("types");
        let _receiver = house.builder(scheme).of::<Line>("line").receiver().unwrap();
        let error = house.builder(scheme).of::<Odd>("odd").sender().unwrap_err().to_string();
        assert!(error.contains("\"odd\" (size 12") && error.contains("\"line\" (size 64"), "{error}");
    }
    let error = House::new("none").builder("memory").of::<[u8; 0]>("none").receiver().unwrap_err();
    assert!(error.to_string().contains("1 byte to 256 MiB"), "{error}");
    let error = House::new("huge").builder("memory").of::<[u8; 1 << 40]>("huge").sender().unwrap_err();
    assert!(error.to_string().contains("1 byte to 256 MiB"), "{error}");
}

/// Within a turn a sender looks at little, but at whether the receiver has closed.
#[test]
fn a_receiver_that_closed_is_noticed_by_the_next_message() {
    for scheme in SCHEMES {
        let house = House::new("closed");
        let channel = house.builder(scheme).of::<Line>("line");
        let (receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        for number in 0..5 {
            sender.try_send(&bytes_of(number)).unwrap();
        }
        drop(receiver);
        let error = SendError::Disconnected { cause: DisconnectCause::Closed };
        assert_eq!(sender.try_send(&bytes_of(5)), Err(error));
        assert_eq!(sender.try_send_iter([bytes_of(6)]), Err(error));
    }
}

/// What was handed over is taken, and nothing else.
#[test]
fn a_batch_that_panics_has_taken_what_it_was_given() {
    let house = House::new("panics");
    let channel = house.builder("memory").capacity(1 << 14).of::<Line>("line");
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    for number in 0..10 {
        sender.try_send(&bytes_of(number)).unwrap();
    }
    let mut seen = Vec::new();
    let batch = std::panic::AssertUnwindSafe(|| {
        receiver.recv_each(10, |message| {
            seen.push(message);
            assert!(seen.len() < 4, "the fourth is one too many");
        })
    });
    assert!(std::panic::catch_unwind(batch).is_err());
    assert_eq!(seen, (0..4).map(bytes_of::<Line>).collect::<Vec<_>>());
    assert_eq!(receiver.counters().messages, 4);
    assert_eq!(receiver.try_recv(), Ok(Some(bytes_of(4))));
    assert_eq!(receiver.recv_each(10, drop), Ok(5));
}

/// However large the batches are that it is read in, a sender that always has more is not the only one that is heard.
#[test]
fn batches_go_from_sender_to_sender() {
    let channel = Channel::builder("memory://batches-in-turns")
        .unwrap()
        .capacity(4096)
        .mode(Mode::Mpsc)
        .of::<u64>("u64");
    let mut receiver = channel.receiver().unwrap();
    let mut senders: Vec<_> = (0..2).map(|_| channel.sender().unwrap()).collect();
    let mut came = [0, 0];
    let mut into = [0; 300];
    for _ in 0..20 {
        for (number, sender) in senders.iter_mut().enumerate() {
            while sender.try_send(&(number as u64)).is_ok() {}
        }
        let count = receiver.recv_batch(&mut into).unwrap();
        assert!(count > 0 && into[..count].iter().all(|from| *from == into[0]));
        came[into[0] as usize] += 1;
    }
    assert!(came.iter().all(|times| *times >= 5), "{came:?}");
}
