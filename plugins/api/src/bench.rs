//! What `adit bench hash` holds a search against.

use std::fmt;

use crate::Digest;

/// What an algorithm says of its cost, and whom it is compared with. Empty by default.
#[derive(Debug, Default)]
pub struct Bench {
    /// What the variants cannot do without. A variant with several bounds is held to the tightest; one with
    /// none has no bound.
    pub bounds: Vec<Bound>,
    /// Well-kept code for the same digest, used as its documentation says.
    pub reference: Option<Reference>,
}

/// Instructions that a variant issues for some hashes, however well they are arranged.
///
/// ```
/// use adit_plugin::bench::{Bound, Unit};
///
/// // 2,885 instructions on vectors of 512 bits for 16 hashes.
/// let bound = Bound { variant: "avx512", unit: Unit::Vector512, count: 2885, hashes: 16 };
/// assert_eq!(bound.hashes_per_s(2885.0e6), 16.0e6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The variant's name.
    pub variant: &'static str,
    /// What issues them.
    pub unit: Unit,
    /// How many, at least 1.
    pub count: u32,
    /// For how many hashes, at least 1.
    pub hashes: u32,
}

impl Bound {
    /// The most hashes a second where the unit issues `rate` instructions a second.
    #[must_use]
    pub fn hashes_per_s(&self, rate: f64) -> f64 {
        rate * f64::from(self.hashes) / f64::from(self.count)
    }
}

/// A kind of instruction whose rate is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// On 512-bit vectors of 32-bit words: an addition, or any other that is no slower.
    Vector512,
    /// A rotation or shift of 512-bit vectors.
    Rotate512,
    /// On 256-bit vectors of 32-bit words: an addition, or any other that is no slower.
    Vector256,
    /// A shift of 256-bit vectors.
    Shift256,
    /// `sha256rnds2`: two rounds of SHA-256.
    Sha256Rounds,
    /// `aesenc` on 128 bits.
    AesRound,
}

/// Hashes a header.
pub type HashHeader = dyn Fn(&[u8]) -> Digest + Send + Sync;

/// Somebody else's digest of a whole header.
pub struct Reference {
    /// Name and version, such as `sha2 0.10`.
    pub name: &'static str,
    /// The digest of a header of the layout's length.
    pub digest: Box<HashHeader>,
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({})", self.name)
    }
}
