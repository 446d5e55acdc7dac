//! Medians and percentiles.

pub use hdrhistogram::Histogram;

/// The middle value, of an even number the upper of the two; not a number when there is none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest value; not a number when there is none.
#[must_use]
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

/// The largest value; not a number when there is none.
#[must_use]
pub fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

/// The value that 99 of 100 are not above (nearest rank); not a number when there is none.
#[must_use]
pub fn percentile_99(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// What several rounds of the same come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// The middle round.
    pub median: f64,
    /// 99 of 100 are not above this: of the rounds, or of single events where those were timed.
    pub p99: f64,
    /// The least round.
    pub min: f64,
    /// The largest round.
    pub max: f64,
    /// How many rounds.
    pub rounds: usize,
}

impl Summary {
    /// Of one figure a round.
    #[must_use]
    pub fn of(rounds: &[f64]) -> Self {
        Self {
            median: median(rounds),
            p99: percentile_99(rounds),
            min: least(rounds),
            max: most(rounds),
            rounds: rounds.len(),
        }
    }
}

/// What each round's first is to its second.
#[must_use]
pub fn ratios(first: &[f64], second: &[f64]) -> Vec<f64> {
    first.iter().zip(second).map(|(first, second)| first / second).collect()
}

/// Durations in nanoseconds, three digits exact.
///
/// # Panics
/// Never: three digits are what the histogram can do.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("1 to 5 digits are possible")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_taken() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(least(&[3.0, 1.0, 2.0]), 1.0);
        assert_eq!(most(&[1.0, 3.0, 2.0]), 3.0);
        assert!(median(&[]).is_nan() && least(&[]).is_nan() && most(&[]).is_nan());
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile_99(&hundred), 99.0);
        assert_eq!(percentile_99(&[1.0, 2.0]), 2.0);
        assert!(percentile_99(&[]).is_nan());
        assert_eq!(ratios(&[2.0, 9.0, 4.0], &[1.0, 3.0, 1.0]), [2.0, 3.0, 4.0]);
    }
}
