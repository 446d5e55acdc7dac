//! Devices: helper processes and in-process workers, each behind a session.

pub mod spawn;
