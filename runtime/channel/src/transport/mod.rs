//! What carries a channel's lanes from one end to the other. A transport gives a sender its lane, and a receiver
//! an inbox where lanes arrive; after that the ends need it only to hear that a peer died.

mod credentials;
pub(crate) mod ipc;
pub(crate) mod kept;
pub(crate) mod memory;
pub(crate) mod net;
mod patience;
pub(crate) mod udp;

pub(crate) use credentials::Credentials;
pub(crate) use patience::Patience;
