//! One operation list against an oracle, for every transport and mode that this process can hold both ends of.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;

use super::*;

/// Where the channels of a test live.
pub(super) struct House {
    directory: tempfile::TempDir,
    name: String,
}

impl House {
    pub fn new(name: &str) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), name: name.into() }
    }

    pub fn builder(&self, scheme: &str) -> Builder {
        let uri = format!("{scheme}://{}", self.name);
        Channel::builder(&uri).unwrap().capacity(CAPACITY).directory(self.directory.path().join("adit"))
    }
}

pub(super) const SCHEMES: [&str; 2] = ["memory", "ipc"];
const CAPACITY: usize = 1024;
const LONGEST: usize = CAPACITY / 4 - 8;

/// A message that says who sent it and which it is, `len` bytes and no less than 8.
pub(super) fn numbered(sender: u32, number: u32, len: usize) -> Vec<u8> {
    let mut message = [sender.to_le_bytes(), number.to_le_bytes()].concat();
    while message.len() < len {
        message.push((message.len() as u32 ^ number.wrapping_mul(31) ^ sender) as u8);
    }
    message
}

#[derive(Clone, Debug)]
enum Operation {
    Join,
    Leave(usize),
    Send(usize, usize),
    Claim(usize, usize, bool),
    Batch(usize, Vec<usize>),
    Recv,
    RecvShort,
    Read,
    Keep,
    RecvBatch(usize),
    ReplaceReceiver,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let len = || 8..LONGEST + 10;
    let operation = prop_oneof![
        3 => Just(Operation::Join),
        1 => (0..4_usize).prop_map(Operation::Leave),
        8 => (0..4_usize, len()).prop_map(|(who, len)| Operation::Send(who, len)),
        4 => (0..4_usize, len(), any::<bool>()).prop_map(|(who, len, do_it)| Operation::Claim(who, len, do_it)),
        3 => (0..4_usize, prop::collection::vec(len(), 0..5)).prop_map(|(who, lens)| Operation::Batch(who, lens)),
        8 => Just(Operation::Recv),
        1 => Just(Operation::RecvShort),
        4 => Just(Operation::Read),
        1 => Just(Operation::Keep),
        4 => (0..6_usize).prop_map(Operation::RecvBatch),
        1 => Just(Operation::ReplaceReceiver),
    ];
    prop::collection::vec(operation, 0..200)
}

/// What one sender sent and nobody received.
#[derive(Debug)]
struct Sent {
    sender: Option<Sender>,
    id: u32,
    next: u32,
    unread: VecDeque<Vec<u8>>,
}

/// The channel, and what it should hold.
struct Trial {
    builder: Builder,
    mode: Mode,
    receiver: Option<Receiver>,
    senders: Vec<Sent>,
    joined: u32,
    /// Since the receiver was opened.
    joined_this: bool,
}

type Checked = Result<(), TestCaseError>;

impl Trial {
    fn new(builder: Builder, mode: Mode) -> Self {
        let builder = builder.mode(mode);
        let receiver = Some(builder.receiver().unwrap());
        Self { builder, mode, receiver, senders: Vec::new(), joined: 0, joined_this: false }
    }

    fn live(&mut self, who: usize) -> Option<&mut Sent> {
        self.senders.iter_mut().filter(|sent| sent.sender.is_some()).nth(who)
    }

    fn step(&mut self, operation: Operation) -> Checked {
        match operation {
            Operation::Join => self.join(),
            Operation::Leave(who) => {
                if let Some(sent) = self.live(who) {
                    sent.sender = None;
                }
                Ok(())
            }
            Operation::Send(who, len) => self.send(who, len, |sender, message| sender.try_send(message)),
            Operation::Claim(who, len, true) => self.send(who, len, |sender, message| {
                let mut claim = sender.claim(message.len())?;
                claim.write(0, message);
                claim.commit();
                Ok(())
            }),
            Operation::Claim(who, len, false) => {
                if let Some(sent) = self.live(who) {
                    let _ = sent.sender.as_mut().unwrap().claim(len).map(Claim::abort);
                }
                Ok(())
            }
            Operation::Batch(who, lens) => self.batch(who, &lens),
            Operation::Recv => self.receive(|receiver| {
                let mut buffer = [0; LONGEST];
                Ok(receiver.try_recv(&mut buffer)?.map(|len| buffer[..len].to_vec()))
            }),
            Operation::Read => self.receive(|receiver| Ok(receiver.read()?.map(|message| message.to_vec()))),
            Operation::Keep => {
                if let Ok(Some(message)) = self.receiver.as_mut().unwrap().read() {
                    message.keep();
                }
                Ok(())
            }
            Operation::RecvShort => {
                let result = self.receiver.as_mut().unwrap().try_recv(&mut [0; 7]);
                prop_assert!(!matches!(result, Ok(Some(_))));
                Ok(())
            }
            Operation::RecvBatch(most) => self.receive_batch(most),
            Operation::ReplaceReceiver => self.replace_receiver(),
        }
    }

    fn join(&mut self) -> Checked {
        let live = self.senders.iter().filter(|sent| sent.sender.is_some()).count();
        match self.builder.sender() {
            Ok(sender) => {
                prop_assert!(self.mode == Mode::Mpsc || live == 0);
                let (id, unread) = (self.joined, VecDeque::new());
                self.senders.push(Sent { sender: Some(sender), id, next: 0, unread });
                self.joined += 1;
                self.joined_this = true;
            }
            Err(error) => {
                prop_assert!(self.mode == Mode::Spsc && live == 1, "{error}");
                prop_assert!(
                    matches!(error, OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. }),
                    "{error}"
                );
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        who: usize,
        len: usize,
        how: impl FnOnce(&mut Sender, &[u8]) -> Result<(), SendError>,
    ) -> Checked {
        let Some(sent) = self.live(who) else { return Ok(()) };
        let message = numbered(sent.id, sent.next, len);
        let result = how(sent.sender.as_mut().unwrap(), &message);
        if len > LONGEST {
            prop_assert_eq!(result, Err(SendError::TooLong { len, most: LONGEST }));
        } else if result.is_ok() {
            sent.next += 1;
            sent.unread.push_back(message);
        } else {
            prop_assert_eq!(result, Err(SendError::Full));
            let unread: usize = sent.unread.iter().map(|message| 8 + message.len().next_multiple_of(8)).sum();
            // A skip before each of two records, and what the reader holds back, are a quarter each.
            prop_assert!(unread + len + 16 > CAPACITY / 4, "refused without need");
        }
        Ok(())
    }

    fn batch(&mut self, who: usize, lens: &[usize]) -> Checked {
        let Some(sent) = self.live(who) else { return Ok(()) };
        let messages: Vec<_> =
            lens.iter().zip(sent.next..).map(|(len, number)| numbered(sent.id, number, *len)).collect();
        let count = match sent.sender.as_mut().unwrap().send_batch(&messages, Duration::ZERO) {
            Ok(count) => {
                prop_assert_eq!(count, lens.len());
                count
            }
            Err(BatchError { sent, error }) => {
                let too_long = lens[sent] > LONGEST;
                prop_assert_eq!(matches!(error, SendError::TooLong { .. }), too_long);
                prop_assert!(too_long || error == SendError::TimedOut);
                sent
            }
        };
        sent.next += count as u32;
        sent.unread.extend(messages.into_iter().take(count));
        Ok(())
    }

    /// A message is right if it is the oldest of its sender; with one sender at a time, of the oldest sender.
    fn take(&mut self, message: &[u8]) -> Checked {
        let mode = self.mode;
        let id = u32::from_le_bytes(message[..4].try_into().unwrap());
        let mut waiting = self.senders.iter_mut().filter(|sent| !sent.unread.is_empty());
        let sent = waiting.find(|sent| mode == Mode::Spsc || sent.id == id);
        let expected = sent.and_then(|sent| sent.unread.pop_front());
        prop_assert_eq!(expected.as_deref(), Some(message));
        Ok(())
    }

    fn nothing(&self, result: Result<(), RecvError>) -> Checked {
        prop_assert!(self.senders.iter().all(|sent| sent.unread.is_empty()), "a message is missing");
        if self.joined_this && self.senders.iter().all(|sent| sent.sender.is_none()) {
            prop_assert_eq!(result, Err(RecvError::Disconnected { cause: DisconnectCause::Closed }));
        } else {
            prop_assert_eq!(result, Ok(()));
        }
        Ok(())
    }

    fn receive(&mut self, how: impl FnOnce(&mut Receiver) -> Result<Option<Vec<u8>>, RecvError>) -> Checked {
        match how(self.receiver.as_mut().unwrap()) {
            Ok(Some(message)) => self.take(&message),
            Ok(None) => self.nothing(Ok(())),
            Err(error) => self.nothing(Err(error)),
        }
    }

    fn receive_batch(&mut self, most: usize) -> Checked {
        let mut messages = Vec::new();
        let result = self.receiver.as_mut().unwrap().recv_batch(most, |bytes| {
            let mut copy = vec![0; bytes.len()];
            bytes.copy_to(0, &mut copy);
            messages.push(copy);
        });
        for message in &messages {
            self.take(message)?;
        }
        match result {
            Ok(count) => {
                prop_assert_eq!(count, messages.len());
                if count == 0 && most > 0 { self.nothing(Ok(())) } else { Ok(()) }
            }
            Err(error) => self.nothing(Err(error)),
        }
    }

    fn replace_receiver(&mut self) -> Checked {
        let taken =
            matches!(self.builder.receiver(), Err(OpenError { failure: OpenFailure::ReceiverTaken, .. }));
        prop_assert!(taken);
        self.receiver = None;
        let closed = Err(SendError::Disconnected { cause: DisconnectCause::Closed });
        for sent in &mut self.senders {
            if let Some(sender) = &mut sent.sender {
                prop_assert_eq!(sender.try_send(&[0; 8]), closed);
            }
        }
        self.senders.clear();
        self.receiver = Some(self.builder.receiver().unwrap());
        self.joined_this = false;
        Ok(())
    }

    fn finish(&mut self) -> Checked {
        for sent in &mut self.senders {
            sent.sender = None;
        }
        while self.senders.iter().any(|sent| !sent.unread.is_empty()) {
            self.step(Operation::Recv)?;
        }
        self.step(Operation::Recv)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn operations_do_what_the_oracle_says(
        scheme in prop::sample::select(&SCHEMES[..]),
        mode in prop::sample::select(vec![Mode::Spsc, Mode::Mpsc]),
        operations in operations(),
    ) {
        let house = House::new("oracle");
        let mut trial = Trial::new(house.builder(scheme), mode);
        for operation in operations {
            trial.step(operation)?;
        }
        trial.finish()?;
    }
}

/// What was sent before the messages panicked arrives, and so does what is sent after.
#[test]
fn a_batch_whose_messages_panic_is_over() {
    for scheme in SCHEMES {
        let house = House::new("panics");
        let builder = house.builder(scheme);
        let (mut receiver, mut sender) = (builder.receiver().unwrap(), builder.sender().unwrap());
        let messages = (0..3u8).map(|number| if number == 2 { panic!("as it was told") } else { [number] });
        let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            sender.send_batch(messages, Duration::ZERO)
        }));
        assert!(sent.is_err());
        sender.try_send(&[9]).unwrap();
        let mut into = [0; 8];
        let all: Vec<u8> = (0..3)
            .map(|_| {
                assert_eq!(receiver.recv(&mut into, Duration::from_secs(20)), Ok(Some(1)));
                into[0]
            })
            .collect();
        assert_eq!(all, [0, 1, 9]);
    }
}
