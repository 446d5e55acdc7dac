//! This project's own channels.

use std::{marker::PhantomData, time::Duration};

use adit_channel::{
    Builder, Channel, MessageKind, Mode as ChannelMode, Receiver, RecvError, SendError, Sender, Waiting,
};

use crate::{
    order::{Mode, Order, Regime},
    payload::{Payload, fill},
    queue::{Broken, Named, Rx, Tx},
};

/// How long ends wait for each other to be opened.
const JOIN_WITHIN: Duration = Duration::from_secs(10);

/// One sleep of an end that waits asleep; it looks again then.
const SLEEP: Duration = Duration::from_secs(1);

/// `memory://`.
#[derive(Debug)]
pub struct Memory;

/// `ipc://`.
#[derive(Debug)]
pub struct Ipc;

fn builder(scheme: &str, order: &Order, name: &str, bytes: usize) -> Result<Builder, String> {
    let mode = match order.mode {
        // Trips and SPSC races.
        Mode::Spsc => ChannelMode::Spsc,
        Mode::Mpsc => ChannelMode::Mpsc,
        other => return Err(format!("channels have no mode {}", other.name())),
    };
    let waiting = if order.regime == Regime::Parked { Waiting::Park } else { Waiting::Spin };
    // One lane for each sender, and together they have what a peer's queue has; but a message must fit four times.
    let capacity = (order.ring_bytes() / order.senders).max(8 * bytes).next_power_of_two();
    let builder = Channel::builder(&format!("{scheme}://{name}")).map_err(|error| error.to_string())?;
    Ok(builder
        .capacity(capacity)
        .mode(mode)
        .kind(MessageKind::fixed("u64 words", bytes as u32, 8))
        .waiting(waiting)
        .directory(order.directory.join("adit"))
        .join_within(JOIN_WITHIN))
}

macro_rules! named {
    ($kind:ident, $scheme:literal) => {
        impl Named for $kind {
            type Tx<P: Payload> = AditTx<P>;
            type Rx<P: Payload> = AditRx<P>;

            fn sender<P: Payload>(order: &Order, name: &str) -> Result<AditTx<P>, String> {
                let builder = builder($scheme, order, name, P::WORDS * 8)?;
                // In batches, messages are published together.
                let publish_every = if order.batch > 1 { (order.batch * order.bytes) as u64 } else { 0 };
                let sender = builder.publish_every(publish_every).sender();
                Ok(AditTx { sender: sender.map_err(|error| error.to_string())?, payload: PhantomData })
            }

            fn receiver<P: Payload>(order: &Order, name: &str) -> Result<AditRx<P>, String> {
                let receiver = builder($scheme, order, name, P::WORDS * 8)?.receiver();
                Ok(AditRx { receiver: receiver.map_err(|error| error.to_string())?, payload: PhantomData })
            }
        }
    };
}

named!(Memory, "memory");
named!(Ipc, "ipc");

/// Claims room, fills it in place, commits.
#[derive(Debug)]
pub struct AditTx<P> {
    sender: Sender,
    payload: PhantomData<P>,
}

impl<P: Payload> Tx<P> for AditTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        let mut claim = match self.sender.claim(P::WORDS * 8) {
            Ok(claim) => claim,
            Err(SendError::Full) => return Ok(false),
            Err(_) => return Err(Broken("the channel refused a message")),
        };
        // SAFETY: the reader looks at a message after it is committed, and no other process can write here.
        let bytes = unsafe { claim.as_mut_slice() };
        // SAFETY: any bits are a `u64`; what is in front or behind the aligned middle is checked for below.
        let (before, words, after) = unsafe { bytes.align_to_mut::<u64>() };
        debug_assert!(before.is_empty() && after.is_empty());
        fill(words, number);
        claim.commit();
        Ok(true)
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        for number in first..first + count as u64 {
            if !self.put(number)? {
                // What is not published is not made room for.
                self.sender.flush();
                return Ok((number - first) as usize);
            }
        }
        Ok(count)
    }

    fn flush(&mut self) {
        self.sender.flush();
    }
}

/// Reads in place.
#[derive(Debug)]
pub struct AditRx<P> {
    receiver: Receiver,
    payload: PhantomData<P>,
}

/// After the last message the senders may be gone: then there is none.
fn missing(error: RecvError) -> Result<usize, Broken> {
    match error {
        RecvError::Disconnected { .. } => Ok(0),
        _ => Err(Broken("the channel handed over no message")),
    }
}

impl<P: Payload> Rx<P> for AditRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        match self.receiver.read() {
            Ok(Some(message)) => {
                let (first, sum) = P::sum_of(message.bytes());
                each(first, sum);
                Ok(1)
            }
            Ok(None) => Ok(0),
            Err(error) => missing(error),
        }
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let taken = self.receiver.recv_batch(count, |bytes| {
            let (first, sum) = P::sum_of(bytes);
            each(first, sum);
        });
        taken.or_else(missing)
    }

    fn park(&mut self) -> Result<(), Broken> {
        match self.receiver.wait(SLEEP) {
            Ok(_) => Ok(()),
            Err(error) => missing(error).map(|_| ()),
        }
    }
}
