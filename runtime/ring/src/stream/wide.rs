//! Copies in pieces wider than a word, of words that a peer may touch meanwhile: x86-64.
//!
//! To the compiler each block of assembly is opaque and may stand for any code that Rust could have there; that is
//! relaxed loads and stores, word by word, so a concurrent access is no data race: an atomic memcpy, which neither
//! Rust nor C++ has yet (P1478, RFC 3301). What is read is as good as words that were loaded one by one.

use std::arch::{asm, x86_64::__m128i};

use super::Word;

/// From this length on, the processor's own copy is the fastest.
pub(super) const BULK: usize = 2048;

/// Words of a block.
const BLOCK: usize = 8;

/// One load, as the rest of the program is compiled: a mix of both encodings would cost more than it wins.
#[cfg(target_feature = "avx")]
macro_rules! load {
    ($to:literal, $from:literal) => {
        concat!("vmovups ", $to, ", xmmword ptr [", $from, "]")
    };
}
#[cfg(not(target_feature = "avx"))]
macro_rules! load {
    ($to:literal, $from:literal) => {
        concat!("movups ", $to, ", xmmword ptr [", $from, "]")
    };
}

/// One store, likewise.
#[cfg(target_feature = "avx")]
macro_rules! store {
    ($to:literal, $from:literal) => {
        concat!("vmovups xmmword ptr [", $to, "], ", $from)
    };
}
#[cfg(not(target_feature = "avx"))]
macro_rules! store {
    ($to:literal, $from:literal) => {
        concat!("movups xmmword ptr [", $to, "], ", $from)
    };
}

/// Reads whole blocks and pairs of words to the start of `into`; returns what is left of both.
///
/// A value that is put together from words and then used in wider pieces would wait until the stores of the words
/// have left the processor's store buffer: longer than all else that a short message costs.
#[inline(always)]
pub(super) fn read_blocks<'w, 'i>(
    mut words: &'w [Word],
    mut into: &'i mut [u8],
) -> (&'w [Word], &'i mut [u8]) {
    debug_assert!(words.len() * 8 >= into.len());
    while let (Some((block, more)), true) = (words.split_first_chunk(), into.len() >= BLOCK * 8) {
        let (first, rest) = into.split_at_mut(BLOCK * 8);
        first.copy_from_slice(&load_block(block));
        (words, into) = (more, rest);
    }
    while let (Some((pair, more)), true) = (words.split_first_chunk(), into.len() >= 16) {
        let (first, rest) = into.split_at_mut(16);
        first.copy_from_slice(&load_pair(pair));
        (words, into) = (more, rest);
    }
    (words, into)
}

/// Writes whole blocks and pairs of words from the start of `bytes`; returns what is left of both.
#[inline(always)]
pub(super) fn write_blocks<'w, 'b>(mut words: &'w [Word], mut bytes: &'b [u8]) -> (&'w [Word], &'b [u8]) {
    debug_assert!(words.len() * 8 >= bytes.len());
    while let (Some((block, more)), Some((first, rest))) =
        (words.split_first_chunk(), bytes.split_first_chunk())
    {
        store_block(block, *first);
        (words, bytes) = (more, rest);
    }
    while let (Some((pair, more)), Some((first, rest))) =
        (words.split_first_chunk(), bytes.split_first_chunk())
    {
        store_pair(pair, *first);
        (words, bytes) = (more, rest);
    }
    (words, bytes)
}

/// Loads a block of words.
#[inline(always)]
pub(super) fn load_words(words: &[Word; BLOCK]) -> [u64; BLOCK] {
    // SAFETY: any bytes are words.
    unsafe { std::mem::transmute(load_block(words)) }
}

/// The bytes of a block of words.
#[inline(always)]
fn load_block(words: &[Word; BLOCK]) -> [u8; BLOCK * 8] {
    let (a, b, c, d): (__m128i, __m128i, __m128i, __m128i);
    // SAFETY: the words are readable, and atomics, so that others may write them meanwhile; see above.
    unsafe {
        asm!(
            load!("{a}", "{from}"),
            load!("{b}", "{from} + 16"),
            load!("{c}", "{from} + 32"),
            load!("{d}", "{from} + 48"),
            from = in(reg) words.as_ptr(),
            a = out(xmm_reg) a,
            b = out(xmm_reg) b,
            c = out(xmm_reg) c,
            d = out(xmm_reg) d,
            options(nostack, preserves_flags, readonly)
        );
        std::mem::transmute([a, b, c, d])
    }
}

#[inline(always)]
fn store_block(words: &[Word; BLOCK], bytes: [u8; BLOCK * 8]) {
    // SAFETY: any bytes are four vectors.
    let [a, b, c, d]: [__m128i; 4] = unsafe { std::mem::transmute(bytes) };
    // SAFETY: the words are writable through a shared reference, being atomics, so that others may access them meanwhile;
    // see above.
    unsafe {
        asm!(
            store!("{to}", "{a}"),
            store!("{to} + 16", "{b}"),
            store!("{to} + 32", "{c}"),
            store!("{to} + 48", "{d}"),
            to = in(reg) words.as_ptr(),
            a = in(xmm_reg) a,
            b = in(xmm_reg) b,
            c = in(xmm_reg) c,
            d = in(xmm_reg) d,
            options(nostack, preserves_flags)
        );
    }
}

#[inline(always)]
fn store_pair(words: &[Word; 2], bytes: [u8; 16]) {
    // SAFETY: any bytes are a vector.
    let a: __m128i = unsafe { std::mem::transmute(bytes) };
    // SAFETY: as in `store_block`.
    unsafe {
        asm!(
            store!("{to}", "{a}"),
            to = in(reg) words.as_ptr(),
            a = in(xmm_reg) a,
            options(nostack, preserves_flags)
        );
    }
}

#[inline(always)]
fn load_pair(words: &[Word; 2]) -> [u8; 16] {
    let a: __m128i;
    // SAFETY: as in `load_block`.
    unsafe {
        asm!(
            load!("{a}", "{from}"),
            from = in(reg) words.as_ptr(),
            a = out(xmm_reg) a,
            options(nostack, preserves_flags, readonly)
        );
        std::mem::transmute(a)
    }
}

/// `memcpy` that may race with accesses of others, which then leave bytes of the old or of the new.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes; they do not overlap; each is either this side's
/// alone or accessed by others as atomics.
pub(super) unsafe fn move_bytes(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller promises both ranges; see above for races. The direction flag is clear wherever assembly
    // begins.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") len => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
}
