//! What a thread does for senders that is not their own: the flusher, and whoever made their connection.

use std::sync::Arc;

use super::{
    super::flusher::{Attended, Attention},
    Inner, Left, Outlet,
};

/// So many frames of one sender go out on a thread that is not its own before that looks after the others.
const FRAMES_A_LOOK: u32 = 64;

/// After so many looks in vain the flusher sleeps until the kernel takes more.
const PATIENCE: u32 = 20;

impl Outlet {
    /// As [`work`](Self::work), on a thread that is not the sender's: again, if the sender published after the look and
    /// before it could know that it is to call; but not for as long as a sender likes that always has more, and not while the
    /// sender waits, which might then sleep on what has come.
    pub(super) fn work_for_the_sender(self: &Arc<Self>, inner: &mut Inner) {
        if inner.waiting {
            return;
        }
        let mut frames = FRAMES_A_LOOK;
        while self.work_within(inner, &mut frames) == Left::Nothing
            && frames > 0
            && inner.connection.is_some()
            && !inner.feed.is_settled()
        {}
    }
}

impl Attended for Outlet {
    fn attention(&self) -> Option<Attention> {
        let inner = self.lock();
        let connection = inner.connection.as_ref()?;
        let patient = inner.in_vain >= PATIENCE;
        let left = inner.flight.is_some() && !inner.waiting && !inner.unknown;
        Some(Attention {
            socket: Some(Arc::clone(&connection.socket)),
            room: (left && patient).then(|| connection.outgoing.poll_on()),
            soon: inner.pace.gathers() || inner.unfinished || (left && !patient),
        })
    }

    fn look(self: Arc<Self>, has_word: bool) {
        let mut inner = self.lock();
        if has_word {
            inner.hear(&self);
        }
        let is_idle = inner.flight.is_none() && !inner.pace.gathers() && !inner.unfinished;
        if inner.connection.is_none() || is_idle {
            return;
        }
        inner.pace.looked();
        if inner.waiting || inner.unknown {
            return;
        }
        self.work_for_the_sender(&mut inner);
        inner.in_vain = if inner.flight.is_some() { inner.in_vain + 1 } else { 0 };
    }
}
