//! A plugin's functions as an [`Algorithm`] of the host.

#![allow(unsafe_code)]

use std::{
    ffi::{c_char, c_void},
    path::Path,
    ptr::null_mut,
    sync::OnceLock,
    time::{Duration, Instant},
};

use adit_abi::{
    BenchExtension, EXTENSION_BENCH, EXTENSION_KERNELS, EXTENSION_STOP, EXTENSION_STRATUM, KernelsExtension,
    PLUGIN_INVALID, PLUGIN_OK, PLUGIN_UNSUPPORTED, PluginBlock, PluginHits, PluginSearcher, PluginVariant,
    PluginWanted, StopExtension, StratumExtension, VARIANT_ONLY,
};
use adit_plugin::{
    Algorithm, DevBlock, Digest, Layout, LayoutError, Searcher, Target, Variant,
    bench::{Bench, Bound, Reference},
    choose,
    kernels::Kernels,
};

use super::{
    PluginFault,
    extension::{bench, extension, kernels},
    searcher::ForeignSearcher,
    table::{self, Facts},
};

pub(super) type DigestFn = unsafe extern "C" fn(*const u8, u32, *mut u8) -> i32;

pub(super) type SearchWhile =
    unsafe extern "C" fn(*mut c_void, u64, u64, *const PluginHits, *const PluginWanted) -> i32;

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
    kernels: Option<Kernels>,
    search_while: Option<SearchWhile>,
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
        let kernels = extension::<KernelsExtension>(&facts.functions, EXTENSION_KERNELS)
            .map(|found| kernels(&found))
            .transpose()?;
        let search_while =
            extension::<StopExtension>(&facts.functions, EXTENSION_STOP).and_then(|found| found.search_while);
        let mut foreign = Self {
            file: file.display().to_string(),
            facts,
            variants,
            digest_cost: Duration::ZERO,
            fastest: OnceLock::new(),
            difficulty_one,
            bounds,
            reference,
            kernels,
            search_while,
        };
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
        ForeignSearcher::new(made, functions, self.search_while, self.facts.layout, &self.file)
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

    fn kernels(&self) -> Option<Kernels> {
        self.kernels
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

/// What a status means, for people. spec: PLG-2.2
pub(super) fn said(status: i32) -> String {
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
