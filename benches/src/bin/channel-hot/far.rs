//! The other process: does as it is told, one order a line.

use std::{hint::spin_loop, io::BufRead as _, path::Path};

use adit_benches::shared::Lines;
use adit_channel::{Waiting, futex::Futex};
use adit_ring::park::Park as _;
use adit_topology::pin_current_thread;

use crate::contests::{
    BATCH, Failure, LARGE, LARGE_WORDS, Message, PATIENCE, SLEEPY_TRIPS, TRIPS, channel, line_numbers, meet,
    rest, sleep_for, write,
};

pub fn run(directory: &str, lines: &str, core: &str, pauses: &str) -> Result<(), Failure> {
    pin_current_thread(core.parse()?)?;
    let (lines, pauses) = (Lines::open(Path::new(lines))?, pauses.parse()?);
    for order in std::io::stdin().lock().lines() {
        let order = order?;
        let (order, first) = order.split_once(' ').unwrap_or((&order, "0"));
        let first: u64 = first.parse()?;
        match order {
            "single" => many(directory, 1, pauses)?,
            "batches" => many(directory, BATCH, pauses)?,
            "trip" => trip(directory, Waiting::Spin, TRIPS)?,
            "sleepy" => trip(directory, Waiting::Park, SLEEPY_TRIPS)?,
            "lines" => answer_lines(&lines, first),
            "futex" => answer_futex(&lines, first),
            "large" => large(directory)?,
            other => return Err(format!("{other:?} is no order").into()),
        }
        println!("done");
    }
    Ok(())
}

fn many(directory: &str, batch: usize, pauses: u32) -> Result<(), Failure> {
    let sender = channel(directory, "many")?.of::<Message>("message").sender()?;
    write(sender, 0, 1, batch, || rest(pauses));
    Ok(())
}

fn trip(directory: &str, waiting: Waiting, count: u64) -> Result<(), Failure> {
    let mut receiver = channel(directory, "out")?.waiting(waiting).of::<Message>("message").receiver()?;
    let mut sender = channel(directory, "back")?.waiting(waiting).of::<Message>("message").sender()?;
    meet(receiver.untyped())?;
    for _ in 0..count {
        let message = receiver.recv(PATIENCE)?.ok_or("nothing came")?;
        sender.try_send(&message)?;
    }
    Ok(())
}

fn answer_lines(lines: &Lines, first: u64) {
    let (out, back) = line_numbers(first);
    let (out, back) = (lines.line(out), lines.line(back));
    for number in first..first + TRIPS {
        loop {
            if let Some(words) = out.read(number) {
                back.write(number, &words);
                break;
            }
            spin_loop();
        }
    }
}

fn answer_futex(lines: &Lines, first: u64) {
    let (out, back) = line_numbers(first);
    let (out, back) = (lines.line(out), lines.line(back));
    let futex = Futex::new();
    for number in first..first + SLEEPY_TRIPS {
        let words = sleep_for(out, futex, number);
        back.write(number, &words);
        futex.wake(back.doorbell());
    }
}

fn large(directory: &str) -> Result<(), Failure> {
    let mut sender = channel(directory, "large")?.capacity(8 << 20).sender()?;
    for number in 0..LARGE {
        let claim = sender.claim_within(LARGE_WORDS * 8, PATIENCE)?;
        claim.words().iter().for_each(|word| word.store(number));
        claim.commit();
    }
    Ok(())
}
