//! The end that listens is a process that is stopped, or killed, while others join it.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use adit_channel::{Builder, Mode, OpenFailure};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, prlimit, waitid};

use super::{
    End, PATIENCE, SCHEMES, SHORT, SOON, STARTING, builder, closing::free_port, failure, open, sender_listens,
};

const SCHEME: &str = "ADIT_TEST_SCHEME";
const MODE: &str = "ADIT_TEST_MODE";
const PLACE: &str = "ADIT_TEST_PLACE";
const PORT: &str = "ADIT_TEST_PORT";

pub const MODES: [Mode; 5] = [Mode::Spsc, Mode::Mpsc, Mode::Spmc, Mode::Mpmc, Mode::Broadcast];

/// What this binary is in another process: the end that listens, until it is killed. In the test run itself, nothing.
#[test]
fn child() {
    let Ok(scheme) = env::var(SCHEME) else { return };
    let text = |name: &str| env::var(name).unwrap();
    let mode = MODES[text(MODE).parse::<usize>().unwrap()];
    let directory = text(PLACE);
    let builder = builder(&scheme, Path::new(&directory), text(PORT).parse().unwrap()).mode(mode);
    let mut end = open(&builder, sender_listens(&scheme, mode)).unwrap_or_else(|error| panic!("{error}"));
    println!("it listens");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE * 4 {
        if let End::Receiver(receiver) = &mut end {
            // A sender that came and went gives its place back when this has looked.
            let _ = receiver.try_recv(&mut [0; 64]);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// A process that listens, killed when the test is over.
pub struct Listener(Child);

impl Listener {
    pub fn new(scheme: &str, mode: usize, directory: &Path, port: u16) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["processes::child", "--exact", "--nocapture"]);
        command.env(SCHEME, scheme).env(MODE, mode.to_string()).env(PLACE, directory);
        command.env(PORT, port.to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut this = {
            let _alone = STARTING.write();
            Self(command.spawn().unwrap())
        };
        let mut lines = BufReader::new(this.0.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("it listens")));
        this
    }

    pub fn stop(&self) {
        let id = Pid::from_child(&self.0);
        kill_process(id, Signal::STOP).unwrap();
        assert!(
            waitid(WaitId::Pid(id), WaitIdOptions::STOPPED).unwrap().is_some_and(|status| status.stopped())
        );
    }

    pub fn go_on(&self) {
        kill_process(Pid::from_child(&self.0), Signal::CONT).unwrap();
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each kind of channel, with an end that listens, and whether who joins it sends.
fn everywhere(test: impl Fn(&Builder, bool, Listener)) {
    for scheme in SCHEMES {
        for (number, mode) in MODES.into_iter().enumerate() {
            let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
            let listener = Listener::new(scheme, number, directory.path(), port);
            let builder = builder(scheme, directory.path(), port).mode(mode);
            eprintln!("{scheme}, {mode}");
            test(&builder, !sender_listens(scheme, mode), listener);
        }
    }
}

#[test]
fn who_is_killed_while_it_is_joined_has_left() {
    everywhere(|builder, sends, mut listener| {
        // It takes the call, and cannot answer any more.
        listener.stop();
        thread::scope(|scope| {
            let joining = scope.spawn(|| failure(builder, sends));
            thread::sleep(Duration::from_millis(50));
            let begun = Instant::now();
            listener.kill();
            let failure = joining.join().unwrap();
            // A sender to many looks for another receiver, and there is none.
            let left = matches!(failure, OpenFailure::Left { .. } | OpenFailure::NobodyListens { .. });
            assert!(left, "{failure}");
            assert!(begun.elapsed() < SOON, "its death was not noticed");
        });
    });
}

#[test]
fn who_is_stopped_does_not_answer_and_is_joined_when_it_goes_on() {
    everywhere(|builder, sends, listener| {
        listener.stop();
        let begun = Instant::now();
        let failure = failure(&builder.clone().join_within(SHORT), sends);
        assert!(matches!(failure, OpenFailure::NoAnswer { .. }), "{failure}");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        listener.go_on();
        drop(open(&builder.clone().join_within(PATIENCE), sends).unwrap_or_else(|error| panic!("{error}")));
    });
}

/// A sender joins a receiver that answers, and later one that was stopped when it was asked.
///
/// spec: CHN-4.6
#[test]
fn a_receiver_that_was_stopped_is_joined_when_it_answers() {
    let directory = tempfile::tempdir().unwrap();
    let stopped = Listener::new("ipc", 2, directory.path(), 0);
    let builder = builder("ipc", directory.path(), 0).mode(Mode::Spmc).join_within(PATIENCE);
    let mut receiver = builder.receiver().unwrap();
    stopped.stop();
    let begun = Instant::now();
    let mut sender = builder.sender().unwrap();
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    sender.send(b"to who is there", PATIENCE).unwrap();
    assert_eq!(receiver.read_within(PATIENCE).unwrap().unwrap().to_vec(), b"to who is there");
    // Longer than an answer may take where it is all that is waited for.
    thread::sleep(Duration::from_secs(6));
    assert_eq!(sender.receivers(), 1);
    stopped.go_on();
    assert!(sender.wait_for_receivers(2, PATIENCE));
}

/// Who has few descriptors left lets one in and hears it, or says that it cannot.
#[test]
fn who_lacks_descriptors_lets_nobody_in_whom_it_cannot_hear() {
    for (scheme, spare) in
        ["unix", "tcp"].into_iter().flat_map(|scheme| (1..5).map(move |spare| (scheme, spare)))
    {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let listener = Listener::new(scheme, 1, directory.path(), port);
        let pid = Pid::from_child(&listener.0);
        // The lowest numbers are given first.
        let free = (0..).filter(|number| !Path::new(&format!("/proc/{pid}/fd/{number}")).exists());
        let most = free.take(spare).last().map(|last| last + 1);
        prlimit(Some(pid), Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
        match builder(scheme, directory.path(), port).mode(MODES[1]).sender() {
            Ok(mut sender) => {
                for _ in 0..10 {
                    sender
                        .send(&[1; 8], PATIENCE)
                        .unwrap_or_else(|error| panic!("{scheme}, {spare}: {error}"));
                    thread::sleep(Duration::from_millis(5));
                }
            }
            Err(error) => {
                let failed = matches!(error.failure, OpenFailure::OtherFailed);
                assert!(failed, "{scheme}, {spare}: {error}");
            }
        }
    }
}
