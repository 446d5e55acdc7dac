//! The child that plays a case, and the parent that waits for its verdict.

use std::{
    any::Any,
    io::{self, Read as _, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use adit_host::plugin;
use adit_plugin::Algorithm;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{PluginCase, PluginFinding};

/// The child's last line on standard output begins with this.
const VERDICT: &str = "adit-plugin-verdict ";
/// What the verdict of a case that passed goes on with.
const PASSED: &str = "passed";
/// How often the parent looks whether the child has ended.
const LOOK: Duration = Duration::from_millis(2);

/// What came of a case.
#[derive(Clone, Debug)]
pub struct PluginReport {
    /// Which case.
    pub case: PluginCase,
    /// What the plugin did wrong, if anything.
    pub fault: Option<PluginFinding>,
    /// How long it took.
    pub seconds: f64,
    /// The last lines of standard error, for a case that failed.
    pub notes: Vec<String>,
}

/// Plays `case` in this process, which is the child, and prints the verdict on standard output.
///
/// A process that still runs half a second after `limit` ends itself, should its parent be gone.
pub fn play(file: &Path, case: PluginCase, limit: Duration) -> io::Result<()> {
    let watchdog = move || {
        thread::sleep(limit + Duration::from_millis(500));
        std::process::abort();
    };
    thread::Builder::new().name("watchdog".into()).spawn(watchdog)?;
    let verdict = match attempt(file, case) {
        Ok(()) => PASSED.to_owned(),
        Err(PluginFinding { name, what }) => format!("{name} {}", what.replace('\n', " ")),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "\n{VERDICT}{verdict}")?;
    out.flush()
}

fn attempt(file: &Path, case: PluginCase) -> Result<(), PluginFinding> {
    let played = catch_unwind(AssertUnwindSafe(|| {
        // No other algorithms: that a name is taken is no fault of the plugin alone.
        let loaded = plugin::load(file, &[])?;
        let algorithm: &dyn Algorithm = &*loaded.algorithm;
        case.play(algorithm)
    }));
    // The host's own calls panic when a function of the plugin says that it failed.
    played.unwrap_or_else(|panic| Err(PluginFinding::new("bad-function", text(&*panic))))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

/// Plays `case` in a child: `command` is this program, called so that it calls [`play`].
///
/// A child that takes longer than `limit` is killed with its process group: its plugin hangs.
#[must_use]
pub fn run(command: &mut Command, case: PluginCase, limit: Duration) -> PluginReport {
    let begin = Instant::now();
    let (fault, notes) = match watch(command, limit) {
        Ok(watched) if watched.has_passed() => (None, Vec::new()),
        Ok(watched) => (Some(watched.fault(limit)), watched.notes),
        Err(error) => {
            let what = format!("the process for this case cannot be started: {error}");
            (Some(PluginFinding::new("not-run", what)), Vec::new())
        }
    };
    PluginReport { case, fault, seconds: begin.elapsed().as_secs_f64(), notes }
}

/// How a child ended.
struct Watched {
    verdict: Option<String>,
    /// None when it was killed for taking too long.
    status: Option<ExitStatus>,
    notes: Vec<String>,
}

impl Watched {
    /// Whether the case was passed, and the process ended as it should: what a plugin leaves behind (threads, functions that
    /// run at the end) may still crash or wait. spec: PLG-1.4
    fn has_passed(&self) -> bool {
        self.verdict.as_deref() == Some(PASSED) && self.status.is_some_and(|status| status.success())
    }

    /// spec: PLG-1.4
    fn fault(&self, limit: Duration) -> PluginFinding {
        if let Some(verdict) = self.verdict.as_deref().filter(|verdict| *verdict != PASSED) {
            let (name, what) = verdict.split_once(' ').unwrap_or((verdict, ""));
            return PluginFinding::new(name, what);
        }
        let Some(status) = self.status else {
            let what = format!("no end after {:.1} s [PLG-4.3]", limit.as_secs_f64());
            return PluginFinding::new("hang", what);
        };
        match status.signal() {
            Some(signal) => {
                let what = format!("the process was killed by {} [PLG-1.4]", signal_name(signal));
                PluginFinding::new("crash", what)
            }
            None => {
                let code = status.code().unwrap_or_default();
                let what = format!("the plugin ended the process, with status {code} [PLG-1.4]");
                PluginFinding::new("exit", what)
            }
        }
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        4 => "SIGILL: an instruction that this processor does not have".into(),
        6 => "SIGABRT: it aborted".into(),
        7 => "SIGBUS: a bad address".into(),
        8 => "SIGFPE: a division by zero".into(),
        9 => "SIGKILL".into(),
        11 => "SIGSEGV: a bad address".into(),
        other => format!("signal {other}"),
    }
}

fn watch(command: &mut Command, limit: Duration) -> io::Result<Watched> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    // Read by threads, so that a plugin that prints a lot does not wait for a reader.
    let out = child.stdout.take().map(|mut pipe| thread::spawn(move || read(&mut pipe)));
    let err = child.stderr.take().map(|mut pipe| thread::spawn(move || read(&mut pipe)));
    let status = wait(&mut child, limit);
    let text = |reader: Option<thread::JoinHandle<String>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let (out, err) = (text(out), text(err));
    let verdict = out.lines().rev().find_map(|line| line.strip_prefix(VERDICT)).map(str::to_owned);
    let lines: Vec<&str> = err.lines().collect();
    let notes = lines[lines.len().saturating_sub(3)..].iter().map(|line| (*line).to_owned()).collect();
    Ok(Watched { verdict, status: status?, notes })
}

/// Its status; none when it was killed because it took longer than `limit`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    let id = Pid::from_child(child);
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let ended = loop {
        if waitid(WaitId::Pid(id), look)?.is_some() {
            break true;
        }
        if Instant::now() >= deadline {
            break false;
        }
        thread::sleep(LOOK);
    };
    // With whatever it started and left behind, which may hold the pipes open. Not waited for yet, so its number,
    // which is its group's too, cannot be another's.
    let _ = kill_process_group(id, Signal::KILL);
    let status = child.wait()?;
    Ok(ended.then_some(status))
}

/// The first megabyte; the rest is read and forgotten.
fn read(pipe: &mut impl io::Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(1 << 20).read_to_end(&mut bytes);
    let _ = io::copy(pipe, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}
