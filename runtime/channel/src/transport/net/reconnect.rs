//! How a sender comes by a new connection: a thread that tries, waits, and tries again.

use std::{sync::Arc, time::Duration};

use super::{call, outlet::Outlet};
use crate::endpoint::OpenFailure;

/// Begins to try; returns whether it could.
pub(super) fn begin(outlet: &Arc<Outlet>) -> bool {
    let Some(how) = outlet.options.reconnect else { return false };
    let outlet = Arc::downgrade(outlet);
    let attempts = move || {
        let mut pause = how.first.max(Duration::from_millis(1));
        for attempt in 0..how.attempts {
            if attempt > 0 {
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2).min(how.longest);
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
