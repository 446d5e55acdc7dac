//! What a plugin can do wrong, by name.

use std::fmt;

use adit_host::plugin::{PluginError, PluginFault};

/// A fault of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFinding {
    /// Its name: `crash`, `hang`, `missed-hit` and so on; lower case letters and dashes.
    pub name: String,
    /// What was expected and what was seen.
    pub what: String,
}

impl PluginFinding {
    pub(crate) fn new(name: &str, what: impl fmt::Display) -> Self {
        Self { name: name.to_owned(), what: what.to_string() }
    }
}

impl fmt::Display for PluginFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

impl From<PluginError> for PluginFinding {
    fn from(error: PluginError) -> Self {
        let name = match error.fault {
            PluginFault::File(_) => "no-file",
            PluginFault::Loader(_) => "no-shared-object",
            PluginFault::NoEntry => "no-entry",
            PluginFault::NoTable => "no-table",
            PluginFault::Magic(_) => "bad-magic",
            PluginFault::Version(_) => "abi-version",
            PluginFault::Size(_) => "abi-size",
            PluginFault::NullFunction(_) => "null-function",
            PluginFault::Function(_) => "bad-function",
            PluginFault::Varies(_) => "not-deterministic",
            PluginFault::Duplicate(_) => "duplicate",
            _ => "bad-value",
        };
        Self::new(name, error.fault)
    }
}
