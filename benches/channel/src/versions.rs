//! What was measured, by its version. `build.rs` asks Cargo.

use adit_bench_report::machine;

use crate::table::{Contestant, Peer};

/// The compiler's version.
#[must_use]
pub fn rustc() -> &'static str {
    env!("ADIT_BENCH_RUSTC")
}

/// `rtrb 0.4.1`; nothing for what is no peer.
#[must_use]
pub fn peer(contestant: &Contestant) -> Option<String> {
    match contestant.peer {
        Peer::Own | Peer::Floor => None,
        Peer::Std => Some(format!("std {}", rustc())),
        Peer::Kernel => Some(format!("Linux {}", machine::kernel())),
        Peer::Package(package) => {
            let mut packages = env!("ADIT_BENCH_PEERS").split(',');
            let of = |one: &&str| one.split(' ').next() == Some(package);
            Some(packages.find(of).map_or_else(|| format!("{package} unknown"), str::to_owned))
        }
    }
}

/// Whether this build has the peers.
#[must_use]
pub const fn has_peers() -> bool {
    cfg!(feature = "peers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::contestants;

    #[test]
    fn every_peer_has_a_version() {
        for one in contestants() {
            let version = peer(&one);
            assert_eq!(version.is_some(), one.is_peer(), "{}", one.name);
            assert!(version.is_none_or(|text| !text.contains("unknown")), "{}", one.name);
        }
        assert!(rustc().starts_with("1."));
    }
}
