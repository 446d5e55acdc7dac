//! Asks a program something: what it writes, and how it ends.

use std::{
    io::{self, Read},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// How long a program that has ended may have its output still on the way: something that it started may keep the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What a program said.
#[derive(Debug)]
pub struct Answer {
    /// How it ended; by a signal, if it was out of time.
    pub status: ExitStatus,
    /// Whether it did not end in time, and was killed, with what it started in its group.
    pub is_late: bool,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub error: String,
}

/// Runs a program, at most so long; what it writes beyond `most` bytes is thrown away.
///
/// # Errors
/// It cannot be started.
pub fn ask(mut command: Command, within: Duration, most: usize) -> io::Result<Answer> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let heard = [
        child.stdout.take().map(|pipe| Heard::listen(pipe, most)),
        child.stderr.take().map(|pipe| Heard::listen(pipe, most)),
    ];
    let begin = Instant::now();
    let (status, is_late) = loop {
        match child.try_wait()? {
            Some(status) => break (status, false),
            None if begin.elapsed() < within => thread::sleep(Duration::from_millis(5)),
            None => {
                // It is not waited for yet, so its number, which is its group's too, is no other's.
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                break (child.wait().unwrap_or(ExitStatus::from_raw(Signal::KILL.as_raw())), true);
            }
        }
    };
    let until = Instant::now() + LAST_WORDS;
    let [output, error] = heard.map(|heard| heard.map_or_else(String::new, |heard| heard.text(until)));
    Ok(Answer { status, is_late, output, error })
}

/// What came through a pipe so far. A thread reads it, so that the program need not wait for room in it.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: thread::JoinHandle<()>,
}

impl Heard {
    fn listen(mut pipe: impl Read + Send + 'static, most: usize) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match pipe.read(&mut buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        let mut bytes = into.lock().unwrap_or_else(PoisonError::into_inner);
                        let room = most.saturating_sub(bytes.len()).min(count);
                        bytes.extend_from_slice(&buffer[..room]);
                    }
                }
            }
        });
        Self { bytes, reader }
    }

    /// All of it, or what came `until` then. Drivers write what they like, in any encoding.
    fn text(self, until: Instant) -> String {
        while !self.reader.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Answer {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ask(command, within, 100_000).unwrap()
    }

    const SOON: Duration = Duration::from_secs(60);

    #[test]
    fn what_a_program_says_is_heard_however_much_it_is() {
        // More than a pipe holds.
        let answer = shell("yes | head -c 300000 >&2; printf 'a\\377b'; exit 3", SOON);
        assert_eq!((answer.status.code(), answer.is_late), (Some(3), false));
        assert_eq!((answer.output.as_str(), answer.error.len()), ("a\u{fffd}b", 100_000));
    }

    #[test]
    fn who_takes_too_long_is_killed_and_what_it_said_is_kept() {
        let begin = Instant::now();
        let answer = shell("echo here I am; sleep 300 & sleep 300", Duration::from_secs(3));
        assert!(answer.is_late && answer.status.signal() == Some(9));
        assert_eq!(answer.output, "here I am\n");
        assert!(begin.elapsed() < SOON);
    }

    /// Something that it started keeps its pipe and lives on.
    #[test]
    fn who_leaves_something_behind_is_not_waited_for() {
        let begin = Instant::now();
        let answer = shell("setsid sleep 20 & echo done", SOON);
        assert_eq!((answer.status.code(), answer.output.as_str()), (Some(0), "done\n"));
        assert!(begin.elapsed() < Duration::from_secs(15));
    }
}
