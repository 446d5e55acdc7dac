//! A receiving end of a broadcast.

mod arena;
mod tap;
mod waiting;

use std::{any::Any, sync::Arc};

use adit_memory::{Region, Report};
use adit_ring::{
    Misbehaved,
    broadcast::{Bytes, Consumer, Follower, ReaderMemory as _, Record, ResumeError, Word},
    stream::arena::ArenaReader,
};

pub(crate) use arena::FarFromAll;
pub(crate) use tap::{Piece, Tap};

use super::{Policy, ReaderRegions};
use crate::{
    endpoint::{Departed, FarFound, OtherFound, RecvError, Waiting},
    lane::{Counters, DisconnectCause, End, Link, Slab, Spec},
};

/// A receiving end of a broadcast. Once its sender is gone it stays disconnected.
#[derive(Debug)]
pub(crate) struct BroadcastReceiver {
    state: State,
    /// Where messages lie that the ring refuses.
    arena: Option<Box<ArenaReader<Slab>>>,
    end: End,
    writer: Arc<Region>,
    /// Of use once it has begun.
    policy: Policy,
    /// Of each message, if it is fixed.
    size: Option<usize>,
    waiting: Waiting,
    /// A sleep is announced.
    armed: bool,
    /// A message was refused: nothing else is read of this sender.
    refused: bool,
    /// Why, if a batch that began well ended with it.
    untold: Option<RecvError>,
    /// What the transport holds for as long as this end lives; dropped after it is closed.
    hold: Box<dyn Any + Send>,
}

#[derive(Debug)]
enum State {
    /// The sender has not taken it over yet.
    Joining(Option<ReaderRegions>),
    Lossless(Consumer<ReaderRegions>),
    Lossy {
        follower: Follower<ReaderRegions>,
        /// Where messages are copied before they are believed.
        scratch: Vec<Word>,
        /// Length of the one that is there and not consumed.
        held: Option<usize>,
    },
    /// The sender broke the rules.
    Broken,
}

impl State {
    fn begun(policy: Policy, regions: ReaderRegions) -> Result<Option<Self>, ResumeError> {
        if policy == Policy::Lossless {
            return Ok(Consumer::join(regions)?.map(Self::Lossless));
        }
        Ok(Follower::join(regions)?.map(|follower| {
            let scratch = (0..follower.longest().div_ceil(8)).map(|_| Word::default()).collect();
            Self::Lossy { follower, scratch, held: None }
        }))
    }
}

/// A message of a broadcast: in the ring if nothing overwrites it, a copy otherwise.
#[derive(Debug)]
#[must_use = "a message that is dropped is consumed"]
pub(crate) enum BroadcastMessage<'a> {
    /// In the sender's memory.
    InPlace { record: Option<Record<'a, ReaderRegions>>, end: &'a mut End },
    /// In this end's memory.
    Copied { words: &'a [Word], held: &'a mut Option<usize>, next: u64, end: &'a mut End },
}

impl BroadcastReceiver {
    /// # Panics
    /// A region is too short, or there is no such slot: both are checked before.
    pub fn new(
        spec: &Spec,
        slot: usize,
        regions: (Arc<Region>, Arc<Region>),
        waiting: Waiting,
        hold: Box<dyn Any + Send>,
    ) -> Self {
        let (writer, own) = regions;
        let policy = Policy::Lossless;
        let memory = ReaderRegions::new(spec.capacity, slot, Arc::clone(&writer), Arc::clone(&own));
        Self {
            state: State::Joining(Some(memory)),
            arena: arena::of(spec, &writer),
            end: End::new(own, Arc::clone(&writer)),
            writer,
            policy,
            size: spec.kind.size().map(|size| size as usize),
            waiting,
            armed: false,
            refused: false,
            untold: None,
            hold,
        }
    }

    /// Where the ring is.
    pub fn placement(&self) -> &Report {
        self.end.peer_placement()
    }

    pub fn link(&self) -> Arc<Link> {
        self.end.link()
    }

    /// What is dropped after this end is closed.
    pub fn hold(&mut self, hold: Box<dyn Any + Send>) {
        self.hold = hold;
    }

    pub fn counters(&self) -> Counters {
        self.end.counters
    }

    /// Whether the sender has taken this end over, so that it gets what is sent from now on.
    pub fn has_begun(&mut self) -> Result<bool, RecvError> {
        self.begin().map_err(RecvError::from)?;
        Ok(!matches!(self.state, State::Joining(_)))
    }

    fn begin(&mut self) -> Result<(), Misbehaved> {
        let State::Joining(memory) = &mut self.state else { return Ok(()) };
        match memory {
            Some(regions) if regions.start().sleep_on().is_none() => {}
            _ => return Ok(()),
        }
        // The sender said it before it set the start.
        let policy = Policy::read(&self.writer);
        let regions = memory.take();
        self.state = State::Broken;
        let (Some(policy), Some(regions)) = (policy, regions) else {
            return Err(Misbehaved::Value { name: "policy", value: 0, lowest: 1, highest: 3 });
        };
        self.policy = policy;
        match State::begun(policy, regions) {
            Ok(Some(state)) => self.state = state,
            // It was taken out again already.
            Ok(None) => {}
            Err(ResumeError::Misbehaved(misbehaved)) => return Err(misbehaved),
            Err(ResumeError::Framing(_)) => debug_assert!(false, "the capacity was checked"),
        }
        Ok(())
    }

    /// Publishes a head that is not so.
    #[cfg(test)]
    pub fn lie(&self, head: u64) {
        self.end.lie(head);
    }

    /// The next message, if there is one now.
    #[inline(always)]
    pub fn read(&mut self) -> Result<Option<OtherFound<'_>>, RecvError> {
        if !self.is_ready()? {
            return Ok(None);
        }
        let (size, end) = (self.size, &mut self.end);
        let message = match &mut self.state {
            State::Lossless(consumer) => match consumer.read_or_back() {
                Ok(record) => record.map(|mut record| {
                    // A skip before it was given back, and the message may be kept for long.
                    if record.wake(&end.futex) {
                        end.woke();
                    }
                    BroadcastMessage::InPlace { record: Some(record), end }
                }),
                Err((consumer, refused)) => {
                    let message = arena::far(self.arena.as_deref_mut(), consumer, refused, end);
                    let message = message.inspect_err(|_| self.refused = true)?;
                    return Ok(Some(OtherFound::Far(FarFound::FromAll(message))));
                }
            },
            State::Lossy { follower, scratch, held } => {
                let next = follower.position();
                held.is_some().then(|| BroadcastMessage::Copied { words: scratch, held, next, end })
            }
            State::Joining(_) | State::Broken => None,
        };
        if let (Some(size), Some(message)) = (size, &message)
            && message.bytes().len() != size
        {
            self.refused = true;
            return Err(RecvError::WrongSize { len: message.bytes().len(), size });
        }
        Ok(message.map(OtherFound::Broadcast))
    }

    /// Whether a message is there; in a ring that is overwritten it is then copied already.
    pub fn is_ready(&mut self) -> Result<bool, RecvError> {
        // In this order: a sender that is gone has published all that it ever will.
        let gone = match &mut self.state {
            _ if self.refused => {
                self.cut_off();
                if let Some(error) = self.untold.take() {
                    return Err(error);
                }
                None
            }
            State::Lossless(consumer) if consumer.is_cached() => return Ok(true),
            _ => self.end.gone(),
        };
        match self.look() {
            Ok(true) => Ok(true),
            Ok(false) => match (gone, &self.state) {
                (Some(cause), _) => Err(RecvError::Disconnected { cause }),
                (None, State::Broken) => Err(RecvError::Disconnected { cause: DisconnectCause::Closed }),
                _ => Ok(false),
            },
            Err(misbehaved) => {
                self.cut_off();
                Err(misbehaved.into())
            }
        }
    }

    /// Reads nothing more of a sender that broke the rules, and holds it up no longer.
    #[cold]
    fn cut_off(&mut self) {
        if !matches!((self.refused, &self.state), (true, State::Broken)) {
            (self.state, self.refused) = (State::Broken, true);
            self.end.close();
        }
    }

    /// The sender, if nothing else is read of it. That it has closed or died is said by the errors.
    pub fn departed(&self) -> Departed {
        Departed { misbehaved: self.refused.into(), ..Departed::default() }
    }

    fn look(&mut self) -> Result<bool, Misbehaved> {
        self.begin()?;
        match &mut self.state {
            State::Lossless(consumer) => {
                let ready = consumer.is_ready()?;
                if !ready {
                    // What is read and not said holds up the sender.
                    consumer.publish_head();
                    if consumer.wake(&self.end.futex) {
                        self.end.woke();
                    }
                }
                Ok(ready)
            }
            State::Lossy { follower, scratch, held } => {
                if held.is_none() {
                    *held = arena::copy(follower, self.policy, self.arena.as_deref(), scratch)?;
                    self.end.counters.lost = follower.lost();
                }
                Ok(held.is_some())
            }
            State::Joining(_) | State::Broken => Ok(false),
        }
    }

    /// Tells the sender how far this end has read.
    pub fn acknowledge(&mut self) {
        match &mut self.state {
            State::Lossless(consumer) => {
                consumer.publish_head();
                if consumer.wake(&self.end.futex) {
                    self.end.woke();
                }
            }
            State::Lossy { follower, .. } => follower.publish_head(),
            State::Joining(_) | State::Broken => {}
        }
    }

    /// Reads what is there now, at most `most` messages.
    pub fn recv_batch(&mut self, most: usize, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, RecvError> {
        if most == 0 || !self.is_ready()? {
            return Ok(0);
        }
        if let (State::Lossless(consumer), None) = (&mut self.state, self.size) {
            let mut sum = 0;
            let read = consumer.read_batch(most, |bytes| {
                sum += bytes.len() as u64;
                each(bytes);
            });
            let count = match read {
                Ok(count) => count,
                Err(refused) => return self.read_far(refused, each),
            };
            self.end.count(count as u64, sum);
            if consumer.wake(&self.end.futex) {
                self.end.woke();
            }
            return Ok(count);
        }
        let mut count = 0;
        while count < most {
            let error = match self.read() {
                Ok(Some(message)) => {
                    each(message.bytes());
                    count += 1;
                    continue;
                }
                Ok(None) => break,
                Err(error) => error,
            };
            if count == 0 {
                return Err(error);
            }
            // What is wrong with the next is said by the next call.
            self.untold = self.refused.then_some(error);
            break;
        }
        Ok(count)
    }

    /// Reads the message that a batch could not begin with, if it lies in the arena.
    #[cold]
    fn read_far(&mut self, refused: Misbehaved, mut each: impl FnMut(Bytes<'_>)) -> Result<usize, RecvError> {
        let misbehaved = match &mut self.state {
            State::Lossless(consumer) => {
                match arena::far(self.arena.as_deref_mut(), consumer, refused, &mut self.end) {
                    Ok(message) => {
                        each(message.bytes());
                        return Ok(1);
                    }
                    Err(misbehaved) => misbehaved,
                }
            }
            _ => refused,
        };
        self.cut_off();
        Err(misbehaved.into())
    }

    /// Counts a wait for a message.
    pub fn stalled(&mut self) {
        self.end.stalled();
    }
}

impl Drop for BroadcastReceiver {
    fn drop(&mut self) {
        if let State::Lossless(consumer) = &mut self.state {
            consumer.publish_head();
        }
        self.end.close();
        self.hold = Box::new(());
    }
}

impl BroadcastMessage<'_> {
    pub(crate) fn bytes(&self) -> Bytes<'_> {
        match self {
            Self::InPlace { record: Some(record), .. } => record.bytes(),
            Self::InPlace { record: None, .. } => Bytes::of(&[], 0),
            Self::Copied { words, held, .. } => Bytes::of(words, held.unwrap_or(0)),
        }
    }

    /// Where the next one will stand.
    pub(crate) fn position(&self) -> u64 {
        match self {
            Self::InPlace { record, .. } => record.as_ref().map_or(0, Record::next_position),
            Self::Copied { next, .. } => *next,
        }
    }

    pub(crate) fn keep(self) {
        // Neither this guard's destructor nor the record's runs; they hold nothing but borrows.
        std::mem::forget(self);
    }
}

impl Drop for BroadcastMessage<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self {
            Self::InPlace { record, end } => {
                let Some(record) = record.take() else { return };
                end.count(1, record.len() as u64);
                if record.finish(&end.futex) {
                    end.woke();
                }
            }
            Self::Copied { held, end, .. } => {
                let len = held.take().unwrap_or(0);
                end.count(1, len as u64);
            }
        }
    }
}
