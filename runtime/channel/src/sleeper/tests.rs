//! Wakers on words and sockets.

use std::{os::unix::net::UnixStream, sync::atomic::AtomicUsize, task::Wake};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn wait_for(&self, least: usize) {
        let begin = Instant::now();
        while self.0.load(Ordering::SeqCst) < least {
            assert!(begin.elapsed() < Duration::from_secs(20), "a wake was lost");
            std::thread::yield_now();
        }
    }
}

fn left(word: &Arc<AtomicU64>, expected: u32) -> Watchword {
    Watchword::new(SleepOn { word, expected }, Arc::clone(word) as Arc<dyn Send + Sync>)
}

/// Polls its future where it is woken, as the simplest executors do.
struct Inline {
    parked: Mutex<Option<Parked>>,
    polled: AtomicUsize,
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let parked = lock(&self.parked);
        let _ = parked.as_ref().is_some_and(|parked| parked.waits(Waker::noop()));
        drop(parked);
        self.polled.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_may_ask_what_it_is_woken_from() {
    let inline = Arc::new(Inline { parked: Mutex::new(None), polled: AtomicUsize::new(0) });
    let word = Arc::new(AtomicU64::new(1));
    let parked = Parked::new(vec![left(&word, 1)].into(), &Waker::from(Arc::clone(&inline)));
    *lock(&inline.parked) = Some(parked);
    word.store(2, Ordering::SeqCst);
    wake(&word);
    let begin = Instant::now();
    while inline.polled.load(Ordering::SeqCst) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "it waits for itself");
        std::thread::yield_now();
    }
}

#[test]
fn a_word_that_changed_before_or_changes_later_wakes_once() {
    let (count, word) = (Arc::new(Count::default()), Arc::new(AtomicU64::new(1)));
    let waker = Waker::from(Arc::clone(&count));
    let parked = Parked::new(vec![left(&word, 0)].into(), &waker);
    count.wait_for(1);
    assert!(!parked.waits(&waker));
    let parked = Parked::new(vec![left(&word, 1)].into(), &waker);
    std::thread::sleep(Duration::from_millis(30));
    assert!(parked.waits(&waker) && count.0.load(Ordering::SeqCst) == 1);
    word.store(2, Ordering::SeqCst);
    Futex::new().wake(&word);
    count.wait_for(2);
    assert!(!parked.waits(&waker));
}

#[test]
fn news_that_changes_no_word_wakes_who_waits_for_it_and_nobody_else() {
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    let words = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let parked: Vec<_> = (0..2)
        .map(|at| Parked::new(vec![left(&words[at], 0)].into(), &Waker::from(Arc::clone(&counts[at]))))
        .collect();
    wake(&words[1]);
    counts[1].wait_for(1);
    assert!(parked[0].waits(&Waker::from(Arc::clone(&counts[0]))));
    assert_eq!(counts[0].0.load(Ordering::SeqCst), 0);
    drop(parked);
    // Who left is not called any more.
    words[0].store(1, Ordering::SeqCst);
    Futex::new().wake(&words[0]);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(counts[0].0.load(Ordering::SeqCst), 0);
}

#[test]
fn what_nobody_announces_is_looked_for_now_and_then() {
    let (count, word) = (Arc::new(Count::default()), Arc::new(AtomicU64::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    for round in 1..4 {
        let _parked = Parked::new(Watch { within: Some(BACKSTOP), ..vec![left(&word, 0)].into() }, &waker);
        count.wait_for(round);
    }
}

#[test]
fn who_waits_for_a_socket_is_called_when_it_is_readable_and_not_before() {
    let (near, far) = UnixStream::pair().unwrap();
    let socket = Arc::new(OwnedFd::from(near));
    let watch = || Watch { sockets: vec![Arc::clone(&socket)], ..Watch::default() };
    for round in 1..4 {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        // Who leaves it may leave it again at once.
        drop(Parked::new(watch(), &waker));
        let parked = Parked::new(watch(), &waker);
        std::thread::sleep(Duration::from_millis(30));
        assert!(parked.waits(&waker) && count.0.load(Ordering::SeqCst) == 0);
        if round < 3 {
            rustix::io::write(&far, &[1]).unwrap();
            count.wait_for(1);
            rustix::io::read(&*socket, &mut [0; 8]).unwrap();
        } else {
            far.shutdown(std::net::Shutdown::Both).unwrap();
            count.wait_for(1);
        }
        assert!(!parked.waits(&waker));
    }
    // Nobody keeps it open.
    assert_eq!(Arc::strong_count(&socket), 1);
}

#[test]
fn who_waits_no_longer_than_a_time_is_called_then() {
    let (near, _far) = UnixStream::pair().unwrap();
    let socket = Arc::new(OwnedFd::from(near));
    let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
    let parked: Vec<_> = [Duration::MAX, Duration::from_secs(600), Duration::from_millis(20)]
        .into_iter()
        .zip(&counts)
        .map(|(within, count)| {
            let watch = Watch { within: Some(within), ..Watch::default() };
            Parked::new(watch, &Waker::from(Arc::clone(count)))
        })
        .collect();
    counts[2].wait_for(1);
    assert!(parked[1].waits(&Waker::from(Arc::clone(&counts[1]))));
    drop((parked, socket));
}

#[test]
fn more_words_than_a_thread_sleeps_on_are_all_heard() {
    let words: Vec<_> = (0..5 * MAX_WORDS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    for round in 0..3_u32 {
        let counts: Vec<_> = words.iter().map(|_| Arc::new(Count::default())).collect();
        let parked: Vec<_> = words
            .iter()
            .zip(&counts)
            .map(|(word, count)| Parked::new(vec![left(word, round)].into(), &Waker::from(Arc::clone(count))))
            .collect();
        for (word, count) in words.iter().zip(&counts).rev() {
            word.fetch_add(1, Ordering::SeqCst);
            Futex::new().wake(word);
            count.wait_for(1);
        }
        drop(parked);
    }
    let threads = lock(&SLEEPERS).len();
    assert!((6..20).contains(&threads), "{threads} threads for {} words", words.len());
}
