//! How many nonces a launch should have.

use std::time::Duration;

use super::cache::Entry;

/// By how much a launch may grow from one to the next.
const MOST_GROWTH: u64 = 4;

/// How long a launch may take to keep the whole device at work, where fewer nonces would take as long.
const PATIENCE: Duration = Duration::from_millis(250);

/// What part of a wave a launch has, however long it takes: two in flight are half of one. Where time depends on what a hash
/// waits for and not on the number of nonces, launches would else shrink for ever and gain nothing.
const LEAST: u64 = 4;

/// Launches after which their size is worth keeping.
const SETTLED: u32 = 64;

/// Launches that were not too large after which twice as many nonces are tried: a launch in so many may fail for it.
const CLEAN: u32 = 64;

/// Nonces of the next launch, from how long the last ones took.
#[derive(Debug)]
pub(super) struct Pace {
    target: Duration,
    /// So many take as long as a launch should.
    ideal: u64,
    /// So many are not too many for [`PATIENCE`].
    patient: u64,
    /// So many there is memory for, as far as is known.
    most: u64,
    /// So many of the job have room for what they find, as far as is known.
    found: u64,
    /// Launches since one was last too large, or since `most` last grew.
    clean: u32,
    launches: u32,
    kept: Kept,
}

/// What another run found out, and what the next may begin with. spec: KRN-5.4
#[derive(Debug)]
pub(super) struct Kept {
    entry: Entry,
    sizes: Option<(u64, u64)>,
}

impl Kept {
    /// For a device with its driver, a source, and the time that launches should take.
    pub fn new(device: &str, source: &str, target: Duration) -> Self {
        let entry = Entry::new("launches", &[device, &format!("{} us", target.as_micros()), source]);
        let sizes = entry.load().and_then(|bytes| {
            let text = String::from_utf8(bytes).ok()?;
            let (ideal, patient) = text.trim().split_once(' ')?;
            let number = |text: &str| text.parse::<u64>().ok().filter(|number| (1..1 << 32).contains(number));
            Some((number(ideal)?, number(patient)?))
        });
        Self { entry, sizes }
    }
}

impl Pace {
    /// Begins with what is kept, else with `first`: about as many as keep the device busy for a moment.
    pub fn new(target: Duration, first: u32, kept: Kept) -> Self {
        let first = u64::from(first.max(1));
        let (ideal, patient) = kept.sizes.unwrap_or((first, first));
        Self {
            target,
            ideal,
            patient,
            most: u64::from(u32::MAX),
            found: u64::MAX,
            clean: 0,
            launches: 0,
            kept,
        }
    }

    /// Nonces of the next launch, `most` at most, and whole waves where there are several.
    pub fn nonces(&self, most: u32, wave: u32) -> u32 {
        let wave = u64::from(wave.max(1));
        let wanted = self
            .ideal
            .max(self.patient.clamp(wave.div_ceil(LEAST), wave))
            .min(u64::from(most))
            .min(self.most)
            .min(self.found);
        let whole = if wanted > wave { wanted / wave * wave } else { wanted };
        whole.max(1) as u32
    }

    /// A launch of `count` nonces kept the device busy for `took`.
    pub fn took(&mut self, count: u32, took: Duration) {
        for (nonces, target) in
            [(&mut self.ideal, self.target), (&mut self.patient, PATIENCE.max(self.target))]
        {
            let late = took > target;
            let fit = u128::from(count) * target.as_nanos() / took.as_nanos().max(1);
            // The end of a unit is a short launch; it says little about a long one, unless it was long itself.
            if late || u64::from(count) * 2 >= *nonces {
                *nonces = (fit.min(u128::from(u32::MAX)) as u64).clamp(1, *nonces * MOST_GROWTH);
            }
        }
        self.grow();
        self.launches = self.launches.saturating_add(1);
        if self.launches == SETTLED {
            self.keep();
        }
    }

    /// So many found more than there is room for: launches shrink, until there is another job.
    pub fn overflowed(&mut self, count: u32) {
        self.found = u64::from(count / 2).max(1);
        self.clean = 0;
    }

    /// What was found of a job says nothing of the next.
    pub fn begin_job(&mut self) {
        self.found = u64::MAX;
    }

    /// Memory was short for so many: launches shrink.
    pub fn shrink(&mut self, count: u32) {
        self.most = u64::from(count / 2).max(1);
        self.clean = 0;
    }

    /// What took the memory may have given it back: now and then twice as many are tried.
    fn grow(&mut self) {
        self.clean += 1;
        if self.clean >= CLEAN {
            self.most = (self.most * 2).min(u64::from(u32::MAX));
            self.found = self.found.saturating_mul(2);
            self.clean = 0;
        }
    }

    /// Lets the next run begin with what this one found out, if it is another size by a quarter.
    pub fn keep(&mut self) {
        let found = (self.ideal, self.patient);
        let near = |a: u64, b: u64| a.abs_diff(b) <= b / 4;
        let known = self.kept.sizes.is_some_and(|kept| near(found.0, kept.0) && near(found.1, kept.1));
        if self.launches >= SETTLED && !known {
            self.kept.sizes = Some(found);
            self.kept.entry.store(format!("{} {}", found.0, found.1).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(first: u32) -> Pace {
        let kept = Kept { entry: Entry::nowhere(), sizes: None };
        Pace::new(Duration::from_millis(2), first, kept)
    }

    #[test]
    fn launches_come_to_take_their_time() {
        let mut pace = pace(1000);
        // Ten nanoseconds a nonce.
        for _ in 0..20 {
            let nonces = pace.nonces(u32::MAX, 1);
            pace.took(nonces, Duration::from_nanos(u64::from(nonces) * 10));
        }
        assert_eq!(pace.nonces(u32::MAX, 1), 200_000);
        assert_eq!(pace.nonces(5000, 1), 5000);
        assert_eq!(pace.nonces(u32::MAX, 30_000), 180_000);
        pace.took(10, Duration::from_micros(1));
        assert_eq!(pace.nonces(u32::MAX, 1), 200_000);
        pace.took(200_000, Duration::from_millis(20));
        assert_eq!(pace.nonces(u32::MAX, 1), 20_000);
        pace.shrink(1);
        assert_eq!(pace.nonces(9, 1), 1);
    }

    #[test]
    fn a_launch_is_not_emptied_to_make_it_short() {
        let mut pace = pace(500);
        // A device that does up to 10,000 at once, in 50 ms.
        let run = |pace: &mut Pace, at_once: u32, time: Duration| {
            for _ in 0..20 {
                let nonces = pace.nonces(u32::MAX, at_once);
                pace.took(nonces, time * nonces.div_ceil(at_once));
            }
            pace.nonces(u32::MAX, at_once)
        };
        assert_eq!(run(&mut pace, 10_000, Duration::from_millis(50)), 10_000);
        // Memory for fewer is no reason to stop.
        pace.shrink(10_000);
        assert_eq!(pace.nonces(u32::MAX, 10_000), 5000);
        // Seconds are too many: nobody could change the job meanwhile. But there is an end to it.
        let mut slow = self::pace(500);
        for _ in 0..20 {
            let nonces = slow.nonces(u32::MAX, 10_000);
            slow.took(nonces, Duration::from_millis(u64::from(nonces)));
        }
        assert_eq!(slow.nonces(u32::MAX, 900), 250);
        assert_eq!(slow.nonces(u32::MAX, 10_000), 2500);
    }

    #[test]
    fn after_a_want_of_memory_launches_grow_again() {
        let mut pace = pace(8000);
        let run = |pace: &mut Pace, launches: u32| {
            for _ in 0..launches {
                let nonces = pace.nonces(u32::MAX, 1);
                pace.took(nonces, Duration::from_nanos(u64::from(nonces) * 250));
            }
            pace.nonces(u32::MAX, 1)
        };
        pace.shrink(8000);
        assert_eq!(run(&mut pace, CLEAN - 1), 4000);
        // It was early, and the next is as careful.
        assert_eq!(run(&mut pace, 1), 8000);
        pace.shrink(8000);
        assert_eq!(run(&mut pace, CLEAN - 1), 4000);
        pace.shrink(4000);
        assert_eq!(run(&mut pace, CLEAN - 1), 2000);
        assert_eq!(run(&mut pace, CLEAN + 1), 8000);
        assert_eq!(run(&mut pace, 64 * CLEAN), 8000);
    }

    #[test]
    fn what_was_found_out_is_kept_for_the_next_run() {
        let folder = std::env::temp_dir().join(format!("adit-pace-{}", std::process::id()));
        let kept = |device: &str| {
            let entry = Entry::within(&folder, "launches", &[device, "source"]);
            Kept { sizes: None, entry }
        };
        let mut pace = Pace::new(Duration::from_millis(2), 1000, kept("a"));
        for _ in 0..SETTLED {
            let nonces = pace.nonces(u32::MAX, 1);
            pace.took(nonces, Duration::from_nanos(u64::from(nonces) * 10));
        }
        assert_eq!(kept("a").entry.load().as_deref(), Some(&b"200000 1024000"[..]));
        assert_eq!(kept("b").entry.load(), None);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_overflows_shrinks_until_there_is_another_job() {
        let mut pace = pace(1000);
        pace.overflowed(1000);
        assert_eq!(pace.nonces(u32::MAX, 1), 500);
        for _ in 0..CLEAN {
            pace.took(pace.nonces(u32::MAX, 1), Duration::from_millis(1));
        }
        assert_eq!(pace.nonces(u32::MAX, 1), 1000);
        pace.overflowed(1000);
        pace.begin_job();
        assert!(pace.nonces(u32::MAX, 1) > 500);
    }
}
