//! What a plugin can do beyond its table.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char};

use adit_abi::{
    BENCH_AES_ROUND, BENCH_ROTATE_512, BENCH_SHA256_ROUNDS, BENCH_SHIFT_256, BENCH_VECTOR_256,
    BENCH_VECTOR_512, BenchExtension, EXTENSION_BENCH, EXTENSION_KERNELS, KernelsExtension, MAX_BOUNDS,
    MAX_SOURCE,
};
use adit_plugin::{
    Variant,
    bench::{Bound, Unit},
    kernels::Kernels,
};

use super::{
    PluginFault,
    foreign::{DigestFn, Functions, text},
};

/// The most scratch memory of a nonce's item, in bytes. spec: KRN-1.2
const MAX_SCRATCH: u32 = 64 << 20;

/// A copy of the extension `name`, when it is there and large enough. spec: PLG-5.1
pub(super) fn extension<T: Copy>(functions: &Functions, name: &str) -> Option<T> {
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

/// Bounds, and name and function of a reference.
pub(super) type Compared = (Vec<Bound>, Option<(&'static str, DigestFn)>);

/// spec: PLG-5.3
pub(super) fn bench(extension: &BenchExtension, variants: &[Variant]) -> Result<Compared, PluginFault> {
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

/// Kernels whose sources stay in memory for good, as the plugin does. spec: PLG-5.5
pub(super) fn kernels(extension: &KernelsExtension) -> Result<Kernels, PluginFault> {
    let wrong =
        |what: &str| PluginFault::Value(format!("the extension {EXTENSION_KERNELS}: {what} [PLG-5.5]"));
    let source = |pointer: *const c_char, name: &str| -> Result<Option<&'static str>, PluginFault> {
        let text =
            text(pointer, MAX_SOURCE as usize).map_err(|what| wrong(&format!("the source {name} {what}")))?;
        // Compilers of kernels have no one idea of other characters.
        match text {
            Some(text) if !text.is_ascii() => Err(wrong(&format!("the source {name} is not ASCII"))),
            text => Ok(text.map(|text| &*String::leak(text))),
        }
    };
    let KernelsExtension { constants, scratch, group, operations, test_nonces, lanes, .. } = *extension;
    let divides = lanes > 0 && group.is_multiple_of(lanes);
    let fits = (1..=4096).contains(&constants) && (1..=1024).contains(&group);
    let fits = fits && scratch <= MAX_SCRATCH && scratch.is_multiple_of(16);
    if !fits || !divides || test_nonces == 0 {
        return Err(wrong(&format!(
            "{constants} constants, groups of {group}, {lanes} lanes, {scratch} bytes of scratch and {test_nonces} nonces of a \
             test are not what it may say"
        )));
    }
    let scan = source(extension.scan, "scan")?.ok_or_else(|| wrong("it has no source"))?;
    let wgsl: &'static [&'static str] = Vec::leak(source(extension.wgsl, "wgsl")?.into_iter().collect());
    Ok(Kernels { constants, scratch, group, lanes, operations, test_nonces, scan, wgsl })
}
