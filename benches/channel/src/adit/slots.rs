//! Channels of slots: messages of 56 or 64 bytes, each in a cache line of its own.

use std::marker::PhantomData;

use adit_channel::{SendError, SlotReceiver, SlotSender};

use super::{Scheme, TYPE_NAME, builder, missing, park, said, sent};
use crate::{
    order::Order,
    payload::Payload,
    queue::{Broken, Named, Rx, Tx},
};

/// Channels of slots.
#[derive(Debug)]
pub struct Slots<S>(PhantomData<S>);

fn check<P: Payload>() -> Result<(), String> {
    if matches!(P::WORDS, 7 | 8) {
        Ok(())
    } else {
        Err("a slot takes messages of 56 or 64 bytes here".into())
    }
}

impl<S: Scheme> Named for Slots<S> {
    type Tx<P: Payload> = SlotTx<P>;
    type Rx<P: Payload> = SlotRx<P>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<SlotTx<P>, String> {
        check::<P>()?;
        let sender = builder::<S>(order, name, false)?.slots(TYPE_NAME).sender().map_err(said)?;
        Ok(SlotTx { sender })
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<SlotRx<P>, String> {
        check::<P>()?;
        let receiver = builder::<S>(order, name, true)?.slots(TYPE_NAME).receiver().map_err(said)?;
        Ok(SlotRx { receiver })
    }
}

/// The sending end.
#[derive(Debug)]
pub struct SlotTx<P: Payload> {
    sender: SlotSender<P::Slot>,
}

impl<P: Payload> Tx<P> for SlotTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        sent(self.sender.try_send(&P::Slot::make(number)))
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        for at in 0..count {
            match self.sender.try_send(&P::Slot::make(first + at as u64)) {
                Ok(()) => {}
                Err(SendError::Full) => return Ok(at),
                Err(_) => return Err(Broken("the channel refused a message")),
            }
        }
        Ok(count)
    }
}

/// The receiving end.
#[derive(Debug)]
pub struct SlotRx<P: Payload> {
    receiver: SlotReceiver<P::Slot>,
}

impl<P: Payload> Rx<P> for SlotRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let message = match self.receiver.try_recv() {
            Ok(message) => message,
            Err(error) => return missing(error),
        };
        Ok(message.map_or(0, |message| {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
            1
        }))
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let taken = self.receiver.recv_each(count, |message| {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
        });
        taken.or_else(missing)
    }

    fn park(&mut self) -> Result<(), Broken> {
        park(self.receiver.untyped())
    }
}
