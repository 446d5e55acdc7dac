//! The live generation where kernels see it. spec: KRN-4.3
//!
//! Best is the session's own page, which the driver maps for the GPU: then nobody stands between the host's order and the
//! kernel. It is mapped for reading only, and not every driver takes such a page; then a thread copies the word into
//! memory that the driver gave, a thousand times a second.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use adit_helper::{LiveGeneration, kernels::Failure};
use cudarc::driver::{
    CudaContext, PinnedHostSlice,
    sys::{self, CU_MEMHOSTALLOC_DEVICEMAP, CU_MEMHOSTREGISTER_DEVICEMAP, CU_MEMHOSTREGISTER_READ_ONLY},
};

use crate::device::failure;

/// How often the word is copied where the GPU does not see the host's own.
const RELAY_EVERY: Duration = Duration::from_millis(1);

/// The driver maps whole pages; the session's memory consists of pages of this size or larger ones.
const PAGE: usize = 4096;

/// A word that kernels look at.
pub enum Live {
    /// There is none: every job lives.
    Unwatched,
    /// The session's own.
    Registered(Registered),
    /// A copy.
    Relayed(Relayed),
}

impl Live {
    /// Lets the GPU see the word.
    ///
    /// # Errors
    /// [`Failure`]: not even memory for a copy.
    pub fn watch(context: &Arc<CudaContext>, live: LiveGeneration) -> Result<Self, Failure> {
        match Registered::new(context, live.clone()) {
            Some(registered) => Ok(Self::Registered(registered)),
            None => Relayed::new(context, live).map(Self::Relayed),
        }
    }

    /// Where kernels find it; 0 for nowhere.
    pub fn address(&self) -> u64 {
        match self {
            Self::Unwatched => 0,
            Self::Registered(registered) => registered.address,
            Self::Relayed(relayed) => relayed.address,
        }
    }
}

/// A page of the session that the GPU sees.
pub struct Registered {
    page: *mut c_void,
    address: u64,
    context: Arc<CudaContext>,
    /// Keeps it mapped.
    _live: LiveGeneration,
}

impl Registered {
    fn new(context: &Arc<CudaContext>, live: LiveGeneration) -> Option<Self> {
        let word = live.as_ptr() as usize;
        let page = (word / PAGE * PAGE) as *mut c_void;
        context.bind_to_thread().ok()?;
        let flags = CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_READ_ONLY;
        // SAFETY: the page is mapped as long as `live` is there, and unregistered before; nobody writes it from here.
        unsafe { sys::cuMemHostRegister_v2(page, PAGE, flags) }.result().ok()?;
        let mut registered = Self { page, address: 0, context: Arc::clone(context), _live: live };
        // SAFETY: the page was registered just now.
        unsafe { sys::cuMemHostGetDevicePointer_v2(&mut registered.address, page, 0) }.result().ok()?;
        registered.address += (word % PAGE) as u64;
        Some(registered)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.context.bind_to_thread().is_ok() {
            // SAFETY: it was registered, and no kernel runs any more.
            let _ = unsafe { sys::cuMemHostUnregister(self.page) }.result();
        }
    }
}

/// A copy of the word, and the thread that brings it up to date.
pub struct Relayed {
    address: u64,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _word: PinnedHostSlice<u64>,
}

impl Relayed {
    fn new(context: &Arc<CudaContext>, live: LiveGeneration) -> Result<Self, Failure> {
        // SAFETY: it is written below, before anybody reads it.
        let mut word = unsafe { context.alloc_pinned_with_flags::<u64>(1, CU_MEMHOSTALLOC_DEVICEMAP) }
            .map_err(failure("cuMemHostAlloc of the generation"))?;
        // With unified addressing, which 64-bit processes have, the device knows it by the same address.
        let address = word.as_mut_ptr().map_err(failure("cuEventSynchronize"))? as u64;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let relay = move || {
            while !ends.load(Ordering::Relaxed) {
                // SAFETY: the word is aligned and outlives this thread, which is waited for; others read it as a whole.
                unsafe { AtomicU64::from_ptr(address as *mut u64) }.store(live.load(), Ordering::Relaxed);
                thread::sleep(RELAY_EVERY);
            }
        };
        // SAFETY: as above; the thread has not begun.
        unsafe { AtomicU64::from_ptr(address as *mut u64) }.store(0, Ordering::Relaxed);
        let thread = thread::Builder::new().name("relay".into()).spawn(relay);
        let thread = thread.map_err(|error| Failure::Device(format!("a thread: {error}")))?;
        Ok(Self { address, over, thread: Some(thread), _word: word })
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
