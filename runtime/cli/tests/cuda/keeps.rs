//! What the helper keeps between its runs.

use super::*;

fn run(cache: &Path, tally: &Path, count: u64, more: &[(&str, &str)]) -> (Vec<u64>, u64) {
    let faults = [("XDG_CACHE_HOME", cache.to_str().unwrap()), ("FAKE_NVRTC_COUNT", tally.to_str().unwrap())];
    let _ = std::fs::remove_file(tally);
    let output = search(&["cuda:0"], &[&faults, more].concat(), count);
    assert!(!text(&output.stderr).contains("is down"), "{}", text(&output.stderr));
    (hits(&output), std::fs::metadata(tally).map_or(0, |file| file.len()))
}

#[test]
fn a_source_is_compiled_once_and_launches_begin_as_large_as_they_came_to_be() {
    let (cache, tally) = (fakes().join("kept"), fakes().join("compiled"));
    let (found, compiled) = run(&cache, &tally, 700_000, &[]);
    assert_eq!(compiled, 1);
    // How many launches that takes depends on how fast the processor is; a size is kept after 64.
    let sizes = || std::fs::read_dir(cache.join("adit/launches")).map_or(0, Iterator::count);
    let kept = [1, 4, 16, 64].into_iter().find(|times| {
        sizes() > 0 || {
            assert_eq!(run(&cache, &tally, times * 1_000_000, &[]).1, 0);
            sizes() > 0
        }
    });
    assert!(kept.is_some(), "no launch size was kept after 64 million nonces");
    assert_eq!(sizes(), 1);
    assert_eq!(run(&cache, &tally, 700_000, &[]), (found.clone(), 0));
    // What the driver does not take is compiled again at once, and kept.
    for code in [200, 218, 221, 222, 223, 300] {
        let refused = format!("cuModuleLoadData:1:{code}");
        let faults = [("FAKE_CUDA_FAIL", refused.as_str())];
        assert_eq!(run(&cache, &tally, 700_000, &faults), (found.clone(), 1), "{code}");
        assert_eq!(run(&cache, &tally, 60_000, &[]).1, 0, "{code}");
    }
}

#[test]
fn a_compiler_older_than_the_gpu_leaves_it_to_the_driver() {
    let (cache, tally) = (fakes().join("old"), fakes().join("compiled-old"));
    let (found, compiled) = run(&cache, &tally, 60_000, &[("FAKE_NVRTC_OLD", "1")]);
    assert_eq!((found, compiled), (hits(&search(&["cpu:threads=1"], &[], 60_000)), 2));
}
