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
    lane::{self, End, MAX_READER, Side, Spec, WriterLane},
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
        let mut own = greet(&call, spec, node, wish)?;
        let_in(&call, spec, &mut own, patience.bound(ANSWER))
    })
}

/// A region that was handed over to an end which may take it for a lane's, whose answer is on its way. Dropped before there is
/// a lane here, it says that this end has closed: it is no death.
pub(super) struct Unjoined(Option<Arc<Region>>);

impl Unjoined {
    pub fn new(own: Arc<Region>) -> Self {
        Self(Some(own))
    }

    /// The region, of which a lane takes care from now on.
    ///
    /// # Panics
    /// It was asked for before.
    pub fn join(&mut self) -> Arc<Region> {
        self.0.take().expect("a region is joined once")
    }
}

impl Drop for Unjoined {
    fn drop(&mut self) {
        if let Some(own) = &self.0 {
            End::close_unjoined(own);
        }
    }
}

/// Hands over a region on that node, which is returned.
pub(super) fn greet(
    call: &Call,
    spec: &Spec,
    node: Option<u32>,
    wish: Wish,
) -> Result<Unjoined, OpenFailure> {
    let (own, segment) = create_owned("adit-lane-writer", spec.writer_size(), &wish.options(node))?;
    let own = Arc::new(own);
    lane::write_header(&own, Side::Writer, spec);
    call.greet(spec, segment.fd())?;
    Ok(Unjoined::new(own))
}

/// Gets the receiver's region for the one that was [handed over](greet), waiting at most so long.
pub(super) fn let_in(
    call: &Call,
    spec: &Spec,
    own: &mut Unjoined,
    within: Duration,
) -> Result<WriterLane, OpenFailure> {
    let (region, _) = call.region(spec, within)?;
    let peer = attach(region, Access::ReadOnly, MAX_READER).map_err(OpenFailure::of_theirs)?;
    let peer = Arc::new(peer);
    lane::check_header(&peer, Side::Reader, spec).map_err(OpenFailure::Peer)?;
    let mut lane = WriterLane::new(spec, own.join(), peer);
    let link = lane.link();
    // After the answer the receiver says nothing: whatever comes is the end.
    let watched = watch(Arc::clone(call.socket()), move |_| {
        link.mark_dead();
        false
    })?;
    lane.hold((Line::new(Arc::clone(call.socket())), watched));
    Ok(lane)
}
