//! `adit channels` before real processes: those that run, that are stopped, and that were killed.
//!
//! The other process is this test binary once more, told by its environment what to be.

mod common;

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use adit_channel::{Builder, Channel, MessageKind, Mode, OnFull, endpoint::Pushed};
use common::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PLACE: &str = "ADIT_TEST_PLACE";
const PATIENCE: Duration = Duration::from_secs(30);

fn builder(directory: &Path, name: &str) -> Builder {
    let builder = Channel::builder(&format!("ipc://{name}")).unwrap();
    let kind = MessageKind::fixed("test\u{1b}::Tick", 16, 8);
    builder.capacity(1 << 16).mode(Mode::Mpsc).kind(kind).directory(directory).join_within(PATIENCE)
}

/// What this binary is in another process: it receives half of what comes, then nothing any more.
#[test]
fn child() {
    let Some(directory) = env::var_os(PLACE) else { return };
    let mut receiver = builder(Path::new(&directory), "ticks").receiver().unwrap();
    for _ in 0..50 {
        // Where nothing is sent the sender goes.
        let Ok(Some(_)) = receiver.read_within(PATIENCE) else { break };
    }
    println!("received");
    std::thread::sleep(PATIENCE);
}

/// A receiver in a process of its own, killed when the test is over.
struct Receiving(Child);

impl Receiving {
    fn new(directory: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["child", "--exact", "--nocapture"]).env(PLACE, directory);
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    /// Returns once it has received all that it will.
    fn finish(&mut self) {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.ends_with("received")));
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn channels(directory: &Path, arguments: &[&str]) -> std::process::Output {
    let mut command = adit();
    command.arg("channels").args(arguments).arg("--directory").arg(directory);
    let output = finish(&mut command, 20);
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

fn json(directory: &Path) -> Vec<Value> {
    lines(&channels(directory, &["--json"]))
}

#[test]
fn a_channel_between_two_processes_is_shown_with_exact_numbers() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    assert_eq!(json(&directory), [] as [Value; 0]);
    let mut receiving = Receiving::new(&directory);
    let mut sender = builder(&directory, "ticks").sender().unwrap();
    let _idle = builder(&directory, "ticks").sender().unwrap();
    for _ in 0..100 {
        sender.send(&[0; 16], PATIENCE).unwrap();
    }
    receiving.finish();

    let lines = json(&directory);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    let expect = |field: &str, value: Value| assert_eq!(line[field], value, "{field} of {line}");
    for (field, value) in [("event", "channel"), ("name", "ticks"), ("state", "live"), ("mode", "MPSC")] {
        expect(field, value.into());
    }
    expect("type", "test\u{1b}::Tick".into());
    for (field, value) in [("size", 16), ("alignment", 8), ("capacity", 1 << 16), ("senders", 2)] {
        expect(field, value.into());
    }
    expect("pid", receiving.0.id().into());
    expect("stopped", false.into());
    // Of messages of one size each takes as much in the ring.
    for (field, value) in [("sent", 100), ("sent_bytes", 1600), ("received", 50), ("received_bytes", 800)] {
        expect(field, value.into());
    }
    assert_eq!(line["lanes"][0]["sent"]["messages"], 100);
    assert_eq!(line["lanes"][1]["sent"]["messages"], 0);
    assert_eq!(line["lanes"][0]["pid"], std::process::id());
    assert!(
        line["depth"].as_u64().unwrap() >= 50 * 16 && line["depth_most"].as_u64() >= line["depth"].as_u64()
    );
    expect("received_per_s", 0.0.into());

    let table = text(&channels(&directory, &[]).stdout);
    assert!(table.contains("test?::Tick 16 B") && !table.contains('\u{1b}'), "{table}");
    assert!(table.contains("64 KiB") && table.contains("sent 100, received 50"), "{table}");
}

#[test]
fn a_broadcast_is_shown_with_its_receivers() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let channel = builder(&directory, "news").mode(Mode::Broadcast);
    let mut sender = channel.sender().unwrap();
    let sends = |sender: &mut adit_channel::Sender, count: u64| {
        (0..count).for_each(|_| sender.send(&[0; 16], PATIENCE).unwrap());
    };
    sends(&mut sender, 10);
    let mut receivers = [channel.receiver().unwrap(), channel.receiver().unwrap()];
    assert!(sender.wait_for_receivers(2, PATIENCE));
    // It has begun, and takes nothing yet.
    assert!(receivers[1].wait_for_sender(PATIENCE));
    sends(&mut sender, 100);
    for _ in 0..100 {
        assert!(receivers[0].read_within(PATIENCE).unwrap().is_some());
    }
    receivers[0].acknowledge();
    let line = json(&directory).remove(0);
    let expect = |line: &Value, field: &str, value: u64| assert_eq!(line[field], value, "{field} of {line}");
    for (field, value) in [("senders", 1), ("receivers", 2), ("joined", 2), ("sent", 110), ("received", 100)]
    {
        expect(&line, field, value);
    }
    expect(&line, "pid", std::process::id().into());
    let lanes = line["lanes"].as_array().unwrap();
    assert_eq!(
        (&lanes[0]["received"]["messages"], &lanes[1]["received"]["messages"]),
        (&100.into(), &0.into())
    );
    assert_eq!((&lanes[0]["depth"], &lanes[0]["state"]), (&0.into(), &"live".into()));
    assert!(lanes[1]["depth"].as_u64() >= Some(100 * 16), "{line}");
    assert_eq!(lanes[1]["pid"], std::process::id());
    let table = text(&channels(&directory, &[]).stdout);
    assert!(table.contains("1 to ") && table.contains("sent 110, received 100, waits 0 B"), "{table}");

    // One that has gone is remembered with what it received.
    let [first, second] = receivers;
    drop(first);
    while sender.receivers() > 1 {
        std::thread::yield_now();
    }
    let line = json(&directory).remove(0);
    for (field, value) in [("receivers", 1), ("joined", 2), ("sent", 110), ("received", 100)] {
        expect(&line, field, value);
    }
    drop(second);
}

#[test]
fn what_senders_to_many_throw_away_is_shown() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let channel = builder(&directory, "work").mode(Mode::Spmc).on_full(OnFull::DropNewest);
    let _receiver = channel.receiver().unwrap();
    let mut sender = channel.sender().unwrap();
    let mut drops = 0;
    while drops < 3 {
        drops += u64::from(sender.push(&[0; 16]).unwrap() == Pushed::Dropped);
    }
    let line = json(&directory).remove(0);
    assert_eq!((&line["drops"], &line["receivers"]), (&3.into(), &1.into()), "{line}");
}

#[test]
fn a_stopped_process_is_a_line_and_not_a_hang() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let receiving = Receiving::new(&directory);
    let sender = builder(&directory, "ticks").sender().unwrap();
    let _here = builder(&directory, "here").receiver().unwrap();
    kill_process(receiving.id(), Signal::STOP).unwrap();
    let begin = Instant::now();
    let lines = json(&directory);
    assert!(begin.elapsed() < Duration::from_secs(10));
    let states: Vec<_> = lines.iter().map(|line| (&line["name"], &line["state"])).collect();
    assert_eq!(states, [(&"here".into(), &"live".into()), (&"ticks".into(), &"no answer".into())]);
    assert_eq!(lines[1]["pid"], receiving.0.id());
    assert_eq!(lines[1]["stopped"], true);
    let table = text(&channels(&directory, &[]).stdout);
    assert!(table.contains("no answer") && table.contains("(stopped)"), "{table}");
    // It is not taken for dead either.
    assert_eq!(channels(&directory, &["clean", "--json"]).stdout, b"");
    kill_process(receiving.id(), Signal::CONT).unwrap();
    assert_eq!(json(&directory)[1]["state"], "live");
    drop(sender);
}

#[test]
fn what_a_killed_process_leaves_is_cleaned() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let mut receiving = Receiving::new(&directory);
    drop(builder(&directory, "ticks").sender().unwrap());
    receiving.0.kill().unwrap();
    receiving.0.wait().unwrap();
    let lines_before = json(&directory);
    assert_eq!(lines_before[0]["state"], "dead");
    let advice = format!("adit channels clean --directory {}", directory.display());
    assert!(text(&channels(&directory, &[]).stdout).contains(&advice));
    let removed = lines(&channels(&directory, &["clean", "--json"]));
    assert_eq!(removed[0]["event"], "removed");
    assert_eq!(removed[0]["path"], lines_before[0]["path"]);
    assert_eq!(json(&directory), [] as [Value; 0]);
    assert!(text(&channels(&directory, &["clean"]).stdout).contains("nothing is left behind"));
}

#[test]
fn latencies_are_shown_where_they_are_measured() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let channel = builder(&directory, "timed").measure_latency(true);
    let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
    sender.send(&[0; 16], PATIENCE).unwrap();
    assert!(receiver.read_within(PATIENCE).unwrap().is_some());
    let line = json(&directory).remove(0);
    let latency = receiver.latency().unwrap();
    for latency_line in [&line["latency"], &line["lanes"][0]["latency"]] {
        assert_eq!(latency_line["count"], 1);
        assert_eq!(latency_line["most_ns"], latency.most());
        assert_eq!(latency_line["p50_ns"], latency.percentile(50.0));
    }
    assert!(text(&channels(&directory, &[]).stdout).contains("latency "));
}

#[test]
fn watching_goes_on_and_makes_rates() {
    let house = tempfile::tempdir().unwrap();
    let directory = house.path().join("adit");
    let mut receiver = builder(&directory, "busy").receiver().unwrap();
    let mut sender = builder(&directory, "busy").sender().unwrap();
    let worker = std::thread::spawn(move || while sender.send(&[1; 16], PATIENCE).is_ok() {});
    let mut command = adit();
    command.args(["channels", "--watch", "--json", "--interval", "0.05", "--directory"]).arg(&directory);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let lines = out.lines().take(4).map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        lines.collect::<Vec<Value>>()
    });
    while !reader.is_finished() {
        receiver.recv_batch(100, |bytes| assert_eq!(bytes.len(), 16)).unwrap();
    }
    let lines = reader.join().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    for pair in lines.windows(2) {
        assert!(pair[0]["received"].as_u64().unwrap() < pair[1]["received"].as_u64().unwrap());
        assert!(pair[1]["received_per_s"].as_f64().unwrap() > 0.0, "{}", pair[1]);
    }
    drop(receiver);
    worker.join().unwrap();
}

/// It has nothing to write, and so would not hear of it.
#[test]
fn watching_ends_with_its_reader() {
    let house = tempfile::tempdir().unwrap();
    let mut command = adit();
    command.args(["channels", "--watch", "--json", "--interval", "0.05", "--directory"]).arg(house.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if begun.elapsed() > PATIENCE => {
                child.kill().unwrap();
                panic!("it watches on");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(status.success(), "{status}");
}
