//! Cpu lists as the kernel and `taskset` write them: `0-3,8`.

use crate::error::{TopologyError, clip};

/// The most ids that one list may name, so that a typing error cannot ask for gigabytes.
pub const MAX_CPU_LIST: usize = 4096;

/// Reads a list such as `0-3,8` into ascending ids without duplicates.
///
/// # Errors
///
/// [`TopologyError::CpuList`] for an empty list, an empty entry, something that is not a number, a range that
/// runs backwards, or more than [`MAX_CPU_LIST`] ids.
///
/// ```
/// # use adit_topology::parse_cpu_list;
/// assert_eq!(parse_cpu_list("8, 0-2").unwrap(), [0, 1, 2, 8]);
/// ```
pub fn parse_cpu_list(text: &str) -> Result<Vec<u32>, TopologyError> {
    let fail = |reason: String| TopologyError::cpu_list(text, reason);
    if text.trim().is_empty() {
        return Err(fail("it is empty".into()));
    }
    let mut ids = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err(fail("it has an empty entry".into()));
        }
        let (first, last) = match entry.split_once('-') {
            Some((first, last)) => (parse_id(first), parse_id(last)),
            None => (parse_id(entry), parse_id(entry)),
        };
        let (Some(first), Some(last)) = (first, last) else {
            return Err(fail(format!("{:?} is neither a cpu id nor a range of ids", clip(entry))));
        };
        if last < first {
            return Err(fail(format!("the range {entry:?} runs backwards")));
        }
        // u64: the range 0-4294967295 has one id more than a u32 can count.
        let count = u64::from(last) - u64::from(first) + 1;
        if ids.len() as u64 + count > MAX_CPU_LIST as u64 {
            return Err(fail(format!("it names more than {MAX_CPU_LIST} cpus")));
        }
        ids.extend(first..=last);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Digits only: `u32::from_str` would also take `+3`.
fn parse_id(text: &str) -> Option<u32> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Writes ids as [`parse_cpu_list`] reads them, with runs folded: `[0, 1, 2, 8]` becomes `0-2,8`.
///
/// No ids at all become `none`, which is for people and is not read back.
///
/// ```
/// # use adit_topology::format_cpu_list;
/// assert_eq!(format_cpu_list(&[8, 0, 1, 2]), "0-2,8");
/// ```
#[must_use]
pub fn format_cpu_list(ids: &[u32]) -> String {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut entries = Vec::new();
    // Neighbours differ by exactly one inside a run.
    for run in ids.chunk_by(|a, b| b - a == 1) {
        entries.push(match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => continue,
        });
    }
    if entries.is_empty() { "none".to_owned() } else { entries.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_and_ranges() {
        assert_eq!(parse_cpu_list("0-3,8").unwrap(), [0, 1, 2, 3, 8]);
        assert_eq!(parse_cpu_list(" 5 \n").unwrap(), [5]);
        assert_eq!(parse_cpu_list("4,0-2,1").unwrap(), [0, 1, 2, 4]);
        assert_eq!(parse_cpu_list("4294967295").unwrap(), [u32::MAX]);
        assert_eq!(parse_cpu_list("0-4095").unwrap().len(), MAX_CPU_LIST);
    }

    #[test]
    fn refuses_with_a_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            ("  ", "it is empty"),
            ("0,,1", "empty entry"),
            ("0-3,", "empty entry"),
            ("all", "\"all\" is neither"),
            ("+1", "\"+1\" is neither"),
            ("-", "\"-\" is neither"),
            ("-1", "\"-1\" is neither"),
            ("1-", "\"1-\" is neither"),
            ("1-2-3", "\"1-2-3\" is neither"),
            ("0-8:2", "\"0-8:2\" is neither"),
            ("4294967296", "is neither"),
            ("3-1", "runs backwards"),
            ("0-4096", "more than 4096"),
            ("0-4294967295", "more than 4096"),
            ("0-4000,5000-5200", "more than 4096"),
        ] {
            let error = parse_cpu_list(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
            assert!(error.contains("0-3,8"), "no way out in: {error}");
        }
        let long = parse_cpu_list(&"x".repeat(1 << 20)).unwrap_err().to_string();
        assert!(long.len() < 400, "{} bytes", long.len());
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["0", "0-3,8", "1,3,5", "0-1,4294967294-4294967295"] {
            assert_eq!(format_cpu_list(&parse_cpu_list(text).unwrap()), text);
        }
        assert_eq!(format_cpu_list(&[]), "none");
    }
}
