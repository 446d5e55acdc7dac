//! Which transport opens an end of which mode.

use std::iter;

use super::Builder;
use crate::{
    broadcast::{BroadcastReceiver, BroadcastSender, Policy},
    endpoint::{
        Failed, OnFull, OpenFailure, Receiver, Sender, open_receiver::ReceiverKind, open_sender::SenderKind,
        receiver::LaneReceiver, sender::LaneSender, spread::SpreadSender,
    },
    lane::Mode,
    transport::{Patience, ipc, kept, memory, net, udp},
    uri::{Transport, Uri},
};

impl Builder {
    pub(super) fn open_sender(&self) -> Result<Sender, Failed> {
        let this = self.checked()?;
        let kind = match this.spec.mode {
            Mode::Spsc | Mode::Mpsc => SenderKind::Lane(this.lane_sender()?),
            Mode::Spmc | Mode::Mpmc => SenderKind::Spread(Box::new(this.spread_sender()?)),
            Mode::Broadcast => SenderKind::Broadcast(Box::new(this.broadcast_sender()?)),
        };
        Ok(Sender::new(kind, self.on_full))
    }

    pub(super) fn open_receiver(&self) -> Result<Receiver, OpenFailure> {
        let this = self.checked()?;
        if this.spec.mode == Mode::Broadcast && !this.is_connected() {
            let receiver = this.broadcast_receiver()?;
            return Ok(Receiver::new(ReceiverKind::Broadcast(Box::new(receiver))));
        }
        if !this.others.is_empty() {
            return Err(OpenFailure::Unsupported(
                "a receiver listens at one address; also_at is for senders",
            ));
        }
        let spread = this.spec.mode.is_spread();
        let (inbox, hold) = match this.uri.transport() {
            Transport::Memory if spread => memory::spread_receiver(this.uri.name(), &this.spec)?,
            Transport::Memory => memory::receiver(this.uri.name(), &this.spec)?,
            Transport::Ipc if spread => {
                ipc::spread_receiver(&this.place(ipc::Role::Listen)?, &this.spec, this.patience())?
            }
            Transport::Ipc => ipc::receiver(&this.place(ipc::Role::Listen)?, &this.spec, this.patience())?,
            Transport::File => kept::receiver(&kept::file_home(this.uri.name()), &this.spec)?,
            Transport::Shm => kept::receiver(&kept::shared_home(this.uri.name())?, &this.spec)?,
            Transport::Tcp | Transport::Unix | Transport::Udp => {
                let (inbox, hold, report) = match this.uri.transport() {
                    Transport::Udp => udp::receiver(&this.uri, &this.spec, &this.network)?,
                    _ if this.spec.mode.has_listening_sender() => {
                        net::receiver_of_many(&this.uri, &this.spec, &this.network, this.patience())?
                    }
                    _ => net::receiver(&this.uri, &this.spec, &this.network)?,
                };
                let receiver = LaneReceiver::new(inbox, hold, self.waiting).on_network(report);
                return Ok(Receiver::new(ReceiverKind::Lanes(receiver)));
            }
        };
        let receiver = LaneReceiver::new(inbox, hold, self.waiting).acknowledging(self.acknowledge);
        Ok(Receiver::new(ReceiverKind::Lanes(receiver)))
    }

    fn lane_sender(&self) -> Result<LaneSender, OpenFailure> {
        let mut report = None;
        let mut lane = match self.uri.transport() {
            Transport::Memory => memory::sender(self.uri.name(), &self.spec, self.wish)?,
            Transport::Ipc => {
                ipc::sender(&self.place(ipc::Role::Join)?, &self.spec, self.patience(), self.wish)?
            }
            Transport::File => kept::sender(&kept::file_home(self.uri.name()), &self.spec)?,
            Transport::Shm => kept::sender(&kept::shared_home(self.uri.name())?, &self.spec)?,
            Transport::Udp => {
                let (lane, found) = udp::sender(&self.uri, &self.spec, &self.network)?;
                report = Some(found);
                lane
            }
            Transport::Tcp | Transport::Unix => {
                let (lane, found) = net::sender(&self.uri, &self.spec, &self.network, self.patience())?;
                report = Some(found);
                lane
            }
        };
        lane.publish_every(self.publish_every);
        Ok(LaneSender::new(lane, &self.spec, self.waiting, self.publish_every).on_network(report))
    }

    fn spread_sender(&self) -> Result<SpreadSender, Failed> {
        let mut report = None;
        let (outbox, hold) = match self.uri.transport() {
            Transport::Tcp | Transport::Unix => {
                let (outbox, hold, found) = match self.spec.mode {
                    Mode::Mpmc => {
                        let uris: Vec<Uri> = iter::once(&self.uri).chain(&self.others).cloned().collect();
                        net::calling_sender(&uris, &self.spec, &self.network, self.patience())?
                    }
                    _ => net::spread_sender(&self.uri, &self.spec, &self.network)?,
                };
                report = Some(found);
                (outbox, hold)
            }
            Transport::Memory => memory::spread_sender(self.uri.name(), &self.spec, self.wish)?,
            _ => ipc::spread_sender(&self.place(ipc::Role::Join)?, &self.spec, self.patience(), self.wish)?,
        };
        let every = self.publish_every;
        let sender = SpreadSender::new(outbox, hold, &self.spec, self.credit, every, self.waiting);
        Ok(sender.on_network(report))
    }

    fn broadcast_sender(&self) -> Result<BroadcastSender, OpenFailure> {
        let policy = match self.on_full {
            OnFull::Block(_) | OnFull::Fail | OnFull::DropNewest => Policy::Lossless,
            OnFull::OverwriteOldest => Policy::Overwrite,
            OnFull::Latest => Policy::Latest,
        };
        let mut network = None;
        let (own, roster, hold) = match self.uri.transport() {
            Transport::Tcp | Transport::Unix => {
                let opened = net::broadcast_sender(&self.uri, &self.spec, &self.network, policy, self.wish)?;
                network = Some((opened.pump, opened.report));
                (opened.own, opened.roster, opened.hold)
            }
            Transport::Memory => memory::broadcast_sender(self.uri.name(), &self.spec, self.wish)?,
            _ => ipc::broadcast_sender(
                &self.place(ipc::Role::Listen)?,
                &self.spec,
                (self.wish, policy),
                self.patience(),
            )?,
        };
        let mut sender = BroadcastSender::new(&self.spec, policy, own, roster, self.waiting, hold);
        sender.publish_every(self.publish_every);
        if let Some((pump, report)) = network {
            sender = sender.on_network(pump, report);
        }
        Ok(sender)
    }

    fn broadcast_receiver(&self) -> Result<BroadcastReceiver, OpenFailure> {
        if self.uri.transport() != Transport::Memory {
            return ipc::broadcast_receiver(
                &self.place(ipc::Role::Join)?,
                &self.spec,
                self.patience(),
                self.waiting,
            );
        }
        let (slot, regions, hold) = memory::broadcast_receiver(self.uri.name(), &self.spec, self.wish)?;
        Ok(BroadcastReceiver::new(&self.spec, slot, regions, self.waiting, hold))
    }

    /// From now on.
    fn patience(&self) -> Patience {
        Patience::new(self.join_within)
    }

    /// Whether a connection goes from a sender to a receiver.
    pub(super) fn is_connected(&self) -> bool {
        self.uri.is_connected()
    }

    fn place(&self, role: ipc::Role) -> Result<ipc::Place, OpenFailure> {
        ipc::Place::with_trust(self.uri.name(), self.directory.as_deref(), self.trust.clone(), role)
    }
}
