//! What the kernel wants of a processor: vectors of 32-bit words and SHA-256's functions on them.

/// A set of instructions, and the proof that this CPU has it: who holds the value may use them.
///
/// Every method is inlined into the one function of the variant that is compiled for those
/// instructions; a count of bits is a constant by then.
pub(crate) trait Lanes: Copy {
    /// One word a nonce.
    type Vector: Copy;

    fn splat(self, word: u32) -> Self::Vector;

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn xor3(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// Bits of `f` where `e` has ones, of `g` where it has zeros.
    fn choose(self, e: Self::Vector, f: Self::Vector, g: Self::Vector) -> Self::Vector;

    /// The bit that two of the three have.
    fn majority(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    fn rotate_right(self, a: Self::Vector, by: u32) -> Self::Vector;

    fn shift_right(self, a: Self::Vector, by: u32) -> Self::Vector;
}
