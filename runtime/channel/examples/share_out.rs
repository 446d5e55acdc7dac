//! Work distribution and a pipeline: numbers go out to whichever worker is idle, their squares come back to one.
//!
//! `cargo run -p adit-channel --example share_out`

use std::{error::Error, time::Duration};

use adit_channel::{Channel, Mode};

fn main() -> Result<(), Box<dyn Error>> {
    // One message at a time, so that a slow worker holds up no work.
    let work = Channel::builder("memory://work")?.mode(Mode::Spmc).credit(1).of::<u64>("number");
    let results = Channel::builder("memory://results")?.mode(Mode::Mpsc).of::<u64>("square");
    let mut sink = results.receiver()?;
    let mut workers = Vec::new();
    for number in 0..3_u64 {
        let (mut input, mut output) = (work.receiver()?, results.sender()?);
        workers.push(std::thread::spawn(move || -> Result<u64, String> {
            let mut done = 0;
            for value in input.messages() {
                let value = value.map_err(|error| error.to_string())?;
                // Every worker is slower than the one before.
                std::thread::sleep(Duration::from_micros(100 << number));
                output.send(&(value * value), Duration::MAX).map_err(|error| error.to_string())?;
                done += 1;
            }
            Ok(done)
        }));
    }
    let mut source = work.sender()?;
    for value in 0..200_u64 {
        source.send(&value, Duration::MAX)?;
    }
    drop(source);
    let mut sum = 0;
    for square in sink.messages() {
        sum += square?;
    }
    assert_eq!(sum, (0..200_u64).map(|value| value * value).sum());
    for (number, worker) in workers.into_iter().enumerate() {
        let done = worker.join().map_err(|_| "a worker panicked")??;
        println!("worker {number} did {done}");
    }
    Ok(())
}
