//! What a receiver knows of the time that messages take.

use super::{Receiver, receiver::LaneReceiver};
use crate::latency::Latency;

impl Receiver {
    /// How long messages took from being sent to being read, of all senders together, those that are gone
    /// included; `None` where the channel does not [measure](crate::Builder::measure_latency) it, or nobody has
    /// joined yet.
    #[must_use]
    pub fn latency(&self) -> Option<Latency> {
        self.lanes_alone()?.latency()
    }
}

impl LaneReceiver {
    fn latency(&self) -> Option<Latency> {
        self.lanes.iter().fold(self.retired_latency.clone(), |sum, lane| merge(sum, lane.latency()))
    }
}

/// Both together.
pub(super) fn merge(sum: Option<Latency>, other: Option<Latency>) -> Option<Latency> {
    match (sum, other) {
        (Some(mut sum), Some(other)) => {
            sum.add(&other);
            Some(sum)
        }
        (sum, other) => sum.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Channel, Mode, OpenError, OpenFailure, Waiting};

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn messages_that_wait_long_are_known_to_have_waited() {
        let channel = Channel::builder("memory://latency-waits").unwrap().measure_latency(true);
        let (mut sender, mut receiver) = (channel.sender().unwrap(), channel.receiver().unwrap());
        assert_eq!(receiver.latency(), None, "nobody was taken over yet");
        for pause in [0, 30, 0] {
            // So rare that each is stamped.
            std::thread::sleep(Duration::from_millis(6));
            sender.try_send(b"now").unwrap();
            std::thread::sleep(Duration::from_millis(pause));
            assert!(receiver.read().unwrap().is_some());
        }
        let latency = receiver.latency().unwrap();
        assert_eq!(latency.count(), 3);
        assert!((30_000_000..20_000_000_000).contains(&latency.most()), "{latency:?}");
        assert!(latency.percentile(10.0) < latency.most() && latency.mean() >= 10_000_000);
        drop(sender);
        assert!(receiver.read().is_err());
        assert_eq!(receiver.latency().unwrap(), latency, "of a sender that is gone");
    }

    #[test]
    fn a_fast_stream_is_sampled_in_every_way_to_send_and_receive() {
        let directory = tempfile::tempdir().unwrap();
        for uri in ["memory://latency-stream", "ipc://latency-stream"] {
            let channel = Channel::builder(uri).unwrap().directory(directory.path().join("adit"));
            let channel = channel
                .capacity(1 << 14)
                .mode(Mode::Mpsc)
                .measure_latency(true)
                .waiting(Waiting::SpinThenYield);
            let mut receiver = channel.receiver().unwrap();
            let senders: Vec<_> = (0..2).map(|_| channel.sender().unwrap()).collect();
            let count = 100_000_u64;
            std::thread::scope(|scope| {
                for mut sender in senders {
                    scope.spawn(move || {
                        for number in 0..count {
                            if number % 3 == 0 {
                                let mut claim = sender.claim_within(8, PATIENCE).unwrap();
                                claim.write(0, &number.to_le_bytes());
                                claim.commit();
                            } else {
                                sender.send(&number.to_le_bytes(), PATIENCE).unwrap();
                            }
                        }
                    });
                }
                let (mut sum, mut seen) = (0, 0);
                while seen < 2 * count {
                    assert!(receiver.wait(PATIENCE).unwrap());
                    if seen % 2 == 0 {
                        let message = receiver.read().unwrap().unwrap();
                        sum += message.bytes().to_words::<1>().unwrap()[0];
                        seen += 1;
                    } else {
                        let add = |bytes: crate::Bytes<'_>| sum += bytes.to_words::<1>().unwrap()[0];
                        seen += receiver.recv_batch(50, add).unwrap() as u64;
                    }
                }
                assert_eq!(sum, count * (count - 1));
            });
            let latency = receiver.latency().unwrap();
            assert!((2..=2 * count).contains(&latency.count()), "{latency:?}");
            assert!(latency.most() < PATIENCE.as_nanos() as u64, "{latency:?}");
        }
    }

    /// Fifty milliseconds in which nothing is on its way are nobody's latency.
    #[test]
    fn pauses_between_batches_are_not_counted() {
        let channel = Channel::builder("memory://latency-batches").unwrap().measure_latency(true);
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        for _ in 0..3 {
            sender.try_send(&[1; 8]).unwrap();
        }
        assert_eq!(receiver.recv_batch(10, |_| {}), Ok(3));
        std::thread::sleep(Duration::from_millis(50));
        sender.try_send(&[1; 8]).unwrap();
        assert_eq!(receiver.recv_batch(10, |_| {}), Ok(1));
        let latency = receiver.latency().unwrap();
        assert!(latency.count() >= 2 && latency.most() < 50_000_000, "{latency:?}");

        let channel =
            Channel::builder("memory://latency-none").unwrap().measure_latency(true).of::<u64>("u64");
        let (mut receiver, mut sender) = (channel.receiver().unwrap(), channel.sender().unwrap());
        assert_eq!((sender.try_send_iter(None), sender.try_send_batch(&[])), (Ok(0), Ok(0)));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(sender.try_send_iter([7]), Ok(1));
        assert_eq!(receiver.recv_batch(&mut [0; 4]), Ok(1));
        let latency = receiver.untyped().latency().unwrap();
        assert!(latency.count() == 1 && latency.most() < 50_000_000, "{latency:?}");
    }

    #[test]
    fn both_ends_must_ask_for_it() {
        let channel = Channel::builder("memory://latency-both").unwrap();
        let _receiver = channel.clone().measure_latency(true).receiver().unwrap();
        let error = channel.sender().unwrap_err().to_string();
        assert!(
            error.contains(
                "asks for bytes of any length, the other side has bytes of any length, with latency"
            )
        );
        let kept = Channel::builder("shm://latency-kept").unwrap().measure_latency(true);
        assert!(
            matches!(kept.receiver(), Err(OpenError { failure: OpenFailure::Kind(what), .. }) if what.contains("survives"))
        );
    }
}
