//! Rows of one hash in plain code, which the compiler makes vectors of as it can.

use adit_plugin::Digest;
use adit_plugin::lanes::Plain;
use adit_plugin::scratch::{Pages, Scratch};
use adit_plugin::search::Batch;

use crate::job::Job;
use crate::kernel::hash;
use crate::romix::{Line, Rows};

/// See [`romix`](crate::romix::romix).
const WAYS: usize = 1;
const GROUPS: usize = 1;
const HASHES: usize = WAYS * GROUPS;

/// Memory for the tables; needs nothing else.
pub(crate) struct Portable(Scratch);

impl Portable {
    pub(crate) fn new() -> Self {
        Self(super::scratch::<HASHES>())
    }
}

impl Batch for Portable {
    type Job = Job;
    type Digests = [Digest; HASHES];

    const GROUP: u64 = HASHES as u64;

    fn hash(&mut self, job: &Job, first: u64, _: &mut dyn FnMut() -> bool) -> Option<Self::Digests> {
        Some(hash::<_, _, WAYS, GROUPS, HASHES>((Plain, Row), job, first as u32, super::table(&mut self.0)))
    }

    fn scratch(&self) -> Option<Pages> {
        Some(self.0.pages())
    }
}

/// Rows of one hash.
#[derive(Clone, Copy)]
struct Row;

#[inline(always)]
fn map(a: [u32; 4], b: [u32; 4], f: impl Fn(u32, u32) -> u32) -> [u32; 4] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

impl Rows for Row {
    type Vector = [u32; 4];

    const HASHES: usize = 1;

    #[inline(always)]
    fn add(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        map(a, b, u32::wrapping_add)
    }

    #[inline(always)]
    fn xor(self, a: [u32; 4], b: [u32; 4]) -> [u32; 4] {
        map(a, b, |a, b| a ^ b)
    }

    #[inline(always)]
    fn rotate_left(self, a: [u32; 4], by: u32) -> [u32; 4] {
        map(a, a, |a, _| a.rotate_left(by))
    }

    #[inline(always)]
    fn turn1(self, a: [u32; 4]) -> [u32; 4] {
        [a[1], a[2], a[3], a[0]]
    }

    #[inline(always)]
    fn turn2(self, a: [u32; 4]) -> [u32; 4] {
        [a[2], a[3], a[0], a[1]]
    }

    #[inline(always)]
    fn turn3(self, a: [u32; 4]) -> [u32; 4] {
        [a[3], a[0], a[1], a[2]]
    }

    #[inline(always)]
    fn load<'a>(self, line: impl Fn(usize) -> &'a Line) -> [[u32; 4]; 4] {
        let line = &line(0).0;
        std::array::from_fn(|row| std::array::from_fn(|word| line[4 * row + word]))
    }

    #[inline(always)]
    fn store(self, rows: [[u32; 4]; 4], mut line: impl FnMut(usize, Line)) {
        line(0, Line(std::array::from_fn(|word| rows[word / 4][word % 4])));
    }

    #[inline(always)]
    fn first_words(self, row: [u32; 4]) -> [u32; 4] {
        row
    }
}
