//! Messages in slots: each says by itself that it is published, so that one cache line moves for it.
//!
//! In a ring of [`Framing::Fixed`] messages of [`SLOT`] bytes a message may carry seven words. The eighth is its sequence,
//! the position behind it, which the writer stores once the tail is published. A reader that finds it need not look at
//! the tail, whose line the writer then keeps. The tail stays what counts: whoever finds another sequence looks at that,
//! and nothing else of the ring changes. (The sequence in the slot is that of Vyukov's bounded queue, 2010, as in
//! [`crate::slot`].)
//!
//! ```text
//!  slot: 64 bytes, one cache line
//!  ┌────────────────────────────┬──────────┐
//!  │ payload: 7 × u64           │ sequence │   sequence == position + 64  ⇒  tail >= position + 64
//!  └────────────────────────────┴──────────┘
//! ```
//!
//! A message of eight words fills its slot, and nothing in it says that it is there but that the eighth word is another one
//! than before. So that it is, also where messages repeat themselves, it stands there XOR a *key* that follows from the
//! position, and the reader keeps of each slot what it saw there last. In such a *full* slot the eighth word is stored before
//! the tail, or else a writer killed between the two would leave half a message below its tail. So a reader may find
//! that the tail is one message behind what it has read.
//!
//! ```text
//!  full slot: 64 bytes, one cache line
//!  ┌────────────────────────────┬──────────┐
//!  │ payload: 7 × u64           │ 8th word │   8th word ^ key(position + 64)  !=  what stood there a lap before
//!  └────────────────────────────┴──────────┘       ⇒  the message is whole
//! ```
//!
//! Order: the producer's release of the sequence, which comes after that of the tail, pairs with the consumer's acquire
//! of it: the payload is whole, and a later look at the tail finds the message published. No sequence is met in another
//! lap, since positions only rise. The release of the eighth word of a full slot pairs with the consumer's acquire of it: the
//! seven others are whole. By chance, once in 2^32 messages, it looks as before; then the tail tells. spec: CHN-2.4, CHN-2.5

#[cfg(doc)]
use super::Framing;

/// Bytes of a slot: a message's payload and its sequence.
pub const SLOT: usize = 64;

/// Bytes of a message that stands in a slot.
pub const SLOT_PAYLOAD: usize = SLOT - size_of::<u64>();

/// Words of a message that stands in a slot.
pub const SLOT_WORDS: usize = SLOT_PAYLOAD / size_of::<u64>();

/// Words of a slot, and of a message that fills it.
pub const FULL_SLOT_WORDS: usize = SLOT / size_of::<u64>();

/// Which word of a slot is the sequence.
pub(super) const SEQUENCE: usize = SLOT_WORDS;

/// What the eighth word of a full slot is stored XOR with; `end` is the position behind the slot. Multiplied by the odd number
/// next to 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4), so that the low half differs from
/// lap to lap as well.
#[inline(always)]
const fn key(end: u64) -> u64 {
    end.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A message as it stands in a full slot in front of the position `end`, from what it is, and the other way round.
#[inline(always)]
#[must_use]
pub const fn masked(mut message: [u64; FULL_SLOT_WORDS], end: u64) -> [u64; FULL_SLOT_WORDS] {
    message[SEQUENCE] ^= key(end);
    message
}
