//! Batches through `udp://`, by one thread that sends each and takes it again: nothing is lost so, and what both ends cost
//! adds up.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::{Duration, Instant},
};

use adit_channel::{Channel, MessageKind, NetworkOptions};

use super::{LIMIT, Outcome, expected};

const SIZE: usize = 64;

/// Seconds that sending took, and receiving.
#[derive(Clone, Copy, Debug, Default)]
pub struct Halves {
    /// Of the sender.
    pub sending: f64,
    /// Of the receiver.
    pub receiving: f64,
}

/// Sends `messages` of 64 bytes in batches through this machine's loopback.
///
/// # Errors
/// Whatever an end meets, a message that is lost or out of order, or a sum that is wrong.
pub fn cast(batch: usize, messages: u64) -> Outcome<Halves> {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut options = NetworkOptions::default();
    options.interface = Some(Ipv4Addr::LOCALHOST);
    let builder = Channel::builder(&format!("udp://239.255.77.2:{port}"))?
        .network(options)
        .kind(MessageKind::fixed("bench", SIZE as u32, 8));
    let (mut receiver, mut sender) = (builder.receiver()?, builder.sender()?);
    let mut all = vec![[0_u8; SIZE]; batch];
    let (mut number, mut next, mut sum, mut wrong) = (0_u64, 0_u64, 0_u64, false);
    let mut halves = Halves::default();
    while number < messages {
        for message in &mut all {
            message.as_chunks_mut().0.fill(number.to_le_bytes());
            number += 1;
        }
        let begin = Instant::now();
        sender.send_batch(&all, LIMIT)?;
        let sent = Instant::now();
        while next < number {
            let taken = receiver.recv_batch(batch, |bytes| {
                let mut message = [0; SIZE];
                bytes.copy_to(0, &mut message);
                let words = message.as_chunks().0;
                wrong |= words.first().is_none_or(|first| u64::from_le_bytes(*first) != next);
                sum = words.iter().fold(sum, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
                next += 1;
            })?;
            if taken == 0 && sent.elapsed() > Duration::from_secs(2) {
                return Err("a message did not come".into());
            }
        }
        halves.receiving += sent.elapsed().as_secs_f64();
        halves.sending += (sent - begin).as_secs_f64();
    }
    if wrong || sum != expected(number, SIZE as u64 / 8) {
        return Err("messages are out of order or not what was sent".into());
    }
    Ok(halves)
}
