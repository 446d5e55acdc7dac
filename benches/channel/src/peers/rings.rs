//! Ring buffers within a process: rtrb, gil, nexus-queue.

use std::num::NonZeroUsize;

use rtrb::{
    PushError,
    chunks::{ChunkError, ReadChunk},
};

use super::Kept;
use crate::{
    order::Order,
    payload::Payload,
    queue::{Broken, Ends, Pair, Rx, Tx},
};

/// rtrb: push and pop, or chunks.
#[derive(Debug)]
pub struct Rtrb;

/// Its sending end.
pub struct RtrbTx<P>(rtrb::Producer<P>, Kept<P>);

/// Its receiving end.
pub struct RtrbRx<P>(rtrb::Consumer<P>);

impl Pair for Rtrb {
    type Tx<P: Payload> = RtrbTx<P>;
    type Rx<P: Payload> = RtrbRx<P>;

    fn open<P: Payload>(order: &Order) -> Ends<RtrbTx<P>, RtrbRx<P>> {
        let (tx, rx) = rtrb::RingBuffer::new(order.slots());
        (vec![RtrbTx(tx, Kept::new())], vec![RtrbRx(rx)])
    }
}

impl<P: Payload> Tx<P> for RtrbTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        let Self(end, kept) = self;
        Ok(kept.put(number, |message| end.push(message).map_err(|PushError::Full(message)| message)))
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        // Asked for as many as are wanted, it looks at the other end's line only where it knows of too few.
        let room = match self.0.write_chunk_uninit(count) {
            Ok(chunk) => return Ok(chunk.fill_from_iter((first..).map(P::make))),
            Err(ChunkError::TooFewSlots(0)) => return Ok(0),
            Err(ChunkError::TooFewSlots(room)) => room,
        };
        let chunk = self.0.write_chunk_uninit(room).map_err(|_| Broken("rtrb has no room that it had"))?;
        Ok(chunk.fill_from_iter((first..).map(P::make)))
    }
}

impl<P: Payload> Rx<P> for RtrbRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        Ok(self.0.pop().map_or(0, |message| {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
            1
        }))
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let ready = match self.0.read_chunk(count) {
            Ok(chunk) => return Ok(sum_up(chunk, each)),
            Err(ChunkError::TooFewSlots(0)) => return Ok(0),
            Err(ChunkError::TooFewSlots(ready)) => ready,
        };
        let chunk = self.0.read_chunk(ready).map_err(|_| Broken("rtrb has no messages that it had"))?;
        Ok(sum_up(chunk, each))
    }
}

/// Hands on all messages of a chunk; how many.
#[inline(always)]
fn sum_up<P: Payload>(chunk: ReadChunk<'_, P>, mut each: impl FnMut(u64, u64)) -> usize {
    let (one, other) = chunk.as_slices();
    let ready = one.len() + other.len();
    for message in one.iter().chain(other) {
        let (first, sum) = message.first_and_sum();
        each(first, sum);
    }
    chunk.commit_all();
    ready
}

/// How large, as gil wants it.
fn size(of: usize) -> NonZeroUsize {
    NonZeroUsize::new(of).unwrap_or(NonZeroUsize::MIN)
}

/// An end that hands over one value at a time.
pub struct End<E>(E);

/// The same for sending: a value that is refused is handed back.
pub struct Sending<E, P>(E, Kept<P>);

/// Such ends.
fn sending<E, P: Payload>(ends: Vec<E>) -> Vec<Sending<E, P>> {
    ends.into_iter().map(|end| Sending(end, Kept::new())).collect()
}

macro_rules! send_and_receive {
    ($send:ty, $receive:ty) => {
        impl<P: Payload> Tx<P> for Sending<$send, P> {
            #[inline(always)]
            fn put(&mut self, number: u64) -> Result<bool, Broken> {
                let Self(end, kept) = self;
                Ok(kept.put(number, |message| end.try_send(message)))
            }
        }
        receive!($receive, try_recv);
    };
}

macro_rules! receive {
    ($receive:ty, $take:ident) => {
        impl<P: Payload> Rx<P> for End<$receive> {
            #[inline(always)]
            fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
                Ok(self.0.$take().map_or(0, |message| {
                    let (first, sum) = message.first_and_sum();
                    each(first, sum);
                    1
                }))
            }
        }
    };
}

/// gil's SPSC: send and receive, or a buffer to write in place and a guard to read through.
#[derive(Debug)]
pub struct Gil;

/// Its sending end.
pub struct GilTx<P>(gil::spsc::Sender<P>, Kept<P>);

/// Its receiving end.
pub struct GilRx<P>(gil::spsc::Receiver<P>);

impl Pair for Gil {
    type Tx<P: Payload> = GilTx<P>;
    type Rx<P: Payload> = GilRx<P>;

    fn open<P: Payload>(order: &Order) -> Ends<GilTx<P>, GilRx<P>> {
        let (tx, rx) = gil::spsc::channel(size(order.slots()));
        (vec![GilTx(tx, Kept::new())], vec![GilRx(rx)])
    }
}

impl<P: Payload> Tx<P> for GilTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        let Self(end, kept) = self;
        Ok(kept.put(number, |message| end.try_send(message)))
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        let room = self.0.write_buffer();
        let count = room.len().min(count);
        for (slot, number) in room[..count].iter_mut().zip(first..) {
            slot.write(P::make(number));
        }
        // SAFETY: so many were there, and each has just been written.
        unsafe { self.0.commit(count) };
        Ok(count)
    }
}

impl<P: Payload> Rx<P> for GilRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        Ok(self.0.try_recv().map_or(0, |message| {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
            1
        }))
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let mut guard = self.0.read_guard();
        let mut taken = 0;
        // The iterator takes ownership, so that boxes are freed.
        for message in guard.by_ref().take(count) {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
            taken += 1;
        }
        Ok(taken)
    }
}

macro_rules! gil {
    ($(#[$doc:meta])* $name:ident, $module:path, $open:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        const _: () = {
            use $module as module;

            send_and_receive!(module::Sender<P>, module::Receiver<P>);

            impl Pair for $name {
                type Tx<P: Payload> = Sending<module::Sender<P>, P>;
                type Rx<P: Payload> = End<module::Receiver<P>>;

                fn open<P: Payload>(order: &Order) -> Ends<Self::Tx<P>, Self::Rx<P>> {
                    #[allow(clippy::redundant_closure_call, reason = "the macro's argument is a closure")]
                    let (senders, receivers) = ($open)(order);
                    (sending(senders), receivers.into_iter().map(End).collect())
                }
            }
        };
    };
}

/// As many as wanted of what can be cloned.
fn clones<T>(one: T, count: usize, clone: impl Fn(&T) -> Option<T>) -> Vec<T> {
    let mut all = vec![one];
    while all.len() < count {
        let Some(next) = clone(&all[all.len() - 1]) else { break };
        all.push(next);
    }
    all
}

gil!(
    /// gil's MPSC: one ring that senders contend on.
    GilMpsc,
    gil::mpsc,
    |order: &Order| {
        let (tx, rx) = gil::mpsc::channel(size(order.slots()));
        (clones(tx, order.senders, |tx| Some(tx.clone())), vec![rx])
    }
);

gil!(
    /// gil's MPSC with a ring for each sender.
    GilMpscSharded,
    gil::mpsc::sharded,
    |order: &Order| {
        let (tx, rx) = gil::mpsc::sharded::channel(size(order.senders), size(order.slots() / order.senders));
        (clones(tx, order.senders, |tx| tx.clone()), vec![rx])
    }
);

gil!(
    /// gil's SPMC: one ring that receivers contend on.
    GilSpmc,
    gil::spmc,
    |order: &Order| {
        let (tx, rx) = gil::spmc::channel(size(order.slots()));
        (vec![tx], clones(rx, order.receivers, |rx| Some(rx.clone())))
    }
);

gil!(
    /// gil's SPMC with a ring for each receiver.
    GilSpmcSharded,
    gil::spmc::sharded,
    |order: &Order| {
        let (tx, rx) =
            gil::spmc::sharded::channel(size(order.receivers), size(order.slots() / order.receivers));
        (vec![tx], clones(rx, order.receivers, |rx| rx.clone()))
    }
);

gil!(
    /// gil's MPMC: one ring that everybody contends on.
    GilMpmc,
    gil::mpmc,
    |order: &Order| {
        let (tx, rx) = gil::mpmc::channel(size(order.slots()));
        let senders = clones(tx, order.senders, |tx| Some(tx.clone()));
        (senders, clones(rx, order.receivers, |rx| Some(rx.clone())))
    }
);

gil!(
    /// gil's MPMC with a ring for each sender.
    GilMpmcSharded,
    gil::mpmc::sharded,
    |order: &Order| {
        let shards = order.senders.max(order.receivers);
        let (tx, rx) = gil::mpmc::sharded::channel(size(shards), size(order.slots() / shards));
        let senders = clones(tx, order.senders, |tx| tx.try_clone());
        (senders, clones(rx, order.receivers, |rx| rx.try_clone()))
    }
);

macro_rules! nexus {
    ($(#[$doc:meta])* $name:ident, $module:path, $open:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        const _: () = {
            use $module as module;

            impl<P: Payload> Tx<P> for Sending<module::Producer<P>, P> {
                #[inline(always)]
                fn put(&mut self, number: u64) -> Result<bool, Broken> {
                    let Self(end, kept) = self;
                    Ok(kept.put(number, |message| end.push(message).map_err(|full| full.0)))
                }
            }

            receive!(module::Consumer<P>, pop);

            impl Pair for $name {
                type Tx<P: Payload> = Sending<module::Producer<P>, P>;
                type Rx<P: Payload> = End<module::Consumer<P>>;

                fn open<P: Payload>(order: &Order) -> Ends<Self::Tx<P>, Self::Rx<P>> {
                    #[allow(clippy::redundant_closure_call, reason = "the macro's argument is a closure")]
                    let (senders, receivers) = ($open)(order, module::ring_buffer(order.slots()));
                    (sending(senders), receivers.into_iter().map(End).collect())
                }
            }
        };
    };
}

nexus!(
    /// nexus-queue's SPSC.
    Nexus,
    nexus_queue::spsc,
    |_: &Order, (tx, rx)| (vec![tx], vec![rx])
);

nexus!(
    /// nexus-queue's MPSC.
    NexusMpsc,
    nexus_queue::mpsc,
    |order: &Order, (tx, rx): (nexus_queue::mpsc::Producer<P>, _)| {
        (clones(tx, order.senders, |tx| Some(tx.clone())), vec![rx])
    }
);

nexus!(
    /// nexus-queue's SPMC.
    NexusSpmc,
    nexus_queue::spmc,
    |order: &Order, (tx, rx): (_, nexus_queue::spmc::Consumer<P>)| {
        (vec![tx], clones(rx, order.receivers, |rx| Some(rx.clone())))
    }
);
