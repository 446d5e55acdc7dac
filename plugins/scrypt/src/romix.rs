//! ROMix: Salsa20/8 over and over, between one table of 128 KiB a hash.
//!
//! Salsa20's 4 by 4 words are kept as four *rows*, which hold the diagonals, so that a quarter round of all columns is
//! twelve operations on rows and the way to the next is a turn of three rows:
//!
//! ```text
//!   x0  x1  x2  x3        a = x0  x5  x10 x15       b ^= (a + d) <<< 7     then d, c, b turn left
//!   x4  x5  x6  x7        b = x4  x9  x14 x3        c ^= (b + a) <<< 9     by 1, 2, 3 words, and
//!   x8  x9  x10 x11       c = x8  x13 x2  x7        d ^= (c + b) <<< 13    b and d change places
//!   x12 x13 x14 x15       d = x12 x1  x6  x11       a ^= (d + c) <<< 18
//! ```
//!
//! A vector holds the same row of several hashes. Their *lines*, all four rows of one hash, are what the table
//! holds: a hash reads a place of its own in it, and should touch two cache lines there, not eight. So rows are made
//! of lines and lines of rows, by shuffles, each time.

/// Entries of a hash's table.
pub(crate) const N: usize = 1024;

/// The four rows of one hash's Salsa20 block: a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; 16]);

/// What is in each place of a [`Line`]: the index of the word in Salsa20's order.
pub(crate) const WORD_AT: [usize; 16] = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

/// The tables of `HASHES` hashes, entry by entry.
pub(crate) type Table<const HASHES: usize> = [[[Line; 2]; HASHES]; N];

/// A set of instructions on vectors of rows, and the proof that this CPU has it.
///
/// Methods are inlined into a function that is compiled for those instructions.
pub(crate) trait Rows: Copy + Send + 'static {
    /// The same row of [`HASHES`](Self::HASHES) hashes.
    type Vector: Copy;

    /// Hashes of a vector.
    const HASHES: usize;

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn rotate_left(self, a: Self::Vector, by: u32) -> Self::Vector;

    /// The words of each row, turned to the left by one, two and three.
    fn turn1(self, a: Self::Vector) -> Self::Vector;
    fn turn2(self, a: Self::Vector) -> Self::Vector;
    fn turn3(self, a: Self::Vector) -> Self::Vector;

    /// The rows of the lines of [`HASHES`](Self::HASHES) hashes.
    fn load<'a>(self, line: impl Fn(usize) -> &'a Line) -> [Self::Vector; 4];

    /// The lines of those rows.
    fn store(self, rows: [Self::Vector; 4], line: impl FnMut(usize, Line));

    /// The first word of each hash's row.
    fn first_words(self, row: Self::Vector) -> [u32; 4];
}

/// The 128 bytes of [`Rows::HASHES`] hashes: two blocks of four rows.
pub(crate) type Blocks<R> = [<R as Rows>::Vector; 8];

/// ROMix of `HASHES` hashes in place; `GROUPS` times `WAYS` vectors. The vectors of a group are interleaved, so that
/// one is worked on while the other waits; groups take turns, so that what one will read of the table is on its way
/// while the others are worked on.
#[inline(always)]
pub(crate) fn romix<R: Rows, const WAYS: usize, const GROUPS: usize, const HASHES: usize>(
    r: R,
    lines: &mut [[Line; 2]; HASHES],
    table: &mut Table<HASHES>,
) {
    const { assert!(R::HASHES * WAYS * GROUPS == HASHES) };
    let first = |group: usize, way: usize| (group * WAYS + way) * R::HASHES;
    let zero = r.load(|_| &Line([0; 16]))[0];
    let mut x = [[[zero; 8]; WAYS]; GROUPS];
    for (group, x) in x.iter_mut().enumerate() {
        for (way, x) in x.iter_mut().enumerate() {
            let first = first(group, way);
            *x = load(r, |hash| &lines[first + hash]);
        }
    }
    for entry in table.iter_mut() {
        for (group, x) in x.iter_mut().enumerate() {
            for (way, x) in x.iter().enumerate() {
                let first = first(group, way);
                store(r, x, |hash, block, line| entry[first + hash][block] = line);
            }
            block_mix(r, x);
        }
    }
    for _ in 0..N {
        for (group, x) in x.iter_mut().enumerate() {
            for (way, x) in x.iter_mut().enumerate() {
                let first = first(group, way);
                let at = r.first_words(x[4]).map(|word| word as usize % N);
                let read = load(r, |hash| &table[at[hash]][first + hash]);
                for (x, read) in x.iter_mut().zip(read) {
                    *x = r.xor(*x, read);
                }
            }
            block_mix(r, x);
        }
    }
    for (group, x) in x.iter().enumerate() {
        for (way, x) in x.iter().enumerate() {
            let first = first(group, way);
            store(r, x, |hash, block, line| lines[first + hash][block] = line);
        }
    }
}

#[inline(always)]
fn load<'a, R: Rows>(r: R, lines: impl Fn(usize) -> &'a [Line; 2]) -> Blocks<R> {
    let [a, b, c, d] = r.load(|hash| &lines(hash)[0]);
    let [e, f, g, h] = r.load(|hash| &lines(hash)[1]);
    [a, b, c, d, e, f, g, h]
}

#[inline(always)]
fn store<R: Rows>(r: R, x: &Blocks<R>, mut line: impl FnMut(usize, usize, Line)) {
    let &[a, b, c, d, e, f, g, h] = x;
    r.store([a, b, c, d], |hash, value| line(hash, 0, value));
    r.store([e, f, g, h], |hash, value| line(hash, 1, value));
}

/// BlockMix with `r = 1`, of several vectors interleaved.
#[inline(always)]
fn block_mix<R: Rows, const WAYS: usize>(r: R, x: &mut [Blocks<R>; WAYS]) {
    let mut t = [[x[0][0]; 4]; WAYS];
    for (t, x) in t.iter_mut().zip(&*x) {
        for row in 0..4 {
            t[row] = r.xor(x[row], x[4 + row]);
        }
    }
    salsa(r, &mut t);
    for (t, x) in t.iter_mut().zip(&mut *x) {
        for row in 0..4 {
            x[row] = t[row];
            t[row] = r.xor(t[row], x[4 + row]);
        }
    }
    salsa(r, &mut t);
    for (t, x) in t.iter().zip(x) {
        x[4..].copy_from_slice(t);
    }
}

/// Salsa20/8.
#[inline(always)]
fn salsa<R: Rows, const WAYS: usize>(r: R, t: &mut [[R::Vector; 4]; WAYS]) {
    let before = *t;
    for _ in 0..8 {
        for [a, b, _, d] in t.iter_mut() {
            *b = r.xor(*b, r.rotate_left(r.add(*a, *d), 7));
        }
        for [a, b, c, _] in t.iter_mut() {
            *c = r.xor(*c, r.rotate_left(r.add(*b, *a), 9));
        }
        for [_, b, c, d] in t.iter_mut() {
            *d = r.xor(*d, r.rotate_left(r.add(*c, *b), 13));
        }
        for [a, b, c, d] in t.iter_mut() {
            *a = r.xor(*a, r.rotate_left(r.add(*d, *c), 18));
            (*b, *c, *d) = (r.turn1(*d), r.turn2(*c), r.turn3(*b));
        }
    }
    for (t, before) in t.iter_mut().zip(before) {
        for (t, before) in t.iter_mut().zip(before) {
            *t = r.add(*t, before);
        }
    }
}
