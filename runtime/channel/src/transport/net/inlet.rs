//! A receiver's connection: receives, checks, and puts what it finds into the lane that the receiver reads.
//!
//! The receiver's own thread does it, when the lane is empty. A frame is taken when the last of it has arrived,
//! so that one that breaks off leaves nothing.

use std::{
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use adit_ring::stream::PushError;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::{
    NetworkOptions,
    frame::{BadFrame, Frame, HEADER, Layout},
    frame_limit,
    line::{Incoming, Received},
};
use crate::{
    broadcast::Policy,
    codec::{self, Decoder},
    endpoint::Ticket,
    lane::{Link, Source, Spec, WriterLane},
};

/// Bytes that are received at once at most, and the size of the buffer while frames are shorter.
const BUFFER: usize = 256 << 10;

/// An end that looks at more connections than these one after the other leaves those that have nothing to io_uring.
const FEW: usize = 4;

/// How much of what a sender has sent is thrown away when the receiver closes, so that its goodbye is not
/// overtaken by a reset.
const THROWN_AWAY: usize = 4 << 20;

/// So many bytes are looked through at most for the newest message: a sender that is faster than this end shall not keep
/// it from its user.
const LOOKED_THROUGH: usize = 8 << 20;

/// So much is received in one look of a frame that is not whole.
const RECEIVED_A_LOOK: usize = 4 << 20;

/// An end that has not looked for such a part of the time that a frame may take was busy with something else.
const AWAY: u32 = 8;

/// A receiver's connection.
#[derive(Debug)]
pub(super) struct Inlet {
    incoming: Incoming,
    socket: Arc<OwnedFd>,
    /// `None`: the other side said goodbye, and everything is delivered.
    lane: Option<WriterLane>,
    said_goodbye: bool,
    link: Arc<Link>,
    layout: Layout,
    limit: u32,
    buffer: Buffer,
    decoder: Decoder,
    /// The records of a frame that was compressed.
    plain: Vec<u8>,
    delivery: Option<Delivery>,
    policy: Policy,
    /// Of values of which the newest counts, the newest that has come.
    newest: Option<Vec<u8>>,
    /// Messages that the sender passed by, and that this end did.
    lost: u64,
    /// The frame before was a gap: a sender of nothing but gaps would keep this end busy for ever.
    after_gap: bool,
    fault: Option<BadFrame>,
    /// The sender's place among those that a channel takes; given back when it is gone.
    place: Option<Ticket>,
    /// Nothing more will come.
    over: bool,
    /// Since when a frame is unfinished.
    begun: Option<Instant>,
    /// When this end looked for the rest of it last, or woke from a sleep until there is some.
    looked: Instant,
    frame_timeout: Duration,
}

/// A whole frame whose records go into the lane as there is room.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    decoded: bool,
    at: usize,
    end: usize,
    count: u32,
}

impl Inlet {
    pub fn new(
        (socket, incoming): (Arc<OwnedFd>, Incoming),
        (mut lane, link): (WriterLane, Arc<Link>),
        place: Ticket,
        (spec, policy): (&Spec, Policy),
        options: &NetworkOptions,
    ) -> Self {
        let longest = adit_ring::stream::longest(spec.capacity);
        // Published by `fill`, once.
        lane.publish_every(u64::MAX);
        Self {
            incoming,
            socket,
            lane: Some(lane),
            said_goodbye: false,
            link,
            layout: Layout::new(&spec.kind, longest),
            limit: frame_limit(spec),
            buffer: Buffer { bytes: vec![0; BUFFER], start: 0, end: 0, needs: 0 },
            decoder: Decoder::default(),
            plain: Vec::new(),
            delivery: None,
            policy,
            newest: None,
            lost: 0,
            after_gap: false,
            fault: None,
            place: Some(place),
            over: false,
            begun: None,
            looked: Instant::now(),
            frame_timeout: options.frame_timeout,
        }
    }

    /// Receives and delivers until something was delivered, or there is nothing, or the lane is full.
    fn work(&mut self) -> Result<(), BadFrame> {
        if self.policy == Policy::Latest {
            return self.find_newest();
        }
        let (mut delivered, mut received) = (false, 0);
        loop {
            if self.delivery.is_none() {
                self.take_frame()?;
            }
            if self.delivery.is_some() {
                delivered |= self.deliver()?;
                if self.delivery.is_some() {
                    return Ok(());
                }
                continue;
            }
            // One frame may be long; others have senders, too, and the socket stays readable.
            if delivered || self.over || (received > RECEIVED_A_LOOK && !self.incoming.holds_some()) {
                return Ok(());
            }
            let before = self.buffer.len();
            if !self.receive()? {
                return Ok(());
            }
            received += self.buffer.len().saturating_sub(before);
        }
    }

    /// Receives what is there, and delivers the last message of it.
    ///
    /// spec: NET-3.6
    fn find_newest(&mut self) -> Result<(), BadFrame> {
        let mut most = LOOKED_THROUGH;
        let result = loop {
            let step = self.take_frame().and_then(|()| self.pass_by()).and_then(|passed| {
                most = most.saturating_sub(passed);
                Ok(passed > 0 || !self.over && most > 0 && self.receive()?)
            });
            match step {
                Ok(true) => {}
                other => break other.map(drop),
            }
        };
        if let (Some(newest), Some(lane)) = (self.newest.take(), &mut self.lane) {
            // Only a lane that is empty is filled.
            lane.push_quietly(&newest).map_err(|_| BadFrame::Record)?;
        }
        result
    }

    /// Keeps the last message of the frame; returns how many bytes there were.
    fn pass_by(&mut self) -> Result<usize, BadFrame> {
        let Some(delivery) = self.delivery.take() else { return Ok(0) };
        let from = if delivery.decoded { &self.plain } else { &self.buffer.bytes };
        let mut at = delivery.at;
        for _ in 0..delivery.count {
            let (message, taken) = self.layout.next(&from[at..delivery.end])?;
            at += taken;
            self.lost = self.lost.saturating_add(u64::from(self.newest.is_some()));
            let newest = self.newest.get_or_insert_default();
            newest.clear();
            newest.extend_from_slice(message);
        }
        if at == delivery.end { Ok(at - delivery.at) } else { Err(BadFrame::Lengths) }
    }

    /// Receives what is there; returns whether there was something.
    fn receive(&mut self) -> Result<bool, BadFrame> {
        let is_crowded = || self.place.as_ref().is_some_and(|place| place.taken() > FEW);
        match self.incoming.receive(self.buffer.room(self.incoming.seen()), is_crowded) {
            Ok(Received::Bytes(len)) => {
                self.buffer.end += len;
                self.forgive();
                return Ok(true);
            }
            Ok(Received::Nothing) => {}
            Ok(Received::End) | Err(_) => {
                self.over = true;
                self.link.mark_dead();
                return Ok(false);
            }
        }
        if self.buffer.start == self.buffer.end {
            return Ok(false);
        }
        // A frame that was begun and is not there: the time runs while this end looks.
        self.looked = Instant::now();
        let begun = *self.begun.get_or_insert(self.looked);
        if begun.elapsed() > self.frame_timeout { Err(BadFrame::Unfinished) } else { Ok(false) }
    }

    /// What was there may have been there since the look before, and the sender could not go on: if that was long ago,
    /// the time between is this end's.
    fn forgive(&mut self) {
        let Some(begun) = &mut self.begun else { return };
        let away = self.looked.elapsed();
        if away > self.frame_timeout / AWAY {
            *begun += away;
        }
        self.looked = Instant::now();
    }

    /// Takes the next frame, if all of it has arrived.
    ///
    /// spec: NET-3.4, NET-3.5, NET-4.1
    fn take_frame(&mut self) -> Result<(), BadFrame> {
        if self.over {
            return Ok(());
        }
        let (codec, wire, plain, count, rest) = loop {
            let bytes = &self.buffer.bytes[self.buffer.start..self.buffer.end];
            let Some((head, rest)) = bytes.split_first_chunk() else { return Ok(()) };
            match Frame::from_bytes(head, self.limit)? {
                Frame::Records { codec, wire, plain, count } => break (codec, wire, plain, count, rest),
                Frame::Gap { lost } if self.policy != Policy::Lossless && !self.after_gap => {
                    self.after_gap = true;
                    self.lost = self.lost.saturating_add(lost);
                    self.buffer.start += HEADER;
                    self.begun = None;
                }
                Frame::Gap { .. } => return Err(BadFrame::NoFrame),
                Frame::Goodbye => {
                    (self.over, self.said_goodbye) = (true, true);
                    return Ok(());
                }
            }
        };
        let (wire, plain) = (wire as usize, plain as usize);
        let Some(body) = rest.get(..wire) else {
            self.buffer.needs = HEADER + wire;
            return Ok(());
        };
        let at = self.buffer.start + HEADER;
        self.delivery = Some(if codec == 0 {
            Delivery { decoded: false, at, end: at + wire, count }
        } else {
            // spec: NET-3.2
            if plain > codec::most(codec, wire) {
                return Err(BadFrame::Corrupt);
            }
            if self.plain.len() < plain {
                self.plain.resize(plain, 0);
            }
            let decoded = self.decoder.decode(codec, body, &mut self.plain[..plain]);
            decoded.map_err(|_| BadFrame::Corrupt)?;
            Delivery { decoded: true, at: 0, end: plain, count }
        });
        self.buffer.start = at + wire;
        self.begun = None;
        self.after_gap = false;
        Ok(())
    }

    /// Puts the records of the frame into the lane; returns whether there was room for one.
    fn deliver(&mut self) -> Result<bool, BadFrame> {
        let (Some(delivery), Some(lane)) = (&mut self.delivery, &mut self.lane) else { return Ok(false) };
        let from = if delivery.decoded { &self.plain } else { &self.buffer.bytes };
        let before = delivery.count;
        while delivery.count > 0 {
            let (message, taken) = self.layout.next(&from[delivery.at..delivery.end])?;
            match lane.push_quietly(message) {
                Ok(()) => {}
                Err(PushError::Full) => break,
                Err(_) => return Err(BadFrame::Record),
            }
            delivery.at += taken;
            delivery.count -= 1;
        }
        let (delivered, left) = (before != delivery.count, delivery.count);
        if left == 0 {
            if delivery.at != delivery.end {
                return Err(BadFrame::Lengths);
            }
            self.delivery = None;
        }
        Ok(delivered)
    }
}

impl Source for Inlet {
    fn fill(&mut self) {
        if self.over && self.delivery.is_none() {
            return;
        }
        if let Err(bad) = self.work() {
            (self.fault, self.over, self.delivery) = (Some(bad), true, None);
        }
        if let Some(lane) = &mut self.lane {
            lane.flush();
        }
        if self.said_goodbye {
            self.lane = None;
        }
        if self.over {
            self.place = None;
        }
    }

    fn fault(&self) -> Option<BadFrame> {
        self.fault
    }

    fn lost(&self) -> u64 {
        self.lost
    }

    fn longest_sleep(&self) -> Duration {
        // Until a frame that was begun is late, and a moment more.
        let late = |begun: Instant| {
            self.frame_timeout.saturating_sub(begun.elapsed()).saturating_add(Duration::from_millis(1))
        };
        self.begun.map_or(Duration::MAX, late)
    }

    fn slept_until(&mut self, woken: Instant) {
        self.looked = self.looked.max(woken);
    }

    fn poll_on(&self) -> Option<Arc<OwnedFd>> {
        (!self.over).then(|| self.incoming.poll_on())
    }
}

impl Drop for Inlet {
    /// Says goodbye, unless a frame did not come to its end.
    ///
    /// spec: NET-4.2
    fn drop(&mut self) {
        if self.fault == Some(BadFrame::Unfinished) {
            // The line is at fault, not the sender: it may come back.
            let _ = shutdown(&self.socket, Shutdown::Both);
            return;
        }
        // It fails when the other side is gone, which does not mind.
        let _ = send(&self.socket, &Frame::Goodbye.to_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        let _ = shutdown(&self.socket, Shutdown::Write);
        let mut thrown_away = 0;
        while thrown_away < THROWN_AWAY {
            match self.incoming.receive(&mut self.buffer.bytes, || false) {
                Ok(Received::Bytes(len)) => thrown_away += len,
                _ => break,
            }
        }
    }
}

/// What was received and not taken yet.
#[derive(Debug)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the frame that begins at `start`, if it is longer than what is there.
    needs: usize,
}

impl Buffer {
    /// Bytes that were received and not taken.
    fn len(&self) -> usize {
        self.end - self.start
    }

    /// Where to receive to; there is room for more than the last `again` bytes that were received, which come again.
    ///
    /// A longer frame than the buffer makes it grow, but not further than to twice what has arrived: who only
    /// declares lengths gets no memory.
    fn room(&mut self, again: usize) -> &mut [u8] {
        let have = self.end - self.start;
        if have == 0 {
            (self.start, self.end) = (again, again);
        }
        if self.start + self.needs.max(HEADER) > self.bytes.len() || self.end == self.bytes.len() {
            let start = again.saturating_sub(have);
            self.bytes.copy_within(self.start..self.end, start);
            (self.start, self.end) = (start, start + have);
            if self.end == self.bytes.len() {
                self.bytes.resize(self.needs.min(have * 2).max(have + HEADER), 0);
            }
        }
        self.needs = 0;
        &mut self.bytes[self.end - again..]
    }
}
