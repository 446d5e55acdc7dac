//! How many lines a device may have in the log.

use std::time::{Duration, Instant};

/// Lines of one device in one second; more are counted and left out.
const LINES_A_SECOND: u32 = 100;

/// Counts the lines of the second at hand.
#[derive(Debug, Default)]
pub struct LineRate {
    second: Option<Instant>,
    passed: u32,
    left_out: u32,
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Whether it passes.
    pub passes: bool,
    /// How many did not since the last that did, if that is to be said before it; 0: nothing is.
    pub left_out: u32,
}

impl LineRate {
    /// A line came at `now`.
    pub fn pass(&mut self, now: Instant) -> Pass {
        let mut left_out = 0;
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            left_out = self.left_out;
            *self = Self { second: Some(now), ..Self::default() };
        }
        let passes = self.passed < LINES_A_SECOND;
        self.passed += u32::from(passes);
        self.left_out = self.left_out.saturating_add(u32::from(!passes));
        Pass { passes, left_out }
    }
}

/// What is said of lines that were left out.
pub fn left_out_text(count: u32) -> String {
    format!("({count} more lines left out)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_others_are_counted() {
        let (mut rate, begin) = (LineRate::default(), Instant::now());
        let passed = (0..250).filter(|_| rate.pass(begin).passes).count();
        assert_eq!(passed, LINES_A_SECOND as usize);
        let next = begin + Duration::from_secs(1);
        assert_eq!(rate.pass(next), Pass { passes: true, left_out: 150 });
        assert_eq!(rate.pass(next), Pass { passes: true, left_out: 0 });
    }
}
