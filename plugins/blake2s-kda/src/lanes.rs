//! What the kernel wants of a processor: vectors of 32-bit words and blake2s's operations on them.

/// A set of instructions, and the proof that this CPU has it: who holds the value may use them.
///
/// Every method is inlined into the one function of the variant that is compiled for those
/// instructions; a count of bits is a constant by then.
pub(crate) trait Lanes: Copy {
    /// One word a nonce.
    type Vector: Copy;

    fn splat(self, word: u32) -> Self::Vector;

    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn xor(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;

    fn rotate_right(self, a: Self::Vector, by: u32) -> Self::Vector;
}
