//! The table of functions that a plugin, an algorithm in a shared object, gives the host.
//!
//! The meaning stands in `docs/spec/plugin.md`. Each function names in brackets the thread that may call it:
//! `[any]`, any thread, and several at once; `[worker]`, one thread at a time for each searcher.
//!
//! spec: PLG-1.1, PLG-1.2, PLG-2.1

use core::ffi::{c_char, c_void};

use crate::layout;

/// Version of the plugin interface. A host loads plugins whose version is its own.
pub const PLUGIN_ABI_VERSION: u32 = 1;
/// First eight bytes of a plugin's table: `ADITPLUG`.
pub const PLUGIN_MAGIC: u64 = 0x4755_4c50_5449_4441;
/// The one symbol that a plugin exports: `const AditPlugin *adit_plugin_entry(void)`.
pub const PLUGIN_ENTRY: &str = "adit_plugin_entry";
/// Bytes of the longest name of an algorithm or a variant, its terminating zero not counted.
pub const MAX_NAME: u32 = 32;
/// The largest number of variants.
pub const MAX_VARIANTS: u32 = 32;

/// Status of a call: done.
pub const PLUGIN_OK: i32 = 0;
/// Status of a call: an argument makes no sense, such as a header of another length.
pub const PLUGIN_INVALID: i32 = 1;
/// Status of a call: this processor lacks what the variant needs.
pub const PLUGIN_UNSUPPORTED: i32 = 2;
/// Status of a call: the plugin failed; no memory, say.
pub const PLUGIN_FAILED: i32 = 3;

/// The `variant` of `searcher_new` when the plugin has none to choose from.
pub const VARIANT_ONLY: u32 = 0xffff_ffff;

/// Scratchpads: there are none.
pub const SCRATCH_NONE: u32 = 0;
/// Scratchpads: on 2 MiB pages of the pool that was set aside.
pub const SCRATCH_HUGE: u32 = 1;
/// Scratchpads: on transparent 2 MiB pages.
pub const SCRATCH_TRANSPARENT: u32 = 2;
/// Scratchpads: on ordinary pages, at least in part.
pub const SCRATCH_ORDINARY: u32 = 3;

/// Extension: a [`StratumExtension`].
pub const EXTENSION_STRATUM: &str = "adit.stratum/1";
/// Extension: a [`BenchExtension`].
pub const EXTENSION_BENCH: &str = "adit.bench/1";
/// Extension: a [`StopExtension`].
pub const EXTENSION_STOP: &str = "adit.stop/1";
/// Extension: a [`KernelsExtension`].
pub const EXTENSION_KERNELS: &str = "adit.kernels/1";

/// Unit of a [`PluginBound`]: an instruction on 512-bit vectors of 32-bit words, such as an addition.
pub const BENCH_VECTOR_512: u32 = 1;
/// Unit of a [`PluginBound`]: a rotation or shift of 512-bit vectors.
pub const BENCH_ROTATE_512: u32 = 2;
/// Unit of a [`PluginBound`]: an instruction on 256-bit vectors of 32-bit words, such as an addition.
pub const BENCH_VECTOR_256: u32 = 3;
/// Unit of a [`PluginBound`]: a shift of 256-bit vectors.
pub const BENCH_SHIFT_256: u32 = 4;
/// Unit of a [`PluginBound`]: `sha256rnds2`, two rounds of SHA-256.
pub const BENCH_SHA256_ROUNDS: u32 = 5;
/// Unit of a [`PluginBound`]: `aesenc` on 128 bits.
pub const BENCH_AES_ROUND: u32 = 6;
/// Bytes of the longest source of a kernel, its terminating zero not counted.
pub const MAX_SOURCE: u32 = 1 << 20;
/// The largest number of bounds.
pub const MAX_BOUNDS: u32 = 256;

/// An algorithm. The table, and all that it points to, stays as it is until the process ends.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Plugin {
    /// [`PLUGIN_MAGIC`].
    pub magic: u64,
    /// [`PLUGIN_ABI_VERSION`].
    pub abi_version: u32,
    /// Size of this struct in bytes.
    pub struct_size: u32,
    /// The name on command lines: 1 to [`MAX_NAME`] lower case letters, digits and dashes, then a zero.
    pub name: *const c_char,
    /// The plugin's own version, for people: UTF-8, then a zero. Null for none.
    pub version: *const c_char,
    /// The algorithm's number in a job board: four ASCII letters, the first in the lowest byte. Unique among
    /// algorithms, and never changed.
    pub id: u32,
    /// Bytes of a header: 1 to [`MAX_HEADER`](crate::MAX_HEADER).
    pub header_len: u32,
    /// First byte of the nonce in the header; `nonce_offset + nonce_width <= header_len`.
    pub nonce_offset: u32,
    /// Width of the nonce in bytes, 4 or 8; little-endian.
    pub nonce_width: u32,
    /// How many variants the search has, 0 to [`MAX_VARIANTS`]; 0 when there is nothing to choose.
    pub variant_count: u32,
    /// Zero.
    pub reserved: u32,
    /// `[any]` The digest of a whole header of `header_len` bytes, written to 32 bytes at `digest`: a 256-bit
    /// integer, least significant byte first. The same for the same header, always. No code of the search.
    pub digest: Option<unsafe extern "C" fn(header: *const u8, header_len: u32, digest: *mut u8) -> i32>,
    /// `[any]` Describes variant `index`, below `variant_count`. Null when `variant_count` is 0.
    pub variant: Option<unsafe extern "C" fn(index: u32, variant: *mut PluginVariant) -> i32>,
    /// `[any]` Writes a header for a chain that lives on this machine only, with the nonce 0, to `header_len`
    /// bytes at `header`: different for each height, parent and roll.
    pub dev_header:
        Option<unsafe extern "C" fn(block: *const PluginBlock, header: *mut u8, header_len: u32) -> i32>,
    /// `[any]` Makes a searcher of variant `variant`, or of `ADIT_VARIANT_ONLY` when `variant_count` is 0, and
    /// stores a pointer to it, which is not null, at `searcher`.
    pub searcher_new: Option<unsafe extern "C" fn(variant: u32, searcher: *mut *mut c_void) -> i32>,
    /// `[worker]` Ends a searcher; nothing is called with it afterwards.
    pub searcher_free: Option<unsafe extern "C" fn(searcher: *mut c_void)>,
    /// `[worker]` Gives a searcher its job. `target` has 32 bytes, least significant first. After another
    /// status than 0 the searcher keeps the job it had.
    pub set_job: Option<
        unsafe extern "C" fn(
            searcher: *mut c_void,
            header: *const u8,
            header_len: u32,
            target: *const u8,
        ) -> i32,
    >,
    /// `[worker]` Hashes every nonce of `start` to `last`, both included, and calls `hits` for each whose digest
    /// is not above the target, in rising order. Without a job it finds nothing.
    pub search: Option<
        unsafe extern "C" fn(searcher: *mut c_void, start: u64, last: u64, hits: *const PluginHits) -> i32,
    >,
    /// `[worker]` Says what the host may want to know of a searcher.
    pub describe: Option<unsafe extern "C" fn(searcher: *mut c_void, facts: *mut PluginSearcher) -> i32>,
    /// `[any]` The extension of this name, such as `ADIT_EXTENSION_STRATUM`, or null. What it points to stays
    /// as it is until the process ends.
    pub get_extension: Option<unsafe extern "C" fn(id: *const c_char) -> *const c_void>,
}

/// A variant of the search.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginVariant {
    /// As [`Plugin::name`].
    pub name: *const c_char,
    /// 1 when this processor has what it needs, else 0.
    pub supported: u32,
    /// Zero.
    pub reserved: u32,
}

/// What the host may want to know of a searcher.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginSearcher {
    /// How many nonces are hashed together, at least 1: a range of another length than a multiple of it takes as
    /// long as the next multiple.
    pub group: u64,
    /// What its scratchpads are on: [`SCRATCH_NONE`] ...
    pub scratch: u32,
    /// Zero.
    pub reserved: u32,
}

/// What a development chain wants to see in a header.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginBlock {
    /// Digest of the block before.
    pub parent: [u8; 32],
    /// What the block's digest must not exceed.
    pub target: [u8; 32],
    /// Height of this block; the first has 0.
    pub height: u64,
    /// Microseconds since 1970.
    pub time_us: u64,
    /// Which of the many headers of this block.
    pub roll: u64,
}

/// Where a search puts what it finds; good during the call of [`Plugin::search`] alone.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginHits {
    /// To be given to `hit`.
    pub context: *mut c_void,
    /// `[worker]` Takes a nonce and the 32 bytes of its digest. The host's function, never null.
    pub hit: Option<unsafe extern "C" fn(context: *mut c_void, nonce: u64, digest: *const u8)>,
}

/// Whether a search is still wanted; good during the call of [`StopExtension::search_while`] alone.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginWanted {
    /// To be given to `wanted`.
    pub context: *mut c_void,
    /// `[worker]` 1 when the search is to go on, 0 when nobody wants it any more. The host's function, never null.
    pub wanted: Option<unsafe extern "C" fn(context: *mut c_void) -> u32>,
}

/// A search that can be stopped before its range is done, for hashes that take long.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StopExtension {
    /// Size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// `[worker]` As [`Plugin::search`], but asks now and then whether it is wanted, and returns soon, with status
    /// 0, once it was told no.
    pub search_while: Option<
        unsafe extern "C" fn(
            searcher: *mut c_void,
            start: u64,
            last: u64,
            hits: *const PluginHits,
            wanted: *const PluginWanted,
        ) -> i32,
    >,
}

/// Kernels for devices that helpers drive: what `docs/spec/kernel.md` says of an algorithm's section.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct KernelsExtension {
    /// Size of this struct in bytes.
    pub struct_size: u32,
    /// 32-bit words that `prepare` writes.
    pub constants: u32,
    /// Bytes of device memory that each work item of `search` needs, a multiple of 16.
    pub scratch: u32,
    /// Work items of a work group.
    pub group: u32,
    /// Shifts, rotations and logic of 32 bits a nonce; 0: unknown.
    pub operations: u32,
    /// How many nonces a helper tests itself with.
    pub test_nonces: u32,
    /// Work items that `scan` has for each nonce; divides `group`. The source in WGSL has one.
    pub lanes: u32,
    /// Zero.
    pub reserved: u32,
    /// The source for OpenCL C and CUDA C++: ASCII, then a zero; at most [`MAX_SOURCE`] bytes.
    pub scan: *const c_char,
    /// The same in WGSL; null when there is none.
    pub wgsl: *const c_char,
}

/// What pools that speak Stratum version 1 need.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct StratumExtension {
    /// Size of this struct in bytes.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The target that these pools call difficulty 1.
    pub difficulty_one: [u8; 32],
}

/// What `adit bench hash` compares with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct BenchExtension {
    /// Size of this struct in bytes.
    pub struct_size: u32,
    /// How many bounds, 0 to [`MAX_BOUNDS`].
    pub bound_count: u32,
    /// The bounds; null when there are none.
    pub bounds: *const PluginBound,
    /// What the reference is, for people, such as `sha2 0.10`; null when there is none.
    pub reference: *const c_char,
    /// `[any]` Another program's digest of a whole header, as [`Plugin::digest`]; null when there is none.
    pub reference_digest:
        Option<unsafe extern "C" fn(header: *const u8, header_len: u32, digest: *mut u8) -> i32>,
}

/// Instructions that `hashes` hashes cannot do without: the search cannot be faster than their unit.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PluginBound {
    /// Of which variant: its index.
    pub variant: u32,
    /// [`BENCH_VECTOR_512`] ...
    pub unit: u32,
    /// How many such instructions.
    pub count: u32,
    /// For how many hashes.
    pub hashes: u32,
}

#[cfg(not(target_pointer_width = "64"))]
compile_error!("the plugin interface is laid out for pointers of 64 bits");

layout! {
    Plugin: 128 align 8 { magic @ 0, abi_version @ 8, struct_size @ 12, name @ 16, version @ 24, id @ 32, header_len @ 36, nonce_offset @ 40, nonce_width @ 44, variant_count @ 48, reserved @ 52, digest @ 56, variant @ 64, dev_header @ 72, searcher_new @ 80, searcher_free @ 88, set_job @ 96, search @ 104, describe @ 112, get_extension @ 120 }
    PluginSearcher: 16 align 8 { group @ 0, scratch @ 8, reserved @ 12 }
    PluginVariant: 16 align 8 { name @ 0, supported @ 8, reserved @ 12 }
    PluginBlock: 88 align 8 { parent @ 0, target @ 32, height @ 64, time_us @ 72, roll @ 80 }
    PluginHits: 16 align 8 { context @ 0, hit @ 8 }
    PluginWanted: 16 align 8 { context @ 0, wanted @ 8 }
    StopExtension: 16 align 8 { struct_size @ 0, reserved @ 4, search_while @ 8 }
    KernelsExtension: 48 align 8 { struct_size @ 0, constants @ 4, scratch @ 8, group @ 12, operations @ 16, test_nonces @ 20, lanes @ 24, reserved @ 28, scan @ 32, wgsl @ 40 }
    StratumExtension: 40 align 4 { struct_size @ 0, reserved @ 4, difficulty_one @ 8 }
    BenchExtension: 32 align 8 { struct_size @ 0, bound_count @ 4, bounds @ 8, reference @ 16, reference_digest @ 24 }
    PluginBound: 16 align 4 { variant @ 0, unit @ 4, count @ 8, hashes @ 12 }
}
