//! The Stratum source against scripted pools, over loopback only.

mod harness;
mod misbehaving;
mod recorded;
mod sessions;
