//! Runs a helper process once.

use std::{
    io::{ErrorKind, Read as _},
    os::fd::{AsFd, OwnedFd},
    process::ExitStatus,
    sync::Arc,
    time::{Duration, Instant},
};

use adit_channel::session::{Backing, HostSession, PeerRegions, Sizes};
use adit_memory::Options;
use rustix::{
    event::{PollFd, PollFlags},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

use super::{
    Mail,
    lines::{LineRate, left_out_text},
    spawn::{CommandLine, HelperProcess},
    supervise::{Context, End, Order, Outlook, Run, wait_readable},
};

/// Longer lines of a helper's standard error are cut.
const LONGEST_LINE: usize = 1024;
/// Reads of what a helper that has ended left in its pipe, which is no longer than that.
const LAST_READS: usize = 17;

/// The status of a GPU helper when no algorithm passes its tests on the device, and when the device failed.
const NONE_PASSED: i32 = 4;
const DEVICE_FAILED: i32 = 5;

/// How a helper is run.
pub struct HelperPlan {
    /// What is executed.
    pub command: CommandLine,
    /// The kernels that it may run.
    pub kernels: Option<Arc<OwnedFd>>,
    /// Whether its exit statuses mean what those of a GPU helper do.
    pub is_gpu: bool,
}

impl Run for HelperPlan {
    fn run(&mut self, context: &Context) -> Result<End, String> {
        let sizes = Sizes { heartbeat_ms: context.care.heartbeat_ms, ..Sizes::default() };
        let backing = Backing::Memfd(format!("adit-{}", context.device), Options::default());
        let (session, regions) =
            HostSession::new(session_id(), sizes, &backing).map_err(|error| error.to_string())?;
        let PeerRegions::Segments { host_region, device_region } = regions else {
            return Err("a session for another process has no descriptors".into());
        };
        let mut process =
            HelperProcess::spawn(&self.command, &host_region, &device_region, self.kernels.as_deref(), true)
                .map_err(|error| error.to_string())?;
        context.send(Mail::Session {
            device: context.device,
            run: context.shared.run(),
            session: Box::new(session),
        });
        let (killed, last) = attend(&mut process, context);
        let status = process.wait().map_err(|error| format!("its end was not seen: {error}"))?;
        let reason = match killed {
            Some(why) => return Ok(End::new(why)),
            // A helper that fails says why, last of all.
            None if !status.success() && !last.is_empty() => format!("{}: {last}", describe(status)),
            None => describe(status),
        };
        let outlook = if self.is_gpu { outlook(status) } else { Outlook::Unknown };
        Ok(End { reason, outlook })
    }
}

/// A number that no other session of this machine's life is likely to have.
fn session_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(Instant::now())
}

/// Passes lines on until the process has ended; why it had to be killed, if it had to, and its last line.
fn attend(process: &mut HelperProcess, context: &Context) -> (Option<&'static str>, String) {
    let mut lines = Lines::default();
    let mut stderr = process.stderr.take();
    if let Some(stderr) = &stderr {
        // A process that the helper leaves behind may keep the pipe open, and must not keep this thread waiting.
        let _ = fcntl_getfl(stderr).and_then(|flags| fcntl_setfl(stderr, flags | OFlags::NONBLOCK));
    }
    let (mut killed, mut stopping) = (None, None);
    loop {
        match context.shared.order() {
            Order::Run => {}
            Order::Kill if killed.is_none() => {
                process.kill();
                killed = Some("killed by the host");
            }
            Order::Stop if stopping.is_none() => stopping = Some(Instant::now() + context.care.grace),
            Order::Kill | Order::Stop => {}
        }
        let now = Instant::now();
        if killed.is_none() && stopping.is_some_and(|until| now >= until) {
            process.kill();
            killed = Some("killed: it did not stop within its grace");
        }
        let timeout = match stopping {
            Some(until) if killed.is_none() => until.duration_since(now),
            _ => Duration::from_secs(1),
        };
        let mut ready = vec![
            PollFd::new(&process.pidfd, PollFlags::IN),
            PollFd::from_borrowed_fd(context.shared.wake().as_fd(), PollFlags::IN),
        ];
        ready.extend(stderr.as_ref().map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        wait_readable(&mut ready, timeout);
        let happened: Vec<bool> = ready.iter().map(|descriptor| !descriptor.revents().is_empty()).collect();
        drop(ready);
        if happened[1] {
            context.shared.heard();
        }
        if happened.get(2) == Some(&true) && !lines.read(stderr.as_mut(), context) {
            stderr = None;
        }
        if happened[0] {
            // What it started in its group ends with it, before its number can be another's.
            process.kill();
            for _ in 0..LAST_READS {
                if !(lines.read(stderr.as_mut(), context) && lines.more) {
                    break;
                }
            }
            lines.flush(context);
            return (killed, lines.last);
        }
    }
}

/// Standard error, cut into lines.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// The last whole one.
    last: String,
    /// The last read filled its buffer.
    more: bool,
    rate: LineRate,
}

impl Lines {
    /// Reads once; `false` at the end.
    fn read(&mut self, stderr: Option<&mut std::process::ChildStderr>, context: &Context) -> bool {
        let Some(stderr) = stderr else { return false };
        let mut buffer = [0; 4096];
        self.more = false;
        let count = match stderr.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return true;
            }
            Ok(_) | Err(_) => return false,
        };
        self.more = count == buffer.len();
        for &byte in &buffer[..count] {
            if byte == b'\n' {
                self.flush(context);
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(byte);
            }
        }
        true
    }

    fn flush(&mut self, context: &Context) {
        if self.line.is_empty() {
            return;
        }
        let text: String = String::from_utf8_lossy(&self.line)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.line.clear();
        self.last.clone_from(&text);
        let pass = self.rate.pass(Instant::now());
        let left_out = (pass.left_out > 0).then(|| left_out_text(pass.left_out));
        for text in left_out.into_iter().chain(pass.passes.then_some(text)) {
            context.send(Mail::Line { device: context.device, text });
        }
    }
}

/// What the end of a GPU helper says of the next try. spec: KRN-5.6
fn outlook(status: ExitStatus) -> Outlook {
    match status.code() {
        Some(NONE_PASSED) => Outlook::Hopeless,
        Some(DEVICE_FAILED) => Outlook::Lost,
        _ => Outlook::Unknown,
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "ended by itself".into(),
        (Some(code), _) => format!("exited with status {code}"),
        (_, Some(signal)) => format!("ended by signal {signal}"),
        _ => format!("ended: {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::{
        device::{Care, supervise},
        mailbox::{Letter, Mailbox},
    };

    /// Whose child lives on, with its standard error, which the helper's end does not close then.
    #[test]
    fn a_helper_that_leaves_a_process_behind_is_gone_all_the_same() {
        let script = "setsid sleep 30 & echo last words >&2; kill -9 $$";
        let words = ["sh", "-c", script].map(String::from).into_iter();
        let command = CommandLine::from_words(words).unwrap();
        let plan = HelperPlan { command, kernels: None, is_gpu: false };
        let (mailbox, begin) = (Arc::<Mailbox>::default(), Instant::now());
        let supervised =
            supervise::start("helper".into(), 0, Care::default(), Arc::clone(&mailbox), plan).unwrap();
        let mut said = Vec::new();
        let reason = loop {
            match mailbox.take() {
                Some(Letter::Device(Mail::Gone { reason, .. })) => break reason,
                Some(Letter::Device(Mail::Line { text, .. })) => said.push(text),
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(begin.elapsed() < Duration::from_secs(20), "it is waited for");
        };
        supervised.stop();
        assert_eq!((reason.as_str(), said[0].as_str()), ("ended by signal 9: last words", "last words"));
        supervised.join();
    }

    #[test]
    fn a_gpu_helpers_end_says_whether_to_try_again() {
        let exited = |code: i32| outlook(ExitStatus::from_raw(code << 8));
        assert_eq!([4, 5].map(exited), [Outlook::Hopeless, Outlook::Lost]);
        assert!([0, 1, 2, 3, 6, 101].iter().all(|code| exited(*code) == Outlook::Unknown));
        // By a signal of that number.
        assert_eq!([4, 5].map(|signal| outlook(ExitStatus::from_raw(signal))), [Outlook::Unknown; 2]);
    }
}
