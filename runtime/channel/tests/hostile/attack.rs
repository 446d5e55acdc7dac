//! What a hostile process does.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    house::{DIARY, Kind, Noise, PATIENCE, SHORT, Target, told},
    knock,
};

/// The longest that one end is kept before the next one joins.
const LONGEST_STAY_US: u64 = 60_000;

/// How much longer than that an end may be busy.
const STUCK: Duration = Duration::from_millis(300);

pub fn be_a_child() {
    let Some((role, place, target, seed)) = told() else { return };
    let mut noise = Noise(seed);
    // Whoever started this kills it.
    let began = Instant::now();
    let mut diary = File::options().append(true).create(true).open(place.join(DIARY)).unwrap();
    while began.elapsed() < PATIENCE * 60 {
        match role.as_str() {
            "sender" => send(target, &place, &mut noise),
            "receiver" => receive(target, &place, &mut noise),
            "guest" => knock::knock(target, &place, &mut noise),
            _ => panic!("no such role: {role}"),
        }
        diary.write_all(b".").unwrap();
    }
}

/// Joins as a sender, sends what it likes, and meanwhile writes into its region.
fn send(target: Target, place: &Path, noise: &mut Noise) {
    let Ok(mut sender) = target.builder(place).join_within(SHORT).sender() else { return };
    let (key, most) =
        (noise.next(), sender.longest().min(if target.kind == Kind::Arena { 9000 } else { 400 }));
    while_scribbling(noise, |noise| {
        let mut message = target.message(key, noise.next());
        if noise.below(4) == 0 && target.kind != Kind::Fixed {
            message.resize(noise.below(most as u64) as usize, 0xee);
        }
        let _ = sender.send(&message, Duration::from_micros(300));
    });
}

/// Joins as a receiver, reads now and then, and meanwhile writes into its region.
fn receive(target: Target, place: &Path, noise: &mut Noise) {
    let Ok(mut receiver) = target.builder(place).join_within(SHORT).receiver() else { return };
    while_scribbling(noise, |noise| {
        if noise.below(3) > 0 {
            let _ = receiver.recv_batch(noise.below(5) as usize, |_| ());
        }
        let _ = receiver.wait(Duration::from_micros(200));
    });
}

/// Does something again and again; another thread writes into what this process may write of the channel.
fn while_scribbling(noise: &mut Noise, mut something: impl FnMut(&mut Noise)) {
    let stay = Duration::from_micros(noise.below(LONGEST_STAY_US));
    let (began, over) = (Instant::now(), AtomicBool::new(false));
    let mut other = Noise(noise.next());
    let memory = File::options().read(true).write(true).open("/proc/self/mem").unwrap();
    // Sometimes it behaves for a while, so that there is something to spoil.
    let before = Duration::from_micros(other.below(5_000));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(before);
            while !over.load(Ordering::Relaxed) {
                for region in writable() {
                    (0..other.below(40)).for_each(|_| region.scribble(&memory, &mut other));
                }
                other.nap(800);
                // What it wrote over may be what its own end goes by, which then never comes back.
                if began.elapsed() > stay + STUCK {
                    std::process::exit(0);
                }
            }
        });
        while began.elapsed() < stay {
            something(noise);
        }
        over.store(true, Ordering::Relaxed);
    });
}

/// A mapping of this process that a peer sees.
struct Writable {
    at: u64,
    len: u64,
}

/// As the kernel lists them: by the names of their memfds.
fn writable() -> Vec<Writable> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let of_channel = |line: &&str| line.contains("/memfd:adit-");
    let lines = maps.lines().filter(of_channel).filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (first, end) = range.split_once('-')?;
        let first = u64::from_str_radix(first, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        rest.starts_with("rw").then_some(Writable { at: first, len: end - first })
    });
    lines.collect()
}

impl Writable {
    /// Writes one word: any value, or one that is nearly right.
    ///
    /// Through `memory`, this process's own, where it fails if the mapping is gone meanwhile.
    fn scribble(&self, memory: &File, noise: &mut Noise) {
        // Headers and cursors as often as records, what is behind those seldom.
        let end = match noise.below(8) {
            0..4 => 1408.min(self.len),
            4..7 => 8192.min(self.len),
            _ => self.len,
        };
        let at = self.at + noise.below(end / 8) * 8;
        let mut old = [0; 8];
        if memory.read_exact_at(&mut old, at).is_err() {
            return;
        }
        let old = u64::from_le_bytes(old);
        let new = match noise.below(10) {
            0 => noise.next(),
            1 => old.wrapping_add(noise.below(64) * 8),
            2 => old.wrapping_sub(noise.below(64) * 8),
            3 => old ^ 1 << noise.below(64),
            // A record's header.
            4 => noise.below(400) | (1 + noise.below(2)) << 32,
            // A descriptor's header, and where it says that a block begins or how long it is.
            7 if noise.below(2) == 0 => 16 | 3 << 32,
            7 => ((1 << 29) - 1) | (noise.below(400) << 29),
            8 => noise.below(1 << 16) * 64,
            5 => noise.below(3),
            6 => u64::MAX - noise.below(64),
            _ => old.wrapping_add(8),
        };
        let _ = memory.write_all_at(&new.to_le_bytes(), at);
    }
}
