//! Endpoints over rings.
//!
//! * [`futex`]: how a reader sleeps and a writer wakes it, across processes.
//! * [`session`]: a device session, the pair of rings that every device is.

pub mod futex;
pub mod session;
