//! How long an end of a lane sleeps, and on what besides the other's cursor.
//!
//! Whoever publishes changes the word that a sleeper sleeps on, so no wake is lost. A death and a closing change
//! no cursor: a short sleep may miss one that comes between the last look and the sleep, and looks again when it is over. A
//! long sleep is on the two words that say them as well, which the kernel compares before it puts anybody to sleep.
//! The first sleep of a wait is short, and takes one word, which is the fastest; those after it are long.
//! spec: CHN-5.1

use std::time::Duration;

use adit_ring::park::{Park as _, SleepOn};

use super::end::End;
use crate::futex::Futex;

/// The longest sleep of an end that may miss something, which is told by its next look.
pub(crate) const SHORT_SLEEP: Duration = Duration::from_millis(if cfg!(test) { 20_000 } else { 50 });

/// The longest sleep in one piece on sockets. They tell all that can happen, too; but who is at the other end of them may be
/// anybody.
pub(crate) const SOCKET_SLEEP: Duration = Duration::from_secs(if cfg!(test) { 20 } else { 10 });

/// The longest sleep in one piece of an end that sleeps on all that can happen: a second line of defence.
pub(crate) const LONG_SLEEP: Duration = Duration::from_secs(60);

impl End {
    /// Sleeps on the other's cursor, at most `time`; may return early.
    pub fn sleep(&self, futex: &Futex, on: SleepOn<'_>, time: Duration) {
        if time <= SHORT_SLEEP {
            return futex.wait(on.word, on.expected, time);
        }
        let [dead, closed] = self.farewells();
        futex.wait_any_or_first(&[on, dead, closed], time, SHORT_SLEEP);
    }

    /// What changes when the peer dies or closes, as it is while the peer is there.
    pub fn farewells(&self) -> [SleepOn<'_>; 2] {
        [self.dead_word(), self.closed_word()].map(|word| SleepOn { word, expected: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        hint::spin_loop,
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use adit_memory::Options;

    use crate::{
        futex::Futex,
        lane::{MessageKind, Mode, ReaderLane, Spec, WriterLane, in_process},
    };

    /// Longer than a short sleep, and than a test may take.
    const LONG: Duration = Duration::from_secs(600);

    /// How often news comes, at some time around falling asleep, which takes some microseconds.
    const TURNS: u32 = 1000;

    fn ends() -> (WriterLane, ReaderLane) {
        let spec = Spec { mode: Mode::Spsc, capacity: 64, kind: MessageKind::fixed("word", 8, 8) };
        in_process(&spec, &Options::default()).unwrap()
    }

    /// Waits until the other is about to sleep, and then for some time, another in each turn.
    fn until(about_to_sleep: &AtomicBool, turn: u32) {
        while !about_to_sleep.load(Ordering::Acquire) {
            spin_loop();
        }
        (0..turn % 500).for_each(|_| spin_loop());
    }

    /// Were one lost, its sleeper would sleep for ten minutes.
    fn none_is_lost(turn: impl Fn(u32)) {
        let begin = Instant::now();
        (0..TURNS).for_each(turn);
        assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
    }

    #[test]
    fn a_reader_that_sleeps_long_hears_of_its_writers_death() {
        none_is_lost(|turn| {
            let (_writer, reader) = ends();
            let link = reader.link();
            let about_to_sleep = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut reader = reader;
                    about_to_sleep.store(true, Ordering::Release);
                    while reader.gone().is_none() {
                        reader.park(&Futex::new(), LONG);
                    }
                });
                until(&about_to_sleep, turn);
                link.mark_dead();
            });
        });
    }

    #[test]
    fn a_reader_that_sleeps_long_hears_that_its_writer_closes() {
        none_is_lost(|turn| {
            let (writer, reader) = ends();
            let about_to_sleep = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut reader = reader;
                    about_to_sleep.store(true, Ordering::Release);
                    while reader.gone().is_none() {
                        reader.park(&Futex::new(), LONG);
                    }
                });
                until(&about_to_sleep, turn);
                drop(writer);
            });
        });
    }

    #[test]
    fn a_writer_that_sleeps_long_hears_that_its_reader_closes_or_dies() {
        none_is_lost(|turn| {
            let (mut writer, reader) = ends();
            let link = writer.link();
            while writer.push(&[0; 8]).is_ok() {}
            let about_to_sleep = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut writer = writer;
                    about_to_sleep.store(true, Ordering::Release);
                    while writer.gone().is_none() {
                        writer.park(8, LONG);
                    }
                });
                until(&about_to_sleep, turn);
                if turn.is_multiple_of(2) { drop(reader) } else { link.mark_dead() }
            });
        });
    }

    #[test]
    fn who_sleeps_long_is_woken_by_messages_and_by_room() {
        none_is_lost(|turn| {
            let (mut writer, mut reader) = ends();
            while writer.push(&[0; 8]).is_ok() {}
            let about_to_sleep = AtomicBool::new(false);
            thread::scope(|scope| {
                let writing = scope.spawn(|| {
                    let mut writer = writer;
                    about_to_sleep.store(true, Ordering::Release);
                    while writer.push(&[1; 8]).is_err() {
                        writer.park(8, LONG);
                    }
                    writer
                });
                until(&about_to_sleep, turn);
                // The ring has room for eight.
                for _ in 0..9 {
                    while reader.read().unwrap().is_none() {
                        reader.park(&Futex::new(), LONG);
                    }
                }
                drop(writing.join().unwrap());
            });
        });
    }
}
