//! Loads a shared object and reads its table, no more than its own head says there is.

#![allow(unsafe_code)]

use std::{fs, mem::ManuallyDrop, path::Path};

use adit_abi::{PLUGIN_ABI_VERSION, PLUGIN_ENTRY, PLUGIN_MAGIC, Plugin};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{PluginFault, shape};

/// What every version's table begins with.
#[derive(Clone, Copy)]
#[repr(C)]
struct Head {
    magic: u64,
    abi_version: u32,
    struct_size: u32,
}

/// The table of the plugin in `file`, which stays loaded. spec: PLG-1.1, PLG-1.2
pub(super) fn open(file: &Path) -> Result<Plugin, PluginFault> {
    // A name without a slash would be looked for in the system's folders.
    let path = fs::canonicalize(file).map_err(PluginFault::File)?;
    look(&path)?;
    // SAFETY: the object's initialisers run, which is what whoever names a plugin asks for; PLG-1.4 says what
    // they must not do.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) };
    // Never closed: its code must outlive every thread that could be in it.
    let library = ManuallyDrop::new(library.map_err(|error| PluginFault::Loader(text(&error)))?);
    // SAFETY: PLG-1.1 gives the symbol this type.
    let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const Plugin>(PLUGIN_ENTRY.as_bytes()) };
    let entry = entry.map_err(|_| PluginFault::NoEntry)?;
    // SAFETY: PLG-1.1: it takes nothing and may be called any time.
    let table = unsafe { entry() };
    copy(table)
}

/// What the system's loader does not look for, and would wait on or die of: that it is a file, and whole.
fn look(path: &Path) -> Result<(), PluginFault> {
    let found = fs::metadata(path).map_err(PluginFault::File)?;
    if !found.is_file() {
        return Err(PluginFault::Loader("it is no regular file".into()));
    }
    let mut file = fs::File::open(path).map_err(PluginFault::File)?;
    let Some(wanted) = shape::length(&mut file).map_err(PluginFault::File)? else { return Ok(()) };
    if wanted > found.len() {
        let what = format!("it was cut off: it has {} bytes of {wanted} at least", found.len());
        return Err(PluginFault::Loader(what));
    }
    Ok(())
}

/// A copy of the table that an entry gave. spec: PLG-1.2
pub(super) fn copy(table: *const Plugin) -> Result<Plugin, PluginFault> {
    if table.is_null() {
        return Err(PluginFault::NoTable);
    }
    if !table.is_aligned() {
        return Err(PluginFault::Value(format!("its table is at {table:p}, which is not aligned [PLG-1.2]")));
    }
    // SAFETY: PLG-1.2: every version's table begins with these 16 bytes; PLG-1.1: they stay.
    let head = unsafe { table.cast::<Head>().read() };
    if head.magic != PLUGIN_MAGIC {
        return Err(PluginFault::Magic(head.magic));
    }
    if head.abi_version != PLUGIN_ABI_VERSION {
        return Err(PluginFault::Version(head.abi_version));
    }
    if head.struct_size as usize != size_of::<Plugin>() {
        return Err(PluginFault::Size(head.struct_size));
    }
    // SAFETY: its head says that it is a whole table of this version; any bytes are a `Plugin`, whose function
    // pointers may be null.
    Ok(unsafe { table.read() })
}

/// What the loader says, without the file's name, which the error has anyway.
fn text(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    source.unwrap_or_else(|| error.to_string())
}
