//! iceoryx2's publish-subscribe between processes, in place at both ends.

use std::{
    mem::MaybeUninit,
    time::{Duration, Instant},
};

use iceoryx2::{
    config::Config,
    port::{publisher::Publisher, subscriber::Subscriber},
    prelude::*,
    service::port_factory::{PortFactory as _, publish_subscribe::PortFactory},
};

use crate::{
    order::Order,
    payload::Payload,
    queue::{Broken, Named, Rx, Tx},
};

/// How long a publisher waits for its subscribers.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest queue of a subscriber: with longer ones the publisher gets no faster.
const LONGEST: usize = 1024;

/// The publisher waits when a queue is full; nothing is overwritten.
#[derive(Debug)]
pub struct PubSub;

/// A publisher.
pub struct PubSubTx {
    publisher: Publisher<ipc::Service, [u64], ()>,
    _service: PortFactory<ipc::Service, [u64], ()>,
    _node: Node<ipc::Service>,
}

/// A subscriber.
pub struct PubSubRx {
    subscriber: Subscriber<ipc::Service, [u64], ()>,
    _service: PortFactory<ipc::Service, [u64], ()>,
    _node: Node<ipc::Service>,
}

/// A service, and the node that it needs.
type Service = (Node<ipc::Service>, PortFactory<ipc::Service, [u64], ()>);

fn open(order: &Order, name: &str) -> Result<Service, String> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    let root = order.directory.join("iceoryx2").to_string_lossy().into_owned();
    let root = iceoryx2_path(&root)?;
    config.global.set_root_path(&root);
    let node = NodeBuilder::new().config(&config).create::<ipc::Service>().map_err(said)?;
    // Of this run, for other files have fixed places.
    let owner = order.lines.to_string_lossy().replace('/', "-");
    let service = format!("adit-bench{owner}-{name}").as_str().try_into().map_err(said)?;
    let service = node
        .service_builder(&service)
        .publish_subscribe::<[u64]>()
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(order.slots().min(LONGEST))
        .max_publishers(1)
        .max_subscribers(4)
        .open_or_create()
        .map_err(said)?;
    Ok((node, service))
}

fn iceoryx2_path(text: &str) -> Result<Path, String> {
    Path::new(text.as_bytes()).map_err(said)
}

fn said(error: impl std::fmt::Debug) -> String {
    format!("iceoryx2: {error:?}")
}

impl Named for PubSub {
    type Tx<P: Payload> = PubSubTx;
    type Rx<P: Payload> = PubSubRx;

    fn sender<P: Payload>(order: &Order, name: &str) -> Result<PubSubTx, String> {
        let (node, service) = open(order, name)?;
        let publisher = service
            .publisher_builder()
            .initial_max_slice_len(P::WORDS)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()
            .map_err(said)?;
        let begin = Instant::now();
        while service.dynamic_config().number_of_subscribers() < order.receivers {
            if begin.elapsed() > PATIENCE {
                return Err("iceoryx2: no subscriber came".into());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        Ok(PubSubTx { publisher, _service: service, _node: node })
    }

    fn receiver<P: Payload>(order: &Order, name: &str) -> Result<PubSubRx, String> {
        let (node, service) = open(order, name)?;
        let subscriber = service.subscriber_builder().create().map_err(said)?;
        Ok(PubSubRx { subscriber, _service: service, _node: node })
    }
}

impl<P: Payload> Tx<P> for PubSubTx {
    fn put(&mut self, number: u64) -> Result<bool, Broken> {
        let sample = self.publisher.loan_slice_uninit(P::WORDS);
        let mut sample = sample.map_err(|_| Broken("iceoryx2 lends no sample"))?;
        let words: &mut [MaybeUninit<u64>] = sample.payload_mut();
        for (at, word) in words.iter_mut().enumerate() {
            word.write(number.wrapping_add(at as u64));
        }
        // SAFETY: each word has just been written.
        let sample = unsafe { sample.assume_init() };
        sample.send().map(|_| true).map_err(|_| Broken("iceoryx2 sends no sample"))
    }
}

impl<P: Payload> Rx<P> for PubSubRx {
    fn take(&mut self, mut each: impl FnMut(u64, u64)) -> Result<usize, Broken> {
        let sample = self.subscriber.receive().map_err(|_| Broken("iceoryx2 receives no sample"))?;
        Ok(sample.map_or(0, |sample| {
            let words = sample.payload();
            each(words[0], crate::payload::sum(words));
            1
        }))
    }
}
