//! What the tests of GPU helpers share: whether there is a device, searches against the CPU, conformance.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::*;

/// The helper of an API, if there is a device for it; `hint` says how to get one.
pub fn helper(api: &str, hint: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_BIN_EXE_adit")).with_file_name(format!("adit-helper-{api}"));
    assert!(path.exists(), "{} is missing: `cargo build --workspace --bins` makes it", path.display());
    let output = finish(Command::new(&path).arg("list"), 60);
    if output.status.success() && !output.stdout.is_empty() {
        return Some(path);
    }
    skipped(&format!("no {api} device here; {hint}. {}", text(&output.stderr).trim()));
    None
}

/// A folder with a fake NVIDIA driver, compiler and management library, made once.
pub fn fakes() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, file) in [("cuda", "libcuda.so"), ("nvrtc", "libnvrtc.so"), ("nvml", "libnvidia-ml.so.1")]
        {
            let status = c_compiler()
                .args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
                .arg(folder.join(file))
                .arg(root().join(format!("gpu-helpers/cuda/tests/fake/{name}.c")))
                .arg("-ldl")
                .status()
                .expect("a C compiler is needed: `cargo xtask setup` installs one");
            assert!(status.success());
        }
        folder
    })
}

/// A search: algorithm, header, target, first nonce, count.
pub type Range<'a> = (&'a str, &'a str, &'a str, u64, u64);

/// All hits of a range as nonce and digest, in rising order. `fake:cuda:0` is a device of the fake driver.
pub fn search_on(device: &str, (algorithm, header, target, start, count): Range) -> Vec<(u64, String)> {
    let (start, count) = (start.to_string(), count.to_string());
    let mut command = adit();
    let device = device.strip_prefix("fake:").map_or(device, |device| {
        command.env("LD_LIBRARY_PATH", fakes());
        device
    });
    let output = finish(
        command
            .args(["search", "--json", "--device", device, "--algorithm", algorithm, "--header", header])
            .args(["--target", target, "--start", &start, "--count", &count]),
        300,
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    hits(&lines(&output))
}

/// The CPU and a device find the same; how many.
pub fn assert_same(device: &str, range: Range) -> usize {
    let [cpu, gpu] = ["cpu:threads=1", device].map(|device| search_on(device, range));
    assert_eq!(gpu, cpu, "{device}: {} {} from {}", range.0, range.2, range.3);
    cpu.len()
}

/// Searches a few nonces of an algorithm with a hash that takes milliseconds.
pub fn search_one(device: &str, algorithm: &str) {
    let header = if algorithm == "scrypt" { BITCOIN.trim().to_owned() } else { "5a".repeat(68) };
    let carry = if algorithm == "scrypt" { (1 << 32) - 40 } else { (1 << 32) - 6 };
    for (target, start, count) in [(zero_bits(4), 0, 24), (zero_bits(0), carry, 12)] {
        assert_same(device, (algorithm, &header, &target, start, count));
    }
    if algorithm == "uhash" {
        // Where the number of a chain added to the nonce is more than the nonce's width holds.
        assert_same(device, (algorithm, &header, &zero_bits(0), u64::MAX - 5, 6));
    }
}

/// Ranges with no hit, with one and with thousands; over the carry into a nonce's upper half, and up to its end.
pub fn search_many(device: &str) {
    let carry = (1 << 32) - 3000;
    for (algorithm, header, target, start, count, least) in [
        ("sha256d", BITCOIN, zero_bits(16), 0, 100_000, 1),
        ("sha256d", BITCOIN, zero_bits(4), (1 << 32) - 40_000, 40_000, 2000),
        ("sha256d", BITCOIN, zero_bits(64), 0, 50_000, 0),
        ("blake2s-kda", CHAINWEB, zero_bits(16), 0, 100_000, 1),
        ("blake2s-kda", CHAINWEB, zero_bits(8), carry, 6000, 10),
        ("blake2s-kda", CHAINWEB, zero_bits(0), u64::MAX - 1999, 2000, 2000),
        ("blake2s-kda", CHAINWEB, zero_bits(8), (1 << 48) - 3000, 6000, 10),
    ] {
        let found = assert_same(device, (algorithm, header.trim(), &target, start, count));
        assert!(found >= least, "{algorithm} {target} from {start}: {found} hits");
    }
}

/// All four algorithms, with headers that are others in each run; a failure shows them. Ranges without a hit, with one
/// and with thousands (fewer where a hash takes long), in the middle, over carries into the nonce's upper half, and up to its end.
pub fn search_random(device: &str) {
    let mut state = u64::from(std::process::id()) ^ 0x9e37_79b9_7f4a_7c15;
    let mut word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 32
    };
    for (algorithm, length, count, many) in [
        ("sha256d", 80, 20_000, 3000),
        ("blake2s-kda", 286, 20_000, 3000),
        ("scrypt", 80, 300, 1100),
        ("uhash", 68, 24, 100),
    ] {
        let header: String = (0..length).map(|_| format!("{:02x}", word() & 0xff)).collect();
        eprintln!("{algorithm}: header {header}");
        let narrow = length == 80;
        let mut carry = |count: u64| match (word() % (1 << 31) + 1) << 32 {
            _ if narrow => word() % (1 << 31),
            carry => carry - count / 2,
        };
        let carries = [carry(count), carry(many)];
        let end = |count: u64| if narrow { (1 << 32) - count } else { u64::MAX - count + 1 };
        let same =
            |target: &str, start, count| assert_same(device, (algorithm, &header, target, start, count));
        assert_eq!(same(&zero_bits(100), carries[0], count), 0);
        // The least digest of a range as its target.
        let all = search_on("cpu:threads=1", (algorithm, &header, &zero_bits(0), end(count), count));
        let least = all.iter().map(|(_, digest)| digest).min().unwrap();
        assert_eq!(same(least, end(count), count), 1);
        assert_eq!(same(&zero_bits(0), carries[1], many), many as usize);
        same(&zero_bits(4), carries[0], count);
    }
}

/// `adit conform` on a helper's first device.
pub fn assert_conforms(api: &str, helper: &Path) {
    // Fills the cache of compiled kernels: `adit conform` waits for a hello as long as the specification says.
    for algorithm in ["scrypt", "uhash"] {
        search_one(&format!("{api}:0"), algorithm);
    }
    let kernels = finish(adit().arg("kernels"), 60);
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{api}-{}.json", std::process::id()));
    std::fs::write(&file, &kernels.stdout).unwrap();
    let output = finish(
        adit()
            .env("ADIT_KERNELS", &file)
            .args(["conform", "--hello-within", "60", "--json", "--"])
            .arg(helper)
            .args(["run", "0"]),
        500,
    );
    let _ = std::fs::remove_file(&file);
    let lines = lines(&output);
    for case in events(&lines, "case") {
        assert_eq!(case["outcome"], "passed", "{case}");
    }
    assert_eq!(output.status.code(), Some(0));
}

/// A number that no device has.
pub fn assert_missing_is_named(api: &str) {
    let device = format!("{api}:99");
    let output = finish(adit().args(["mine", "--duration", "1", "--device", &device]), 60);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains(&format!("{device} is not there")), "{}", text(&output.stderr));
}
