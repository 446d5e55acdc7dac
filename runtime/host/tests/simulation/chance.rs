//! The simulator's dice: everything that a seed decides comes from here.

use crate::toy::mix;

/// Numbers that look random and come again from the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x0ad1_7000))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number of `low ..= high`, each as likely.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// A number of `low ..= high`, each order of magnitude as likely; `low` is at least 1.
    pub fn scaled(&mut self, low: u64, high: u64) -> u64 {
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let value = low as f64 * (high as f64 / low as f64).powf(part);
        (value as u64).clamp(low, high)
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.next() % choices.len() as u64) as usize]
    }
}
