//! Checks a plugin, an algorithm in a shared object, against `docs/spec/plugin.md`.
//!
//! Each case runs in a process of its own, because what a broken plugin does to its process is not to be undone:
//! the parent ([`run`]) starts the child ([`play`]) and says by name what came of it. The plugin's `digest` is the
//! only oracle that there is for an algorithm that nobody else knows; searches are held against it.

mod cases;
mod child;
mod fault;
mod hits;

pub use cases::PluginCase;
pub use child::{PluginReport, play, run};
pub use fault::PluginFinding;
