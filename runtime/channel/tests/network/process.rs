//! Another process of these tests: the test binary once more, told by its environment what to be.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

pub const ROLE: &str = "ADIT_TEST_ROLE";
pub const PLACE: &str = "ADIT_TEST_PLACE";
pub const DRIVER: &str = "ADIT_TEST_DRIVER";

/// A process of this test, killed when the test is over.
pub struct Process(pub Child);

impl Process {
    pub fn new(role: &str, place: &str, driver: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]);
        command.env(ROLE, role).env(PLACE, place).env(DRIVER, driver);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Stops it where it is.
    pub fn stop(&self) {
        let id = self.id();
        kill_process(id, Signal::STOP).unwrap();
        let stopped = waitid(WaitId::Pid(id), WaitIdOptions::STOPPED).unwrap();
        assert!(stopped.is_some_and(|status| status.stopped()));
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        kill_process(self.id(), Signal::CONT).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// All that it says until it ends, which it does well.
    pub fn last_words(mut self) -> String {
        let mut said = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(self.0.wait().unwrap().success(), "{said}");
        said
    }

    /// Where it says that it listens.
    pub fn address(&mut self) -> String {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        let mut said = lines.map_while(Result::ok);
        let line = said.find(|line| line.contains("at tcp://") || line.contains("at unix://")).unwrap();
        line.split("at ").last().unwrap().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
