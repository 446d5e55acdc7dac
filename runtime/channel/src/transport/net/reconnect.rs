//! How a sender comes by a new connection: a thread that tries, waits, and tries again.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{call, outlet::Outlet};
use crate::endpoint::OpenFailure;

/// While it pauses, so often a thread looks whether anybody still wants a connection.
const LOOK: Duration = Duration::from_millis(50);

/// Begins to try, after so many attempts that have failed; returns whether it could.
pub(super) fn begin(outlet: &Arc<Outlet>, failed: u32) -> bool {
    let Some(how) = outlet.options.reconnect else { return false };
    let outlet = Arc::downgrade(outlet);
    let attempts = move || {
        for attempt in failed..how.attempts {
            if let Some(doubled) = attempt.checked_sub(1) {
                pause(how.first, how.longest, doubled, &outlet);
            }
            // Gone, or closing: nobody waits for a connection.
            let Some(outlet) = outlet.upgrade().filter(|outlet| !outlet.is_over()) else { return };
            match call::join(&outlet.place, &outlet.spec, &outlet.options, outlet.session) {
                Ok(joined) => return outlet.connected(joined.connection),
                // What differs will differ the next time.
                Err(OpenFailure::Mismatch { .. } | OpenFailure::NotPermitted { .. }) => break,
                Err(_) => {}
            }
        }
        if let Some(outlet) = outlet.upgrade() {
            outlet.give_up();
        }
    };
    std::thread::Builder::new().name("adit-reconnect".into()).spawn(attempts).is_ok()
}

/// Sleeps so long, doubled so often, at most the longest time, and not when nobody needs a connection any more.
fn pause(first: Duration, longest: Duration, doubled: u32, outlet: &Weak<Outlet>) {
    let factor = 2u32.saturating_pow(doubled);
    let begun = Instant::now();
    let time =
        first.max(Duration::from_millis(1)).saturating_mul(factor).min(longest.max(Duration::from_millis(1)));
    while begun.elapsed() < time && outlet.upgrade().is_some_and(|outlet| !outlet.is_over()) {
        std::thread::sleep(time.saturating_sub(begun.elapsed()).min(LOOK));
    }
}
