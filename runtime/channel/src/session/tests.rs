//! Both ends of a session, and ends that lie.

use std::{mem::offset_of, sync::Arc, time::Duration};

use adit_memory::{Access, Options, Region};
use proptest::prelude::*;

use super::*;

fn session(backing: &Backing) -> (HostSession, DeviceSession) {
    let (host, peer) = HostSession::new(7, Sizes::default(), backing).unwrap();
    let device = match peer {
        PeerRegions::Mapped { host_region, device_region } => {
            DeviceSession::attach(host_region, device_region)
        }
        PeerRegions::Segments { host_region, device_region } => {
            let map = |segment: adit_memory::Segment, access| {
                Arc::new(adit_memory::attach(segment.into_fd(), access, 1 << 26).unwrap())
            };
            DeviceSession::attach(map(host_region, Access::ReadOnly), map(device_region, Access::ReadWrite))
        }
    };
    (host, device.unwrap())
}

fn backings() -> [Backing; 2] {
    [Backing::Heap, Backing::Memfd("test".into(), Options::default())]
}

const HELLO: Hello<'_> =
    Hello { name: "test helper", device: "no device", language: "Rust", preferred_unit: 99 };

fn board(generation: u64, header: &[u8]) -> Board<'_> {
    Board { generation, algorithm: 5, header, nonce_offset: 76, nonce_width: 4, target: [0xab; 32] }
}

fn unit(board_slot: u32, generation: u64) -> Unit {
    Unit { board_slot, generation, unit_id: 11, nonce_start: 3, nonce_count: 5 }
}

/// spec: SES-1.1, SES-1.3, SES-4.1, SES-5.1, SES-6.1
#[test]
fn a_unit_goes_out_and_its_answers_come_back() {
    for backing in backings() {
        let (mut host, mut device) = session(&backing);
        device.hello(&HELLO);
        assert_eq!(host.poll(), Ok(Some(DeviceMessage::Hello)));
        let hello = host.hello().unwrap();
        assert_eq!((hello.name.as_str(), hello.device.as_str()), ("test helper", "no device"));
        assert_eq!((hello.language.as_str(), hello.preferred_unit), ("Rust", 99));
        assert_eq!(hello.pid, std::process::id());

        let header: Vec<u8> = (0..80).collect();
        let slot = host.publish(&board(4, &header)).unwrap();
        host.send(&unit(slot, 4)).unwrap();
        let got = device.next_unit(Duration::ZERO).unwrap().unwrap();
        assert_eq!(got, unit(slot, 4));
        let mut job = JobCopy::default();
        device.read_job(&got, &mut job).unwrap();
        assert_eq!((job.header(), job.target, job.algorithm), (&header[..], [0xab; 32], 5));
        assert_eq!((job.nonce_offset, job.nonce_width, job.generation), (76, 4, 4));

        let done = UnitDone { unit_id: 11, status: UnitStatus::Complete, hashes: 5, nanoseconds: 6 };
        assert!(device.solution(11, 4, [9; 32]) && device.done(done));
        device.count(5);
        device.set_generation(4);
        device.set_sensors(Some(-5), Some(70_000));
        let solution = DeviceMessage::Solution { unit_id: 11, nonce: 4, digest: [9; 32] };
        assert_eq!(host.poll(), Ok(Some(solution)));
        assert_eq!(host.poll(), Ok(Some(DeviceMessage::Done(done))));
        assert_eq!(host.poll(), Ok(None));
        let status = host.status();
        assert_eq!((status.hashes, status.units, status.generation), (5, 1, 4));
        assert_eq!((status.temperature_mc, status.power_mw), (Some(-5), Some(70_000)));
        assert!(status.heartbeat > 0);
    }
}

#[test]
fn text_arrives_in_pieces_and_is_safe_to_print() {
    let (mut host, mut device) = session(&Backing::Heap);
    let text = format!("\u{1b}[31m{}é", "x".repeat(100));
    device.log(LogLevel::Warn, &text);
    device.error(2, 3, "out of memory");
    let (mut bytes, mut shown) = (Vec::new(), String::new());
    loop {
        let Some(DeviceMessage::Log { level: LogLevel::Warn, more, text }) = host.poll().unwrap() else {
            panic!()
        };
        bytes.extend_from_slice(text.as_bytes());
        shown.push_str(&text.to_string());
        if !more {
            break;
        }
    }
    assert_eq!(bytes, text.as_bytes());
    assert!(!shown.contains('\u{1b}'));
    let Some(DeviceMessage::Error { code: 2, unit_id: 3, text }) = host.poll().unwrap() else { panic!() };
    assert_eq!(text.to_string(), "out of memory");
    assert_eq!(host.status().errors, 1);
}

/// spec: SES-2.1, SES-2.2
#[test]
fn control_and_generation_are_seen_at_once() {
    let (mut host, mut device) = session(&Backing::Heap);
    let header = [0; 80];
    let slot = host.publish(&board(4, &header)).unwrap();
    host.send(&unit(slot, 4)).unwrap();
    host.raise_generation(5);
    host.raise_generation(3);
    assert_eq!(device.live_generation(), 5);
    let got = device.next_unit(Duration::ZERO).unwrap().unwrap();
    assert_eq!(device.read_job(&got, &mut JobCopy::default()), Err(UnitStatus::Stale));
    for state in [ControlState::Pause, ControlState::Stop, ControlState::Run] {
        host.set_control(state);
        assert_eq!(device.control(), state);
    }
    // What wakes a sleeping device is no unit.
    assert_eq!(device.next_unit(Duration::ZERO), Ok(None));
}

/// spec: SES-4.1, SES-5.4
#[test]
fn units_that_contradict_their_board_are_named() {
    let (mut host, device) = session(&Backing::Heap);
    let header = [0; 80];
    let slot = host.publish(&board(4, &header)).unwrap();
    let read = |unit: Unit| device.read_job(&unit, &mut JobCopy::default());
    assert_eq!(read(unit(slot, 4)), Ok(()));
    assert_eq!(read(unit(slot, 6)), Err(UnitStatus::Stale));
    assert_eq!(read(unit(99, 4)), Err(UnitStatus::Invalid));
    assert_eq!(read(Unit { nonce_count: 0, ..unit(slot, 4) }), Err(UnitStatus::Invalid));
    assert_eq!(
        read(Unit { nonce_start: u64::MAX, nonce_count: 2, ..unit(slot, 4) }),
        Err(UnitStatus::Invalid)
    );
    assert_eq!(read(Unit { nonce_start: 1 << 32, ..unit(slot, 4) }), Err(UnitStatus::Invalid));
    let edge = Unit { nonce_start: u64::from(u32::MAX), nonce_count: 1, ..unit(slot, 4) };
    assert_eq!(read(edge), Ok(()));
}

#[test]
fn headers_that_no_device_could_read_are_refused() {
    let (mut host, _device) = session(&Backing::Heap);
    for (length, nonce_offset, nonce_width) in [(0, 0, 4), (513, 0, 4), (80, 77, 4), (80, 0, 5)] {
        let header = vec![0; length];
        let board = Board { header: &header, nonce_offset, nonce_width, ..board(1, &[]) };
        assert!(matches!(host.publish(&board), Err(SessionError::Board(_))), "{length} {nonce_offset}");
    }
    for sizes in [
        Sizes { board_slots: 3, ..Sizes::default() },
        Sizes { work_slots: 1, ..Sizes::default() },
        Sizes { solution_slots: 1 << 20, ..Sizes::default() },
        Sizes { heartbeat_ms: 0, ..Sizes::default() },
    ] {
        assert!(matches!(HostSession::new(1, sizes, &Backing::Heap), Err(SessionError::Sizes(_))));
    }
}

fn heap(len: usize, words: &[(usize, u64)]) -> Arc<Region> {
    let region = Arc::new(Region::heap(len).unwrap());
    let view = view::View::new(Arc::clone(&region));
    for (offset, value) in words {
        view.word(*offset).store(*value, std::sync::atomic::Ordering::Relaxed);
    }
    region
}

/// spec: SES-1.2
#[test]
fn a_device_refuses_what_it_does_not_understand_and_says_so() {
    let own = heap(32_768, &[]);
    assert!(matches!(
        DeviceSession::attach(heap(32_768, &[]), Arc::clone(&own)),
        Err(AttachError::NotASession { magic: 0 })
    ));
    let newer = heap(32_768, &[(0, adit_abi::HOST_MAGIC), (8, 2)]);
    assert!(matches!(DeviceSession::attach(newer, Arc::clone(&own)), Err(AttachError::Version { host: 2 })));
    let view = view::View::new(own);
    assert_eq!(view.load(0), adit_abi::DEVICE_MAGIC);
    let state = view.half(offset_of!(adit_abi::DeviceHeader, state));
    assert_eq!(state.load(std::sync::atomic::Ordering::Relaxed), adit_abi::DEVICE_VERSION_MISMATCH);
}

/// spec: SES-3.3, SES-3.4
#[test]
fn both_ends_sleep_and_are_woken() {
    let (mut host, mut device) = session(&Backing::Heap);
    const ROUNDS: u64 = 300;
    let thread = std::thread::spawn(move || {
        device.hello(&HELLO);
        for _ in 0..ROUNDS {
            let unit = loop {
                if let Some(unit) = device.next_unit(Duration::from_secs(5)).unwrap() {
                    break unit;
                }
            };
            let status = UnitStatus::Complete;
            device.done(UnitDone { unit_id: unit.unit_id, status, hashes: 5, nanoseconds: 0 });
        }
    });
    let next = |host: &mut HostSession| loop {
        if let Some(message) = host.poll().unwrap() {
            return message;
        }
        host.wait(Duration::from_secs(5));
    };
    assert_eq!(next(&mut host), DeviceMessage::Hello);
    for unit_id in 0..ROUNDS {
        host.send(&Unit { unit_id, ..unit(0, 1) }).unwrap();
        assert!(matches!(next(&mut host), DeviceMessage::Done(done) if done.unit_id == unit_id));
    }
    thread.join().unwrap();
}

proptest! {
    /// Rule 4: a device that writes anything anywhere is an error at most.
    #[test]
    fn a_hostile_device_is_an_error_at_most(
        writes in prop::collection::vec((0..2112usize, any::<u64>()), 1..200),
        small in any::<bool>(),
    ) {
        let (mut host, peer) = HostSession::new(7, Sizes::default(), &Backing::Heap).unwrap();
        let PeerRegions::Mapped { device_region, .. } = peer else { unreachable!() };
        let view = view::View::new(device_region);
        for (word, value) in writes {
            // Small numbers reach further into the checks than random ones.
            let value = if small { value % 9 } else { value };
            view.word(word * 8).store(value, std::sync::atomic::Ordering::Relaxed);
            let _ = (host.hello(), host.status(), host.check_peer(), host.send(&unit(0, 1)));
            for _ in 0..300 {
                match host.poll() {
                    Ok(Some(message)) => drop(format!("{message:?}")),
                    Ok(None) | Err(_) => break,
                }
            }
            host.wait(Duration::ZERO);
        }
    }

    /// The other way round: whatever stands in the host region, a device attaches safely or not at all.
    #[test]
    fn a_hostile_host_is_an_error_at_most(
        writes in prop::collection::vec((1..1472usize, any::<u64>()), 0..60),
        small in any::<bool>(),
    ) {
        let (host, peer) = HostSession::new(7, Sizes::default(), &Backing::Heap).unwrap();
        let PeerRegions::Mapped { host_region, device_region } = peer else { unreachable!() };
        let view = view::View::new(Arc::clone(&host_region));
        for (word, value) in writes {
            let value = if small { value % 1025 } else { value };
            view.word(word * 8).store(value, std::sync::atomic::Ordering::Relaxed);
        }
        if let Ok(mut device) = DeviceSession::attach(host_region, device_region) {
            for _ in 0..20 {
                if let Ok(Some(unit)) = device.next_unit(Duration::ZERO) {
                    let mut job = JobCopy::default();
                    if device.read_job(&unit, &mut job).is_ok() {
                        prop_assert!(job.nonce_offset + job.nonce_width <= job.header().len());
                    }
                }
            }
        }
        drop(host);
    }
}

/// Hashes groups of 24, and hears in its third sub-batch that the job is dead.
struct Groups {
    host: HostSession,
    searched: Vec<u64>,
}

impl Search for Groups {
    fn set_job(&mut self, _: &JobCopy) -> Result<(), UnitStatus> {
        Ok(())
    }

    fn search(&mut self, _: u64, _: u64, _: &mut dyn FnMut(u64, [u8; 32])) -> Result<(), UnitStatus> {
        Err(UnitStatus::Failed)
    }

    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        _: &mut dyn FnMut(u64, [u8; 32]),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, UnitStatus> {
        assert!(go_on());
        if self.searched.len() == 2 {
            self.host.raise_generation(5);
            assert!(!go_on());
            self.host.set_control(ControlState::Stop);
            return Ok(false);
        }
        self.searched.push(last - start + 1);
        Ok(true)
    }

    fn group(&self) -> u64 {
        24
    }
}

#[test]
fn sub_batches_are_whole_groups_and_may_be_given_up() {
    let (mut host, mut device) = session(&Backing::Heap);
    device.hello(&HELLO);
    let slot = host.publish(&board(4, &[0; 80])).unwrap();
    host.send(&Unit { nonce_count: 1 << 20, ..unit(slot, 4) }).unwrap();
    let mut search = Groups { host, searched: Vec::new() };
    assert_eq!(serve(&mut device, &mut search), Ended::Stopped);

    let Groups { mut host, searched } = search;
    assert!(searched.len() == 2 && searched.iter().all(|count| count % 24 == 0), "{searched:?}");
    assert_eq!(host.poll(), Ok(Some(DeviceMessage::Hello)));
    let Ok(Some(DeviceMessage::Done(done))) = host.poll() else { panic!("no end of the unit") };
    assert_eq!((done.status, done.hashes), (UnitStatus::Stale, searched.iter().sum()));
}

/// Goes on with one range until it may not any more.
struct Endless {
    jobs: Vec<u64>,
}

impl Search for Endless {
    fn set_job(&mut self, job: &JobCopy) -> Result<(), UnitStatus> {
        self.jobs.push(job.generation);
        Ok(())
    }

    fn search(&mut self, _: u64, _: u64, _: &mut dyn FnMut(u64, [u8; 32])) -> Result<(), UnitStatus> {
        Err(UnitStatus::Failed)
    }

    fn search_while(
        &mut self,
        _: u64,
        _: u64,
        _: &mut dyn FnMut(u64, [u8; 32]),
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, UnitStatus> {
        while go_on() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(false)
    }
}

/// spec: SES-1.5
///
/// In the middle of a range. The first job of a host may have any number, also 0.
#[test]
fn a_long_range_ends_with_its_host() {
    let (mut host, mut device) = session(&Backing::Heap);
    let mut looks = 0;
    device.watch_host(move || {
        looks += 1;
        looks < 3
    });
    device.hello(&HELLO);
    let slot = host.publish(&board(0, &[0; 80])).unwrap();
    host.send(&Unit { nonce_count: 1 << 20, ..unit(slot, 0) }).unwrap();
    let mut search = Endless { jobs: Vec::new() };
    assert_eq!(serve(&mut device, &mut search), Ended::HostGone);
    assert_eq!(search.jobs, [0]);
}
