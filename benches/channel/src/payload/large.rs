//! Messages of a mebibyte.
//!
//! What they are compared with, the `memcpy` of the C library, takes the widest vectors that the processor has; so do the
//! loops here, whosoever messages they fill and sum.

use adit_channel::{Bytes, pieces, pieces_mut};

use super::{LINE, Payload, Words, fill, sum};

/// A message that nobody would move by value: within a process its box is.
#[derive(Clone, Debug, Default)]
pub struct Large(Box<[u64]>);

impl Payload for Large {
    const WORDS: usize = (1 << 20) / 8;
    const IS_KEPT: bool = true;

    type Slot = Words<8>;

    fn remake(&mut self, number: u64) {
        if self.0.is_empty() {
            *self = Self::make(number);
        } else {
            Self::fill(&mut self.0, number);
        }
    }

    fn make(number: u64) -> Self {
        // Written once, not zeroed first.
        Self((0..Self::WORDS as u64).map(|at| number.wrapping_add(at)).collect())
    }

    fn fill(words: &mut [u64], number: u64) {
        widest::fill_long(words, number);
    }

    fn words(&self) -> &[u64] {
        &self.0
    }

    fn first_and_sum(&self) -> (u64, u64) {
        (self.0[0], widest::sum_long(&self.0))
    }

    fn sum_of(bytes: Bytes<'_>) -> (u64, u64) {
        // SAFETY: the writer is this benchmark's, and writes no message again before it was read.
        let bytes = unsafe { bytes.as_slice() };
        // SAFETY: any bits are a `u64`; rings are aligned to words, so nothing is left in front or behind.
        match unsafe { bytes.align_to::<u64>() } {
            ([], words, []) if words.len() == Self::WORDS => (words[0], widest::sum_long(words)),
            _ => (u64::MAX, 0),
        }
    }
}

#[inline(always)]
fn fill_in_lines(words: &mut [u64], number: u64) {
    let mut next = number;
    let (lines, rest) = pieces_mut::<_, LINE>(words);
    for line in lines {
        fill(line, next);
        next = next.wrapping_add(LINE as u64);
    }
    fill(rest, next);
}

#[inline(always)]
fn sum_in_lines(words: &[u64]) -> u64 {
    let (lines, rest) = pieces::<_, LINE>(words);
    // Eight sums side by side, which vectors hold.
    let sums =
        lines.fold([0u64; LINE], |sums, line| std::array::from_fn(|at| sums[at].wrapping_add(line[at])));
    sum(&sums).wrapping_add(sum(rest))
}

/// Defines each function once for every width of vectors, and as one that chooses.
macro_rules! for_each_width {
    ($(fn $name:ident($($arg:ident: $of:ty),*) $(-> $result:ty)? = $body:ident;)*) => {
        /// What is compiled for the widest vectors of this processor.
        #[cfg(target_arch = "x86_64")]
        mod widest {
            use super::*;
            $(
                pub fn $name($($arg: $of),*) $(-> $result)? {
                    #[target_feature(enable = "avx512f")]
                    fn with_512($($arg: $of),*) $(-> $result)? {
                        $body($($arg),*)
                    }
                    #[target_feature(enable = "avx2")]
                    fn with_256($($arg: $of),*) $(-> $result)? {
                        $body($($arg),*)
                    }
                    if is_x86_feature_detected!("avx512f") {
                        // SAFETY: the processor has them.
                        unsafe { with_512($($arg),*) }
                    } else if is_x86_feature_detected!("avx2") {
                        // SAFETY: as above.
                        unsafe { with_256($($arg),*) }
                    } else {
                        $body($($arg),*)
                    }
                }
            )*
        }

        /// As this program is compiled.
        #[cfg(not(target_arch = "x86_64"))]
        mod widest {
            use super::*;
            $(
                pub fn $name($($arg: $of),*) $(-> $result)? {
                    $body($($arg),*)
                }
            )*
        }
    };
}

for_each_width! {
    fn fill_long(words: &mut [u64], number: u64) = fill_in_lines;
    fn sum_long(words: &[u64]) -> u64 = sum_in_lines;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_fills_and_sums_alike() {
        let mut words = vec![0; 1000];
        widest::fill_long(&mut words, 77);
        assert!(words.iter().zip(77..).all(|(word, expected)| *word == expected));
        assert_eq!(widest::sum_long(&words), sum(&words));
    }
}
