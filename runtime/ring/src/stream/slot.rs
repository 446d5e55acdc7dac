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
//! Order: the producer's release of the sequence, which comes after that of the tail, pairs with the consumer's acquire
//! of it: the payload is whole, and a later look at the tail finds the message published. No sequence is met in another
//! lap, since positions only rise. spec: CHN-2.4

#[cfg(doc)]
use super::Framing;

/// Bytes of a slot: a message's payload and its sequence.
pub const SLOT: usize = 64;

/// Bytes of a message that stands in a slot.
pub const SLOT_PAYLOAD: usize = SLOT - size_of::<u64>();

/// Words of a message that stands in a slot.
pub const SLOT_WORDS: usize = SLOT_PAYLOAD / size_of::<u64>();

/// Words of a slot.
pub(super) const WORDS: usize = SLOT / size_of::<u64>();

/// Which word of a slot is the sequence.
pub(super) const SEQUENCE: usize = SLOT_WORDS;
