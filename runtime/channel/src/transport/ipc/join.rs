//! A sender joins. spec: CHN-4.1, CHN-4.3

use std::{sync::Arc, time::Duration};

use adit_memory::{Access, Region, attach, create_owned};

use super::{
    call::{ANSWER, Call, Line},
    place::Place,
    watch::watch,
};
use crate::{
    endpoint::{OpenFailure, Wish},
    lane::{self, MAX_READER, Side, Spec, WriterLane},
    transport::Patience,
};

/// How long to wait before asking again whether somebody listens.
pub(super) const AGAIN: Duration = Duration::from_millis(2);

/// Joins the channel at `place` as a sender.
pub(crate) fn sender(
    place: &Place,
    spec: &Spec,
    patience: Patience,
    wish: Wish,
) -> Result<WriterLane, OpenFailure> {
    patience.again(AGAIN, OpenFailure::is_absence, || {
        let call = Call::begin(place)?;
        // Asked before the ring is made, since pages do not move.
        let node = if wish.needs_receiver() {
            call.ask(spec)?;
            call.node(spec, patience.bound(ANSWER))?
        } else {
            None
        };
        let own = greet(&call, spec, node, wish)?;
        let_in(&call, spec, own, patience.bound(ANSWER))
    })
}

/// Hands over a region on that node, which is returned.
pub(super) fn greet(
    call: &Call,
    spec: &Spec,
    node: Option<u32>,
    wish: Wish,
) -> Result<Arc<Region>, OpenFailure> {
    let (own, segment) = create_owned("adit-lane-writer", spec.writer_size(), &wish.options(node))?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Writer, spec);
    call.greet(spec, segment.fd())?;
    Ok(own)
}

/// Gets the receiver's region for the one that was [handed over](greet), waiting at most so long.
pub(super) fn let_in(
    call: &Call,
    spec: &Spec,
    own: Arc<Region>,
    within: Duration,
) -> Result<WriterLane, OpenFailure> {
    let (region, _) = call.region(spec, within)?;
    let peer = attach(region, Access::ReadOnly, MAX_READER).map_err(OpenFailure::of_theirs)?;
    let peer = Arc::new(peer);
    lane::check_header(&peer, Side::Reader, spec).map_err(OpenFailure::Peer)?;
    let mut lane = WriterLane::new(spec, own, peer);
    let link = lane.link();
    // After the answer the receiver says nothing: whatever comes is the end.
    let watched = watch(Arc::clone(call.socket()), move |_| {
        link.mark_dead();
        false
    })?;
    lane.hold((Line::new(Arc::clone(call.socket())), watched));
    Ok(lane)
}
