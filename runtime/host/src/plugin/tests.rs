//! A plugin of Rust, table and all, in this process: what crosses arrives.

use std::{path::Path, sync::OnceLock};

use adit_plugin::{
    Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target,
    exported::{Home, Shared, entry},
    kernels::Kernels,
};
use adit_sha256d::Sha256d;

use super::{foreign::Foreign, table};

/// Where a plugin of this test keeps its algorithm.
macro_rules! plugin {
    ($home:ident, $algorithm:expr) => {
        struct $home;

        impl Home for $home {
            fn shared() -> &'static Shared {
                static SHARED: OnceLock<Shared> = OnceLock::new();
                SHARED.get_or_init(|| Shared::new::<$home>(Box::new($algorithm), "1"))
            }
        }
    };
}

fn loaded<H: Home>() -> Foreign {
    let table = super::open::copy(entry::<H>()).unwrap();
    Foreign::new(Path::new("in-this-process"), table::check(&table).unwrap()).unwrap()
}

/// spec: PLG-5.5
#[test]
fn kernels_arrive() {
    plugin!(Here, Sha256d);
    let (kernels, expected) = (loaded::<Here>().kernels().unwrap(), Sha256d.kernels().unwrap());
    let numbers = |k: &Kernels| (k.constants, k.scratch, k.group, k.lanes, k.operations, k.test_nonces);
    assert_eq!(numbers(&kernels), numbers(&expected));
    assert_eq!(kernels.opencl(), expected.opencl());
    assert_eq!(kernels.wgpu(), expected.wgpu());

    plugin!(Without, Slow);
    assert!(loaded::<Without>().kernels().is_none());
}

/// spec: PLG-5.4
#[test]
fn a_search_ends_when_nobody_wants_it() {
    plugin!(Here, Slow);
    let mut searcher = loaded::<Here>().searcher();
    let mut run = |most: u64| {
        let (mut asked, mut found) = (0, Vec::new());
        let whole = searcher.search_while(3, 100, &mut |nonce, _| found.push(nonce), &mut || {
            asked += 1;
            asked <= most
        });
        (whole, found, asked)
    };
    assert_eq!(run(4), (false, vec![3, 4, 5, 6], 5));
    assert_eq!(run(0), (false, vec![], 1));
    assert_eq!(run(1000), (true, (3..=100).collect(), 98));
}

/// A panic of whoever is asked goes to who called, and not through the plugin.
#[test]
#[should_panic(expected = "nobody knows")]
fn a_question_may_panic() {
    plugin!(Here, Slow);
    loaded::<Here>().searcher().search_while(0, 9, &mut |_, _| {}, &mut || panic!("nobody knows"));
}

/// Asks before every nonce; each is a hit.
struct Slow;

impl Algorithm for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"SLOW")
    }

    fn layout(&self) -> Layout {
        Layout { header_len: 8, nonce_offset: 0, nonce_width: 8 }
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.layout().check(header)?;
        Ok(Digest::default())
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Box::new(Self)
    }

    fn dev_header(&self, _: &DevBlock<'_>) -> Vec<u8> {
        vec![0; 8]
    }
}

impl Searcher for Slow {
    fn set_job(&mut self, header: &[u8], _: &Target) -> Result<(), LayoutError> {
        self.layout().check(header)
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        self.search_while(start, last, hits, &mut || true);
    }

    fn search_while(
        &mut self,
        start: u64,
        last: u64,
        hits: &mut Hits<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> bool {
        for nonce in start..=last {
            if !go_on() {
                return false;
            }
            hits(nonce, Digest::default());
        }
        true
    }
}
