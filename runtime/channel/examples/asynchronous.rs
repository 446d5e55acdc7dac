//! A pipeline of tasks: numbers come from a thread that blocks, are squared by one task and summed by another.
//!
//! `cargo run -p adit-channel --example asynchronous`; see it from outside with `adit channels --watch` by giving it
//! more to do: `cargo run -p adit-channel --example asynchronous 100000000`.

use std::{env, error::Error, time::Duration};

use adit_channel::Channel;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = env::args().nth(1).map_or(Ok(1000), |text| text.parse())?;
    let numbers = Channel::builder(&format!("ipc://numbers-{}", std::process::id()))?.measure_latency(true);
    let squares = Channel::builder("memory://squares")?;

    let mut incoming = numbers.receiver()?;
    let mut source = numbers.sender()?;
    // An end that blocks, as in any program that knows nothing of futures.
    let thread = std::thread::spawn(move || {
        (0..count).try_for_each(|number| source.send(&number.to_le_bytes(), Duration::MAX))
    });

    let (mut outgoing, mut results) = (squares.sender()?, squares.receiver()?);
    let squaring = tokio::spawn(async move {
        while let Some(number) = incoming.next().await {
            let number = u64::from_le_bytes(number?.try_into().expect("eight bytes were sent"));
            outgoing.send_async(&u128::from(number).pow(2).to_le_bytes()).await.expect("the sum is waiting");
        }
        Ok::<_, adit_channel::RecvError>(incoming.latency())
    });

    let mut sum = 0;
    while let Some(square) = results.next().await {
        sum += u128::from_le_bytes(square?.try_into().expect("sixteen bytes were sent"));
    }
    thread.join().expect("it does not panic")?;
    println!("the sum of {count} squares is {sum}");
    if let Some(latency) = squaring.await?? {
        let summary = latency.summary();
        println!(
            "numbers waited {} ns (median of {} that were measured), {} ns at most",
            summary.p50, summary.count, summary.most
        );
    }
    Ok(())
}
