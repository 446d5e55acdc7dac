//! Other channels, each used as its documentation says, through the same loops.

mod iceoryx;
mod ipc_channel;
mod queues;
mod rings;

use crate::{
    order::Mode,
    payload::Payload,
    stream,
    table::{Contestant, Contests, Peer, Work},
};

/// All of them.
pub fn contestants() -> Vec<Contestant> {
    let memory = |name: &'static str, work| Contestant::new(name, Peer::Package(name), "memory", work);
    let mut all = vec![
        memory("rtrb", Work::pair::<rings::Rtrb>()).batches(),
        memory("gil", Work::pair::<rings::Gil>()).batches(),
        memory("nexus-queue", Work::pair::<rings::Nexus>()),
        memory("crossbeam-channel", Work::pair::<queues::CrossbeamChannel>()),
        memory("crossbeam-queue", Work::pair::<queues::CrossbeamQueue>()),
        memory("kanal", Work::pair::<queues::Kanal>()),
        memory("flume", Work::pair::<queues::Flume>()),
        memory("thingbuf", Work::pair::<queues::Thingbuf>()),
        Contestant::new("std-mpsc", Peer::Std, "memory", Work::pair::<queues::StdMpsc>()),
        Contestant::new("iceoryx2", Peer::Package("iceoryx2"), "ipc", Work::processes::<iceoryx::PubSub>()),
        Contestant::new(
            "ipc-channel",
            Peer::Package("ipc-channel"),
            "ipc",
            Work::processes::<ipc_channel::IpcChannel>(),
        ),
        Contestant::new("unix-socket", Peer::Kernel, "unix", Work::processes::<stream::Unix>()).batches(),
        Contestant::new("pipe", Peer::Kernel, "pipe", Work::processes::<stream::Pipe>()).batches(),
    ];
    let many = [(Mode::Mpsc, 2, 1), (Mode::Spmc, 1, 2), (Mode::Mpmc, 2, 2)];
    for (mode, senders, receivers) in many {
        let mut add = |one: Contestant| {
            all.push(one.mode(mode, senders, receivers).only(Contests::Small));
        };
        add(memory("crossbeam-channel", Work::pair::<queues::CrossbeamChannel>()));
        add(memory("crossbeam-queue", Work::pair::<queues::CrossbeamQueue>()));
        add(memory("kanal", Work::pair::<queues::Kanal>()));
        add(memory("flume", Work::pair::<queues::Flume>()));
        add(memory("thingbuf", Work::pair::<queues::Thingbuf>()));
        if mode == Mode::Mpsc {
            add(Contestant::new("std-mpsc", Peer::Std, "memory", Work::pair::<queues::StdMpsc>()));
        }
    }
    let gil = |name, work, mode, senders, receivers| {
        let one = Contestant::new(name, Peer::Package("gil"), "memory", work);
        one.mode(mode, senders, receivers).only(Contests::Small)
    };
    all.extend([
        gil("gil", Work::pair::<rings::GilMpsc>(), Mode::Mpsc, 2, 1),
        gil("gil:sharded", Work::pair::<rings::GilMpscSharded>(), Mode::Mpsc, 2, 1),
        gil("gil", Work::pair::<rings::GilSpmc>(), Mode::Spmc, 1, 2),
        gil("gil:sharded", Work::pair::<rings::GilSpmcSharded>(), Mode::Spmc, 1, 2),
        gil("gil", Work::pair::<rings::GilMpmc>(), Mode::Mpmc, 2, 2),
        gil("gil:sharded", Work::pair::<rings::GilMpmcSharded>(), Mode::Mpmc, 2, 2),
        memory("nexus-queue", Work::pair::<rings::NexusMpsc>()).mode(Mode::Mpsc, 2, 1).only(Contests::Small),
        memory("nexus-queue", Work::pair::<rings::NexusSpmc>()).mode(Mode::Spmc, 1, 2).only(Contests::Small),
        Contestant::new("iceoryx2", Peer::Package("iceoryx2"), "ipc", Work::processes::<iceoryx::PubSub>())
            .mode(Mode::Broadcast, 1, 2)
            .only(Contests::Small),
    ]);
    all
}

/// A message that found no room and was handed back, for the next try: only then is another one made.
struct Kept<P>(Option<P>);

impl<P: Payload> Kept<P> {
    const fn new() -> Self {
        Self(None)
    }

    /// Sends message `number`; whether there was room.
    #[inline(always)]
    fn put(&mut self, number: u64, send: impl FnOnce(P) -> Result<(), P>) -> bool {
        let kept = if P::IS_KEPT { self.0.take() } else { None };
        match send(kept.unwrap_or_else(|| P::make(number))) {
            Ok(()) => true,
            Err(message) if P::IS_KEPT => {
                self.0 = Some(message);
                false
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Large;

    #[test]
    fn a_large_message_that_found_no_room_is_not_made_again() {
        let (mut kept, mut first) = (Kept::<Large>::new(), None);
        assert!(!kept.put(7, |message| {
            first = Some(message.words().as_ptr());
            Err(message)
        }));
        assert!(kept.put(7, |message| {
            assert_eq!((Some(message.words().as_ptr()), message.words()[0]), (first, 7));
            Ok(())
        }));
        assert!(kept.put(8, |message| {
            assert_eq!(message.words()[0], 8);
            Ok(())
        }));
    }
}
