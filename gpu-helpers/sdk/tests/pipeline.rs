//! What runs around a device: which generation its kernels work for, and what becomes of a launch whose job died.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use adit_channel::session::{
    Backing, Board, ControlState, DeviceMessage, DeviceSession, Ended, Hello, HostSession, LiveGeneration,
    PeerRegions, Sizes, Unit, UnitDone, UnitStatus,
};
use adit_helper::kernels::{
    Api, Batch, Bundle, Failure, Found, JOB_WORDS, Kernels, Launcher, Options, serve,
};
use serde_json::json;

const LONG: Duration = Duration::from_secs(20);

/// Tells what it is asked to do, and ends launches when it is told.
struct Device {
    told: Sender<Asked>,
    ends: Receiver<()>,
    generation: u64,
    start: u64,
    live: Option<LiveGeneration>,
}

#[derive(Debug, PartialEq)]
enum Asked {
    Job { generation: u64 },
    Search { generation: u64, live: u64, start: u64, count: u32 },
    Collected { wanted: bool },
}

impl Launcher for Device {
    fn api(&self) -> Api {
        Api::Cuda
    }

    fn identity(&self) -> String {
        format!("a test {}", std::process::id())
    }

    fn lanes(&self) -> usize {
        1
    }

    fn load(&mut self, _: &Kernels) -> Result<(), Failure> {
        Ok(())
    }

    fn set_job(&mut self, _: &[u32; JOB_WORDS], generation: u64) -> Result<(), Failure> {
        self.generation = generation;
        self.told.send(Asked::Job { generation }).unwrap();
        Ok(())
    }

    fn most_nonces(&self) -> u32 {
        1000
    }

    fn watch(&mut self, live: LiveGeneration) -> Result<(), Failure> {
        self.live = Some(live);
        Ok(())
    }

    fn submit(&mut self, _: usize, start: u64, count: u32) -> Result<(), Failure> {
        self.start = start;
        let live = self.live.as_ref().map_or(0, LiveGeneration::load);
        self.told.send(Asked::Search { generation: self.generation, live, start, count }).unwrap();
        Ok(())
    }

    fn is_done(&mut self, _: usize) -> Result<bool, Failure> {
        Ok(true)
    }

    fn collect(&mut self, _: usize, wanted: &dyn Fn() -> bool) -> Result<Batch, Failure> {
        self.ends.recv_timeout(LONG).unwrap();
        self.told.send(Asked::Collected { wanted: wanted() }).unwrap();
        Ok(Batch::Hits(vec![Found { nonce: self.start, digest: [0; 32] }]))
    }

    fn copied_back(&self) -> u64 {
        0
    }
}

fn kernels() -> Vec<Kernels> {
    let header = "00".repeat(16);
    let test = json!({ "header": header, "target": "f".repeat(64), "start": "0", "count": "1", "hits": [] });
    let one = json!({
        "name": "test", "id": 7, "header_len": 16, "nonce_offset": 8, "nonce_width": 8, "constants": 1, "group": 64,
        "sources": { "cuda": "none" }, "self_test": [test],
    });
    let bundle = json!({ "adit_kernels": 1, "algorithms": [one] }).to_string();
    Bundle::parse(bundle.as_bytes()).unwrap().algorithms
}

fn publish(host: &mut HostSession, generation: u64) -> u32 {
    let (header, target) = (&[0; 16], [255; 32]);
    host.publish(&Board { generation, algorithm: 7, header, nonce_offset: 8, nonce_width: 8, target })
        .unwrap()
}

/// The next unit that ends, and the solutions before.
fn done(host: &mut HostSession) -> (UnitDone, Vec<u64>) {
    let (limit, mut nonces) = (Instant::now() + LONG, Vec::new());
    loop {
        match host.poll().unwrap() {
            Some(DeviceMessage::Done(done)) => return (done, nonces),
            Some(DeviceMessage::Solution { nonce, .. }) => nonces.push(nonce),
            Some(_) => {}
            None => {
                assert!(Instant::now() < limit, "no unit ends");
                host.wait(Duration::from_millis(20));
            }
        }
    }
}

#[test]
fn kernels_get_their_own_jobs_generation_and_a_dead_jobs_hits_are_not_wanted() {
    let (mut host, peer) = HostSession::new(1, Sizes::default(), &Backing::Heap).unwrap();
    let PeerRegions::Mapped { host_region, device_region } = peer else { unreachable!() };
    let ((told, asked), (end, ends)) = (channel(), channel());
    let helper = thread::spawn(move || {
        let mut session = DeviceSession::attach(host_region, device_region).unwrap();
        session.hello(&Hello { name: "test", device: "none", language: "Rust", preferred_unit: 0 });
        let mut device = Device { told, ends, generation: 0, start: 0, live: None };
        serve(&mut session, &mut device, &kernels(), Options::default())
    });
    let next = || asked.recv_timeout(LONG).unwrap();
    // Two jobs live; when the older one dies, the launch for the younger must go on.
    host.raise_generation(5);
    let board_slot = publish(&mut host, 7);
    let unit = Unit { board_slot, generation: 7, unit_id: 1, nonce_start: 100, nonce_count: 50 };
    host.send(&unit).unwrap();
    assert_eq!(next(), Asked::Job { generation: 7 });
    assert_eq!(next(), Asked::Search { generation: 7, live: 5, start: 100, count: 50 });
    host.raise_generation(7);
    end.send(()).unwrap();
    assert_eq!(next(), Asked::Collected { wanted: true });
    let (ended, nonces) = done(&mut host);
    assert_eq!((ended.status, ended.hashes, &nonces[..]), (UnitStatus::Complete, 50, &[100][..]));
    // A job that dies while its launch runs.
    host.send(&Unit { unit_id: 2, nonce_start: 200, ..unit }).unwrap();
    assert_eq!(next(), Asked::Search { generation: 7, live: 7, start: 200, count: 50 });
    host.raise_generation(8);
    end.send(()).unwrap();
    assert_eq!(next(), Asked::Collected { wanted: false });
    let (ended, nonces) = done(&mut host);
    assert_eq!((ended.unit_id, ended.status, nonces.len()), (2, UnitStatus::Stale, 0));
    host.set_control(ControlState::Stop);
    assert_eq!(helper.join().unwrap().unwrap(), Ended::Stopped);
}

/// Runs what it is given before it comes back, as a driver for a CPU may: so long for each nonce.
struct Immediate(Sender<u32>);

const NONCE: Duration = Duration::from_micros(20);

impl Launcher for Immediate {
    fn api(&self) -> Api {
        Api::Cuda
    }

    fn identity(&self) -> String {
        format!("another test {}", std::process::id())
    }

    fn lanes(&self) -> usize {
        2
    }

    fn load(&mut self, _: &Kernels) -> Result<(), Failure> {
        Ok(())
    }

    fn set_job(&mut self, _: &[u32; JOB_WORDS], _: u64) -> Result<(), Failure> {
        Ok(())
    }

    fn most_nonces(&self) -> u32 {
        u32::MAX
    }

    fn submit(&mut self, _: usize, _: u64, count: u32) -> Result<(), Failure> {
        thread::sleep(NONCE * count);
        self.0.send(count).unwrap();
        Ok(())
    }

    fn is_done(&mut self, _: usize) -> Result<bool, Failure> {
        Ok(true)
    }

    fn collect(&mut self, _: usize, _: &dyn Fn() -> bool) -> Result<Batch, Failure> {
        Ok(Batch::Hits(Vec::new()))
    }

    fn copied_back(&self) -> u64 {
        0
    }
}

#[test]
fn launches_do_not_grow_where_the_driver_runs_them_before_it_comes_back() {
    let (mut host, peer) = HostSession::new(1, Sizes::default(), &Backing::Heap).unwrap();
    let PeerRegions::Mapped { host_region, device_region } = peer else { unreachable!() };
    let (told, launches) = channel();
    let options = Options { launch: NONCE * 100, first_groups: 1, ..Options::default() };
    let helper = thread::spawn(move || {
        let mut session = DeviceSession::attach(host_region, device_region).unwrap();
        session.hello(&Hello { name: "test", device: "none", language: "Rust", preferred_unit: 0 });
        serve(&mut session, &mut Immediate(told), &kernels(), options)
    });
    // Each unit is a launch with nothing behind it, until they are larger than launches should be.
    for (unit_id, nonce_count) in [(1, 64), (2, 256), (3, 1024), (4, 2000)] {
        let board_slot = publish(&mut host, unit_id);
        host.send(&Unit { board_slot, generation: unit_id, unit_id, nonce_start: 0, nonce_count }).unwrap();
        let (ended, _) = done(&mut host);
        assert_eq!((ended.status, ended.hashes), (UnitStatus::Complete, nonce_count));
    }
    host.set_control(ControlState::Stop);
    assert_eq!(helper.join().unwrap().unwrap(), Ended::Stopped);
    let launches: Vec<u32> = launches.iter().collect();
    assert_eq!(launches.iter().sum::<u32>(), 64 + 256 + 1024 + 2000);
    // A sleep may be longer than it should, never shorter.
    assert!(launches.iter().all(|&nonces| nonces <= 100), "{launches:?}");
}
