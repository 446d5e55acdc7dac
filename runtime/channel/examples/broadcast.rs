//! A broadcast in its three manners: everything to everybody, the oldest overwritten, the latest alone.
//!
//! `cargo run -p adit-channel --example broadcast`

use std::{error::Error, time::Duration};

use adit_channel::{Channel, Mode, OnFull};

fn main() -> Result<(), Box<dyn Error>> {
    let manners = [OnFull::Block(Duration::from_millis(10)), OnFull::OverwriteOldest, OnFull::Latest];
    for (number, on_full) in manners.into_iter().enumerate() {
        let channel = Channel::builder(&format!("memory://news-{number}"))?
            .mode(Mode::Broadcast)
            .capacity(1 << 12)
            .on_full(on_full)
            .of::<u64>("number");
        let mut sender = channel.sender()?;
        let (mut quick, mut slow) = (channel.receiver()?, channel.receiver()?);
        let (mut sent, mut got) = (0_u64, 0_u64);
        for value in 0..10_000 {
            // The slow one reads nothing meanwhile, so the first manner ends here with a full ring.
            if sender.send(&value, Duration::from_millis(10)).is_err() {
                break;
            }
            sent += 1;
            got += u64::from(quick.try_recv()?.is_some());
        }
        let first = slow.try_recv()?;
        let lost = slow.counters().lost;
        println!(
            "{on_full:?}: {sent} sent, {got} to the quick one; the slow one lost {lost} and begins with {first:?}"
        );
    }
    Ok(())
}
