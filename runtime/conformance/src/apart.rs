//! A host and a helper that run at the same time.

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// While it lives, the calling thread keeps to one processor, and leaves the others to a helper.
///
/// Without it the two share one for as long as something else has the others: then each looks while the other stands still.
/// Where there is but one, or the system refuses, both run where they may.
#[derive(Debug)]
pub(crate) struct Apart {
    /// The helper's processors; empty: any.
    pub helper: Vec<u32>,
    before: Option<CpuSet>,
}

impl Apart {
    /// Keeps the calling thread to the processor that it is on.
    pub fn begin() -> Self {
        Self::try_begin().unwrap_or(Self { helper: Vec::new(), before: None })
    }

    fn try_begin() -> Option<Self> {
        let before = sched_getaffinity(None).ok()?;
        let here = sched_getcpu();
        let helper: Vec<u32> = (0..CpuSet::MAX_CPU)
            .filter(|&cpu| before.is_set(cpu) && cpu != here)
            .filter_map(|cpu| u32::try_from(cpu).ok())
            .collect();
        if helper.is_empty() || here >= CpuSet::MAX_CPU {
            return None;
        }
        let mut own = CpuSet::new();
        own.set(here);
        sched_setaffinity(None, &own).ok()?;
        Some(Self { helper, before: Some(before) })
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Its own of before; the system takes it, unless it took processors away meanwhile.
            let _ = sched_setaffinity(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_share_no_processor_and_the_thread_is_free_again() {
        let all = sched_getaffinity(None).unwrap();
        let apart = Apart::begin();
        let own = sched_getaffinity(None).unwrap();
        if all.count() > 1 {
            assert_eq!((own.count(), apart.helper.len() as u32), (1, all.count() - 1));
            assert!(apart.helper.iter().all(|&cpu| !own.is_set(cpu as usize)));
        } else {
            assert!(apart.helper.is_empty());
        }
        drop(apart);
        assert_eq!(sched_getaffinity(None).unwrap(), all);
    }
}
