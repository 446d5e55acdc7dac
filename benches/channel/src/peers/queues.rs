//! Queues and channels within a process that any number may use: all bounded, all asked without blocking.

use std::sync::{Arc, mpsc};

use super::Kept;
use crate::{
    order::Order,
    payload::Payload,
    queue::{Broken, Ends, Pair, Rx, Tx},
};

macro_rules! queue {
    (
        $(#[$doc:meta])* $name:ident, $tx:ident($send:ty), $rx:ident($receive:ty),
        open $open:expr, put $put:expr, take $take:expr
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        /// Its sending end.
        pub struct $tx<P: Payload>($send, Kept<P>);

        /// Its receiving end.
        pub struct $rx<P: Payload>($receive);

        impl Pair for $name {
            type Tx<P: Payload> = $tx<P>;
            type Rx<P: Payload> = $rx<P>;

            fn open<P: Payload>(order: &Order) -> Ends<$tx<P>, $rx<P>> {
                let (senders, receivers): (Vec<$send>, Vec<$receive>) = $open(order);
                let senders = senders.into_iter().map(|end| $tx(end, Kept::new())).collect();
                (senders, receivers.into_iter().map($rx).collect())
            }
        }

        impl<P: Payload> Tx<P> for $tx<P> {
            #[inline(always)]
            fn put(&mut self, number: u64) -> Result<bool, Broken> {
                let Self(end, kept) = self;
                Ok($put(end, kept, number))
            }
        }

        impl<P: Payload> Rx<P> for $rx<P> {
            #[inline(always)]
            fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
                let message: Option<(u64, u64)> = $take(&mut self.0);
                Ok(message.map_or(0, |(first, sum)| {
                    each(first, sum);
                    1
                }))
            }
        }
    };
}

/// As many clones as there are ends.
fn ends<A: Clone, B: Clone>(order: &Order, (tx, rx): (A, B)) -> (Vec<A>, Vec<B>) {
    (vec![tx; order.senders], vec![rx; order.receivers])
}

queue!(
    /// crossbeam-channel, bounded.
    CrossbeamChannel,
    CrossbeamChannelTx(crossbeam_channel::Sender<P>),
    CrossbeamChannelRx(crossbeam_channel::Receiver<P>),
    open |order: &Order| ends(order, crossbeam_channel::bounded(order.slots())),
    put |tx: &mut crossbeam_channel::Sender<P>, kept: &mut Kept<P>, number| {
        kept.put(number, |message| tx.try_send(message).map_err(|refused| refused.into_inner()))
    },
    take |rx: &mut crossbeam_channel::Receiver<P>| rx.try_recv().ok().map(|message| message.first_and_sum())
);

queue!(
    /// crossbeam-queue's array queue.
    CrossbeamQueue,
    CrossbeamQueueTx(Arc<crossbeam_queue::ArrayQueue<P>>),
    CrossbeamQueueRx(Arc<crossbeam_queue::ArrayQueue<P>>),
    open |order: &Order| {
        let queue = Arc::new(crossbeam_queue::ArrayQueue::new(order.slots()));
        ends(order, (Arc::clone(&queue), queue))
    },
    put |queue: &mut Arc<crossbeam_queue::ArrayQueue<P>>, kept: &mut Kept<P>, number| {
        kept.put(number, |message| queue.push(message))
    },
    take |queue: &mut Arc<crossbeam_queue::ArrayQueue<P>>| queue.pop().map(|message| message.first_and_sum())
);

queue!(
    /// kanal, bounded.
    Kanal,
    KanalTx(kanal::Sender<P>),
    KanalRx(kanal::Receiver<P>),
    open |order: &Order| ends(order, kanal::bounded(order.slots())),
    put |tx: &mut kanal::Sender<P>, kept: &mut Kept<P>, number| {
        kept.put(number, |message| {
            let mut message = Some(message);
            let _ = tx.try_send_option(&mut message);
            message.map_or(Ok(()), Err)
        })
    },
    take |rx: &mut kanal::Receiver<P>| rx.try_recv().ok().flatten().map(|message| message.first_and_sum())
);

queue!(
    /// flume, bounded.
    Flume,
    FlumeTx(flume::Sender<P>),
    FlumeRx(flume::Receiver<P>),
    open |order: &Order| ends(order, flume::bounded(order.slots())),
    put |tx: &mut flume::Sender<P>, kept: &mut Kept<P>, number| {
        kept.put(number, |message| tx.try_send(message).map_err(|refused| refused.into_inner()))
    },
    take |rx: &mut flume::Receiver<P>| rx.try_recv().ok().map(|message| message.first_and_sum())
);

type Things<P> = thingbuf::ThingBuf<P, AsItIs>;

/// Leaves in a slot what was in it: each message is written whole.
#[derive(Debug)]
pub struct AsItIs;

impl<P: Payload> thingbuf::recycling::Recycle<P> for AsItIs {
    fn new_element(&self) -> P {
        P::default()
    }

    fn recycle(&self, _: &mut P) {}
}

queue!(
    /// thingbuf: its queue, used in place; a slot keeps what it holds, boxes too, and is written over.
    Thingbuf,
    ThingbufTx(Arc<Things<P>>),
    ThingbufRx(Arc<Things<P>>),
    open |order: &Order| {
        let queue = Arc::new(Things::<P>::with_recycle(order.slots(), AsItIs));
        ends(order, (Arc::clone(&queue), queue))
    },
    put |queue: &mut Arc<Things<P>>, _: &mut Kept<P>, number| {
        queue.push_ref().map(|mut slot| slot.remake(number)).is_ok()
    },
    take |queue: &mut Arc<Things<P>>| queue.pop_ref().map(|slot| slot.first_and_sum())
);

queue!(
    /// The standard library's bounded channel.
    StdMpsc,
    StdMpscTx(mpsc::SyncSender<P>),
    StdMpscRx(mpsc::Receiver<P>),
    open |order: &Order| {
        let (tx, rx) = mpsc::sync_channel(order.slots());
        (vec![tx; order.senders], vec![rx])
    },
    put |tx: &mut mpsc::SyncSender<P>, kept: &mut Kept<P>, number| {
        kept.put(number, |message| {
            tx.try_send(message).map_err(|refused| match refused {
                mpsc::TrySendError::Full(message) | mpsc::TrySendError::Disconnected(message) => message,
            })
        })
    },
    take |rx: &mut mpsc::Receiver<P>| rx.try_recv().ok().map(|message| message.first_and_sum())
);
