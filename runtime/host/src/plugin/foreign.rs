//! A plugin's functions as an [`Algorithm`] of the host.

#![allow(unsafe_code)]

use std::{
    any::Any,
    ffi::{CString, c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    ptr::null_mut,
    sync::OnceLock,
    time::{Duration, Instant},
};

use adit_abi::{
    BENCH_AES_ROUND, BENCH_ROTATE_512, BENCH_SHA256_ROUNDS, BENCH_SHIFT_256, BENCH_VECTOR_256,
    BENCH_VECTOR_512, BenchExtension, EXTENSION_BENCH, EXTENSION_STRATUM, MAX_BOUNDS, PLUGIN_INVALID,
    PLUGIN_OK, PLUGIN_UNSUPPORTED, PluginBlock, PluginHits, PluginSearcher, PluginVariant, SCRATCH_HUGE,
    SCRATCH_ORDINARY, SCRATCH_TRANSPARENT, StratumExtension, VARIANT_ONLY,
};
use adit_plugin::{
    Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target, Variant,
    bench::{Bench, Bound, Reference, Unit},
    choose,
    scratch::Pages,
};

use super::{
    PluginFault,
    table::{self, Facts},
};

type DigestFn = unsafe extern "C" fn(*const u8, u32, *mut u8) -> i32;

/// A table's functions, none of them null but `variant`, which may be where there is none.
#[derive(Clone, Copy)]
pub(super) struct Functions {
    pub digest: DigestFn,
    pub variant: Option<unsafe extern "C" fn(u32, *mut PluginVariant) -> i32>,
    pub dev_header: unsafe extern "C" fn(*const PluginBlock, *mut u8, u32) -> i32,
    pub searcher_new: unsafe extern "C" fn(u32, *mut *mut c_void) -> i32,
    pub searcher_free: unsafe extern "C" fn(*mut c_void),
    pub set_job: unsafe extern "C" fn(*mut c_void, *const u8, u32, *const u8) -> i32,
    pub search: unsafe extern "C" fn(*mut c_void, u64, u64, *const PluginHits) -> i32,
    pub describe: unsafe extern "C" fn(*mut c_void, *mut PluginSearcher) -> i32,
    pub get_extension: unsafe extern "C" fn(*const c_char) -> *const c_void,
}

/// A plugin's algorithm.
pub(super) struct Foreign {
    /// For errors.
    file: String,
    facts: Facts,
    variants: Vec<Variant>,
    /// What a digest took when it was tried.
    digest_cost: Duration,
    fastest: OnceLock<&'static str>,
    difficulty_one: Option<Target>,
    bounds: Vec<Bound>,
    reference: Option<(&'static str, DigestFn)>,
}

impl Foreign {
    /// Asks for variants and extensions, and tries digest and header.
    pub fn new(file: &Path, facts: Facts) -> Result<Self, PluginFault> {
        let variants = variants(&facts)?;
        let difficulty_one = extension::<StratumExtension>(&facts.functions, EXTENSION_STRATUM)
            .map(|found| Target(found.difficulty_one));
        let (bounds, reference) = match extension::<BenchExtension>(&facts.functions, EXTENSION_BENCH) {
            Some(found) => bench(&found, &variants)?,
            None => (Vec::new(), None),
        };
        let file = file.display().to_string();
        let fastest = OnceLock::new();
        let digest_cost = Duration::ZERO;
        let mut foreign =
            Self { file, facts, variants, digest_cost, fastest, difficulty_one, bounds, reference };
        foreign.digest_cost = foreign.try_out()?;
        Ok(foreign)
    }

    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// One header of a development chain, hashed twice, and a searcher for it; what a digest took.
    fn try_out(&self) -> Result<Duration, PluginFault> {
        let failed = PluginFault::Function;
        let block = DevBlock {
            parent: &Digest([7; 32]),
            height: 1,
            time_us: 1_700_000_000_000_000,
            roll: 0,
            target: &Target::MAX,
        };
        let header = self.header(&block).map_err(failed)?;
        let digest = || self.hash(&header).map_err(failed);
        let first = digest()?;
        // The first call may have had to find its code and tables.
        let begin = Instant::now();
        let second = digest()?;
        let cost = begin.elapsed();
        if first != second {
            let what = format!("digest gave {first} and then {second} for one header [PLG-3.1]");
            return Err(PluginFault::Varies(what));
        }
        let short = &header[..header.len() - 1];
        if call_digest(self.facts.functions.digest, short) != Err(PLUGIN_INVALID) {
            let what = "digest took a header of another length; it must say ADIT_PLUGIN_INVALID [PLG-3.1]";
            return Err(failed(what.into()));
        }
        let supported = (0..self.variants.len()).filter(|&index| self.variants[index].supported);
        let only = self.variants.is_empty().then_some(VARIANT_ONLY);
        for variant in supported.map(|index| index as u32).chain(only) {
            let mut searcher = self.make(variant).map_err(failed)?;
            searcher.job(&header, &Target([0; 32])).map_err(failed)?;
            if searcher.job(short, &Target([0; 32])).is_ok() {
                let what =
                    "set_job took a header of another length; it must say ADIT_PLUGIN_INVALID [PLG-4.2]";
                return Err(failed(what.into()));
            }
        }
        Ok(cost)
    }

    /// spec: PLG-3.1
    fn hash(&self, header: &[u8]) -> Result<Digest, String> {
        call_digest(self.facts.functions.digest, header).map_err(|status| {
            format!("digest of a header of {} bytes: {} [PLG-3.1]", header.len(), said(status))
        })
    }

    /// spec: PLG-3.3
    fn header(&self, block: &DevBlock<'_>) -> Result<Vec<u8>, String> {
        let mut header = vec![0; self.facts.layout.header_len];
        let block = PluginBlock {
            parent: block.parent.0,
            target: block.target.0,
            height: block.height,
            time_us: block.time_us,
            roll: block.roll,
        };
        // SAFETY: block and header stay during the call, and `header` has as many bytes as it is said to.
        let status = unsafe {
            (self.facts.functions.dev_header)(&raw const block, header.as_mut_ptr(), header.len() as u32)
        };
        match status {
            PLUGIN_OK => Ok(header),
            _ => Err(format!("dev_header: {} [PLG-3.3]", said(status))),
        }
    }

    /// spec: PLG-4.1
    fn make(&self, variant: u32) -> Result<ForeignSearcher, String> {
        let mut made = null_mut();
        // SAFETY: `made` is room for a pointer.
        let status = unsafe { (self.facts.functions.searcher_new)(variant, &raw mut made) };
        let name = self.variants.get(variant as usize).map_or("ADIT_VARIANT_ONLY", |variant| variant.name);
        if status != PLUGIN_OK {
            return Err(format!("searcher_new of {name}: {} [PLG-4.1]", said(status)));
        }
        if made.is_null() {
            return Err(format!("searcher_new of {name} says it made one, and gives null [PLG-4.1]"));
        }
        let functions = self.facts.functions;
        let mut searcher = ForeignSearcher {
            handle: Handle(made),
            functions,
            layout: self.facts.layout,
            file: self.file.clone(),
            group: 1,
            scratch: None,
        };
        searcher.ask()?;
        Ok(searcher)
    }
}

impl Algorithm for Foreign {
    fn name(&self) -> &'static str {
        self.facts.name
    }

    fn id(&self) -> u32 {
        self.facts.id
    }

    fn layout(&self) -> Layout {
        self.facts.layout
    }

    /// A digest that the plugin fails at is one that meets no target.
    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.facts.layout.check(header)?;
        Ok(self.hash(header).unwrap_or(Digest([0xff; 32])))
    }

    fn digest_cost(&self) -> Duration {
        self.digest_cost
    }

    /// # Panics
    /// When the plugin can make none; the text names file and reason.
    fn searcher(&self) -> Box<dyn Searcher> {
        let made = if self.variants.is_empty() {
            self.make(VARIANT_ONLY)
        } else {
            let name = self.fastest.get_or_init(|| choose::fastest(self).unwrap_or(self.variants[0].name));
            self.make(self.index(name).unwrap_or(0))
        };
        match made {
            Ok(searcher) => Box::new(searcher),
            Err(what) => panic!("plugin {}: {what}", self.file),
        }
    }

    fn variants(&self) -> Vec<Variant> {
        self.variants.clone()
    }

    fn searcher_of(&self, variant: &str) -> Option<Box<dyn Searcher>> {
        let index = self.index(variant)?;
        if !self.variants[index as usize].supported {
            return None;
        }
        Some(Box::new(self.make(index).ok()?))
    }

    /// A header that the plugin fails at is all zeros.
    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        self.header(block).unwrap_or_else(|_| vec![0; self.facts.layout.header_len])
    }

    fn stratum_difficulty_one(&self) -> Option<Target> {
        self.difficulty_one
    }

    fn bench(&self) -> Bench {
        let reference = self.reference.map(|(name, digest)| Reference {
            name,
            digest: Box::new(move |header| call_digest(digest, header).unwrap_or_default()),
        });
        Bench { bounds: self.bounds.clone(), reference }
    }
}

impl Foreign {
    fn index(&self, variant: &str) -> Option<u32> {
        self.variants.iter().position(|known| known.name == variant).map(|at| at as u32)
    }
}

/// A searcher of a plugin, used by one thread at a time.
struct Handle(*mut c_void);

// SAFETY: PLG-2.1: a searcher may be made by one thread and used by another.
unsafe impl Send for Handle {}

struct ForeignSearcher {
    handle: Handle,
    functions: Functions,
    layout: Layout,
    file: String,
    group: u64,
    scratch: Option<Pages>,
}

impl ForeignSearcher {
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
    fn job(&mut self, header: &[u8], target: &Target) -> Result<(), String> {
        // SAFETY: header and target stay during the call; the handle as in `ask`.
        let status = unsafe {
            (self.functions.set_job)(self.handle.0, header.as_ptr(), header.len() as u32, target.0.as_ptr())
        };
        if status == PLUGIN_OK { Ok(()) } else { Err(format!("set_job: {} [PLG-4.2]", said(status))) }
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
        let mut sink = Sink { hits, panic: None };
        let table = PluginHits { context: (&raw mut sink).cast(), hit: Some(hit) };
        // SAFETY: table and sink outlive the call; the handle as in `ask`; `Searcher` promises the range.
        let status = unsafe { (self.functions.search)(self.handle.0, start, last, &raw const table) };
        if let Some(panic) = sink.panic {
            resume_unwind(panic);
        }
        if status != PLUGIN_OK {
            panic!("plugin {}: search of {start} ..= {last}: {} [PLG-4.3]", self.file, said(status));
        }
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

fn call_digest(function: DigestFn, header: &[u8]) -> Result<Digest, i32> {
    let mut digest = [0; 32];
    // SAFETY: the header has the bytes it is said to have, and `digest` the 32 that are written.
    let status = unsafe { function(header.as_ptr(), header.len() as u32, digest.as_mut_ptr()) };
    if status == PLUGIN_OK { Ok(Digest(digest)) } else { Err(status) }
}

/// spec: PLG-3.2
fn variants(facts: &Facts) -> Result<Vec<Variant>, PluginFault> {
    let Some(function) = facts.functions.variant.filter(|_| facts.variant_count > 0) else {
        return Ok(Vec::new());
    };
    let mut variants: Vec<Variant> = Vec::new();
    for index in 0..facts.variant_count {
        let mut described = PluginVariant { name: null_mut(), supported: 0, reserved: 0 };
        // SAFETY: `described` is room for one.
        let status = unsafe { function(index, &raw mut described) };
        if status != PLUGIN_OK {
            return Err(PluginFault::Function(format!("variant {index}: {} [PLG-3.2]", said(status))));
        }
        let name = table::name(described.name, &format!("the name of variant {index}"))?;
        if variants.iter().any(|other| other.name == name) {
            return Err(PluginFault::Value(format!("two variants are called {name} [PLG-3.2]")));
        }
        variants.push(Variant { name, supported: described.supported != 0 });
    }
    if variants.iter().any(|variant| variant.supported) {
        return Ok(variants);
    }
    let names: Vec<_> = variants.iter().map(|variant| variant.name).collect();
    let names = names.join(", ");
    Err(PluginFault::Value(format!("none of its variants works on this processor: {names} [PLG-3.2]")))
}

/// A copy of the extension `name`, when it is there and large enough. spec: PLG-5.1
fn extension<T: Copy>(functions: &Functions, name: &str) -> Option<T> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends with a zero and stays during the call.
    let found = unsafe { (functions.get_extension)(name.as_ptr()) }.cast::<T>();
    if found.is_null() || !found.is_aligned() {
        return None;
    }
    // SAFETY: PLG-5.1: each extension begins with its size.
    let size = unsafe { found.cast::<u32>().read() };
    // SAFETY: it says that it is as large as `T`, which is one of abi's plain structs.
    (size as usize >= size_of::<T>()).then(|| unsafe { found.read() })
}

type Compared = (Vec<Bound>, Option<(&'static str, DigestFn)>);

/// spec: PLG-5.3
fn bench(extension: &BenchExtension, variants: &[Variant]) -> Result<Compared, PluginFault> {
    let wrong = |what: &str| PluginFault::Value(format!("the extension {EXTENSION_BENCH}: {what} [PLG-5.3]"));
    let count = extension.bound_count;
    if count > MAX_BOUNDS || (count > 0 && (extension.bounds.is_null() || !extension.bounds.is_aligned())) {
        return Err(wrong(&format!("{count} bounds at {:p}", extension.bounds)));
    }
    let mut bounds = Vec::new();
    for index in 0..count as usize {
        // SAFETY: PLG-5.3: there are `count` of them, and they stay.
        let bound = unsafe { extension.bounds.add(index).read() };
        let unit = match bound.unit {
            BENCH_VECTOR_512 => Unit::Vector512,
            BENCH_ROTATE_512 => Unit::Rotate512,
            BENCH_VECTOR_256 => Unit::Vector256,
            BENCH_SHIFT_256 => Unit::Shift256,
            BENCH_SHA256_ROUNDS => Unit::Sha256Rounds,
            BENCH_AES_ROUND => Unit::AesRound,
            other => return Err(wrong(&format!("bound {index} has the unknown unit {other}"))),
        };
        let variant = variants.get(bound.variant as usize);
        let Some(variant) = variant.filter(|_| bound.count > 0 && bound.hashes > 0) else {
            return Err(wrong(&format!("bound {index} names no variant, or counts nothing")));
        };
        bounds.push(Bound { variant: variant.name, unit, count: bound.count, hashes: bound.hashes });
    }
    let name =
        text(extension.reference, 64).map_err(|what| wrong(&format!("the reference's name {what}")))?;
    let reference = name.zip(extension.reference_digest);
    Ok((bounds, reference.map(|(name, digest)| (&*String::leak(name), digest))))
}

/// What a status means, for people. spec: PLG-2.2
fn said(status: i32) -> String {
    match status {
        PLUGIN_INVALID => "it says ADIT_PLUGIN_INVALID".into(),
        PLUGIN_UNSUPPORTED => "it says ADIT_PLUGIN_UNSUPPORTED".into(),
        adit_abi::PLUGIN_FAILED => "it says ADIT_PLUGIN_FAILED".into(),
        other => format!("it returned {other}, which is no status"),
    }
}

/// Text that a plugin points to, of at most `most` bytes before its zero; none when the pointer is null.
pub(super) fn text(pointer: *const c_char, most: usize) -> Result<Option<String>, String> {
    if pointer.is_null() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    for at in 0..=most {
        // SAFETY: PLG-1.3: text ends with a zero; no byte behind that, or behind the most there may be, is read.
        match unsafe { pointer.cast::<u8>().add(at).read() } {
            0 => {
                let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())?;
                return Ok(Some(text));
            }
            byte => bytes.push(byte),
        }
    }
    Err(format!("has more than {most} bytes"))
}
