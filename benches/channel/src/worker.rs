//! The other processes of a run: this program again, each running the ends that it is told to.
//!
//! Orders go to a worker's standard input, answers come from its standard output, one line of JSON each. A worker
//! ends when its input does, so none outlives the run.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::thread::{sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::{
    order::{Order, Role},
    queue::{Account, Kept},
    table::{self, Work},
};

/// How long a worker whose orders have ended may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// How to start this program as a worker.
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program.
    pub program: PathBuf,
    /// What it is told, so that it calls [`serve`].
    pub arguments: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Task {
    order: Order,
    role: Role,
}

type Answer = Result<Option<Account>, String>;

/// One other process.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    /// `None` once it is told to end.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(command: &WorkerCommand) -> Result<Self, String> {
        let mut child = Command::new(&command.program)
            .args(&command.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.program.display()))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let answers = answers.ok_or("a worker has no output")?;
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    /// Gives it something to do; the answer is to be [awaited](Self::answer).
    ///
    /// # Errors
    /// It is gone.
    pub fn order(&mut self, order: &Order, role: Role) -> Result<(), String> {
        let task = Task { order: order.clone(), role };
        let mut line = serde_json::to_string(&task).map_err(|error| error.to_string())?;
        line.push('\n');
        let orders = self.orders.as_mut().ok_or("a worker was let go")?;
        orders.write_all(line.as_bytes()).map_err(|error| format!("a worker is gone: {error}"))
    }

    /// What became of it.
    ///
    /// # Errors
    /// It went wrong, or the worker is gone.
    pub fn answer(&mut self) -> Answer {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("a worker ended".into()),
            Ok(_) => serde_json::from_str::<Answer>(&line).map_err(|error| error.to_string())?,
            Err(error) => Err(format!("a worker is gone: {error}")),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its input ends, so it does.
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

/// Runs as a worker until standard input ends.
///
/// # Errors
/// Standard input or output is broken, or an order makes no sense.
pub fn serve() -> io::Result<()> {
    let mut kept: Option<Kept> = None;
    let everywhere = sched_getaffinity(None)?;
    for line in lines()? {
        // What the round before left open.
        drop(kept.take());
        // The end of the round before was pinned; what opens this one must not be.
        sched_setaffinity(None, &everywhere)?;
        let task: Task = serde_json::from_str(&line?)?;
        let answer: Answer = perform(&task).map(|(account, keep)| {
            kept = Some(keep);
            account
        });
        match tell(&answer) {
            // Whoever gave the order has gone meanwhile, and standard input ends, too.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            told => told?,
        }
    }
    Ok(())
}

/// The lines of standard input. Once it has ended, so does this process, a moment later at the latest: whoever ran it may
/// have been killed in the middle of a round, whose ends would look for each other for ever.
fn lines() -> io::Result<mpsc::IntoIter<io::Result<String>>> {
    let (to, lines) = mpsc::channel();
    thread::Builder::new().name("orders".into()).spawn(move || {
        let is_heard = io::stdin().lock().lines().all(|line| to.send(line).is_ok());
        drop(to);
        if is_heard {
            thread::sleep(GRACE);
            std::process::exit(0);
        }
    })?;
    Ok(lines.into_iter())
}

fn tell(answer: &Answer) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

fn perform(task: &Task) -> Result<(Option<Account>, Kept), String> {
    let Task { order, role } = task;
    let contestants = table::contestants();
    let contestant = contestants.get(order.contestant).ok_or("no such contestant")?;
    match &contestant.work {
        Work::Named { end, .. } => end(order, *role),
        Work::Floor(floor) => floor.far_end(order).map(|()| (None, Box::new(()) as Kept)),
        _ => Err(format!("{} has no end in another process", contestant.name)),
    }
}
