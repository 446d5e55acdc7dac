//! Messages in slots.

use std::{
    collections::VecDeque,
    future::Future as _,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use adit_ring::stream::{SLOT_PAYLOAD, masked};
use proptest::prelude::*;
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    tests::{House, SCHEMES},
    *,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest ring whose slots are looked at, of 32, and one whose are not.
const CAPACITIES: [usize; 2] = [2048, 512];

/// As much as leaves room for a sequence, and as much as there is.
type Seven = [u64; 7];
type Eight = [u64; 8];
type Odd = [u8; 13];
type AlmostEight = [u8; 57];

fn words<const COUNT: usize>(number: u64) -> [u64; COUNT] {
    std::array::from_fn(|at| number.wrapping_mul(2 * at as u64 + 1))
}

fn odd<const COUNT: usize>(number: u64) -> [u8; COUNT] {
    std::array::from_fn(|at| (number as usize * 7 + at) as u8)
}

/// Ends as all others do.
fn alike(number: u64) -> Eight {
    [number, 1, 2, 3, 4, 5, 6, 7]
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Send(usize),
    Recv,
    RecvEach(usize),
    /// Looks in vain.
    Look(usize),
    /// Through the end without its type.
    Read,
    /// A future that is asked once.
    RecvAsync,
    Replace,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        4 => (1..4usize).prop_map(Operation::Send),
        1 => (0..40usize).prop_map(Operation::Send),
        6 => Just(Operation::Recv),
        2 => (0..40usize).prop_map(Operation::RecvEach),
        1 => (0..200usize).prop_map(Operation::Look),
        1 => Just(Operation::Read),
        1 => Just(Operation::RecvAsync),
        1 => Just(Operation::Replace),
    ];
    prop::collection::vec(operation, 0..150)
}

fn trial<T: Plain + PartialEq + std::fmt::Debug>(
    builder: Builder,
    message: fn(u64) -> T,
    operations: &[Operation],
) -> Result<(), TestCaseError> {
    let channel = builder.slots::<T>("trial");
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    let (mut oracle, mut next, mut received) = (VecDeque::new(), 0, 0);
    for operation in operations {
        let mut got = Vec::new();
        match *operation {
            Operation::Send(count) => {
                for _ in 0..count {
                    match sender.try_send(&message(next)) {
                        Ok(()) => oracle.push_back(message(next)),
                        Err(error) => {
                            prop_assert_eq!(error, SendError::Full);
                            break;
                        }
                    }
                    next += 1;
                }
            }
            Operation::Recv => {
                let found = receiver.try_recv().unwrap();
                prop_assert_eq!(found.is_none(), oracle.is_empty());
                got.extend(found);
            }
            Operation::RecvEach(most) => {
                let count = receiver.recv_each(most, |message| got.push(message)).unwrap();
                prop_assert!(count == got.len() && count <= most);
                prop_assert!(count > 0 || most == 0 || oracle.is_empty());
            }
            Operation::Look(looks) if oracle.is_empty() => {
                (0..looks).for_each(|_| assert_eq!(receiver.try_recv(), Ok(None)));
            }
            Operation::Look(_) => {}
            Operation::Read => {
                let slot = receiver.untyped().read().unwrap().map(|slot| (slot.to_vec(), slot.position()));
                prop_assert!(slot.as_ref().is_none_or(|(slot, _)| slot.len() == 64));
                got.extend(slot.map(|(slot, position)| {
                    let words = <[u64; 8]>::read_from_bytes(&slot).unwrap();
                    // Without its type a message that fills its slot is masked.
                    let is_masked = size_of::<T>() > SLOT_PAYLOAD;
                    let words = if is_masked { masked(words, position + 64) } else { words };
                    T::read_from_prefix(words.as_bytes()).unwrap().0
                }));
            }
            Operation::RecvAsync => {
                let found = pin!(receiver.recv_async()).poll(&mut Context::from_waker(Waker::noop()));
                prop_assert_eq!(found.is_pending(), oracle.is_empty());
                if let Poll::Ready(found) = found {
                    got.push(found.unwrap());
                }
            }
            Operation::Replace if oracle.is_empty() => {
                drop(sender);
                prop_assert!(receiver.try_recv().is_err(), "at once");
                sender = channel.sender().unwrap();
                next = 0;
                receiver.untyped().wait_for_sender(PATIENCE);
            }
            Operation::Replace => {}
        }
        received += got.len() as u64;
        for got in got {
            prop_assert_eq!(Some(got), oracle.pop_front());
        }
        prop_assert_eq!((sender.counters().messages, sender.counters().bytes), (next, next * 64));
        prop_assert_eq!((receiver.counters().messages, receiver.counters().bytes), (received, received * 64));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_a_queue(
        scheme in prop::sample::select(&SCHEMES[..]),
        mode in prop::sample::select(vec![Mode::Spsc, Mode::Mpsc]),
        capacity in prop::sample::select(&CAPACITIES[..]),
        operations in operations(),
    ) {
        let house = House::new("slots");
        let builder = || house.builder(scheme).mode(mode).capacity(capacity);
        trial::<Seven>(builder(), words, &operations)?;
        trial::<Eight>(builder(), words, &operations)?;
        trial::<Eight>(builder(), alike, &operations)?;
        trial::<Odd>(builder(), odd, &operations)?;
        trial::<AlmostEight>(builder(), odd, &operations)?;
    }
}

/// Each is answered before the next, in every way to wait and to look.
#[test]
fn questions_are_answered_one_by_one() {
    answered_one_by_one::<Seven>(words);
    answered_one_by_one::<Eight>(words);
    answered_one_by_one::<Eight>(alike);
}

fn answered_one_by_one<T: Plain + PartialEq + std::fmt::Debug + Send>(message: fn(u64) -> T) {
    let ways = [(Waiting::SpinThenPark, true), (Waiting::SpinThenPark, false), (Waiting::Park, true)];
    for (scheme, (waiting, waits)) in SCHEMES.into_iter().flat_map(|scheme| ways.map(|way| (scheme, way))) {
        let houses = [House::new("there"), House::new("back")];
        let [there, back] = houses
            .each_ref()
            .map(|house| house.builder(scheme).capacity(2048).waiting(waiting).slots::<T>("message"));
        let (mut asked, mut answered) = (there.receiver().unwrap(), back.receiver().unwrap());
        let (mut ask, mut answer) = (there.sender().unwrap(), back.sender().unwrap());
        let next = move |receiver: &mut SlotReceiver<T>| loop {
            let found = if waits { receiver.recv(PATIENCE) } else { receiver.try_recv() };
            match found.unwrap() {
                Some(message) => return message,
                None => thread::yield_now(),
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let message = next(&mut asked);
                    answer.send(&message, PATIENCE).unwrap();
                }
            });
            for number in 0..1000 {
                ask.send(&message(number), PATIENCE).unwrap();
                assert_eq!(next(&mut answered), message(number));
            }
        });
        assert_eq!((answered.counters().messages, answered.counters().depth), (1000, 64));
    }
}

/// Through a ring so small that the sender waits, of two senders as well.
#[test]
fn many_in_a_row_arrive_in_order() {
    in_a_row::<2>();
    in_a_row::<8>();
}

fn in_a_row<const WORDS: usize>()
where
    [u64; WORDS]: Plain,
{
    for (scheme, senders) in SCHEMES.into_iter().flat_map(|scheme| [(scheme, 1), (scheme, 2)]) {
        let house = House::new("row");
        let mode = if senders == 1 { Mode::Spsc } else { Mode::Mpsc };
        let channel = house.builder(scheme).capacity(2048).mode(mode).slots::<[u64; WORDS]>("row");
        let mut receiver = channel.receiver().unwrap();
        let ends: Vec<_> = (0..senders).map(|_| channel.sender().unwrap()).collect();
        // The first and the last word count; what is between is the sender's name.
        let message = |name: usize, number: u64| {
            std::array::from_fn(
                |at| if at == 0 || at == WORDS - 1 { number + name as u64 } else { name as u64 },
            )
        };
        thread::scope(|scope| {
            for (name, mut sender) in ends.into_iter().enumerate() {
                scope.spawn(move || {
                    (0..20_000).for_each(|number| sender.send(&message(name, number), PATIENCE).unwrap());
                });
            }
            let mut next = [0; 2];
            for got in receiver.messages() {
                let got = got.unwrap();
                let name = (0..senders).find(|&name| got == message(name, next[name]));
                next[name.expect("one of them is next")] += 1;
            }
            assert_eq!(next.iter().sum::<u64>(), 20_000 * senders as u64);
        });
    }
}

/// While slots are lent, too, in every way to wait.
#[test]
fn a_wait_ends_in_time() {
    let all = [Waiting::Spin, Waiting::SpinThenYield, Waiting::SpinThenPark, Waiting::Park];
    for (scheme, waiting) in SCHEMES.into_iter().flat_map(|scheme| all.map(|waiting| (scheme, waiting))) {
        let house = House::new("times");
        let channel = house.builder(scheme).capacity(2048).waiting(waiting).slots::<u64>("number");
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        sender.try_send(&1).unwrap();
        assert_eq!(receiver.recv(PATIENCE), Ok(Some(1)));
        assert_eq!(receiver.try_recv(), Ok(None));
        let stalls = receiver.counters().stalls;
        for time in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(30)] {
            let begin = Instant::now();
            assert_eq!(receiver.recv(time), Ok(None));
            let took = begin.elapsed();
            assert!((time..PATIENCE / 2).contains(&took), "{waiting:?} {time:?} {took:?}");
        }
        sender.try_send(&2).unwrap();
        assert_eq!(receiver.recv(Duration::from_millis(30)), Ok(Some(2)));
        assert!((stalls..stalls + 4).contains(&receiver.counters().stalls), "at most one for each");
    }
}

/// The first sender is silent, and its slots are lent.
#[test]
fn a_sender_that_joins_is_heard_at_once() {
    for scheme in SCHEMES {
        let house = House::new("joins");
        let channel = house.builder(scheme).capacity(2048).mode(Mode::Mpsc).slots::<u64>("number");
        let (mut receiver, mut first) = (channel.receiver().unwrap(), channel.sender().unwrap());
        first.try_send(&1).unwrap();
        assert_eq!(receiver.recv(PATIENCE), Ok(Some(1)));
        assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(None), Ok(None)]);
        let mut second = channel.sender().unwrap();
        second.try_send(&2).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(2)));
        drop(second);
        first.try_send(&3).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(3)));
    }
}

/// As of a writer that died between its tail and the slot.
#[test]
fn a_message_that_is_not_shown_in_its_slot_is_found() {
    for scheme in SCHEMES {
        let house = House::new("plain");
        let channel = house.builder(scheme).capacity(2048).slots::<Seven>("seven");
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        let mut send = |number| {
            let mut slot = words::<7>(number).map(u64::to_le_bytes).concat();
            slot.extend([0; 8]);
            sender.untyped().try_send(&slot).unwrap();
        };
        send(1);
        let found = (0..1000).find_map(|_| receiver.try_recv().unwrap());
        assert_eq!(found, Some(words(1)));
        send(2);
        assert_eq!(receiver.recv(PATIENCE), Ok(Some(words(2))));
        send(3);
        drop(sender);
        assert_eq!(
            receiver.try_recv(),
            Ok(Some(words(3))),
            "the end of its sender is the end of all looks in vain"
        );
    }
}

/// By chance the eighth word stands in its slot as zeros did before.
#[test]
fn a_message_that_fills_its_slot_and_does_not_show_is_found() {
    for scheme in SCHEMES {
        let house = House::new("alike");
        let channel = house.builder(scheme).capacity(2048).slots::<Eight>("eight");
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        sender.try_send(&alike(0)).unwrap();
        assert_eq!([receiver.try_recv(), receiver.try_recv()], [Ok(Some(alike(0))), Ok(None)]);
        let message = masked([0; 8], 2 * 64);
        sender.try_send(&message).unwrap();
        let looks = (1..1000).find(|_| receiver.try_recv().unwrap() == Some(message));
        assert!(looks > Some(1), "it was hidden");
        sender.try_send(&message).unwrap();
        assert_eq!(receiver.try_recv(), Ok(Some(message)), "in another slot it is not");
    }
}

#[test]
fn what_slots_cannot_do_is_said() {
    let said = |builder: Builder| builder.slots::<u64>("number").sender().unwrap_err().to_string();
    let house = House::new("errors");
    let memory = || house.builder("memory");
    let error = memory().slots::<[u64; 9]>("long").receiver().unwrap_err().to_string();
    assert!(error.contains("64 bytes at most"), "{error}");
    let error = said(memory().mode(Mode::Broadcast));
    assert!(error.contains("one receiver") && error.contains("`of`"), "{error}");
    assert!(said(memory().publish_every(100)).contains("publish_every"));
    let error = said(memory().capacity(128));
    assert!(error.contains("64 bytes do not fit a capacity of 128"), "{error}");
    let error = said(Channel::builder("tcp://127.0.0.1:1").unwrap());
    assert!(error.contains("memory:// and ipc://"), "{error}");
    let kept = format!("file://{}", std::env::temp_dir().join("adit-slots").display());
    assert!(said(Channel::builder(&kept).unwrap()).contains("memory:// and ipc://"));
    assert!(said(memory().measure_latency(true)).contains("not measured"));
    assert!(said(memory().on_full(OnFull::DropNewest)).contains("on_full"));
    for scheme in SCHEMES {
        let _receiver = house.builder(scheme).slots::<u64>("number").receiver().unwrap();
        let error = house.builder(scheme).of::<u64>("number").sender().unwrap_err().to_string();
        assert!(error.contains(", in slots"), "{error}");
    }
}
