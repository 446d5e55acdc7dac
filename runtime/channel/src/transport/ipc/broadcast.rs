//! A receiver joins a broadcast, whose sender listens.

use std::{sync::Arc, time::Duration};

use adit_memory::{Access, Options, attach, create_owned};
use adit_ring::broadcast::MAX_READERS;

use super::{
    frame::{Frame, Status},
    join::{Line, call_within, region},
    listen::LARGEST_PAGE,
    place::Place,
    socket,
    watch::watch,
};
use crate::{
    broadcast::BroadcastReceiver,
    endpoint::{OpenError, Waiting},
    lane::{self, Side, Spec},
};

/// Joins the broadcast at `place` as a receiver.
pub(crate) fn receiver(
    place: &Place,
    spec: &Spec,
    within: Duration,
    waiting: Waiting,
) -> Result<BroadcastReceiver, OpenError> {
    let socket = Arc::new(call_within(place, within)?);
    // Before anything is handed over.
    place.trust().check(&socket)?;
    let (own, segment) = create_owned("adit-broadcast-reader", lane::READER_SIZE, &Options::default())?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Reader, spec);
    let hello = Frame { status: Status::Hello, spec: spec.clone(), node: None };
    socket::send(&socket, &hello, Some(segment.fd()))?;
    let (fd, slot) = region(&socket, spec)?;
    let most = spec.writer_size().next_multiple_of(LARGEST_PAGE);
    let peer = Arc::new(attach(fd, Access::ReadOnly, most)?);
    lane::check_header(&peer, Side::Writer, spec).map_err(OpenError::Peer)?;
    let slot = slot.map(|slot| slot as usize).filter(|slot| *slot < MAX_READERS);
    let slot = slot.ok_or_else(|| OpenError::Peer("it names no slot".into()))?;
    let line = Line::new(Arc::clone(&socket));
    let mut receiver = BroadcastReceiver::new(spec, slot, (peer, own), waiting, Box::new(()));
    let link = receiver.link();
    // After the answer the sender says nothing: whatever comes is the end.
    let watched = watch(socket, move |_| {
        link.mark_dead();
        false
    })?;
    receiver.hold(Box::new((line, watched)));
    Ok(receiver)
}
