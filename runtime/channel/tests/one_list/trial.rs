//! The channel that a list is run on.

use std::time::{Duration, Instant};

use adit_channel::{
    Builder, DisconnectCause, OpenError, OpenFailure, Receiver, RecvError, SendError, Sender,
    endpoint::BatchError,
};
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};

use super::{
    oracle::{Checked, Oracle},
    world::{CAPACITY, Memory, PATIENCE, World},
};

#[derive(Clone, Debug)]
pub enum Operation {
    SenderJoins,
    SenderLeaves(usize),
    ReceiverJoins,
    ReceiverLeaves(usize),
    Send(usize, usize),
    Claim(usize, usize, Commit),
    Batch(usize, Vec<usize>),
    Flush(usize),
    Recv(usize),
    RecvShort(usize),
    Read(usize),
    Keep(usize),
    RecvBatch(usize, usize),
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug)]
pub enum Commit {
    All,
    First,
    Nothing,
}

const CLOSED: RecvError = RecvError::Disconnected { cause: DisconnectCause::Closed };

pub struct Trial {
    world: World,
    builder: Builder,
    /// What is sent is not published at once.
    gathers: bool,
    oracle: Oracle,
    /// Those that are there, with their numbers.
    senders: Vec<(u32, Sender)>,
    receivers: Vec<(usize, Receiver)>,
    /// Since the only receiver was opened.
    anybody_joined: bool,
    /// Has room for any message.
    buffer: Vec<u8>,
}

impl Trial {
    pub fn new(world: World, builder: Builder, gathers: bool) -> Self {
        Self {
            world,
            builder,
            gathers,
            oracle: Oracle::new(world),
            senders: Vec::new(),
            receivers: Vec::new(),
            anybody_joined: false,
            buffer: vec![0; world.longest()],
        }
    }

    pub fn step(&mut self, operation: &Operation) -> Checked {
        let pick = |who: usize, count: usize| (count > 0).then(|| who % count);
        let sender = |who: usize| pick(who, self.senders.len());
        let receiver = |who: usize| pick(who, self.receivers.len());
        match operation {
            Operation::SenderJoins => self.sender_joins(),
            Operation::SenderLeaves(who) => sender(*who).map_or(Ok(()), |at| self.sender_leaves(at)),
            Operation::ReceiverJoins => self.receiver_joins(),
            Operation::ReceiverLeaves(who) => receiver(*who).map_or(Ok(()), |at| self.receiver_leaves(at)),
            Operation::Send(who, len) => sender(*who).map_or(Ok(()), |at| {
                let len = self.world.len(*len);
                self.send(at, len, len, |sender, message| sender.try_send(message))
            }),
            Operation::Claim(who, len, commit) => {
                sender(*who).map_or(Ok(()), |at| self.claim(at, self.world.len(*len), *commit))
            }
            Operation::Batch(who, lens) => sender(*who).map_or(Ok(()), |at| {
                let lens: Vec<_> = lens.iter().map(|len| self.world.len(*len)).collect();
                self.batch(at, &lens)
            }),
            Operation::Flush(who) => {
                if let Some(at) = sender(*who) {
                    let (name, sender) = &mut self.senders[at];
                    sender.flush();
                    self.oracle.senders[*name as usize].is_flushed = true;
                }
                Ok(())
            }
            Operation::Recv(who) => receiver(*who).map_or(Ok(()), |at| self.recv(at).map(drop)),
            Operation::RecvShort(who) => receiver(*who).map_or(Ok(()), |at| {
                let result = self.receivers[at].1.try_recv(&mut [0; 7]);
                prop_assert!(!matches!(result, Ok(Some(_))), "a message shorter than any");
                Ok(())
            }),
            Operation::Read(who) => receiver(*who).map_or(Ok(()), |at| {
                let read = |receiver: &mut Receiver| Ok(receiver.read()?.map(|message| message.to_vec()));
                self.receive(at, read).map(drop)
            }),
            Operation::Keep(who) => receiver(*who).map_or(Ok(()), |at| self.keep(at)),
            Operation::RecvBatch(who, most) => {
                receiver(*who).map_or(Ok(()), |at| self.receive_batch(at, *most))
            }
        }
    }

    fn sender_joins(&mut self) -> Checked {
        match self.builder.sender() {
            Ok(mut sender) => {
                prop_assert!(self.world.many_senders() || self.senders.is_empty(), "two senders");
                if self.world.many_receivers() {
                    prop_assert!(sender.wait_for_receivers(self.receivers.len(), PATIENCE));
                }
                self.senders.push((self.oracle.sender_joined(), sender));
                self.anybody_joined = true;
            }
            Err(OpenError { failure: OpenFailure::SendersTaken { most: 1 }, .. }) => {
                prop_assert!(!self.world.many_senders() && self.senders.len() == 1);
            }
            Err(OpenError { failure: OpenFailure::NobodyListens { .. }, .. }) => {
                let there = self.receivers.is_empty() && !self.world.is_broadcast();
                prop_assert!(self.world.needs_the_other() && there, "somebody listens");
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        Ok(())
    }

    fn sender_leaves(&mut self, at: usize) -> Checked {
        let (name, mut sender) = self.senders.remove(at);
        // It hears of receivers that left, so that it counts what they had.
        let _ = sender.receivers();
        let (counters, log) = (sender.counters(), &mut self.oracle.senders[name as usize]);
        prop_assert_eq!((counters.messages, counters.bytes), (log.messages.len() as u64, log.bytes()));
        (log.is_gone, log.lost) = (true, counters.lost);
        drop(sender);
        self.may_be_over();
        if self.world.is_broadcast() {
            // Receivers of this sender get the rest, and then the end.
            while !self.receivers.is_empty() {
                while self.recv(0)? {}
                let patience = if self.world.takes_time() { PATIENCE } else { Duration::ZERO };
                let end = self.receivers[0].1.recv(&mut [0; CAPACITY], patience);
                prop_assert_eq!(end, Err(CLOSED));
                self.receiver_leaves(0)?;
            }
        }
        Ok(())
    }

    fn receiver_joins(&mut self) -> Checked {
        match self.builder.receiver() {
            Ok(receiver) => {
                prop_assert!(self.world.many_receivers() || self.receivers.is_empty(), "two receivers");
                self.receivers.push((self.oracle.receiver_joined(), receiver));
                let count = self.receivers.len();
                for (_, sender) in &mut self.senders {
                    if self.world.many_receivers() {
                        prop_assert!(sender.wait_for_receivers(count, PATIENCE), "it is not heard of");
                    }
                }
            }
            Err(OpenError { failure: OpenFailure::ReceiverTaken, .. }) => {
                prop_assert!(!self.world.many_receivers() && self.receivers.len() == 1);
            }
            Err(OpenError { failure: OpenFailure::NobodyListens { .. }, .. }) => {
                prop_assert!(self.world.is_broadcast() && self.world.needs_the_other());
                prop_assert!(self.senders.is_empty());
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
        Ok(())
    }

    fn receiver_leaves(&mut self, at: usize) -> Checked {
        let (name, receiver) = self.receivers.remove(at);
        let (counters, log) = (receiver.counters(), &self.oracle.receivers[name]);
        prop_assert_eq!((counters.messages, counters.bytes), (log.messages, log.bytes));
        drop(receiver);
        if self.world.is_spread() {
            for log in &mut self.oracle.senders {
                log.lost_more |= log.is_gone;
            }
        } else if !self.world.many_receivers() && !self.world.is_kept() {
            let closed = Err(SendError::Disconnected { cause: DisconnectCause::Closed });
            for (name, mut sender) in self.senders.drain(..) {
                prop_assert_eq!(sender.try_send(&[0; 8]), closed);
                self.oracle.senders[name as usize].is_gone = true;
            }
            self.oracle.forget();
            self.anybody_joined = false;
        }
        self.may_be_over();
        if self.world.many_receivers() {
            let (left, began) = (self.receivers.len(), Instant::now());
            for (_, sender) in &mut self.senders {
                // Of who leaves a broadcast another thread may have to tell.
                while sender.receivers() != left {
                    prop_assert!(began.elapsed() < PATIENCE, "it is not heard that one left");
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }

    /// A channel in this process's own memory lives as long as one of its ends.
    fn may_be_over(&mut self) {
        let nobody = self.senders.is_empty() && self.receivers.is_empty();
        if nobody && self.world.memory == Memory::Heap && !self.world.many_receivers() {
            self.oracle.forget();
            self.anybody_joined = false;
        }
    }

    /// Sends `len` bytes, of which the first `part` are the message.
    fn send(
        &mut self,
        at: usize,
        len: usize,
        part: usize,
        how: impl FnOnce(&mut Sender, &[u8]) -> Result<(), SendError>,
    ) -> Checked {
        let (name, sender) = &mut self.senders[at];
        let mut message = self.oracle.next_message(*name, len);
        let most = sender.longest();
        let result = how(sender, &message);
        if len > most {
            prop_assert_eq!(result, Err(SendError::TooLong { len, most }));
        } else if result.is_ok() {
            message.truncate(part);
            self.sent(at, message);
        } else {
            self.refused(result.unwrap_err(), len)?;
        }
        Ok(())
    }

    fn sent(&mut self, at: usize, message: Vec<u8>) {
        let name = self.senders[at].0;
        self.oracle.sent(name, message, self.receivers.iter().map(|(name, _)| *name));
        self.oracle.senders[name as usize].is_flushed = !self.gathers;
    }

    fn refused(&self, error: SendError, len: usize) -> Checked {
        if self.world.is_spread() {
            // Its credit is used up, or nobody is there; that an idle one gets a message is seen at the end.
            let nobody = matches!(error, SendError::Disconnected { .. }) && self.receivers.is_empty();
            prop_assert!(nobody || matches!(error, SendError::Full | SendError::TimedOut), "{}", error);
            return Ok(());
        }
        prop_assert!(matches!(error, SendError::Full | SendError::TimedOut), "{}", error);
        // A skip before each of two records, and what the reader holds back, are a quarter each.
        prop_assert!(self.oracle.unread_bytes() + len + 16 > CAPACITY / 4, "refused without need");
        Ok(())
    }

    fn claim(&mut self, at: usize, len: usize, commit: Commit) -> Checked {
        match commit {
            Commit::Nothing => {
                let most = self.senders[at].1.longest();
                match self.senders[at].1.claim(len) {
                    Ok(mut claim) => {
                        claim.write(0, &vec![0xee; len]);
                        claim.abort();
                        Ok(())
                    }
                    Err(SendError::TooLong { .. }) => {
                        prop_assert!(len > most);
                        Ok(())
                    }
                    Err(error) => self.refused(error, len),
                }
            }
            Commit::All | Commit::First => {
                let part = if matches!(commit, Commit::First) { 8 + (len - 8) / 2 } else { len };
                self.send(at, len, part, |sender, message| {
                    let mut claim = sender.claim(message.len())?;
                    claim.write(0, message);
                    claim.commit_first(part);
                    Ok(())
                })
            }
        }
    }

    fn batch(&mut self, at: usize, lens: &[usize]) -> Checked {
        let (name, sender) = &mut self.senders[at];
        let first = self.oracle.senders[*name as usize].messages.len() as u32;
        let messages: Vec<_> = lens
            .iter()
            .zip(first..)
            .map(|(len, number)| super::oracle::numbered(*name, number, *len))
            .collect();
        let (name, most) = (*name, sender.longest());
        let (count, error) = match sender.send_batch(&messages, Duration::ZERO) {
            Ok(count) => (count, None),
            Err(BatchError { sent, error }) => (sent, Some(error)),
        };
        for message in messages.into_iter().take(count) {
            self.sent(at, message);
        }
        self.oracle.senders[name as usize].is_flushed = true;
        match error {
            None => prop_assert_eq!(count, lens.len()),
            Some(SendError::TooLong { len, .. }) => prop_assert!(len > most && len == lens[count]),
            Some(error) => self.refused(error, lens[count])?,
        }
        Ok(())
    }

    /// Returns whether a message came.
    fn recv(&mut self, at: usize) -> Result<bool, TestCaseError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let received = self
            .receive(at, |receiver| Ok(receiver.try_recv(&mut buffer)?.map(|len| buffer[..len].to_vec())));
        self.buffer = buffer;
        received
    }

    fn receive(
        &mut self,
        at: usize,
        mut how: impl FnMut(&mut Receiver) -> Result<Option<Vec<u8>>, RecvError>,
    ) -> Result<bool, TestCaseError> {
        let began = Instant::now();
        loop {
            let name = self.receivers[at].0;
            match how(&mut self.receivers[at].1) {
                Ok(Some(message)) => {
                    self.oracle.came(name, &message, false)?;
                    return Ok(true);
                }
                // Lanes that nobody announces are looked for now and then: until then the end may be told though
                // there is a sender, or not be told though there is none. A connection's other side comes later, too.
                Ok(None) | Err(CLOSED) if self.world.takes_time() && !self.oracle.may_be_empty(name) => {
                    prop_assert!(began.elapsed() < PATIENCE, "a message is missing, or the end");
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(None) if self.world.is_kept() && self.is_over() => {
                    prop_assert!(began.elapsed() < PATIENCE, "the end is not told");
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(CLOSED) if self.world.is_kept() && !self.senders.is_empty() => {
                    prop_assert!(began.elapsed() < PATIENCE, "a sender is there");
                    std::thread::sleep(Duration::from_millis(1));
                }
                other => {
                    self.nothing(at, other.map(drop))?;
                    return Ok(false);
                }
            }
        }
    }

    fn nothing(&self, at: usize, result: Result<(), RecvError>) -> Checked {
        prop_assert!(self.oracle.may_be_empty(self.receivers[at].0), "a message is missing");
        match result {
            Ok(()) => {
                prop_assert!(!self.is_over() || self.world.many_receivers(), "the end is not told");
            }
            Err(error) => {
                prop_assert_eq!(error, CLOSED);
                prop_assert!(self.senders.is_empty(), "a sender is there");
            }
        }
        Ok(())
    }

    /// All senders are gone.
    fn is_over(&self) -> bool {
        self.anybody_joined && self.senders.is_empty()
    }

    fn keep(&mut self, at: usize) -> Checked {
        let (name, receiver) = &mut self.receivers[at];
        if let Ok(Some(message)) = receiver.read() {
            let bytes = message.to_vec();
            message.keep();
            self.oracle.came(*name, &bytes, true)?;
        }
        Ok(())
    }

    fn receive_batch(&mut self, at: usize, most: usize) -> Checked {
        let (name, receiver) = &mut self.receivers[at];
        let (name, mut messages) = (*name, Vec::new());
        let result = receiver.recv_batch(most, |bytes| {
            let mut copy = vec![0; bytes.len()];
            bytes.copy_to(0, &mut copy);
            messages.push(copy);
        });
        for message in &messages {
            self.oracle.came(name, message, false)?;
        }
        match result {
            Ok(count) => prop_assert!(count == messages.len() && count <= most),
            Err(error) => {
                prop_assert_eq!(error, CLOSED);
                prop_assert!(messages.is_empty() && (self.world.is_kept() || self.senders.is_empty()));
            }
        }
        Ok(())
    }

    pub fn finish(&mut self) -> Checked {
        for (name, sender) in &mut self.senders {
            sender.flush();
            self.oracle.senders[*name as usize].is_flushed = true;
        }
        if !self.world.many_receivers() && self.receivers.is_empty() {
            self.receiver_joins()?;
        }
        self.drain()?;
        // Whoever has read everything can be sent a message of any length.
        let longest = self.senders.iter().map(|(_, sender)| sender.longest()).next().unwrap_or(8);
        for at in 0..self.senders.len() {
            let before = self.oracle.senders[self.senders[at].0 as usize].messages.len();
            self.send(at, longest, longest, |sender, message| sender.try_send(message))?;
            self.senders[at].1.flush();
            let name = self.senders[at].0 as usize;
            let log = &mut self.oracle.senders[name];
            log.is_flushed = true;
            prop_assert!(log.messages.len() == before + 1 || self.receivers.is_empty(), "refused while idle");
            self.drain()?;
        }
        for (name, sender) in &mut self.senders {
            let _ = sender.receivers();
            self.oracle.senders[*name as usize].lost = sender.counters().lost;
        }
        self.oracle.nothing_is_missing(self.receivers.iter().map(|(name, _)| *name))?;
        while !self.senders.is_empty() {
            self.sender_leaves(0)?;
        }
        while !self.receivers.is_empty() {
            while self.recv(0)? {}
            self.receiver_leaves(0)?;
        }
        Ok(())
    }

    /// Until no receiver finds anything, all of them having looked.
    fn drain(&mut self) -> Checked {
        for at in 0..self.receivers.len() {
            while self.recv(at)? {}
        }
        Ok(())
    }
}
