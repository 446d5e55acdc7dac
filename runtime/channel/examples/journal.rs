//! A journal in a file: lines that are appended now are printed later, by whoever comes, once each.
//!
//! ```text
//! cargo run -p adit-channel --example journal -- /tmp/notes.ring append "first" "second"
//! cargo run -p adit-channel --example journal -- /tmp/notes.ring print
//! cargo run -p adit-channel --example journal -- /tmp/notes.ring remove
//! ```
//!
//! Nobody needs to run in between, and whoever is killed is replaced by the next call.

use std::{error::Error, io::Write as _, path::Path, time::Duration};

use adit_channel::{Acknowledge, Channel, RecvError, kept};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [path, command, lines @ ..] = words.as_slice() else {
        return Err("usage: journal FILE append LINE... | print | remove".into());
    };
    let path = std::path::absolute(Path::new(path))?;
    // The end acknowledges each line when it was printed: after a kill at most that one line comes again.
    let journal = Channel::builder(&format!("file://{}", path.display()))?
        .capacity(1 << 16)
        .acknowledge(Acknowledge::Each);
    match *command {
        "append" => {
            let mut sender = journal.sender()?;
            for line in lines {
                // Nobody may be reading: a full journal is an error after a second.
                sender.send(line.as_bytes(), Duration::from_secs(1))?;
            }
        }
        "print" => {
            let mut receiver = journal.receiver()?;
            loop {
                match receiver.read() {
                    Ok(Some(line)) => {
                        std::io::stdout().write_all(&line.to_vec())?;
                        println!();
                    }
                    // Nothing is left; a sender may live, or not.
                    Ok(None) | Err(RecvError::Disconnected { .. }) => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        "remove" => {
            if !kept::clean(&kept::Home::file(path))? {
                return Err("somebody is using it".into());
            }
        }
        other => return Err(format!("no command {other:?}: append, print or remove").into()),
    }
    Ok(())
}
