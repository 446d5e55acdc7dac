//! Which nonces of a unit are done, which are in flight, and which come next.

/// The nonces of one unit: taken in order, given back in halves when a launch overflowed, done in any order.
#[derive(Debug)]
pub(super) struct Ranges {
    start: u64,
    count: u64,
    /// Offset of the first nonce that was never taken.
    next: u64,
    /// Ranges given back, to be taken before anything new: offset and count, at most two for each launch.
    again: Vec<(u64, u32)>,
    /// Ranges that are done, beyond `done`, sorted by offset.
    islands: Vec<(u64, u64)>,
    /// So many nonces from the start are done without a gap.
    done: u64,
}

impl Ranges {
    pub fn new(start: u64, count: u64) -> Self {
        Self { start, count, next: 0, again: Vec::new(), islands: Vec::new(), done: 0 }
    }

    /// Nonces done from the start on, without a gap: what a unit that ends early may claim. spec: SES-5.3
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether all are done.
    pub fn is_complete(&self) -> bool {
        self.done == self.count
    }

    /// Whether there is nothing to launch now: all are done or in flight.
    pub fn is_drained(&self) -> bool {
        self.again.is_empty() && self.next == self.count
    }

    /// The next at most `most` nonces to search: first nonce and count.
    pub fn take(&mut self, most: u32) -> Option<(u64, u32)> {
        if let Some((offset, count)) = self.again.pop() {
            let first = count.min(most);
            if first < count {
                self.again.push((offset + u64::from(first), count - first));
            }
            return Some((self.start + offset, first));
        }
        let count = u64::from(most).min(self.count - self.next) as u32;
        if count == 0 {
            return None;
        }
        let offset = self.next;
        self.next += u64::from(count);
        Some((self.start + offset, count))
    }

    /// A launch ended and everything it found is known.
    pub fn finish(&mut self, start: u64, count: u32) {
        let offset = start - self.start;
        let at = self.islands.partition_point(|island| island.0 < offset);
        self.islands.insert(at, (offset, u64::from(count)));
        while let Some(&(offset, count)) = self.islands.first() {
            if offset != self.done {
                break;
            }
            self.done += count;
            self.islands.remove(0);
        }
    }

    /// A launch is to be made again: in halves, or whole if it is a single nonce. spec: KRN-3.5
    pub fn give_back(&mut self, start: u64, count: u32) {
        let (offset, half) = (start - self.start, count / 2);
        self.again.push((offset + u64::from(half), count - half));
        if half > 0 {
            self.again.push((offset, half));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_taken_once_and_counted_without_gaps() {
        let mut ranges = Ranges::new(u64::MAX - 99, 100);
        assert_eq!(ranges.take(60), Some((u64::MAX - 99, 60)));
        assert_eq!(ranges.take(60), Some((u64::MAX - 39, 40)));
        assert_eq!(ranges.take(60), None);
        assert!(ranges.is_drained());
        ranges.finish(u64::MAX - 39, 40);
        assert_eq!(ranges.done(), 0);
        ranges.finish(u64::MAX - 99, 60);
        assert!(ranges.is_complete());
    }

    #[test]
    fn what_overflowed_comes_again_in_halves() {
        let mut ranges = Ranges::new(1000, 7);
        assert_eq!(ranges.take(7), Some((1000, 7)));
        ranges.give_back(1000, 7);
        assert!(!ranges.is_drained());
        assert_eq!(ranges.take(7), Some((1000, 3)));
        ranges.give_back(1000, 3);
        let mut taken = Vec::new();
        while let Some((start, count)) = ranges.take(2) {
            taken.push((start, count));
            ranges.finish(start, count);
        }
        assert_eq!(taken, [(1000, 1), (1001, 2), (1003, 2), (1005, 2)]);
        assert!(ranges.is_complete() && ranges.is_drained());
        ranges = Ranges::new(5, 1);
        assert_eq!(ranges.take(9), Some((5, 1)));
        ranges.give_back(5, 1);
        assert_eq!(ranges.take(9), Some((5, 1)));
    }
}
