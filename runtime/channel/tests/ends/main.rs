//! Ends of `ipc://` channels in processes of their own, which are stopped and killed at any time.
//!
//! `ADIT_TEST_STOPS` and `ADIT_TEST_KILLS` set how often, for each kind of channel.

mod kills;
mod peers;
mod stops;

/// What this binary is in another process; in the test run itself, nothing.
#[test]
fn child() {
    peers::be_a_child();
}
