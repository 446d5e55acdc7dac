//! A plugin's searcher behind the host's trait.

#![allow(unsafe_code)]

use std::{
    any::Any,
    ffi::c_void,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use adit_abi::{
    PLUGIN_OK, PluginHits, PluginSearcher, PluginWanted, SCRATCH_HUGE, SCRATCH_ORDINARY, SCRATCH_TRANSPARENT,
};
use adit_plugin::{Digest, Hits, Layout, LayoutError, Searcher, Target, scratch::Pages};

use super::foreign::{Functions, SearchWhile, said};

/// A searcher of a plugin, used by one thread at a time.
struct Handle(*mut c_void);

// SAFETY: PLG-2.1: a searcher may be made by one thread and used by another.
unsafe impl Send for Handle {}

/// The search of one thread.
pub(super) struct ForeignSearcher {
    handle: Handle,
    functions: Functions,
    search_while: Option<SearchWhile>,
    layout: Layout,
    file: String,
    group: u64,
    scratch: Option<Pages>,
}

impl ForeignSearcher {
    /// What `searcher_new` made, once it has said what it is.
    pub(super) fn new(
        made: *mut c_void,
        functions: Functions,
        search_while: Option<SearchWhile>,
        layout: Layout,
        file: &str,
    ) -> Result<Self, String> {
        let handle = Handle(made);
        let mut searcher =
            Self { handle, functions, search_while, layout, file: file.to_owned(), group: 1, scratch: None };
        searcher.ask()?;
        Ok(searcher)
    }

    /// spec: PLG-4.4
    fn ask(&mut self) -> Result<(), String> {
        let mut facts = PluginSearcher { group: 0, scratch: 0, reserved: 0 };
        // SAFETY: the handle is the plugin's own, and `&mut self` means no other call with it.
        let status = unsafe { (self.functions.describe)(self.handle.0, &raw mut facts) };
        if status != PLUGIN_OK {
            return Err(format!("describe: {} [PLG-4.4]", said(status)));
        }
        if !(1..=65_536).contains(&facts.group) {
            return Err(format!(
                "describe says a group of {} nonces, not 1 to 65,536 [PLG-4.4]",
                facts.group
            ));
        }
        self.group = facts.group;
        self.scratch = match facts.scratch {
            SCRATCH_HUGE => Some(Pages::Huge),
            SCRATCH_TRANSPARENT => Some(Pages::Transparent),
            SCRATCH_ORDINARY => Some(Pages::Ordinary),
            _ => None,
        };
        Ok(())
    }

    /// spec: PLG-4.2
    pub(super) fn job(&mut self, header: &[u8], target: &Target) -> Result<(), String> {
        // SAFETY: header and target stay during the call; the handle as in `ask`.
        let status = unsafe {
            (self.functions.set_job)(self.handle.0, header.as_ptr(), header.len() as u32, target.0.as_ptr())
        };
        if status == PLUGIN_OK { Ok(()) } else { Err(format!("set_job: {} [PLG-4.2]", said(status))) }
    }
}

impl ForeignSearcher {
    /// Calls one of the searches with a table for its hits, and looks at what came of it.
    fn run(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        call: impl FnOnce(*mut c_void, *const PluginHits) -> i32,
    ) {
        let mut sink = Sink { hits, panic: None };
        let table = PluginHits { context: (&raw mut sink).cast(), hit: Some(hit) };
        let status = call(self.handle.0, &raw const table);
        if let Some(panic) = sink.panic {
            resume_unwind(panic);
        }
        if status != PLUGIN_OK {
            panic!("plugin {}: search of {start} ..= {last}: {} [PLG-4.3]", self.file, said(status));
        }
    }
}

impl Searcher for ForeignSearcher {
    /// # Panics
    /// When the plugin refuses a header of the right length; the text names file and status.
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        self.layout.check(header)?;
        if let Err(what) = self.job(header, target) {
            panic!("plugin {}: {what}", self.file);
        }
        Ok(())
    }

    /// # Panics
    /// When the plugin's search fails; the text names file and status. spec: PLG-4.3
    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        let function = self.functions.search;
        // SAFETY: table and sink outlive the call; the handle as in `ask`; `Searcher` promises the range.
        self.run(start, last, hits, |handle, table| unsafe { function(handle, start, last, table) });
    }

    /// # Panics
    /// As `search`. spec: PLG-5.4
    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        let Some(function) = self.search_while else {
            self.search(start, last, hits);
            return true;
        };
        let mut asked = Asked { go_on, panic: None, stopped: false };
        let wanted = PluginWanted { context: (&raw mut asked).cast(), wanted: Some(wanted) };
        // SAFETY: as in `search`, and so does what is asked.
        self.run(start, last, hits, |handle, table| unsafe {
            function(handle, start, last, table, &raw const wanted)
        });
        if let Some(panic) = asked.panic {
            resume_unwind(panic);
        }
        !asked.stopped
    }

    fn group(&self) -> u64 {
        self.group
    }

    fn scratch(&self) -> Option<Pages> {
        self.scratch
    }
}

impl Drop for ForeignSearcher {
    fn drop(&mut self) {
        // SAFETY: the handle comes from `searcher_new`, and this is the last call with it.
        unsafe { (self.functions.searcher_free)(self.handle.0) };
    }
}

/// Where a search's hits go, and what went wrong there.
struct Sink<'a, 'b> {
    hits: &'a mut Hits<'b>,
    panic: Option<Box<dyn Any + Send>>,
}

/// Takes a hit. A panic of the host's waits until the plugin has returned: it must not go through C.
unsafe extern "C" fn hit(context: *mut c_void, nonce: u64, digest: *const u8) {
    // SAFETY: PLG-4.3: the plugin hands over the context that `search` gave it, during that call and on its
    // thread, where nothing else uses the sink.
    let sink = unsafe { &mut *context.cast::<Sink<'_, '_>>() };
    if sink.panic.is_some() {
        return;
    }
    // SAFETY: PLG-4.3: a digest is 32 bytes, of any alignment.
    let digest = Digest(unsafe { digest.cast::<[u8; 32]>().read() });
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (sink.hits)(nonce, digest))) {
        sink.panic = Some(panic);
    }
}

/// Who is asked whether a search is wanted, and what went wrong there.
struct Asked<'a> {
    go_on: &'a mut dyn FnMut() -> bool,
    panic: Option<Box<dyn Any + Send>>,
    stopped: bool,
}

/// Says whether the search is wanted; once it was not, it stays so.
unsafe extern "C" fn wanted(context: *mut c_void) -> u32 {
    // SAFETY: PLG-5.4: the context that `search_while` gave, as in `hit`.
    let asked = unsafe { &mut *context.cast::<Asked<'_>>() };
    if asked.panic.is_none() {
        match catch_unwind(AssertUnwindSafe(|| (asked.go_on)())) {
            Ok(go_on) => asked.stopped |= !go_on,
            Err(panic) => (asked.stopped, asked.panic) = (true, Some(panic)),
        }
    }
    u32::from(!asked.stopped)
}
