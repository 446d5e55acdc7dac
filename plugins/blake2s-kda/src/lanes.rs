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

/// Whatever is made for all hashes will do.
impl<L: adit_plugin::lanes::Lanes> Lanes for L {
    type Vector = L::Vector;

    #[inline(always)]
    fn splat(self, word: u32) -> L::Vector {
        adit_plugin::lanes::Lanes::splat(self, word)
    }

    #[inline(always)]
    fn add(self, a: L::Vector, b: L::Vector) -> L::Vector {
        adit_plugin::lanes::Lanes::add(self, a, b)
    }

    #[inline(always)]
    fn xor(self, a: L::Vector, b: L::Vector) -> L::Vector {
        adit_plugin::lanes::Lanes::xor(self, a, b)
    }

    #[inline(always)]
    fn rotate_right(self, a: L::Vector, by: u32) -> L::Vector {
        adit_plugin::lanes::Lanes::rotate_right(self, a, by)
    }
}
