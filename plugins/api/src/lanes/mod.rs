//! Vectors of 32-bit words, one word a hash: what kernels want of a processor, said once for all instruction sets.
//!
//! ```
//! use adit_plugin::lanes::{Lanes, Plain};
//!
//! /// Quadruples the word of each lane.
//! #[inline(always)]
//! fn quadruple<L: Lanes>(l: L, words: L::Vector) -> L::Vector {
//!     let twice = l.add(words, words);
//!     l.add(twice, twice)
//! }
//! assert_eq!(quadruple(Plain, 3), 12);
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_pairs;
mod plain;
pub mod sha256;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "x86_64")]
pub use avx512_pairs::{Pair, Pairs, Words};
pub use plain::Plain;

/// Has the compiler align the frame of the function that calls this to a cache line.
///
/// It finds out too late that a function runs out of vector registers: what it then keeps in the frame stands where
/// that happens to begin, and each access to 64 bytes touches two lines unless it begins at one.
#[inline(always)]
pub fn align_frame() {
    #[repr(align(64))]
    struct Line(#[allow(dead_code)] u8);
    std::hint::black_box(&mut Line(0));
}

/// Lanes that [`Lanes::count_from`] has numbers for.
const MOST_LANES: usize = 64;

/// A set of instructions, and the proof that this CPU has it: who holds the value may use them.
///
/// Methods are inlined into a function that is compiled for those instructions, or they are slow; a count of bits is
/// a constant by then.
pub trait Lanes: Copy + Send + 'static {
    /// One word a lane.
    type Vector: Copy;

    /// Lanes of a vector.
    const LANES: usize;

    /// The same word in each lane.
    fn splat(self, word: u32) -> Self::Vector;

    /// The first [`LANES`](Self::LANES) words.
    ///
    /// # Panics
    /// When there are fewer.
    fn load(self, words: &[u32]) -> Self::Vector;

    /// Writes the first [`LANES`](Self::LANES) words.
    ///
    /// # Panics
    /// When there is room for fewer.
    fn store(self, vector: Self::Vector, words: &mut [u32]);

    /// `first` and the numbers after it, modulo 2^32.
    #[inline(always)]
    fn count_from(self, first: u32) -> Self::Vector {
        const { assert!(Self::LANES <= MOST_LANES) };
        let mut words = [first; MOST_LANES];
        for (lane, word) in words.iter_mut().enumerate() {
            *word = first.wrapping_add(lane as u32);
        }
        self.load(&words)
    }

    /// Sums modulo 2^32.
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Bits that one of the two has.
    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// Bits that one or all of the three have.
    fn xor3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// Bits of `f` where `e` has ones, of `g` where it has zeros.
    fn choose(self, e: Self::Vector, f: Self::Vector, g: Self::Vector) -> Self::Vector;

    /// The bit that two of the three have.
    fn majority(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// Rotated by 1 to 31 bits.
    fn rotate_right(self, a: Self::Vector, by: u32) -> Self::Vector;

    /// Shifted by 0 to 31 bits.
    fn shift_right(self, a: Self::Vector, by: u32) -> Self::Vector;

    /// The same vector, which the compiler knows nothing of: whatever it was made of is made before, whatever is made
    /// of it after, and vectors are held in the order of these calls. Costs no instruction.
    ///
    /// Left alone the compiler adds constants last, where a sum is waited for, and works on one vector after the other,
    /// where they should take turns.
    #[inline(always)]
    fn hold(self, a: Self::Vector) -> Self::Vector {
        a
    }

    /// Bytes of each word in the opposite order.
    fn swap_bytes(self, a: Self::Vector) -> Self::Vector;

    /// SHA-256's compression of a block, given as its words, in each lane; a call, where the rest is inlined.
    fn sha256(self, state: &mut [Self::Vector; 8], block: &[Self::Vector; 16]);
}
