//! This project's own channels.

mod scheme;
mod slots;

use std::{fmt, fs::File, marker::PhantomData, time::Duration};

use adit_channel::{
    Builder, Channel, MessageKind, Mode as ChannelMode, Receiver, RecvError, SendError, Sender,
    TypedReceiver, TypedSender, Waiting,
};

use crate::{
    order::{Mode, Order, Regime},
    payload::{Large, Payload, Words},
    queue::{Broken, Named, Rx, Tx},
};

pub use scheme::{Ipc, Kept, Memory, PlainSockets, Scheme, Shm, Tcp, Unix};
pub use slots::Slots;

/// How long ends wait for each other to be opened.
const JOIN_WITHIN: Duration = Duration::from_secs(10);

/// One sleep of an end that waits asleep; it looks again then.
const SLEEP: Duration = Duration::from_secs(1);

/// What the messages of a channel are.
const TYPE_NAME: &str = "adit_bench::words";

/// Channels of one type: messages up to 4 KiB are copied in and out, as values; larger ones are filled and read in
/// place.
#[derive(Debug)]
pub struct Typed<S>(PhantomData<S>);

/// Channels of messages of any length, all filled and read in place.
#[derive(Debug)]
pub struct InPlace<S>(PhantomData<S>);

/// Whether those who receive join the sender, where it makes a difference: on a network.
fn sender_listens<S: Scheme>(order: &Order) -> bool {
    matches!(order.mode, Mode::Spmc | Mode::Mpmc | Mode::Broadcast) && !receivers_are_called::<S>(order)
}

fn receivers_are_called<S: Scheme>(order: &Order) -> bool {
    S::RECEIVERS_ARE_CALLED && order.mode == Mode::Mpmc
}

/// What the receivers are called, as many as there are, where each listens.
fn seats(order: &Order, name: &str) -> impl Iterator<Item = String> {
    (0..order.receivers).map(move |number| format!("{name}-{number}"))
}

/// What this receiver is called: no two have the same file.
fn own_name<S: Scheme>(order: &Order, name: &str) -> Result<String, String> {
    if !receivers_are_called::<S>(order) {
        return Ok(name.to_owned());
    }
    let free = |seat: &String| File::create_new(order.directory.join(format!("{seat}.seat"))).is_ok();
    seats(order, name).find(free).ok_or_else(|| "there are more receivers than were ordered".into())
}

/// For an end that listens, or for one that joins.
fn builder<S: Scheme>(order: &Order, name: &str, listens: bool) -> Result<Builder, String> {
    if listens {
        return shaped::<S>(order, &S::listen(order, name));
    }
    if !receivers_are_called::<S>(order) {
        return shaped::<S>(order, &S::join(order, name)?);
    }
    let uris = seats(order, name).map(|seat| S::join(order, &seat)).collect::<Result<Vec<_>, _>>()?;
    let builder = shaped::<S>(order, &uris[0])?;
    uris[1..].iter().try_fold(builder, |builder, uri| builder.also_at(uri)).map_err(said)
}

/// As the order says.
fn shaped<S: Scheme>(order: &Order, uri: &str) -> Result<Builder, String> {
    let mode = match order.mode {
        Mode::Spsc => ChannelMode::Spsc,
        Mode::Mpsc => ChannelMode::Mpsc,
        Mode::Spmc => ChannelMode::Spmc,
        Mode::Mpmc => ChannelMode::Mpmc,
        Mode::Broadcast => ChannelMode::Broadcast,
    };
    let waiting = if order.regime == Regime::Parked { Waiting::Park } else { Waiting::Spin };
    // All lanes together have what a peer's queue has; but a message must fit four times.
    let copies = if order.is_shared() { order.receivers } else { 1 };
    let capacity = (order.ring_bytes() / (order.senders * copies)).max(8 * order.bytes).next_power_of_two();
    let builder = Channel::builder(uri).map_err(said)?;
    Ok(builder
        .network(S::network())
        .capacity(capacity)
        .mode(mode)
        .waiting(waiting)
        .directory(order.directory.join("adit"))
        .join_within(JOIN_WITHIN))
}

fn said(error: impl fmt::Display) -> String {
    error.to_string()
}

impl<S: Scheme> Named for Typed<S> {
    type Tx<P: Payload> = TypedTx<P>;
    type Rx<P: Payload> = TypedRx<P>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<TypedTx<P>, String> {
        let listens = sender_listens::<S>(order);
        let mut sender = P::sender(&builder::<S>(order, name, listens)?)?;
        let report = P::untyped_sender(&mut sender).network();
        let on_network = report.is_some();
        if listens {
            S::listens(order, name, report.map(|report| report.address.as_str()))?;
        }
        Ok(TypedTx { sender, on_network, batch: vec![P::default(); order.batch] })
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<TypedRx<P>, String> {
        let (listens, name) = (!sender_listens::<S>(order), &*own_name::<S>(order, name)?);
        let mut receiver = P::receiver(&builder::<S>(order, name, listens)?)?;
        if listens {
            let report = P::untyped(&mut receiver).network();
            S::listens(order, name, report.map(|report| report.address.as_str()))?;
        }
        Ok(TypedRx { receiver, batch: vec![P::default(); order.batch] })
    }
}

impl<S: Scheme> Named for InPlace<S> {
    type Tx<P: Payload> = InPlaceTx<P>;
    type Rx<P: Payload> = InPlaceRx<P>;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<InPlaceTx<P>, String> {
        // In batches, messages are published together.
        let publish_every = if order.batch > 1 { (order.batch * order.bytes) as u64 } else { 0 };
        let listens = sender_listens::<S>(order);
        let builder = builder::<S>(order, name, listens)?;
        let sender = builder.publish_every(publish_every).sender().map_err(said)?;
        if listens {
            S::listens(order, name, sender.network().map(|report| report.address.as_str()))?;
        }
        Ok(InPlaceTx { sender, payload: PhantomData })
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<InPlaceRx<P>, String> {
        let (listens, name) = (!sender_listens::<S>(order), &*own_name::<S>(order, name)?);
        let receiver = builder::<S>(order, name, listens)?.receiver().map_err(said)?;
        if listens {
            S::listens(order, name, receiver.network().map(|report| report.address.as_str()))?;
        }
        Ok(InPlaceRx { receiver, payload: PhantomData })
    }
}

/// How a payload goes through a typed channel.
pub trait Carried: Sized {
    /// The sending end.
    type Sender: 'static;
    /// The receiving end.
    type Receiver: 'static;

    /// Opens it.
    fn sender(builder: &Builder) -> Result<Self::Sender, String>;

    /// Opens it.
    fn receiver(builder: &Builder) -> Result<Self::Receiver, String>;

    /// Writes and sends a message, if there is room.
    fn put(sender: &mut Self::Sender, number: u64) -> Result<bool, Broken>;

    /// Writes messages and sends them together, as far as there is room; `batch` is as long as there are messages.
    fn put_batch(sender: &mut Self::Sender, first: u64, batch: &mut [Self]) -> Result<usize, Broken>;

    /// Takes a message and sums it.
    fn take(receiver: &mut Self::Receiver) -> Result<Option<(u64, u64)>, Broken>;

    /// Takes what is there, at most as many as `batch` is long, and sums each.
    fn take_batch(
        receiver: &mut Self::Receiver,
        batch: &mut [Self],
        each: impl FnMut(u64, u64),
    ) -> Result<usize, Broken>;

    /// The sending end without its type.
    fn untyped_sender(sender: &mut Self::Sender) -> &mut Sender;

    /// The receiving end without its type.
    fn untyped(receiver: &mut Self::Receiver) -> &mut Receiver;
}

/// Whether it was sent; no room is no error.
#[inline(always)]
fn sent(result: Result<(), SendError>) -> Result<bool, Broken> {
    match result {
        Ok(()) => Ok(true),
        Err(SendError::Full) => Ok(false),
        Err(_) => Err(Broken("the channel refused a message")),
    }
}

/// After the last message the senders may be gone: then there is none.
#[cold]
fn missing(error: RecvError) -> Result<usize, Broken> {
    match error {
        RecvError::Disconnected { .. } => Ok(0),
        _ => Err(Broken("the channel handed over no message")),
    }
}

fn park(receiver: &mut Receiver) -> Result<(), Broken> {
    receiver.wait(SLEEP).map(|_| ()).or_else(|error| missing(error).map(|_| ()))
}

impl<const COUNT: usize> Carried for Words<COUNT> {
    type Sender = TypedSender<Self>;
    type Receiver = TypedReceiver<Self>;

    fn sender(builder: &Builder) -> Result<Self::Sender, String> {
        builder.clone().of::<Self>(TYPE_NAME).sender().map_err(said)
    }

    fn receiver(builder: &Builder) -> Result<Self::Receiver, String> {
        builder.clone().of::<Self>(TYPE_NAME).receiver().map_err(said)
    }

    #[inline(always)]
    fn put(sender: &mut Self::Sender, number: u64) -> Result<bool, Broken> {
        sent(sender.try_send(&Self::make(number)))
    }

    #[inline(always)]
    fn put_batch(sender: &mut Self::Sender, first: u64, batch: &mut [Self]) -> Result<usize, Broken> {
        match sender.try_send_iter((first..).take(batch.len()).map(Self::make)) {
            Ok(count) => Ok(count),
            Err(SendError::Full) => Ok(0),
            Err(_) => Err(Broken("the channel refused a batch")),
        }
    }

    #[inline(always)]
    fn take(receiver: &mut Self::Receiver) -> Result<Option<(u64, u64)>, Broken> {
        match receiver.try_recv() {
            Ok(message) => Ok(message.map(|message| message.first_and_sum())),
            Err(error) => missing(error).map(|_| None),
        }
    }

    #[inline(always)]
    fn take_batch(
        receiver: &mut Self::Receiver,
        batch: &mut [Self],
        mut each: impl FnMut(u64, u64),
    ) -> Result<usize, Broken> {
        let taken = receiver.recv_each(batch.len(), |message| {
            let (first, sum) = message.first_and_sum();
            each(first, sum);
        });
        taken.or_else(missing)
    }

    fn untyped_sender(sender: &mut Self::Sender) -> &mut Sender {
        sender.untyped()
    }

    fn untyped(receiver: &mut Self::Receiver) -> &mut Receiver {
        receiver.untyped()
    }
}

impl Carried for Large {
    type Sender = Sender;
    type Receiver = Receiver;

    fn sender(builder: &Builder) -> Result<Sender, String> {
        let kind = MessageKind::fixed(TYPE_NAME, 8 * Self::WORDS as u32, 8);
        builder.clone().kind(kind).sender().map_err(said)
    }

    fn receiver(builder: &Builder) -> Result<Receiver, String> {
        let kind = MessageKind::fixed(TYPE_NAME, 8 * Self::WORDS as u32, 8);
        builder.clone().kind(kind).receiver().map_err(said)
    }

    fn put(sender: &mut Sender, number: u64) -> Result<bool, Broken> {
        fill_in_place::<Self>(sender, number)
    }

    fn put_batch(sender: &mut Sender, first: u64, batch: &mut [Self]) -> Result<usize, Broken> {
        for at in 0..batch.len() {
            if !fill_in_place::<Self>(sender, first + at as u64)? {
                return Ok(at);
            }
        }
        Ok(batch.len())
    }

    fn take(receiver: &mut Receiver) -> Result<Option<(u64, u64)>, Broken> {
        read_in_place::<Self>(receiver)
    }

    fn take_batch(
        receiver: &mut Receiver,
        batch: &mut [Self],
        each: impl FnMut(u64, u64),
    ) -> Result<usize, Broken> {
        read_batch_in_place::<Self>(receiver, batch.len(), each)
    }

    fn untyped_sender(sender: &mut Sender) -> &mut Sender {
        sender
    }

    fn untyped(receiver: &mut Receiver) -> &mut Receiver {
        receiver
    }
}

/// Claims room, fills it, commits.
#[inline(always)]
fn fill_in_place<P: Payload>(sender: &mut Sender, number: u64) -> Result<bool, Broken> {
    let mut claim = match sender.claim(P::WORDS * 8) {
        Ok(claim) => claim,
        Err(error) => return sent(Err(error)),
    };
    // SAFETY: the reader looks at a message after it is committed, and no other process can write here.
    let bytes = unsafe { claim.as_mut_slice() };
    // SAFETY: any bits are a `u64`; rings are aligned to words, so nothing is left in front or behind.
    let (before, words, after) = unsafe { bytes.align_to_mut::<u64>() };
    debug_assert!(before.is_empty() && after.is_empty());
    P::fill(words, number);
    claim.commit();
    Ok(true)
}

#[inline(always)]
fn read_in_place<P: Payload>(receiver: &mut Receiver) -> Result<Option<(u64, u64)>, Broken> {
    match receiver.read() {
        Ok(message) => Ok(message.map(|message| P::sum_of(message.bytes()))),
        Err(error) => missing(error).map(|_| None),
    }
}

#[inline(always)]
fn read_batch_in_place<P: Payload>(
    receiver: &mut Receiver,
    count: usize,
    mut each: impl FnMut(u64, u64),
) -> Result<usize, Broken> {
    let taken = receiver.recv_batch(count, |bytes| {
        let (first, sum) = P::sum_of(bytes);
        each(first, sum);
    });
    taken.or_else(missing)
}

/// The sending end of a typed channel.
pub struct TypedTx<P: Carried> {
    sender: P::Sender,
    /// What is sent there may be gathered.
    on_network: bool,
    batch: Vec<P>,
}

impl<P: Payload> Tx<P> for TypedTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        P::put(&mut self.sender, number)
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        P::put_batch(&mut self.sender, first, &mut self.batch[..count])
    }

    fn flush(&mut self) {
        if self.on_network {
            P::untyped_sender(&mut self.sender).flush();
        }
    }
}

/// The receiving end of a typed channel.
pub struct TypedRx<P: Carried> {
    receiver: P::Receiver,
    batch: Vec<P>,
}

impl<P: Payload> Rx<P> for TypedRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        Ok(P::take(&mut self.receiver)?.map_or(0, |(first, sum)| {
            each(first, sum);
            1
        }))
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        P::take_batch(&mut self.receiver, &mut self.batch[..count], each)
    }

    fn park(&mut self) -> Result<(), Broken> {
        park(P::untyped(&mut self.receiver))
    }
}

/// Claims room, fills it in place, commits.
#[derive(Debug)]
pub struct InPlaceTx<P> {
    sender: Sender,
    payload: PhantomData<P>,
}

impl<P: Payload> Tx<P> for InPlaceTx<P> {
    #[inline(always)]
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        fill_in_place::<P>(&mut self.sender, number)
    }

    #[inline(always)]
    fn put_batch(&mut self, first: u64, count: usize) -> Result<usize, Broken> {
        for at in 0..count {
            if !fill_in_place::<P>(&mut self.sender, first + at as u64)? {
                // What is not published is not made room for.
                self.sender.flush();
                return Ok(at);
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
pub struct InPlaceRx<P> {
    receiver: Receiver,
    payload: PhantomData<P>,
}

impl<P: Payload> Rx<P> for InPlaceRx<P> {
    #[inline(always)]
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        Ok(read_in_place::<P>(&mut self.receiver)?.map_or(0, |(first, sum)| {
            each(first, sum);
            1
        }))
    }

    #[inline(always)]
    fn take_batch(&mut self, count: usize, each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        read_batch_in_place::<P>(&mut self.receiver, count, each)
    }

    fn park(&mut self) -> Result<(), Broken> {
        park(&mut self.receiver)
    }
}
