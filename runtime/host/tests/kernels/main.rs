//! An algorithm that no helper was ever told of brings its own kernels: the helpers run them as they are.

use std::{
    io::Write as _,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use adit_host::{
    device::DevicePlan,
    host::{Host, HostConfig, HostEvent},
    job::{Job, NonceRange, SingleHeader},
    source::FixedSource,
};
use adit_plugin::{
    Algorithm, DevBlock, Digest, Hits, Layout, LayoutError, Searcher, Target, kernels::Kernels,
};

/// Two words of seed, then a nonce of eight bytes.
struct Mixer;

fn mix(x: u32) -> u32 {
    let y = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let z = (y ^ (y >> 13)).wrapping_mul(0xc2b2_ae35);
    z ^ (z >> 16)
}

impl Algorithm for Mixer {
    fn name(&self) -> &'static str {
        "mixer"
    }

    fn id(&self) -> u32 {
        u32::from_le_bytes(*b"MIXR")
    }

    fn layout(&self) -> Layout {
        Layout { header_len: 16, nonce_offset: 8, nonce_width: 8 }
    }

    fn digest(&self, header: &[u8]) -> Result<Digest, LayoutError> {
        self.layout().check(header)?;
        let words: Vec<u32> =
            header.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect();
        let base = mix(words[0] ^ words[2]).wrapping_add(mix(words[1] ^ words[3]));
        let mut digest = Digest::default();
        for (i, four) in digest.0.chunks_exact_mut(4).enumerate() {
            four.copy_from_slice(&mix(base.wrapping_add(i as u32)).to_le_bytes());
        }
        Ok(digest)
    }

    fn searcher(&self) -> Box<dyn Searcher> {
        Box::new(Search { header: vec![0; 16], target: Target::MAX })
    }

    fn dev_header(&self, block: &DevBlock<'_>) -> Vec<u8> {
        [block.roll.to_le_bytes(), [0; 8]].concat()
    }

    fn kernels(&self) -> Option<Kernels> {
        Some(Kernels {
            constants: 3,
            scratch: 0,
            group: 32,
            lanes: 1,
            operations: 0,
            test_nonces: 512,
            scan: include_str!("scan.cl"),
            wgsl: &[include_str!("wgpu.wgsl")],
        })
    }
}

struct Search {
    header: Vec<u8>,
    target: Target,
}

impl Searcher for Search {
    fn set_job(&mut self, header: &[u8], target: &Target) -> Result<(), LayoutError> {
        Mixer.layout().check(header)?;
        (self.header, self.target) = (header.to_vec(), *target);
        Ok(())
    }

    fn search(&mut self, start: u64, last: u64, hits: &mut Hits<'_>) {
        for nonce in start..=last {
            Mixer.layout().set_nonce(&mut self.header, nonce);
            let digest = Mixer.digest(&self.header).unwrap();
            if digest.meets(&self.target) {
                hits(nonce, digest);
            }
        }
    }
}

/// Beside the folder of this test: `cargo xtask test` builds all programs before the tests.
fn helper(api: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().unwrap();
    let path = path.parent().and_then(Path::parent).unwrap().join(format!("adit-helper-{api}"));
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    let list = Command::new(&path).arg("list").output().unwrap();
    if list.status.success() && !list.stdout.is_empty() {
        return Some(path);
    }
    // Also where what tests print is kept back.
    let why = String::from_utf8_lossy(&list.stderr);
    let _ = writeln!(std::io::stderr(), "skipped: no {api} device here: {}", why.trim());
    None
}

/// The folder of a driver that is this CPU: its own tests are in the command's.
fn fake_cuda() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gpu-helpers/cuda/tests/fake");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["cuda", "nvrtc"] {
        // It may have arguments: `CC="ccache gcc"`.
        let compiler = std::env::var("CC").unwrap_or_default();
        let mut words = compiler.split_whitespace();
        let status = Command::new(words.next().unwrap_or("cc"))
            .args(words)
            .args(["-std=gnu11", "-O2", "-shared", "-fPIC", "-o"])
            .arg(folder.join(format!("lib{name}.so")))
            .arg(sources.join(format!("{name}.c")))
            .arg("-ldl")
            .status()
            .expect("a C compiler is needed: `cargo xtask setup` installs one");
        assert!(status.success());
    }
    folder
}

fn hits(device: &str, range: NonceRange) -> Vec<(u64, String)> {
    let algorithm: Arc<dyn Algorithm> = Arc::new(Mixer);
    let plans = DevicePlan::from_specs(&[device.parse().unwrap()], std::slice::from_ref(&algorithm)).unwrap();
    let host = Host::new(HostConfig::default(), plans).unwrap();
    let job = Job {
        key: 1,
        name: "kernels".into(),
        algorithm,
        target: Target::from_zero_bits(6),
        clean: true,
        space: Arc::new(SingleHeader(vec![0x5a; 16])),
        first_roll: 0,
        nonces: range,
    };
    let mut found = Vec::new();
    let mut observer = |event: HostEvent<'_>| {
        if let HostEvent::Solution { share, .. } = event {
            found.push((share.nonce, share.digest.to_string()));
        }
        ControlFlow::Continue(())
    };
    let summary = host.run(Box::new(FixedSource(job)), &mut observer).unwrap();
    assert_eq!(u128::from(summary.hashes), range.end - u128::from(range.start), "{device}");
    found.sort();
    found
}

#[test]
fn a_new_algorithm_needs_no_new_helper() {
    let range = NonceRange { start: (1 << 32) - 5000, end: (1 << 32) + 15_000 };
    let expected = hits("cpu:threads=1", range);
    assert!(expected.len() > 200, "{} hits", expected.len());
    for api in ["opencl", "wgpu"] {
        let Some(helper) = helper(api) else { continue };
        assert_eq!(hits(&format!("exec:{} run 0", helper.display()), range), expected, "{api}");
    }
    let helper = std::env::current_exe().unwrap();
    let helper = helper.parent().and_then(Path::parent).unwrap().join("adit-helper-cuda");
    let folder = fake_cuda();
    let environment = format!("LD_LIBRARY_PATH={} XDG_CACHE_HOME={}", folder.display(), folder.display());
    let command = format!("exec:env {environment} {} run 0", helper.display());
    assert_eq!(hits(&command, range), expected, "cuda");
    std::fs::remove_dir_all(folder).unwrap();
}
