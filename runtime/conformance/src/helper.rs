//! The helper's process: how it lives, what it says on standard error, how it ends.

use std::{
    collections::VecDeque,
    io::Read,
    process::ExitStatus,
    time::{Duration, Instant},
};

use adit_host::device::spawn::{CommandLine, HelperProcess};

use crate::{
    fault::{Checked, failure},
    message::text,
    regions::Regions,
};

/// Lines of standard error that are kept.
const KEPT_LINES: usize = 5;
/// How long a helper is given to end by itself when its case is over, before it is killed.
const GOODBYE: Duration = Duration::from_millis(500);

/// A running helper; told to stop, killed if it does not, and waited for when dropped.
#[derive(Debug)]
pub(crate) struct Helper {
    process: HelperProcess,
    ended: Option<ExitStatus>,
    unfinished: Vec<u8>,
    lines: VecDeque<String>,
}

impl Helper {
    /// Starts it. With `die_with_host` the kernel kills it when this thread ends.
    pub fn start(command: &CommandLine, regions: &Regions, die_with_host: bool) -> Checked<Self> {
        let [host, device] = &regions.segments;
        let process = HelperProcess::spawn(command, host, device, None, die_with_host).map_err(failure)?;
        if let Some(stderr) = &process.stderr {
            rustix::io::ioctl_fionbio(stderr, true)
                .map_err(|error| failure(format!("cannot read the helper's standard error: {error}")))?;
        }
        Ok(Self { process, ended: None, unfinished: Vec::new(), lines: VecDeque::new() })
    }

    /// How it ended, if it has.
    pub fn exit(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().unwrap_or(None);
        }
        self.ended
    }

    /// Lets go of its life line, as the kernel does for a host that died. spec: SES-1.5
    pub fn cut_life_line(&mut self) {
        self.process.life_line = None;
    }

    /// Takes what it wrote to standard error, so that it never waits for a reader.
    pub fn drain(&mut self) {
        let Some(stderr) = &mut self.process.stderr else { return };
        let mut chunk = [0; 4096];
        // Bounded: a helper that writes without end must not keep its case from going on.
        for _ in 0..16 {
            match stderr.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.unfinished.extend_from_slice(&chunk[..count]),
                Err(_) => break,
            }
        }
        while let Some(end) = self.unfinished.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            self.lines.push_back(text(&line));
        }
        self.unfinished.truncate(4096);
        while self.lines.len() > KEPT_LINES {
            self.lines.pop_front();
        }
    }

    /// The last lines that it wrote to standard error.
    pub fn last_lines(&mut self) -> Vec<String> {
        self.drain();
        let rest = text(&self.unfinished);
        self.lines.iter().cloned().chain((!rest.is_empty()).then_some(rest)).collect()
    }

    /// Processor time that it has used so far; `None` where the system does not tell.
    pub fn cpu_time(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).ok()?;
        // The name, in parentheses, may hold anything; fields 14 and 15 are user and system time.
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
        let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1)))
    }

    /// Waits for an end that it was asked for, then kills it.
    pub fn end(&mut self) {
        let begin = Instant::now();
        while self.exit().is_none() && begin.elapsed() < GOODBYE {
            self.drain();
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.exit().is_none() {
            self.process.kill();
            self.ended = self.process.wait().ok();
        }
    }
}
