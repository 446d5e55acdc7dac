//! spec: CHN-1.4
//!
//! Hostile processes at `ipc://` channels: they join as anybody does, then write random bytes into their own region
//! at random times, and random frames and descriptors into the socket. Whoever is honest never panics, never waits
//! longer than it said, and gets every message of every honest sender, whole, once and in order.
//!
//! `ADIT_TEST_HOSTILE_MS` sets how long each test attacks; `ADIT_TEST_SEED` repeats one, as far as threads let it.

mod attack;
mod bad_receivers;
mod bad_senders;
mod house;
mod knock;

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    attack::be_a_child();
}
