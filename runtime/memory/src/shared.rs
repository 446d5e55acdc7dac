//! Named segments of the system's shared memory, mapped by the `shared_memory` crate.

use std::{fmt, ptr::NonNull, sync::Arc};

use rustix::mm::{MprotectFlags, mprotect};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use crate::{
    error::{MemoryError, failed},
    region::{Access, Region},
};

/// A whole named segment, mapped readable and writable.
pub(crate) struct Shared(Shmem);

// SAFETY: it is a pointer to a mapping and a name; any thread may use the one and unmap the other.
unsafe impl Send for Shared {}
// SAFETY: through a shared reference it gives out the pointer and the length, which never change.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps the segment of that name, which must exist; dropping it removes nothing.
    pub fn open(name: &str) -> Result<Arc<Shared>, MemoryError> {
        let system = |code: u32| std::io::Error::from_raw_os_error(code as i32);
        let opened = ShmemConf::new().os_id(name).open().map_err(|error| match error {
            ShmemError::MapOpenFailed(code) | ShmemError::UnknownOsError(code) => system(code),
            other => std::io::Error::other(other.to_string()),
        });
        opened.map(Shared).map(Arc::new).map_err(failed("map a named segment", 0))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The part of `len` bytes at `offset`, both multiples of the page size.
    ///
    /// Parts that may only be read are protected, so that a write is a signal as it is in any other region.
    ///
    /// # Panics
    /// The part is not within the segment.
    pub fn part(
        self: &Arc<Shared>,
        offset: usize,
        len: usize,
        access: Access,
    ) -> Result<Region, MemoryError> {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len()));
        let start = NonNull::new(self.0.as_ptr()).expect("mmap never maps at address 0 unless asked to");
        // SAFETY: within the mapping, by the line above.
        let start = unsafe { start.add(offset) };
        if access == Access::ReadOnly {
            // SAFETY: the range is within this live mapping, which nobody but the holders of its parts uses,
            // and a part that is only read is not written through another.
            unsafe { mprotect(start.as_ptr().cast(), len, MprotectFlags::READ) }
                .map_err(failed("protect a part of a named segment", len))?;
        }
        Ok(Region::part(Arc::clone(self), start, len, access))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("name", &self.0.get_os_id()).field("len", &self.len()).finish()
    }
}
