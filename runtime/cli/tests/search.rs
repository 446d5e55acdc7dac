//! `adit search`: the known vectors on every kind of device, and exact counts.

mod common;

use common::*;

fn hits_on(algorithm: &str, bits: usize, count: u64, device: &str) -> Vec<(u64, String)> {
    let output = finish(&mut search(algorithm, &zero_bits(bits), 0, count, &[device]), 120);
    assert!(output.status.success(), "{device}: {}", text(&output.stderr));
    let lines = lines(&output);
    let done = lines.last().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["hashes"], count, "{device}");
    let hits = hits(&lines);
    assert_eq!(done["hits"], hits.len(), "{device}");
    hits
}

#[test]
fn every_kind_of_device_finds_the_same() {
    let devices = [&c_helper(), &python_helper(), &rust_helper(), "cpu:threads=1"];
    for (algorithm, nonce, digest) in [
        ("blake2s-kda", 3426, "00005fe15caade915c8b381e911caeccd3b4b3654797662c102ff2d1ea0cc9de"),
        ("sha256d", 88156, "0000e386e23e23889845337e81fe65cd992436b3561ed2756212285208c6a63f"),
    ] {
        let expected = hits_on(algorithm, 16, 100_000, "cpu");
        assert_eq!(expected[0], (nonce, digest.into()));
        for device in devices {
            assert_eq!(hits_on(algorithm, 16, 100_000, device), expected, "{device}");
        }
    }
}

#[test]
fn the_cpu_finds_what_has_twenty_zero_bits() {
    for (algorithm, nonce, digest) in [
        ("blake2s-kda", 542_218, "0000081e510f620dc4db3850235f0416e65b0294786d1dbe7cd44bd4cf6d8357"),
        ("sha256d", 128_273, "000007408bdf574459b95a5f31bef198ed5a7437cbf78a7d7479967e2735e568"),
    ] {
        assert_eq!(hits_on(algorithm, 20, nonce + 1, "cpu"), [(nonce, digest.to_owned())]);
    }
}

#[test]
fn every_nonce_of_a_range_is_hashed_once() {
    // Every digest meets this target, so the hits are the range; it ends at the last nonce there is.
    for (algorithm, start, count) in [
        ("sha256d", (1 << 32) - 3000, 3000),
        ("blake2s-kda", u64::MAX - 2999, 3000),
        ("blake2s-kda", (1 << 32) - 1000, 3000),
        ("sha256d", 7, 1),
    ] {
        for device in ["cpu", &c_helper(), &python_helper()] {
            let output = finish(&mut search(algorithm, &zero_bits(0), start, count, &[device]), 60);
            let lines = lines(&output);
            let nonces: Vec<u64> = hits(&lines).into_iter().map(|(nonce, _)| nonce).collect();
            let all: Vec<u64> = (0..count).map(|offset| start + offset).collect();
            assert_eq!(nonces, all, "{algorithm} from {start} on {device}");
            assert_eq!(lines.last().unwrap()["hashes"], count);
        }
    }
}

#[test]
fn devices_share_a_range_without_overlap() {
    let python = python_helper();
    let c = c_helper();
    let alone = hits_on("blake2s-kda", 12, 3_000_000, "cpu");
    let output = finish(&mut search("blake2s-kda", &zero_bits(12), 0, 3_000_000, &["cpu", &c, &python]), 120);
    let lines = lines(&output);
    assert_eq!(hits(&lines), alone);
    assert_eq!(lines.last().unwrap()["hashes"], 3_000_000);
}
