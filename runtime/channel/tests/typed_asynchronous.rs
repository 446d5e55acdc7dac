//! Futures of typed ends under tokio, against each other and against ends that block.

use std::time::Duration;

use adit_channel::{Channel, Mode, TypedBuilder, TypedReceiver};

const PATIENCE: Duration = Duration::from_secs(30);

/// Far more than fits, so that both ends wait again and again.
const MANY: u64 = 20_000;

type Pair = [u64; 2];

fn channel(name: &str) -> TypedBuilder<Pair> {
    Channel::builder(&format!("memory://typed-{name}")).unwrap().capacity(1 << 10).mode(Mode::Mpsc).of("pair")
}

fn pair(number: u64) -> Pair {
    [number, !number]
}

/// Singly and in batches, to the end.
async fn receive_all(receiver: &mut TypedReceiver<Pair>) -> u64 {
    let mut next = 0;
    while let Some(message) = receiver.next().await {
        assert_eq!(message.unwrap(), pair(next));
        next += 1;
        if next % 3 == 0 && next < MANY {
            let mut into = [[0; 2]; 7];
            let count = receiver.recv_batch_async(&mut into).await.unwrap();
            assert!(count > 0);
            for message in &into[..count] {
                assert_eq!(*message, pair(next));
                next += 1;
            }
        }
    }
    next
}

#[tokio::test]
async fn all_messages_arrive_between_tasks() {
    let channel = channel("tasks");
    let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
    let sending = tokio::spawn(async move {
        let mut next = 0;
        while next < MANY {
            sender.send_async(&pair(next)).await.unwrap();
            let batch: Vec<Pair> = (next + 1..MANY.min(next + 200)).map(pair).collect();
            assert_eq!(sender.send_batch_async(&batch).await, Ok(batch.len()));
            next += 1 + batch.len() as u64;
        }
        sender.counters().stalls
    });
    let received = tokio::time::timeout(PATIENCE, receive_all(&mut receiver)).await.unwrap();
    assert_eq!(received, MANY);
    assert!(sending.await.unwrap() > 0, "there was never room for all");
    assert!(receiver.recv_async().await.is_err(), "the sender is gone");
}

#[tokio::test]
async fn a_thread_that_blocks_notices_no_difference() {
    let channel = channel("thread");
    let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
    let sending = std::thread::spawn(move || {
        for number in 0..MANY {
            sender.send(&pair(number), PATIENCE).unwrap();
        }
    });
    assert_eq!(tokio::time::timeout(PATIENCE, receive_all(&mut receiver)).await.unwrap(), MANY);
    sending.join().unwrap();

    let mut sender = channel.sender().unwrap();
    let receiving = std::thread::spawn(move || {
        (0..MANY).all(|number| receiver.recv(PATIENCE).unwrap() == Some(pair(number)))
    });
    for number in 0..MANY {
        tokio::time::timeout(PATIENCE, sender.send_async(&pair(number))).await.unwrap().unwrap();
    }
    assert!(receiving.join().unwrap());
}

/// A timeout around a future drops it again and again, and nothing is lost or sent twice.
#[tokio::test]
async fn a_dropped_future_loses_nothing() {
    let channel = channel("dropped");
    let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
    let brief = Duration::from_micros(50);
    let mut into = [[0; 2]; 3];
    assert!(tokio::time::timeout(brief, receiver.recv_async()).await.is_err());
    assert!(tokio::time::timeout(brief, receiver.recv_batch_async(&mut into)).await.is_err());
    let mut sent = 0;
    while tokio::time::timeout(brief, sender.send_async(&pair(sent))).await.is_ok() {
        sent += 1;
    }
    assert!(tokio::time::timeout(brief, sender.send_async(&pair(sent))).await.is_err());
    for number in 0..sent {
        assert_eq!(receiver.recv_async().await, Ok(pair(number)));
    }
    assert_eq!(receiver.try_recv(), Ok(None));
    assert_eq!(receiver.recv_batch_async(&mut []).await, Ok(0));
}
