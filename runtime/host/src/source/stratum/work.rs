//! From a pool's job to headers: coinbase, merkle root, 80 bytes.
//!
//! ```text
//! coinbase = coinbase1 | extranonce1 | extranonce2 | coinbase2
//! root     = sha256d(coinbase), then root = sha256d(root | branch) for each branch
//! header   = version 4 | parent 32 | root 32 | time 4 | bits 4 | nonce 4      (integers little-endian)
//! ```
//!
//! A roll is a mixed-radix number. From the fastest digit to the slowest:
//!
//! | digit | radix | becomes |
//! |---|---|---|
//! | version index | 2^(ones of the version mask) | bits spread over the mask's, which flip the job's |
//! | time offset | time range + 1 | is added to the job's time |
//! | extranonce2 | 256^size | a big-endian number of `size` bytes |

use sha2::{Digest, Sha256};

use crate::{
    job::HeaderSpace,
    source::stratum::message::{Extranonce, Notify},
};

/// Length of a header.
pub const HEADER_LEN: usize = 80;
/// Where the nonce stands.
pub const NONCE_OFFSET: usize = 76;

/// Which of a job's headers, digit by digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roll {
    /// The number that becomes extranonce2: big-endian, as many bytes as the pool wants, so that 1 is
    /// `00000001` where the pool wants four.
    pub extranonce2: u64,
    /// Seconds after the job's time.
    pub ntime: u32,
    /// Index of the combination of version bits; 0 is the job's own version.
    pub version: u32,
}

/// The headers of one Stratum job.
#[derive(Clone, Debug)]
pub struct StratumSpace {
    notify: Notify,
    extranonce: Extranonce,
    mask: u32,
    last_ntime: u32,
}

impl StratumSpace {
    /// The headers of `notify` in a session with `extranonce`, whose version may be rolled within `mask`
    /// and whose time by up to `ntime_range` seconds.
    pub(super) fn new(notify: Notify, extranonce: Extranonce, mask: u32, ntime_range: u32) -> Self {
        let last_ntime = ntime_range.min(u32::MAX - notify.time);
        Self { notify, extranonce, mask, last_ntime }
    }

    /// The same job in which other version bits may be rolled.
    pub(super) fn with_mask(&self, mask: u32) -> Self {
        Self { mask, ..self.clone() }
    }

    /// The number of the header that these digits name; `None` when a digit is too large.
    #[must_use]
    pub fn roll_of(&self, roll: &Roll) -> Option<u64> {
        let size = self.extranonce.two_size;
        let fits = size >= 8 || roll.extranonce2 >> (8 * size) == 0;
        if !fits || roll.ntime > self.last_ntime || u64::from(roll.version) >= self.versions() {
            return None;
        }
        let number = roll.extranonce2.checked_mul(self.ntimes())?.checked_add(u64::from(roll.ntime))?;
        let number = number.checked_mul(self.versions())?.checked_add(u64::from(roll.version))?;
        (number < self.rolls()).then_some(number)
    }

    /// The digits of header `roll < rolls()`.
    #[must_use]
    pub fn digits(&self, roll: u64) -> Roll {
        let slower = roll / self.versions();
        Roll {
            extranonce2: slower / self.ntimes(),
            ntime: (slower % self.ntimes()) as u32,
            version: (roll % self.versions()) as u32,
        }
    }

    /// The pool's description of the job.
    pub(super) fn notify(&self) -> &Notify {
        &self.notify
    }

    /// Our part of the coinbase transaction for `number`.
    pub(super) fn extranonce2(&self, number: u64) -> Vec<u8> {
        let wide = u128::from(number).to_be_bytes();
        wide[wide.len() - self.extranonce.two_size..].to_vec()
    }

    /// The header's version for an index.
    pub(super) fn version(&self, index: u32) -> u32 {
        self.notify.version ^ spread(index, self.mask)
    }

    /// The header's time for an offset.
    pub(super) fn time(&self, offset: u32) -> u32 {
        self.notify.time.saturating_add(offset)
    }

    fn versions(&self) -> u64 {
        1 << self.mask.count_ones()
    }

    fn ntimes(&self) -> u64 {
        u64::from(self.last_ntime) + 1
    }

    fn root(&self, extranonce2: u64) -> [u8; 32] {
        let coinbase = sha256d(&[
            &self.notify.coinbase1,
            &self.extranonce.one,
            &self.extranonce2(extranonce2),
            &self.notify.coinbase2,
        ]);
        merkle_root(coinbase, &self.notify.branches)
    }
}

impl HeaderSpace for StratumSpace {
    fn rolls(&self) -> u64 {
        let extranonces = 1u64.checked_shl(8 * self.extranonce.two_size as u32).unwrap_or(u64::MAX);
        extranonces.saturating_mul(self.ntimes()).saturating_mul(self.versions())
    }

    fn header(&self, roll: u64) -> Vec<u8> {
        let digits = self.digits(roll);
        let mut header = Vec::with_capacity(HEADER_LEN);
        header.extend(self.version(digits.version).to_le_bytes());
        header.extend(self.notify.parent);
        header.extend(self.root(digits.extranonce2));
        header.extend(self.time(digits.ntime).to_le_bytes());
        header.extend(self.notify.bits.to_le_bytes());
        header.extend([0; 4]);
        header
    }
}

/// The low bits of `index`, one for each one of `mask`, moved to where the mask's ones are.
fn spread(mut index: u32, mask: u32) -> u32 {
    let mut rest = mask;
    let mut bits = 0;
    while rest != 0 {
        let lowest = rest & rest.wrapping_neg();
        if index & 1 == 1 {
            bits |= lowest;
        }
        index >>= 1;
        rest ^= lowest;
    }
    bits
}

/// The root of the tree whose first leaf is `first`.
fn merkle_root(first: [u8; 32], branches: &[[u8; 32]]) -> [u8; 32] {
    branches.iter().fold(first, |root, branch| sha256d(&[&root, branch]))
}

fn sha256d(parts: &[&[u8]]) -> [u8; 32] {
    let mut once = Sha256::new();
    for part in parts {
        once.update(part);
    }
    Sha256::digest(once.finalize()).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::source::stratum::text;

    fn notify() -> Notify {
        Notify {
            id: "1".into(),
            parent: [1; 32],
            coinbase1: vec![2; 40],
            coinbase2: vec![3; 40],
            branches: vec![[4; 32]],
            version: 0x2000_4000,
            bits: 0x1d00_ffff,
            time: 1_700_000_000,
            clean: true,
        }
    }

    fn space(two_size: usize, mask: u32, ntime_range: u32) -> StratumSpace {
        StratumSpace::new(notify(), Extranonce { one: vec![5; 4], two_size }, mask, ntime_range)
    }

    #[test]
    fn every_roll_is_another_header_and_has_its_number() {
        let space = space(1, 0x0000_6000, 2);
        assert_eq!(space.rolls(), 256 * 3 * 4);
        let mut headers = HashSet::new();
        for roll in 0..space.rolls() {
            assert_eq!(space.roll_of(&space.digits(roll)), Some(roll));
            let header = space.header(roll);
            assert_eq!(header.len(), HEADER_LEN);
            assert!(headers.insert(header));
        }
        assert_eq!(space.header(0)[..4], notify().version.to_le_bytes());
    }

    #[test]
    fn digits_that_are_too_large_have_no_number() {
        let space = space(1, 0x0000_6000, 2);
        let good = Roll { extranonce2: 255, ntime: 2, version: 3 };
        assert_eq!(space.roll_of(&good), Some(space.rolls() - 1));
        assert_eq!(space.roll_of(&Roll { extranonce2: 256, ..good }), None);
        assert_eq!(space.roll_of(&Roll { ntime: 3, ..good }), None);
        assert_eq!(space.roll_of(&Roll { version: 4, ..good }), None);
    }

    #[test]
    fn large_spaces_saturate() {
        for size in [8, 9, 16] {
            let space = space(size, 0x1fff_e000, 60);
            assert_eq!(space.rolls(), u64::MAX);
            let last = space.digits(u64::MAX - 1);
            assert_eq!(space.roll_of(&last), Some(u64::MAX - 1));
            assert_eq!(space.header(u64::MAX - 1).len(), HEADER_LEN);
            assert_eq!(space.extranonce2(last.extranonce2).len(), size);
            assert_eq!(space.roll_of(&Roll { extranonce2: u64::MAX, ntime: 0, version: 0 }), None);
        }
        let mut late = notify();
        late.time = u32::MAX;
        let space = StratumSpace::new(late, Extranonce { one: vec![], two_size: 1 }, 0, 60);
        assert_eq!(space.rolls(), 256);
    }

    #[test]
    fn version_bits_fill_the_mask_and_nothing_else() {
        assert_eq!(spread(0b1011, 0x1000_6008), 0x1000_2008);
        assert_eq!(spread(u32::MAX, 0x1fff_e000), 0x1fff_e000);
        assert_eq!(spread(5, 0), 0);
    }

    /// Block 100000: its coinbase's hash is known, the transaction is not.
    #[test]
    fn merkle_branches_of_block_100000() {
        let hash = |hex: &str| text::bytes32(hex).unwrap();
        let mut coinbase = hash("8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87");
        coinbase.reverse();
        let branches = [
            hash("c40297f730dd7b5a99567eb8d27b78758f607507c52292d02d4031895b52f2ff"),
            hash("49aef42d78e3e9999c9e6ec9e1dddd6cb880bf3b076a03be1318ca789089308e"),
        ];
        let mut root = merkle_root(coinbase, &branches);
        root.reverse();
        assert_eq!(
            crate::hex::encode(&root),
            "f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766"
        );
    }
}
