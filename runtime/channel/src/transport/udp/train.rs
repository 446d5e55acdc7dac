//! Datagrams that go together: the kernel takes many by one call, if all have one length and only the last is shorter.
//!
//! ```text
//!  | header records padding | header records padding | ... | header records |
//!  |-------- step ----------|-------- step ----------|     |---- <= step --|
//! ```

use super::datagram::{HEADER, Header};
use crate::lane::MessageKind;

/// The most datagrams of a train: what the first kernels that take trains take.
const MOST: usize = 64;

/// The most bytes of one, which the kernel passes on as one long datagram as far as it can.
const LONGEST: usize = 65_507;

/// At most such a part of a datagram is padding, unless it is the first of a train: one that is much shorter than the others
/// ends it.
const PADDING: usize = 8;

/// Datagrams that wait to be sent, one behind the other.
#[derive(Debug)]
pub(super) struct Train {
    bytes: Vec<u8>,
    /// Of each but the last.
    step: usize,
    count: usize,
    /// Where the last one begins.
    last: usize,
    /// So many bytes were sent.
    sent: usize,
    /// The longest that a datagram gets when many messages wait.
    full: usize,
}

impl Train {
    /// For messages of a kind, in datagrams that have `room` bytes for records.
    pub fn new(kind: &MessageKind, room: usize) -> Self {
        let full = match kind.size().map(|size| (size as usize).next_multiple_of(8)) {
            Some(stride) if stride > 0 => HEADER + room / stride * stride,
            _ => HEADER + room,
        };
        Self { bytes: Vec::new(), step: 0, count: 0, last: 0, sent: 0, full }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Puts a datagram behind the others; `false`: it does not go with them.
    pub fn put(&mut self, header: Header, records: &[u8]) -> bool {
        let len = HEADER + records.len();
        if self.count == 0 {
            self.step = len;
        } else {
            let before = self.bytes.len() - self.last;
            // Of those that have nearly as much as they can have, one or the other has a word more.
            let step = if self.count == 1 && is_close(before, self.full) { self.full } else { self.step };
            let goes = self.count < MOST && len <= step && is_close(before, step);
            if !goes || self.last + step + len > LONGEST {
                return false;
            }
            self.step = step;
            self.bytes.resize(self.last + step, 0);
        }
        self.last = self.bytes.len();
        self.bytes.extend(header.to_bytes());
        self.bytes.extend(records);
        self.count += 1;
        true
    }

    /// What is to be sent next, of datagrams of so many bytes each: all that is left if they go `together`, else one.
    pub fn rest(&self, together: bool) -> Option<(&[u8], usize)> {
        let rest = &self.bytes[self.sent..];
        let len = if together { rest.len() } else { rest.len().min(self.step) };
        (len > 0).then(|| (&rest[..len], self.step))
    }

    /// So many bytes were sent; the last of them makes it empty.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            (self.count, self.last, self.sent) = (0, 0, 0);
        }
    }
}

fn is_close(len: usize, step: usize) -> bool {
    len <= step && (step - len) * PADDING <= step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(sequence: u64) -> Header {
        Header { count: 1, session: 7, sequence, kind: 9 }
    }

    #[test]
    fn full_datagrams_go_together_and_a_short_one_ends_a_train() {
        let mut train = Train::new(&MessageKind::fixed("sixty-four", 64, 8), 1432);
        assert!(train.put(header(0), &[1; 22 * 64]));
        assert!(train.put(header(1), &[1; 22 * 64]));
        assert!(train.put(header(2), &[1; 64]));
        assert!(!train.put(header(3), &[1; 22 * 64]));
        let step = HEADER + 22 * 64;
        assert_eq!(
            train.rest(true).map(|(rest, step)| (rest.len(), step)),
            Some((2 * step + HEADER + 64, step))
        );
        // One by one.
        for len in [step, step, HEADER + 64] {
            assert_eq!(train.rest(false).map(|(rest, step)| (rest.len(), step)), Some((len, step)));
            assert!(!train.is_empty());
            train.sent(len);
        }
        assert!(train.is_empty() && train.rest(true).is_none() && train.rest(false).is_none());
        assert!(train.put(header(3), &[1; 22 * 64]));
    }

    proptest! {
        /// Whatever is put in comes out: as datagrams that the kernel cuts from it, with what was put in at their beginning.
        #[test]
        fn what_the_kernel_cuts_is_what_was_put_in(
            lens in prop::collection::vec(prop_oneof![1..180_usize, 150..180_usize], 1..200),
        ) {
            let mut train = Train::new(&MessageKind::bytes(), 1432);
            let (mut put, mut got) = (0, 0);
            while got < lens.len() {
                while put < lens.len() && train.put(header(put as u64), &vec![put as u8; lens[put] * 8]) {
                    put += 1;
                }
                let (bytes, step) = train.rest(true).unwrap();
                prop_assert!(bytes.len() <= LONGEST && bytes.len().div_ceil(step) <= MOST && step <= HEADER + 1432);
                for datagram in bytes.chunks(step) {
                    let (found, records) = Header::split(datagram).unwrap();
                    prop_assert_eq!(found, header(got as u64));
                    let (records, padding) = records.split_at(lens[got] * 8);
                    prop_assert!(records.iter().all(|byte| *byte == got as u8));
                    prop_assert!(padding.iter().all(|byte| *byte == 0) && padding.len() * PADDING <= datagram.len());
                    got += 1;
                }
                prop_assert_eq!(got, put);
                let len = bytes.len();
                train.sent(len);
            }
        }
    }
}
