//! A receiver joins a broadcast, whose sender listens.

use std::sync::Arc;

use adit_memory::{Access, Options, attach, create_owned};
use adit_ring::broadcast::MAX_READERS;

use super::{
    call::{ANSWER, Call, Line},
    join::{AGAIN, Unjoined},
    listen::LARGEST_PAGE,
    place::Place,
    watch::watch,
};
use crate::{
    broadcast::BroadcastReceiver,
    endpoint::{OpenFailure, Waiting},
    lane::{self, Side, Spec},
    transport::Patience,
};

/// Joins the broadcast at `place` as a receiver.
pub(crate) fn receiver(
    place: &Place,
    spec: &Spec,
    patience: Patience,
    waiting: Waiting,
) -> Result<BroadcastReceiver, OpenFailure> {
    patience.again(AGAIN, OpenFailure::is_absence, || join(place, spec, patience, waiting))
}

fn join(
    place: &Place,
    spec: &Spec,
    patience: Patience,
    waiting: Waiting,
) -> Result<BroadcastReceiver, OpenFailure> {
    let call = Call::begin(place)?;
    let (own, segment) = create_owned("adit-broadcast-reader", lane::READER_SIZE, &Options::default())?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Reader, spec);
    call.greet(spec, segment.fd())?;
    let mut own = Unjoined::new(own);
    let (fd, slot) = call.region(spec, patience.bound(ANSWER))?;
    let most = spec.writer_size().next_multiple_of(LARGEST_PAGE);
    let peer = Arc::new(attach(fd, Access::ReadOnly, most).map_err(OpenFailure::of_theirs)?);
    lane::check_header(&peer, Side::Writer, spec).map_err(OpenFailure::Peer)?;
    let slot = slot.map(|slot| slot as usize).filter(|slot| *slot < MAX_READERS);
    let slot = slot.ok_or_else(|| OpenFailure::Peer("it names no slot".into()))?;
    let line = Line::new(Arc::clone(call.socket()));
    let mut receiver = BroadcastReceiver::new(spec, slot, (peer, own.join()), waiting, Box::new(()));
    let link = receiver.link();
    // After the answer the sender says nothing: whatever comes is the end.
    let watched = watch(Arc::clone(call.socket()), move |_| {
        link.mark_dead();
        false
    })?;
    receiver.hold(Box::new((line, watched)));
    Ok(receiver)
}
