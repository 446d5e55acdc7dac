//! What can be wrong with a plugin.

use std::{fmt, path::PathBuf, sync::Arc};

use adit_plugin::Algorithm;

use super::table::Facts;

/// A plugin that cannot be used.
#[derive(Debug)]
pub struct PluginError {
    /// The file as it was named.
    pub file: PathBuf,
    /// What is wrong.
    pub fault: PluginFault,
}

/// What is wrong with a plugin.
#[derive(Debug)]
#[non_exhaustive]
pub enum PluginFault {
    /// The file cannot be read.
    File(std::io::Error),
    /// The system's loader refuses it; says why.
    Loader(String),
    /// It does not export `adit_plugin_entry`.
    NoEntry,
    /// It gives no table.
    NoTable,
    /// The table does not begin with `ADITPLUG`.
    Magic(u64),
    /// It speaks another version of the interface.
    Version(u32),
    /// The table has another size than this version's.
    Size(u32),
    /// A function that must be there is null.
    NullFunction(&'static str),
    /// A value in the table makes no sense; says which and why.
    Value(String),
    /// A function failed or gave what makes no sense; says which and why.
    Function(String),
    /// It gave two answers to one question; says which.
    Varies(String),
    /// Its name or number is that of another algorithm.
    Duplicate(String),
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "plugin {}: {}", self.file.display(), self.fault)
    }
}

impl fmt::Display for PluginFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "cannot read the file: {error}"),
            Self::Loader(text) => {
                write!(f, "not a shared object for this machine: {text}")
            }
            Self::NoEntry => write!(
                f,
                "no plugin: it does not export {} (in Rust, adit_plugin::export!; in C, see adit.h) [PLG-1.1]",
                adit_abi::PLUGIN_ENTRY
            ),
            Self::NoTable => write!(f, "{} returned null [PLG-1.1]", adit_abi::PLUGIN_ENTRY),
            Self::Magic(got) => {
                write!(f, "its table begins with {got:#018x} instead of ADITPLUG [PLG-1.2]")
            }
            Self::Version(got) => write!(
                f,
                "it speaks version {got} of the plugin interface, this adit version {}; build it against this \
                 adit's adit.h [PLG-1.2]",
                adit_abi::PLUGIN_ABI_VERSION
            ),
            Self::Size(got) => write!(
                f,
                "struct_size is {got} instead of {}: sizeof(AditPlugin) [PLG-1.2]",
                size_of::<adit_abi::Plugin>()
            ),
            Self::NullFunction(name) => write!(f, "its function `{name}` is null [PLG-1.3]"),
            Self::Value(what) | Self::Function(what) | Self::Varies(what) => f.write_str(what),
            Self::Duplicate(what) => write!(f, "{what}; leave one of them out [PLG-1.3]"),
        }
    }
}

impl std::error::Error for PluginError {}

/// Refuses an algorithm whose name or number is taken. spec: PLG-1.3
pub(super) fn distinct(facts: &Facts, known: &[Arc<dyn Algorithm>]) -> Result<(), PluginFault> {
    for other in known {
        if other.name() == facts.name {
            return Err(PluginFault::Duplicate(format!(
                "another algorithm is called {} already",
                facts.name
            )));
        }
        if other.id() == facts.id {
            let letters = String::from_utf8_lossy(&facts.id.to_le_bytes()).into_owned();
            let what = format!("the algorithm {} has the number {letters:?} already", other.name());
            return Err(PluginFault::Duplicate(what));
        }
    }
    Ok(())
}
