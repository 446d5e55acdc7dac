//! What a channel should hold, and what each end should have counted.

use std::collections::{BTreeMap, VecDeque};

use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};

use super::world::World;

pub type Checked = Result<(), TestCaseError>;

/// A message that says who sent it and which it is, `len` bytes and no less than 8.
pub fn numbered(sender: u32, number: u32, len: usize) -> Vec<u8> {
    let mut message = [sender.to_le_bytes(), number.to_le_bytes()].concat();
    message.extend((8..len as u32).map(|at| (at ^ (at >> 8) ^ number.wrapping_mul(31) ^ sender) as u8));
    message
}

/// What one sender sent.
#[derive(Debug)]
pub struct SentLog {
    pub messages: Vec<Vec<u8>>,
    /// So many came of each; in a broadcast each receiver has a list of its own.
    came: Vec<u32>,
    /// All that was sent is published.
    pub is_flushed: bool,
    pub is_gone: bool,
    /// What it had counted as lost when it left.
    pub lost: u64,
    /// A receiver left after this sender did, with what it had.
    pub lost_more: bool,
    /// What nobody receives any more: its receiver left.
    forgotten: usize,
}

impl SentLog {
    fn pending(&self) -> usize {
        self.came.iter().skip(self.forgotten).filter(|came| **came == 0).count()
    }

    fn pending_bytes(&self) -> usize {
        let all = self.messages.iter().zip(&self.came).skip(self.forgotten);
        all.filter(|(_, came)| **came == 0).map(|(message, _)| 8 + message.len().next_multiple_of(8)).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.len() as u64).sum()
    }
}

/// What one receiver got.
#[derive(Debug, Default)]
pub struct GotLog {
    pub messages: u64,
    pub bytes: u64,
    /// The lowest number that each sender's next message may have.
    next: BTreeMap<u32, u32>,
    /// In a broadcast: what is sent and not received yet.
    expected: VecDeque<(u32, u32)>,
}

/// All of one channel.
#[derive(Debug)]
pub struct Oracle {
    world: World,
    pub senders: Vec<SentLog>,
    pub receivers: Vec<GotLog>,
}

impl Oracle {
    pub fn new(world: World) -> Self {
        Self { world, senders: Vec::new(), receivers: Vec::new() }
    }

    pub fn sender_joined(&mut self) -> u32 {
        self.senders.push(SentLog {
            messages: Vec::new(),
            came: Vec::new(),
            is_flushed: true,
            is_gone: false,
            lost: 0,
            lost_more: false,
            forgotten: 0,
        });
        self.senders.len() as u32 - 1
    }

    pub fn receiver_joined(&mut self) -> usize {
        self.receivers.push(GotLog::default());
        self.receivers.len() - 1
    }

    pub fn next_message(&self, sender: u32, len: usize) -> Vec<u8> {
        numbered(sender, self.senders[sender as usize].messages.len() as u32, len)
    }

    /// `listeners`: who is there.
    pub fn sent(&mut self, sender: u32, message: Vec<u8>, listeners: impl Iterator<Item = usize>) {
        let log = &mut self.senders[sender as usize];
        let number = log.messages.len() as u32;
        log.messages.push(message);
        log.came.push(0);
        log.is_flushed = false;
        if self.world.is_broadcast() {
            listeners.for_each(|who| self.receivers[who].expected.push_back((sender, number)));
        }
    }

    /// What the only receiver had not received is gone with it.
    pub fn forget(&mut self) {
        for log in &mut self.senders {
            log.forgotten = log.messages.len();
        }
    }

    /// Bytes in the ring that are not read, or more.
    pub fn unread_bytes(&self) -> usize {
        let size = |(sender, number): &(u32, u32)| {
            8 + self.senders[*sender as usize].messages[*number as usize].len().next_multiple_of(8)
        };
        if self.world.is_broadcast() {
            let of = |log: &GotLog| log.expected.iter().map(size).sum::<usize>();
            return self.receivers.iter().map(of).max().unwrap_or(0);
        }
        self.senders.iter().map(SentLog::pending_bytes).sum()
    }

    /// Holds a message that came to be one that may come now; `kept`: it stays, to come again.
    pub fn came(&mut self, receiver: usize, message: &[u8], kept: bool) -> Checked {
        prop_assert!(message.len() >= 8, "{} bytes that nobody sent", message.len());
        let word = |at: usize| u32::from_le_bytes(message[at..at + 4].try_into().unwrap());
        let (sender, number) = (word(0), word(4));
        let log = self.senders.get(sender as usize);
        let sent = log.and_then(|log| log.messages.get(number as usize));
        prop_assert_eq!(sent.map(Vec::as_slice), Some(message), "not what was sent");
        let got = &mut self.receivers[receiver];
        let next = got.next.get(&sender).copied().unwrap_or(0);
        prop_assert!(number >= next, "{} of sender {} after {}", number, sender, next);
        if self.world.is_broadcast() {
            prop_assert_eq!(got.expected.front(), Some(&(sender, number)));
        } else {
            self.may_come(sender, number)?;
        }
        if kept {
            return Ok(());
        }
        let got = &mut self.receivers[receiver];
        got.expected.pop_front();
        got.next.insert(sender, number + 1);
        got.messages += 1;
        got.bytes += message.len() as u64;
        self.senders[sender as usize].came[number as usize] += 1;
        Ok(())
    }

    fn may_come(&self, sender: u32, number: u32) -> Checked {
        let log = &self.senders[sender as usize];
        prop_assert_eq!(log.came[number as usize], 0, "{} of sender {} twice", number, sender);
        if self.world.is_spread() {
            return Ok(());
        }
        prop_assert!(number as usize >= log.forgotten, "what a former receiver had");
        let first = (log.forgotten..).find(|at| log.came[*at] == 0);
        prop_assert_eq!(first, Some(number as usize), "one of sender {} is missing", sender);
        if !self.world.many_senders() {
            let before = &self.senders[..sender as usize];
            prop_assert!(before.iter().all(|log| log.pending() == 0), "a former sender's are missing");
        }
        Ok(())
    }

    /// Whether this receiver may be told that nothing is there.
    pub fn may_be_empty(&self, receiver: usize) -> bool {
        let settled = |log: &&SentLog| log.is_flushed || log.is_gone;
        if self.world.is_spread() {
            // Which receiver a message went to shows when all are drained.
            return true;
        }
        if self.world.is_broadcast() {
            let of = |(sender, _): &(u32, u32)| settled(&&self.senders[*sender as usize]);
            return !self.receivers[receiver].expected.iter().any(of);
        }
        self.senders.iter().filter(settled).all(|log| log.pending() == 0)
    }

    /// When all receivers that are left have nothing more: what is missing was lost with those that left.
    pub fn nothing_is_missing(&self, receivers: impl Iterator<Item = usize>) -> Checked {
        if self.world.is_broadcast() {
            for who in receivers {
                prop_assert!(self.receivers[who].expected.is_empty(), "a receiver has not got all");
            }
            return Ok(());
        }
        for (name, log) in self.senders.iter().enumerate() {
            let missing = log.pending() as u64;
            let right = missing == log.lost || log.lost_more && missing > log.lost;
            prop_assert!(right, "{} of sender {} are missing, {} counted as lost", missing, name, log.lost);
        }
        Ok(())
    }
}
