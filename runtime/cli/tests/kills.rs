//! Helpers that die or freeze at random, and hosts that die.

mod common;

use std::{
    process::{Child, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use common::*;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const ALGORITHM: &str = "blake2s-kda";
/// Few enough hits for a pipe that nobody reads before the end.
const BITS: usize = 20;

/// One of these tests at a time: each wants the machine's cores.
static ALONE: Mutex<()> = Mutex::new(());

fn start(count: u64, devices: &[&str], extra: &[&str]) -> Child {
    let mut command = search(ALGORITHM, &zero_bits(BITS), 0, count, devices);
    command.args(extra).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Sends `signal` to helpers chosen at random, `times` in all, `pause` apart on average.
fn disturb(host: &mut Child, signal: Signal, times: usize, pause: Duration) -> usize {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut sent = 0;
    let limit = Instant::now() + Duration::from_secs(240);
    while sent < times && Instant::now() < limit {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        sleep(pause.mul_f64((random % 200) as f64 / 100.0));
        // One that has not become the helper yet and stops there would keep the host's output open for ever.
        let helpers: Vec<Pid> = children(host.id())
            .into_iter()
            .filter(|child| program(*child).is_some_and(|it| Some(it) != program(Pid::from_child(host))))
            .collect();
        if helpers.is_empty() {
            if host.try_wait().unwrap().is_some() {
                break;
            }
            continue;
        }
        // It may be gone by now: a death, too.
        if kill_process(helpers[random as usize % helpers.len()], signal).is_ok() {
            sent += 1;
        }
    }
    sent
}

fn undisturbed(count: u64) -> Vec<(u64, String)> {
    let output = finish(&mut search(ALGORITHM, &zero_bits(BITS), 0, count, &["cpu"]), 400);
    hits(&lines(&output))
}

/// So many nonces that the devices need about `time` for them when nobody disturbs them.
fn work_for(time: Duration, devices: &[&str]) -> u64 {
    let sample = 8_000_000;
    let output = finish(&mut search(ALGORITHM, &zero_bits(BITS), 0, sample, devices), 120);
    let seconds = lines(&output).last().unwrap()["seconds"].as_f64().unwrap();
    (sample as f64 / seconds * time.as_secs_f64()) as u64
}

fn survives(signal: Signal, times: usize, pause: Duration, extra: &[&str]) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (c, python) = (c_helper(), python_helper());
    let devices = [&c[..], &python, &c, &c];
    let count = work_for(pause * times as u32 * 3 / 2, &devices);
    let mut host = start(count, &devices, extra);
    let begin = Instant::now();
    let sent = disturb(&mut host, signal, times, pause);
    println!("{sent} signals in {:?}", begin.elapsed());
    let output = finish_child(host, 400);
    assert_eq!(sent, times, "the search ended before all signals were sent");
    assert!(output.status.success(), "{output:?}");
    let lines = lines(&output);
    let hashes = lines.last().unwrap()["hashes"].as_u64().unwrap();
    assert!(hashes >= count, "{hashes} of {count}");
    assert_eq!(hits(&lines), undisturbed(count));
}

#[test]
fn two_hundred_kills_lose_nothing() {
    survives(Signal::KILL, 200, Duration::from_millis(25), &[]);
}

#[test]
fn two_hundred_stuck_helpers_lose_nothing() {
    survives(Signal::STOP, 200, Duration::from_millis(60), &["--stuck-after", "0.25"]);
}

fn wait_for_children(host: &Child, count: usize) -> Vec<Pid> {
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        let helpers = children(host.id());
        if helpers.len() == count {
            return helpers;
        }
        assert!(Instant::now() < limit, "{} of {count} helpers started", helpers.len());
        sleep(Duration::from_millis(10));
    }
}

fn all_gone(helpers: &[Pid]) {
    let limit = Instant::now() + Duration::from_secs(5);
    for helper in helpers {
        // A zombie of a dead host belongs to init, which reaps it.
        while test_kill_process(*helper).is_ok() && !is_zombie(*helper) {
            assert!(Instant::now() < limit, "helper {helper:?} outlived its host");
            sleep(Duration::from_millis(10));
        }
    }
}

fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

#[test]
fn helpers_die_with_their_host() {
    let (c, python) = (c_helper(), python_helper());
    let mut host = start(u64::MAX / 2, &[&c, &python], &[]);
    let helpers = wait_for_children(&host, 2);
    sleep(Duration::from_millis(300));
    // A frozen helper, too.
    kill_process(helpers[0], Signal::STOP).unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
    all_gone(&helpers);
}

#[test]
fn control_c_ends_everything_cleanly() {
    let (c, python) = (c_helper(), python_helper());
    let host = start(u64::MAX / 2, &["cpu:threads=1", &c, &python], &[]);
    let helpers = wait_for_children(&host, 2);
    sleep(Duration::from_millis(300));
    // A shell that runs this in the background has it ignored, and so does what is run in it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (Signal::INT.as_raw() - 1) != 0;
    kill_process(Pid::from_child(&host), if ignored { Signal::TERM } else { Signal::INT }).unwrap();
    let begin = Instant::now();
    let output = finish_child(host, 20);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    assert_eq!(lines(&output).last().unwrap()["event"], "done");
    all_gone(&helpers);
}

#[test]
fn a_helper_that_never_works_is_left_out_and_named() {
    let output = finish(&mut search(ALGORITHM, &zero_bits(16), 0, 1000, &["exec:/bin/false"]), 60);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("exec0") && error.contains("exited with status 1"), "{error}");

    let output = finish(&mut search(ALGORITHM, &zero_bits(16), 0, 1000, &["exec:/no/such/helper"]), 60);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/no/such/helper"));
}
