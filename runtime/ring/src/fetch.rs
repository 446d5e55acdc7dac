//! Asks for cache lines before they are needed: hints, which change no value and can fail nothing.
//!
//! Where two cores share no cache a line takes hundreds of cycles from one to the other, and a core waits for a few at
//! a time only: stores leave its buffer in order, and loads are begun no earlier than its window reaches. Asking early
//! has more of them under way.

use crate::word::Word;

/// How far ahead lines are asked for, in bytes.
pub(crate) const AHEAD: u64 = 4096;

/// Bytes of a line.
pub(crate) const LINE: usize = 64;

/// The most lines that are asked for at once.
const MOST: u64 = 4;

/// Calls `ask` with a position in each line that a message of `stride` bytes at `position` begins to use; the
/// processor sees by itself where a long one goes on.
#[inline(always)]
pub(crate) fn each_line(position: u64, stride: u64, mut ask: impl FnMut(u64)) {
    // Of short messages the first in each line asks.
    if stride >= LINE as u64 || position % (LINE as u64) < stride {
        for line in 0..(stride / LINE as u64).clamp(1, MOST) {
            ask(position + line * LINE as u64);
        }
    }
}

/// The word at `index`, in bytes, will soon be written.
#[inline(always)]
pub(crate) fn to_write(words: &[Word], index: u64) {
    write_at(words.as_ptr().wrapping_byte_add(index as usize).cast());
}

/// The line there will soon be written.
#[inline(always)]
pub(crate) fn write_at(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    // SAFETY: a hint, which reads and writes nothing and never faults, whatever the address.
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at.addr(), options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
    let _ = at;
}

/// The word at `index`, in bytes, will soon be read.
#[inline(always)]
pub(crate) fn to_read(words: &[Word], index: u64) {
    read_at(words.as_ptr().wrapping_byte_add(index as usize).cast());
}

/// The line there will soon be read.
#[inline(always)]
pub(crate) fn read_at(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(any(loom, miri))))]
    // SAFETY: as in `write_at`.
    unsafe {
        std::arch::asm!("prefetcht0 [{at}]", at = in(reg) at.addr(), options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(loom, miri)))))]
    let _ = at;
}
