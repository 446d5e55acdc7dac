//! Transparent huge pages: how they are made, and how it is known that they are there.
//!
//! A fault makes one where the mapping was advised to have them and the system's setting allows it, which it seldom does
//! for shared memory. `MADV_COLLAPSE` (Linux 6.1) makes one of what is there, whatever the setting, and says whether it
//! did.

use std::fs;

use rustix::{
    io::Errno,
    mm::{Advice, madvise},
};

use crate::{
    pages::{HUGE, Pages},
    region::Region,
};

/// Puts a huge page under each whole 2 MiB of a region that is not touched yet; at the first that cannot be had, it is left
/// to faults to do so.
pub(crate) fn make(region: &Region) -> Result<(), Errno> {
    let (start, chunks) = (region.as_ptr(), region.len() / HUGE);
    // SAFETY: the range is within this live region, and the advice changes no byte of it. Where it is refused, what follows
    // is too.
    let _ = unsafe { madvise(start.as_ptr().cast(), chunks * HUGE, Advice::LinuxHugepage) };
    for chunk in (0..chunks).map(|chunk| chunk * HUGE) {
        // The huge page comes from the node of what is there, so there must be a page. The rest is not filled first: it
        // would be copied.
        region.populate_part(chunk, rustix::param::page_size())?;
        // SAFETY: the range is within this live region; its bytes stay what they are, and a failure leaves it as it was.
        let made = unsafe { libc::madvise(start.as_ptr().add(chunk).cast(), HUGE, libc::MADV_COLLAPSE) };
        if made != 0 {
            return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL));
        }
    }
    Ok(())
}

/// Which pages came out, and a note where only a part is huge. If all were `made`, the kernel has said so; else it is asked.
pub(crate) fn verify(region: &mut Region, made: Result<(), Errno>) -> Pages {
    let (start, len) = (region.as_ptr().as_ptr().addr(), region.len());
    if made.is_ok() && len >= HUGE {
        return Pages::Transparent;
    }
    let huge = huge_bytes(start, len);
    if huge == 0 {
        return Pages::Normal;
    }
    if huge < (len / HUGE * HUGE) as u64 {
        region.report_mut().notes.push(format!("only {huge} of {len} bytes are on transparent huge pages"));
    }
    Pages::Transparent
}

/// Why faults give shared memory no huge pages here, if they give none.
pub(crate) fn off_for_shared() -> Option<String> {
    let path = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    match fs::read_to_string(path) {
        Err(_) => Some("this kernel has no transparent huge pages for shared memory".to_owned()),
        Ok(text) => match chosen(&text) {
            mode @ ("never" | "deny") => Some(format!(
                "transparent huge pages are off for shared memory: {path} is {mode:?}, and this kernel does not make \
                 them without (Linux 6.1 and newer do)"
            )),
            _ => None,
        },
    }
}

/// Why private memory gets no huge pages here, and no other should by itself, if that is so.
pub(crate) fn off() -> Option<String> {
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    match fs::read_to_string(path) {
        Err(_) => Some("this kernel has no transparent huge pages".to_owned()),
        Ok(text) if chosen(&text) == "never" => {
            Some(format!("transparent huge pages are off: {path} is \"never\""))
        }
        Ok(_) => None,
    }
}

/// The word in brackets: `always advise [never]`.
fn chosen(text: &str) -> &str {
    text.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(word, _)| word)
}

/// How many bytes of the mapping at `start` are mapped by huge pages now.
pub(crate) fn huge_bytes(start: usize, len: usize) -> u64 {
    fs::read_to_string("/proc/self/smaps").map_or(0, |text| huge_bytes_in(&text, start, len))
}

fn huge_bytes_in(smaps: &str, start: usize, len: usize) -> u64 {
    let mut inside = false;
    let mut bytes = 0_u64;
    for line in smaps.lines() {
        if let Some((first, end)) = address_range(line) {
            inside = first < start.saturating_add(len) && start < end;
        } else if inside && ["ShmemPmdMapped:", "AnonHugePages:"].iter().any(|name| line.starts_with(name)) {
            let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            bytes = bytes.saturating_add(kib.saturating_mul(1024));
        }
    }
    bytes
}

/// The head line of a mapping: `7f0000000000-7f0000200000 rw-s 00000000 00:01 5 /memfd:name`.
fn address_range(line: &str) -> Option<(usize, usize)> {
    let (first, end) = line.split(' ').next()?.split_once('-')?;
    Some((usize::from_str_radix(first, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_mode_is_the_one_in_brackets() {
        assert_eq!(chosen("always within_size advise [never] deny force\n"), "never");
        assert_eq!(chosen("garbage"), "");
    }

    #[test]
    fn only_the_asked_mapping_counts() {
        let smaps = "\
200000-400000 rw-s 00000000 00:01 5 /memfd:a (deleted)
Size:               2048 kB
AnonHugePages:         0 kB
ShmemPmdMapped:     2048 kB
VmFlags: rd wr sh
400000-800000 rw-s 00000000 00:01 6 /memfd:b (deleted)
ShmemPmdMapped:     4096 kB
";
        assert_eq!(huge_bytes_in(smaps, 0x20_0000, 0x20_0000), 2 << 20);
        assert_eq!(huge_bytes_in(smaps, 0x40_0000, 0x1000), 4 << 20);
        assert_eq!(huge_bytes_in(smaps, 0x80_0000, 0x1000), 0);
    }
}
