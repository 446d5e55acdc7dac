//! A pool that follows a script, and a host that plays along.

use std::{
    io::{BufRead, BufReader, ErrorKind, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use adit_host::{
    job::{Job, Share},
    source::{
        Source, SourceCommand, SourceEvent, SourceEvents, Verdict,
        stratum::{StratumOptions, StratumSource, StratumTimeouts},
    },
};
use adit_plugin::Digest;
use adit_sha256d::Sha256d;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde_json::{Value, json};

/// No step of any script takes longer.
pub const LIMIT: Duration = Duration::from_secs(40);

/// Runs a whole test, at most 120 s: a busy machine takes ten times as long as a quiet one.
pub fn limited(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = bounded(1);
    let running = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(120)) {
        Err(crossbeam_channel::RecvTimeoutError::Timeout) => panic!("the test takes more than 120 s"),
        _ => running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

/// The pool's end.
pub struct Pool(TcpListener);

impl Pool {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next miner.
    pub fn accept(&self) -> Peer {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.0.accept() {
                Ok((stream, _)) => return Peer::new(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "nobody connects");
                    thread::sleep(Duration::from_millis(2));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next miner, shaken hands with: extranonce1 as given, extranonce2 of four bytes.
    pub fn welcome(&self, extranonce1: &str) -> Peer {
        let mut peer = self.accept();
        peer.welcome(extranonce1);
        peer
    }
}

/// One connection, seen from the pool.
pub struct Peer {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Peer {
    fn new(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// The next line; `None` when the miner hung up.
    pub fn read(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next request, which must be for `method`.
    pub fn expect(&mut self, method: &str) -> Value {
        let request = self.read().expect("the miner hung up");
        assert_eq!(request["method"], method, "{request}");
        request
    }

    /// Waits until the miner hangs up.
    pub fn expect_end(&mut self) {
        while self.read().is_some() {}
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub fn say(&mut self, value: &Value) {
        self.raw(format!("{value}\n").as_bytes());
    }

    pub fn call(&mut self, method: &str, params: &Value) {
        self.say(&json!({ "id": null, "method": method, "params": params }));
    }

    pub fn answer(&mut self, request: &Value, result: &Value) {
        self.say(&json!({ "id": request["id"], "result": result, "error": null }));
    }

    pub fn welcome(&mut self, extranonce1: &str) {
        let mut request = self.read().expect("the miner hung up");
        if request["method"] == "mining.configure" {
            self.answer(&request, &json!({ "version-rolling": false }));
            request = self.expect("mining.subscribe");
        }
        self.answer(&request, &json!([[["mining.notify", "ae6812"]], extranonce1, 4]));
        let authorize = self.expect("mining.authorize");
        self.answer(&authorize, &json!(true));
    }
}

/// A small job.
pub fn notify(id: &str, clean: bool) -> Value {
    json!([id, "00".repeat(32), "01", "02", [], "20000000", "1d00ffff", "504e86b9", clean])
}

/// The host's end: a running source.
pub struct Host {
    events: Receiver<SourceEvent>,
    commands: Sender<SourceCommand>,
    thread: JoinHandle<()>,
    shares: u64,
}

/// Waits that suit tests.
pub fn timeouts() -> StratumTimeouts {
    StratumTimeouts {
        backoff_first: Duration::from_millis(20),
        backoff_most: Duration::from_millis(100),
        ..StratumTimeouts::default()
    }
}

pub fn options(port: u16) -> StratumOptions {
    let url = format!("stratum+tcp://127.0.0.1:{port}");
    let options = StratumOptions::new(url, "slush.miner1", "password", Arc::new(Sha256d));
    StratumOptions { timeouts: timeouts(), ..options }
}

impl Host {
    pub fn start(pool: &Pool) -> Self {
        Self::with(options(pool.port()))
    }

    pub fn with(options: StratumOptions) -> Self {
        let source = Box::new(StratumSource::new(options).unwrap());
        let (sink, events) = unbounded();
        let (commands, receiver) = bounded(64);
        let thread = thread::spawn(move || {
            source.run(SourceEvents::new(move |event| drop(sink.send(event))), receiver);
        });
        Self { events, commands, thread, shares: 0 }
    }

    /// The first event from now on that `pick` takes; the others are dropped.
    pub fn wait<T>(&self, what: &str, pick: impl Fn(SourceEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            let event = self.events.recv_deadline(deadline).unwrap_or_else(|_| panic!("no {what}"));
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    }

    pub fn job(&self) -> Job {
        self.wait("job", |event| match event {
            SourceEvent::Job(job) => Some(job),
            _ => None,
        })
    }

    pub fn verdict(&self) -> Verdict {
        self.wait("verdict", |event| match event {
            SourceEvent::Verdict(verdict) => Some(verdict),
            _ => None,
        })
    }

    pub fn disconnected(&self) -> String {
        self.wait("disconnection", |event| match event {
            SourceEvent::Disconnected { reason, .. } => Some(reason),
            _ => None,
        })
    }

    pub fn notice(&self) -> String {
        self.wait("notice", |event| match event {
            SourceEvent::Notice(text) => Some(text),
            _ => None,
        })
    }

    pub fn ended(&self) -> Result<(), String> {
        self.wait("end", |event| match event {
            SourceEvent::Ended(result) => Some(result),
            _ => None,
        })
    }

    pub fn no_job(&self) {
        self.wait("NoJob", |event| matches!(event, SourceEvent::NoJob).then_some(()));
    }

    /// Submits a share; gives its number.
    pub fn submit(&mut self, job: &Job, roll: u64, nonce: u64, digest: Digest) -> u64 {
        self.shares += 1;
        let share = Share { id: self.shares, job: job.key, roll, nonce, digest };
        self.commands.send(SourceCommand::Submit(share)).unwrap();
        self.shares
    }

    /// Stops the source, which must be quick and end well.
    pub fn stop(self) {
        self.stop_and_see();
    }

    /// Stops likewise; gives the events that were not looked at, without the end.
    pub fn stop_and_see(self) -> Vec<SourceEvent> {
        let asked = Instant::now();
        self.commands.send(SourceCommand::Stop).unwrap();
        self.thread.join().unwrap();
        assert!(asked.elapsed() < Duration::from_secs(1), "stopping took {:?}", asked.elapsed());
        let mut seen: Vec<_> = self.events.try_iter().collect();
        assert!(matches!(seen.pop(), Some(SourceEvent::Ended(Ok(())))));
        seen
    }
}
