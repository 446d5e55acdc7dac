//! Gives an [`Algorithm`] the face that `docs/spec/plugin.md` describes: a table of C functions.
//!
//! Panics end here: each function catches them and returns `PLUGIN_FAILED`. spec: PLG-1.4, PLG-2.2

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::null,
    slice,
};

use adit_abi::{
    BENCH_AES_ROUND, BENCH_ROTATE_512, BENCH_SHA256_ROUNDS, BENCH_SHIFT_256, BENCH_VECTOR_256,
    BENCH_VECTOR_512, BenchExtension, EXTENSION_BENCH, EXTENSION_KERNELS, EXTENSION_STOP, EXTENSION_STRATUM,
    KernelsExtension, PLUGIN_ABI_VERSION, PLUGIN_FAILED, PLUGIN_INVALID, PLUGIN_MAGIC, PLUGIN_OK,
    PLUGIN_UNSUPPORTED, PluginBlock, PluginBound, PluginHits, PluginSearcher, PluginVariant, PluginWanted,
    SCRATCH_HUGE, SCRATCH_NONE, SCRATCH_ORDINARY, SCRATCH_TRANSPARENT, StopExtension, StratumExtension,
    VARIANT_ONLY,
};

pub use adit_abi::Plugin;

use crate::{
    Algorithm, DevBlock, Digest, Searcher, Target,
    bench::{Reference, Unit},
    kernels::Kernels,
    scratch::Pages,
};

/// Makes an algorithm a plugin: the crate, built as a `cdylib`, is a shared object that `adit --plugin` loads.
///
/// Takes an expression of a type that is an [`Algorithm`](crate::Algorithm), evaluated once. A crate has one
/// export; where it is also linked into programs, keep the export behind a feature, because two of them in one
/// program would have the same symbol.
///
/// ```
/// # use adit_plugin::{Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target};
/// #[derive(Clone, Copy)]
/// struct MyAlgorithm;
///
/// impl Algorithm for MyAlgorithm {
///     fn name(&self) -> &'static str {
///         "mine"
///     }
///     // ...
/// #    fn id(&self) -> u32 { u32::from_le_bytes(*b"MINE") }
/// #    fn layout(&self) -> Layout { Layout { header_len: 8, nonce_offset: 0, nonce_width: 8 } }
/// #    fn digest(&self, _: &[u8]) -> Result<Digest, LayoutError> { Ok(Digest::default()) }
/// #    fn searcher(&self) -> Box<dyn Searcher> { unreachable!() }
/// #    fn dev_header(&self, _: &DevBlock<'_>) -> Vec<u8> { vec![0; 8] }
/// }
///
/// adit_plugin::export!(MyAlgorithm);
/// ```
#[macro_export]
macro_rules! export {
    ($algorithm:expr $(,)?) => {
        const _: () = {
            struct Here;

            impl $crate::exported::Home for Here {
                fn shared() -> &'static $crate::exported::Shared {
                    static SHARED: ::std::sync::OnceLock<$crate::exported::Shared> =
                        ::std::sync::OnceLock::new();
                    SHARED.get_or_init(|| {
                        $crate::exported::Shared::new::<Here>(
                            ::std::boxed::Box::new($algorithm),
                            ::std::env!("CARGO_PKG_VERSION"),
                        )
                    })
                }
            }

            #[unsafe(no_mangle)]
            extern "C" fn adit_plugin_entry() -> *const $crate::exported::Plugin {
                $crate::exported::entry::<Here>()
            }
        };
    };
}

/// Where a plugin keeps the one thing that all its functions need. Implemented by [`export!`](crate::export).
pub trait Home: 'static {
    /// The same each time.
    fn shared() -> &'static Shared;
}

/// An algorithm and what its table points to; never dropped.
pub struct Shared {
    algorithm: Box<dyn Algorithm>,
    header_len: usize,
    variants: Vec<Named>,
    stratum: Option<StratumExtension>,
    bench: BenchExtension,
    kernels: Option<KernelsExtension>,
    reference: Option<Reference>,
    table: Plugin,
}

/// A variant and its name as C wants it.
struct Named {
    name: &'static str,
    c_name: &'static CStr,
    supported: bool,
}

// SAFETY: the pointers in the tables are to memory that is never written again and never freed, and the rest
// is `Send`.
unsafe impl Send for Shared {}
// SAFETY: as above; nothing in it changes, and the algorithm and its reference are `Sync`.
unsafe impl Sync for Shared {}

/// The table, or null when it cannot be made: a name that C cannot write, or a panic on the way.
pub fn entry<H: Home>() -> *const Plugin {
    catch_unwind(|| &raw const H::shared().table).unwrap_or_else(|panic| {
        // What it panicked with may panic when it is dropped.
        std::mem::forget(panic);
        null()
    })
}

impl Shared {
    /// Asks the algorithm everything that does not change.
    ///
    /// # Panics
    /// When a name has a zero in it; [`entry`] catches that.
    #[must_use]
    pub fn new<H: Home>(algorithm: Box<dyn Algorithm>, version: &str) -> Self {
        let layout = algorithm.layout();
        let variants: Vec<Named> = algorithm
            .variants()
            .into_iter()
            .map(|variant| Named {
                name: variant.name,
                c_name: leaked(variant.name),
                supported: variant.supported,
            })
            .collect();
        let length = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let table = Plugin {
            magic: PLUGIN_MAGIC,
            abi_version: PLUGIN_ABI_VERSION,
            struct_size: size_of::<Plugin>() as u32,
            name: leaked(algorithm.name()).as_ptr(),
            version: leaked(version).as_ptr(),
            id: algorithm.id(),
            header_len: length(layout.header_len),
            nonce_offset: length(layout.nonce_offset),
            nonce_width: length(layout.nonce_width),
            variant_count: length(variants.len()),
            reserved: 0,
            digest: Some(digest::<H>),
            variant: Some(variant::<H>),
            dev_header: Some(dev_header::<H>),
            searcher_new: Some(searcher_new::<H>),
            searcher_free: Some(searcher_free),
            set_job: Some(set_job),
            search: Some(search),
            describe: Some(describe),
            get_extension: Some(get_extension::<H>),
        };
        let stratum = algorithm.stratum_difficulty_one().map(|target| StratumExtension {
            struct_size: size_of::<StratumExtension>() as u32,
            reserved: 0,
            difficulty_one: target.0,
        });
        let (bench, reference) = bench_extension::<H>(&*algorithm, &variants);
        let kernels = algorithm.kernels().map(|kernels| kernels_extension(&kernels));
        Self { algorithm, header_len: layout.header_len, variants, stratum, bench, kernels, reference, table }
    }
}

/// For the process's life: as long as the table.
fn leaked(text: &str) -> &'static CStr {
    Box::leak(CString::new(text).expect("names have no zeros").into_boxed_c_str())
}

fn bench_extension<H: Home>(
    algorithm: &dyn Algorithm,
    variants: &[Named],
) -> (BenchExtension, Option<Reference>) {
    let bench = algorithm.bench();
    let index = |name| variants.iter().position(|variant| variant.name == name);
    let bounds = bench.bounds.iter().filter_map(|bound| {
        let variant = u32::try_from(index(bound.variant)?).ok()?;
        Some(PluginBound { variant, unit: unit(bound.unit), count: bound.count, hashes: bound.hashes })
    });
    let bounds: &'static [PluginBound] = Vec::leak(bounds.collect());
    let reference = bench.reference.as_ref();
    let extension = BenchExtension {
        struct_size: size_of::<BenchExtension>() as u32,
        bound_count: bounds.len() as u32,
        bounds: bounds.as_ptr(),
        reference: reference.map_or(null(), |reference| leaked(reference.name).as_ptr()),
        reference_digest: reference.map(|_| reference_digest::<H> as _),
    };
    (extension, bench.reference)
}

fn kernels_extension(kernels: &Kernels) -> KernelsExtension {
    KernelsExtension {
        struct_size: size_of::<KernelsExtension>() as u32,
        constants: kernels.constants,
        scratch: kernels.scratch,
        group: kernels.group,
        operations: kernels.operations,
        test_nonces: kernels.test_nonces,
        lanes: kernels.lanes,
        reserved: 0,
        scan: leaked(kernels.scan).as_ptr(),
        wgsl: if kernels.wgsl.is_empty() { null() } else { leaked(&kernels.wgsl.concat()).as_ptr() },
    }
}

/// A search can be stopped whatever the algorithm: one that never asks is not stopped.
static STOP: StopExtension = StopExtension {
    struct_size: size_of::<StopExtension>() as u32,
    reserved: 0,
    search_while: Some(search_while),
};

fn unit(unit: Unit) -> u32 {
    match unit {
        Unit::Vector512 => BENCH_VECTOR_512,
        Unit::Rotate512 => BENCH_ROTATE_512,
        Unit::Vector256 => BENCH_VECTOR_256,
        Unit::Shift256 => BENCH_SHIFT_256,
        Unit::Sha256Rounds => BENCH_SHA256_ROUNDS,
        Unit::AesRound => BENCH_AES_ROUND,
    }
}

/// A status for what `call` returns, or for its panic.
fn guarded(call: impl FnOnce() -> Option<i32>) -> i32 {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(status) => status.unwrap_or(PLUGIN_INVALID),
        Err(panic) => {
            // What was thrown may panic once more when it is dropped.
            std::mem::forget(panic);
            PLUGIN_FAILED
        }
    }
}

/// A header as the host gives it.
///
/// # Safety
/// `header` points to `length` bytes that nobody writes during `'a`.
unsafe fn header_of<'a>(header: *const u8, length: u32) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(header, length as usize) }
}

unsafe extern "C" fn digest<H: Home>(header: *const u8, header_len: u32, digest: *mut u8) -> i32 {
    guarded(|| {
        // SAFETY: PLG-3.1: the header has `header_len` bytes and stays during the call.
        let found = H::shared().algorithm.digest(unsafe { header_of(header, header_len) }).ok()?;
        // SAFETY: PLG-3.1: `digest` has room for 32 bytes, of any alignment.
        unsafe { digest.cast::<[u8; 32]>().write(found.0) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn reference_digest<H: Home>(header: *const u8, header_len: u32, digest: *mut u8) -> i32 {
    guarded(|| {
        let shared = H::shared();
        let reference = shared.reference.as_ref()?;
        if header_len as usize != shared.header_len {
            return None;
        }
        // SAFETY: as in `digest`, whose contract this function has.
        let Digest(bytes) = (reference.digest)(unsafe { header_of(header, header_len) });
        // SAFETY: as in `digest`.
        unsafe { digest.cast::<[u8; 32]>().write(bytes) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn variant<H: Home>(index: u32, variant: *mut PluginVariant) -> i32 {
    guarded(|| {
        let found = H::shared().variants.get(index as usize)?;
        let described =
            PluginVariant { name: found.c_name.as_ptr(), supported: u32::from(found.supported), reserved: 0 };
        // SAFETY: PLG-3.2: `variant` points to room for one.
        unsafe { variant.write(described) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn dev_header<H: Home>(block: *const PluginBlock, header: *mut u8, header_len: u32) -> i32 {
    guarded(|| {
        // SAFETY: PLG-3.3: `block` points to a block that stays during the call.
        let block = unsafe { &*block };
        let made = H::shared().algorithm.dev_header(&DevBlock {
            parent: &Digest(block.parent),
            height: block.height,
            time_us: block.time_us,
            roll: block.roll,
            target: &Target(block.target),
        });
        if made.len() != header_len as usize {
            return None;
        }
        // SAFETY: PLG-3.3: `header` has room for `header_len` bytes, which is what `made` has.
        unsafe { header.copy_from_nonoverlapping(made.as_ptr(), made.len()) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn searcher_new<H: Home>(variant: u32, searcher: *mut *mut c_void) -> i32 {
    guarded(|| {
        let shared = H::shared();
        let made = if variant == VARIANT_ONLY && shared.variants.is_empty() {
            Some(shared.algorithm.searcher())
        } else {
            shared.algorithm.searcher_of(shared.variants.get(variant as usize)?.name)
        };
        let Some(made) = made else { return Some(PLUGIN_UNSUPPORTED) };
        // SAFETY: PLG-4.1: `searcher` points to room for a pointer.
        unsafe { searcher.write(Box::into_raw(Box::new(made)).cast()) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn searcher_free(searcher: *mut c_void) {
    guarded(|| {
        // SAFETY: PLG-4.1: it comes from `searcher_new`, and this is the last call with it.
        drop(unsafe { Box::from_raw(searcher.cast::<Box<dyn Searcher>>()) });
        Some(PLUGIN_OK)
    });
}

/// The searcher behind a pointer that the host holds.
///
/// # Safety
/// It comes from `searcher_new`, and no other call with it is going on.
unsafe fn searcher_of<'a>(searcher: *mut c_void) -> &'a mut dyn Searcher {
    // SAFETY: the caller's promise.
    unsafe { &mut **searcher.cast::<Box<dyn Searcher>>() }
}

unsafe extern "C" fn set_job(
    searcher: *mut c_void,
    header: *const u8,
    header_len: u32,
    target: *const u8,
) -> i32 {
    guarded(|| {
        // SAFETY: PLG-4.2: `target` has 32 bytes.
        let target = Target(unsafe { target.cast::<[u8; 32]>().read() });
        // SAFETY: PLG-4.1 and PLG-2.1: one thread at a time; the header is as in `digest`.
        let (searcher, header) = unsafe { (searcher_of(searcher), header_of(header, header_len)) };
        searcher.set_job(header, &target).ok()?;
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn search(searcher: *mut c_void, start: u64, last: u64, hits: *const PluginHits) -> i32 {
    guarded(|| {
        // SAFETY: PLG-4.3: `hits` points to a sink that stays during the call.
        let sink = unsafe { &*hits };
        let hit = sink.hit?;
        // SAFETY: PLG-4.1 and PLG-2.1: one thread at a time.
        let searcher = unsafe { searcher_of(searcher) };
        // SAFETY: PLG-4.3: this is the thread that the host called, during its call.
        let mut report = |nonce, digest: Digest| unsafe { hit(sink.context, nonce, digest.0.as_ptr()) };
        searcher.search(start, last, &mut report);
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn search_while(
    searcher: *mut c_void,
    start: u64,
    last: u64,
    hits: *const PluginHits,
    wanted: *const PluginWanted,
) -> i32 {
    guarded(|| {
        // SAFETY: PLG-4.3 and PLG-5.4: both point to what stays during the call.
        let (sink, asked) = unsafe { (&*hits, &*wanted) };
        let (hit, wanted) = (sink.hit?, asked.wanted?);
        // SAFETY: PLG-4.1 and PLG-2.1: one thread at a time.
        let searcher = unsafe { searcher_of(searcher) };
        // SAFETY: PLG-4.3: this is the thread that the host called, during its call.
        let mut report = |nonce, digest: Digest| unsafe { hit(sink.context, nonce, digest.0.as_ptr()) };
        // SAFETY: PLG-5.4: as for hits.
        let mut go_on = || unsafe { wanted(asked.context) != 0 };
        searcher.search_while(start, last, &mut report, &mut go_on);
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn describe(searcher: *mut c_void, facts: *mut PluginSearcher) -> i32 {
    guarded(|| {
        // SAFETY: PLG-4.1 and PLG-2.1: one thread at a time.
        let searcher = unsafe { searcher_of(searcher) };
        let scratch = match searcher.scratch() {
            None => SCRATCH_NONE,
            Some(Pages::Huge) => SCRATCH_HUGE,
            Some(Pages::Transparent) => SCRATCH_TRANSPARENT,
            Some(Pages::Ordinary) => SCRATCH_ORDINARY,
        };
        // SAFETY: PLG-4.4: `facts` points to room for one.
        unsafe { facts.write(PluginSearcher { group: searcher.group(), scratch, reserved: 0 }) };
        Some(PLUGIN_OK)
    })
}

unsafe extern "C" fn get_extension<H: Home>(id: *const c_char) -> *const c_void {
    let found = catch_unwind(|| {
        let shared = H::shared();
        // SAFETY: PLG-5.1: `id` points to bytes that end with a zero.
        match unsafe { CStr::from_ptr(id) }.to_str() {
            Ok(EXTENSION_STRATUM) => {
                shared.stratum.as_ref().map_or(null(), |found| (&raw const *found).cast())
            }
            Ok(EXTENSION_BENCH) => (&raw const shared.bench).cast(),
            Ok(EXTENSION_STOP) => (&raw const STOP).cast(),
            Ok(EXTENSION_KERNELS) => {
                shared.kernels.as_ref().map_or(null(), |found| (&raw const *found).cast())
            }
            _ => null(),
        }
    });
    found.unwrap_or_else(|panic| {
        std::mem::forget(panic);
        null()
    })
}
