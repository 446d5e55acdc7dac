//! What ends meet that are opened while others come, close, die, stop, or are no ends at all.
//!
//! The other process is this test binary once more, told by its environment what to be.

mod calling;
mod closing;
mod errors;
mod processes;
mod strangers;

use std::{path::Path, sync::RwLock, time::Duration};

use adit_channel::{Builder, Channel, Mode, OpenError, OpenFailure, Receiver, Sender};

/// Longer than anything takes here that goes well.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an end waits that shall not wait for long.
const SHORT: Duration = Duration::from_millis(200);

/// Much less than the 5 s that an answer may take otherwise, and more than a busy machine needs.
const SOON: Duration = Duration::from_secs(4);

/// The transports whose ends join each other through a socket.
const SCHEMES: [&str; 3] = ["ipc", "unix", "tcp"];

/// A process that is being started has all descriptors of this one for a moment: what this one closes meanwhile is not
/// closed. Who starts one writes, who closes and opens again at once reads.
static STARTING: RwLock<()> = RwLock::new(());

/// A channel in `directory`; over TCP on that port.
fn builder(scheme: &str, directory: &Path, port: u16) -> Builder {
    let uri = match scheme {
        "memory" | "ipc" => format!("{scheme}://joins"),
        "unix" => format!("unix://{}", directory.join("joins.sock").display()),
        _ => format!("tcp://127.0.0.1:{port}"),
    };
    Channel::builder(&uri).unwrap().capacity(1 << 12).directory(directory.join("adit"))
}

/// Whether the sender listens, and receivers join it.
fn sender_listens(scheme: &str, mode: Mode) -> bool {
    mode == Mode::Broadcast || mode == Mode::Spmc && scheme != "ipc"
}

/// An end of either kind.
enum End {
    Sender(Box<Sender>),
    Receiver(Box<Receiver>),
}

/// Opens the end that listens, or the one that joins.
fn open(builder: &Builder, sends: bool) -> Result<End, OpenError> {
    if sends {
        builder.sender().map(|sender| End::Sender(Box::new(sender)))
    } else {
        builder.receiver().map(|receiver| End::Receiver(Box::new(receiver)))
    }
}

/// Opens the end that joins, which fails.
fn failure(builder: &Builder, sends: bool) -> OpenFailure {
    match open(builder, sends) {
        Ok(_) => panic!("it joined"),
        Err(error) => error.failure,
    }
}
