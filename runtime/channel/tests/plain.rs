//! Messages that are written and read as plain memory, in place, through whole channels: for the thread sanitizer
//! (`cargo xtask tsan`), which then sees whether anything but the lanes' cursors is needed to order them.

use std::time::Duration;

use adit_channel::{Builder, Channel, Mode, Receiver, Sender, Waiting};

const PATIENCE: Duration = Duration::from_secs(60);
const MESSAGES: u64 = 4_000;

fn message(number: u64) -> Vec<u8> {
    let len = 8 + (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as usize;
    let mut message = number.to_le_bytes().to_vec();
    message.resize(len, number as u8);
    message
}

/// So many senders to so many receivers, which sleep when there is nothing to do. Ends are opened and dropped by this
/// thread, before the others begin and after they are joined.
fn run(builder: &Builder, senders: u64, receivers: usize) -> Vec<Vec<u64>> {
    let ends: Vec<_> = (0..receivers).map(|_| builder.receiver().unwrap()).collect();
    let starts: Vec<_> = (0..senders).map(|_| builder.sender().unwrap()).collect();
    let threads = ends.into_iter().map(|receiver| std::thread::spawn(move || receive(receiver)));
    let threads: Vec<_> = threads.collect();
    let sending = (0..).zip(starts).map(|(name, sender)| {
        // It closes at the end, and what it held is dropped by whoever is last.
        std::thread::spawn(move || send(sender, name, receivers))
    });
    let sending: Vec<_> = sending.collect();
    sending.into_iter().for_each(|thread| thread.join().unwrap());
    let (ends, got): (Vec<_>, Vec<_>) = threads.into_iter().map(|thread| thread.join().unwrap()).unzip();
    drop(ends);
    got
}

fn send(mut sender: Sender, name: u64, receivers: usize) {
    assert!(sender.wait_for_receivers(receivers, PATIENCE));
    for number in 0..MESSAGES {
        let bytes = message(name << 32 | number);
        let mut claim = sender.claim_within(bytes.len(), PATIENCE).unwrap();
        // SAFETY: no receiver looks at what is not published.
        unsafe { claim.as_mut_slice() }.copy_from_slice(&bytes);
        claim.commit();
    }
}

fn receive(mut receiver: Receiver) -> (Receiver, Vec<u64>) {
    let mut got = Vec::new();
    while let Ok(found) = receiver.read_within(PATIENCE) {
        let found = found.expect("a message comes in time");
        // SAFETY: the sender keeps off until the message is dropped.
        let bytes = unsafe { found.bytes().as_slice() };
        let number = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(bytes, message(number));
        got.push(number);
    }
    (receiver, got)
}

fn hold_to_be_all(got: Vec<Vec<u64>>, senders: u64, copies: usize) {
    let mut all = got.concat();
    all.sort_unstable();
    let sent = (0..senders).flat_map(|name| (0..MESSAGES).map(move |number| name << 32 | number));
    let expected: Vec<u64> = sent.flat_map(|word| std::iter::repeat_n(word, copies)).collect();
    assert!(all == expected, "{} came", all.len());
}

#[test]
fn lanes_order_plain_memory_in_every_mode() {
    let modes = [(Mode::Spsc, 1, 1), (Mode::Mpsc, 3, 1), (Mode::Spmc, 1, 3), (Mode::Mpmc, 2, 2)];
    for (mode, senders, receivers) in modes {
        for waiting in [Waiting::SpinThenYield, Waiting::SpinThenPark, Waiting::Park] {
            let name = format!("memory://plain-{mode}-{waiting:?}");
            let builder = Channel::builder(&name).unwrap().mode(mode).capacity(1 << 12).waiting(waiting);
            hold_to_be_all(run(&builder, senders, receivers), senders, 1);
        }
    }
}

#[test]
fn a_broadcast_orders_plain_memory() {
    let builder =
        Channel::builder("memory://plain-broadcast").unwrap().mode(Mode::Broadcast).capacity(1 << 12);
    hold_to_be_all(run(&builder, 1, 3), 1, 3);
}
