//! `ipc://`: lanes between the processes of one user, or of users who permit each other.
//!
//! The receiver listens on a Unix socket of the channel's name. A sender connects, and each hands the other the
//! region that it owns; from then on the socket only tells, by its end, that a process died.
//!
//! ```text
//!  sender                                   receiver
//!  connect                           ──►    accept; who is it? (SO_PEERCRED)
//!  Hello{what I ask for} + my region ──►    the same as mine? map it read-only
//!  map it read-only                  ◄──    Answer{what I have} + my region for this lane
//!  ...  messages, through memory  ...
//!  closed = 1, then the socket ends  ──►    drain, retire the lane: Closed
//!  or the socket ends                ──►    drain, retire the lane: PeerDied
//! ```
//!
//! An onlooker connects too, and asks (`ADITLOOK`) instead of greeting; it is answered with numbers and hung up on.
//!
//! Where there are many receivers, each listens at a place of its own, and a sender joins them all. A broadcast is
//! turned round: its sender listens, receivers connect, and all of them get the same region of it.
//!
//! Who hangs up before it has answered has closed or died: whoever joins asks again while it has patience. Who
//! listens and says nothing is waited for as long as that, 5 s at most; the end that listens hears some at a time that
//! say nothing, and sends the eldest away where more come.
//!
//! Both regions are sealed against writing by anybody but their maker. A receiver that was killed leaves a
//! socket file on which nobody listens: the next receiver takes the name over.

mod broadcast;
mod call;
mod frame;
mod guests;
pub(crate) mod inspect;
mod join;
mod listen;
mod place;
mod socket;
mod spread;
#[cfg(test)]
mod tests;
mod trust;
mod watch;

pub(crate) use broadcast::receiver as broadcast_receiver;
pub(crate) use join::sender;
pub(crate) use listen::{broadcast_sender, receiver};
pub(crate) use place::{ENDING, Place, Role, default_directory, lock};
pub(crate) use spread::{receiver as spread_receiver, sender as spread_sender};
pub(crate) use trust::Trust;

/// Reads what may come at a join.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(frame) = frame::Frame::from_bytes(bytes) {
        let again = frame::Frame::from_bytes(&frame.to_bytes());
        assert!(again.is_ok_and(|again| again.spec == frame.spec && again.status == frame.status));
    }
}
