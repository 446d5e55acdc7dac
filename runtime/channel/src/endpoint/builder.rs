//! How a channel is opened.

mod check;
mod open;

use std::{path::PathBuf, time::Duration};

use adit_memory::Pages;

use super::{
    OnFull, OpenError, Placement, Plain, Receiver, Sender, SlotBuilder, TypedBuilder, Waiting, Wish,
};
use crate::{
    lane::{MessageKind, Mode, Spec},
    transport::{ipc, net::NetworkOptions},
    uri::{Uri, UriError},
};

/// Bytes of a lane, if nothing else is said.
pub const DEFAULT_CAPACITY: usize = 1 << 20;

/// Where channels begin.
#[derive(Debug)]
pub struct Channel;

impl Channel {
    /// Begins to open the channel with this URI.
    ///
    /// # Errors
    /// [`UriError`]: it is no channel's, or not one that this build can open.
    pub fn builder(uri: &str) -> Result<Builder, UriError> {
        Ok(Builder {
            uri: uri.parse()?,
            others: Vec::new(),
            spec: Spec { mode: Mode::default(), capacity: DEFAULT_CAPACITY, kind: MessageKind::bytes() },
            waiting: Waiting::default(),
            on_full: OnFull::default(),
            publish_every: 0,
            directory: None,
            trust: ipc::Trust::default(),
            measure: false,
            arena: 0,
            join_within: Duration::ZERO,
            acknowledge: Acknowledge::default(),
            wish: Wish::default(),
            credit: None,
            network: NetworkOptions::default(),
        })
    }
}

/// What a channel shall be; opens any number of ends.
///
/// Capacity, mode and message kind must be the same at all ends; the rest is each end's own.
#[derive(Clone, Debug)]
#[must_use = "a builder opens nothing by itself"]
pub struct Builder {
    uri: Uri,
    /// Of receivers that a sender calls besides.
    others: Vec<Uri>,
    spec: Spec,
    pub(super) waiting: Waiting,
    on_full: OnFull,
    publish_every: u64,
    directory: Option<PathBuf>,
    trust: ipc::Trust,
    measure: bool,
    arena: usize,
    join_within: Duration,
    acknowledge: Acknowledge,
    wish: Wish,
    credit: Option<u64>,
    network: NetworkOptions,
}

/// When a receiver says that it has read a message, so that the sender may write over it and a later receiver
/// of a channel that [survives its processes](crate::kept) does not get it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acknowledge {
    /// When a quarter of the ring was read, when nothing is there to read, when the receiver is dropped, and at
    /// [`Receiver::acknowledge`].
    #[default]
    Lazily,
    /// Each message when it is dropped, or copied out: a store to shared memory for each.
    Each,
}

impl Builder {
    /// Bytes of each sender's lane, a power of two from 64 to 2^30 (1 GiB); [`DEFAULT_CAPACITY`] if not set. The
    /// longest message is a quarter of it, less 8 bytes if messages may have any length ([`Sender::longest`]). Anything
    /// else is [`OpenFailure::Capacity`](super::OpenFailure::Capacity) when an end is opened.
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.spec.capacity = bytes;
        self
    }

    /// How many may send and receive, and who gets what; [`Mode::Spsc`] if not set.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.spec.mode = mode;
        self
    }

    /// What every message is; [`MessageKind::bytes`] if not set.
    pub fn kind(mut self, kind: MessageKind) -> Self {
        self.spec.kind = kind;
        self
    }

    /// Messages of type `T`, under a name that both ends use: a type's own name is not the same in every
    /// build. The last setting before the ends are opened.
    pub fn of<T: Plain>(self, name: &str) -> TypedBuilder<T> {
        TypedBuilder::new(self, name)
    }

    /// Messages of type `T`, of 64 bytes at most, each in a slot of 64 bytes of its own: the lowest latency. For
    /// `memory://` and `ipc://`, and one receiver ([`Mode::Spsc`], [`Mode::Mpsc`]); both ends must say it. The name is as
    /// for [`of`](Self::of). The last setting before the ends are opened.
    ///
    /// A slot is one cache line and says by itself that it holds a message, so that one line moves for each; otherwise
    /// there are two, the message's and one that says how far the sender is. Messages that come one by one, each long
    /// after the one before, are there a fifth sooner; many in a row take longer than with [`of`](Self::of). Messages of more
    /// than 56 bytes leave no room for a sequence: the receiver sees that the slot has changed (spec: CHN-2.5), for which it
    /// keeps a sixteenth of the ring's size.
    ///
    /// Where slots do not help, messages go the way that they go with `of`: in rings of less than 2 KiB, where each is
    /// [acknowledged](Acknowledge::Each), while a receiver has several senders, and in futures. Latencies are not
    /// measured, each message is published by itself, and what is done when there is no room is the caller's to say.
    pub fn slots<T: Plain>(self, name: &str) -> SlotBuilder<T> {
        SlotBuilder::new(self, name)
    }

    /// How this end waits.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// What [`Sender::push`] does when there is no room.
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// Publishes what is sent only once so many bytes are (a quarter of the capacity at most), or at
    /// [`Sender::flush`]; 0, as in the beginning, publishes each message.
    pub fn publish_every(mut self, bytes: u64) -> Self {
        self.publish_every = bytes;
        self
    }

    /// Where the socket of an `ipc://` channel lives; `$XDG_RUNTIME_DIR/adit`, or `/tmp/adit-UID`, if not set.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Measures how long messages take from being sent to being read: see [`crate::latency`]. Both ends must say
    /// it. Channels that survive their processes, broadcasts, slots and channels on networks cannot.
    pub fn measure_latency(mut self, measure: bool) -> Self {
        self.measure = measure;
        self
    }

    /// Gives each ring an arena of so many bytes, rounded up to 2 MiB, for messages of more than 4 KiB: they may be
    /// as long as the arena, lie in it in one piece while they are filled and read, and take no room in the ring.
    /// For messages of any length, and not on networks.
    ///
    /// A sender has one ring, and so one arena; with [`Mode::Spmc`] and [`Mode::Mpmc`] one for each receiver, each of
    /// that size. What lies in the arena of a [`Mode::Broadcast`] is there once, and held until every receiver has
    /// read it; where it overwrites ([`OnFull::OverwriteOldest`], [`OnFull::Latest`]), receivers copy it instead.
    ///
    /// ```
    /// # use adit_channel::Channel;
    /// let channel = Channel::builder("memory://frames")?.capacity(1 << 12).arena(16 << 20);
    /// let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
    /// let mut claim = sender.claim(1920 * 1080 * 4)?;
    /// claim.write(0, b"a whole frame, filled in place");
    /// claim.commit();
    /// assert_eq!(receiver.read()?.expect("one was sent").bytes().len(), 1920 * 1080 * 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn arena(mut self, bytes: usize) -> Self {
        self.arena = bytes;
        self
    }

    /// Permits processes of these users at the other end of an `ipc://` channel, besides this user's own.
    ///
    /// Both ends ask the kernel who is at the other, so both have to say it: the receiver names the senders'
    /// users, a sender the receiver's. They meet in a [`directory`](Self::directory) that both name; the receiver
    /// makes it if it is not there, so that everybody may go through it and nobody else may list it (0711).
    pub fn allow_users(mut self, users: impl IntoIterator<Item = u32>) -> Self {
        self.trust.users.extend(users);
        self
    }

    /// Permits processes of users who are in this group, as [`allow_users`](Self::allow_users) does; a directory
    /// that the receiver makes, and its socket, are for the group alone (0710, 0660).
    pub fn allow_group(mut self, group: u32) -> Self {
        self.trust.group = Some(group);
        self
    }

    /// How an end on a network (`tcp`, `unix`, `udp`) works.
    pub fn network(mut self, options: NetworkOptions) -> Self {
        self.network = options;
        self
    }

    /// How long an end that joins an `ipc://`, `tcp://` or `unix://` channel waits for the other, which does not listen
    /// yet: a sender for the receiver (in a broadcast, and with one sender and many receivers on a network: a receiver
    /// for the sender); not at all if not set. One that closes or dies while it is joined is waited for as one that does
    /// not listen.
    ///
    /// Whoever listens must answer within this time as well, of which it has 100 ms at least and 5 s at most
    /// ([`NetworkOptions::handshake_timeout`]; those 5 s if this is not set).
    pub fn join_within(mut self, time: Duration) -> Self {
        self.join_within = time;
        self
    }

    /// When the receiver says that it has read a message.
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// The NUMA node of a sender's ring; [`Placement::NearReceiver`] if not set. A wish: what came of it is in
    /// [`Sender::placement`]. Channels that [survive their processes](crate::kept) stay where they were made.
    pub fn placement(mut self, placement: Placement) -> Self {
        self.wish.placement = placement;
        self
    }

    /// As [`placement`](Self::placement) with [`Placement::Node`].
    pub fn node(self, node: u32) -> Self {
        self.placement(Placement::Node(node))
    }

    /// The largest pages to try for a sender's ring, each kind falling to the next smaller one:
    /// [`Pages::Huge2M`], [`Pages::Transparent`], [`Pages::Normal`]. A wish, as the node. If not set,
    /// [`Pages::Auto`]: transparent huge pages under each whole 2 MiB of the ring and its arena.
    pub fn huge_pages(mut self, pages: Pages) -> Self {
        self.wish.pages = pages;
        self
    }

    /// With many receivers ([`Mode::Spmc`], [`Mode::Mpmc`]): one that is not idle gets no more than so many
    /// bytes ahead, or one message. If not set, it is what the receiver reads in 50 us, at least 4 KiB and at most
    /// half of a lane (ring and arena); of messages in an [arena](Self::arena), which count with all their bytes, one
    /// may wait behind the one that is being read, whatever their length. Less shares work out more evenly (1: one
    /// message at a time), more lets messages flow faster.
    pub fn credit(mut self, bytes: u64) -> Self {
        self.credit = Some(bytes);
        self
    }

    /// Another receiver's address, for a sender of a `tcp://` or `unix://` channel with many senders and many receivers
    /// ([`Mode::Mpmc`]): each receiver listens at an address of its own, and each sender is told all of them, 64 at most.
    /// One must be there within [`join_within`](Self::join_within); those that are not, or go, are called again as long as
    /// the sender lives.
    ///
    /// # Errors
    /// [`UriError`]: it is no channel's.
    pub fn also_at(mut self, uri: &str) -> Result<Self, UriError> {
        let uri = uri.parse()?;
        if uri != self.uri && !self.others.contains(&uri) {
            self.others.push(uri);
        }
        Ok(self)
    }

    /// Joins the channel as a sender.
    ///
    /// A `memory://` channel may be joined before its receiver. It lives as long as one of its ends. An `ipc://`
    /// channel is opened by its receivers, and senders join them; a broadcast is opened by its sender, and so is a
    /// `tcp://` or `unix://` channel with one sender and many receivers.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn sender(&self) -> Result<Sender, OpenError> {
        self.open_sender().map_err(OpenError::at(&self.uri, "sender"))
    }

    /// Opens the channel's receiving end.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn receiver(&self) -> Result<Receiver, OpenError> {
        self.open_receiver().map_err(OpenError::at(&self.uri, "receiver"))
    }
}
