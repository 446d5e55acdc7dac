//! Standard input tells whether the host lives. spec: SES-1.5

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    stdio::stdin,
};

/// Whether the host still holds the other end of the pipe that is this process' standard input.
pub fn holds() -> bool {
    let mut line = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if !matches!(poll(&mut line, Some(&now)), Ok(1..)) {
        return true;
    }
    // Something to read: nothing (the end), or bytes that no host writes.
    let mut scrap = [0; 64];
    !matches!(rustix::io::read(stdin(), &mut scrap), Ok(0) | Err(_))
}
