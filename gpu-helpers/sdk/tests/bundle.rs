//! Bundles with several work items for a nonce.

use adit_helper::kernels::Bundle;
use serde_json::{Value, json};

fn parse(more: &[(&str, Value)]) -> Result<Bundle, String> {
    let test = json!({ "header": "00", "target": "f".repeat(64), "start": "0", "count": "1", "hits": [] });
    let mut one = json!({
        "name": "test", "id": 7, "header_len": 8, "nonce_offset": 0, "nonce_width": 8, "constants": 1, "group": 96,
        "scratch": 1024, "sources": {}, "self_test": [test],
    });
    one["self_test"][0]["header"] = "00".repeat(8).into();
    for (name, value) in more {
        one[name] = value.clone();
    }
    let bundle = json!({ "adit_kernels": 1, "algorithms": [one] }).to_string();
    Bundle::parse(bundle.as_bytes()).map_err(|error| error.to_string())
}

/// spec: KRN-3.6
#[test]
fn lanes_divide_a_group_and_multiply_scratch() {
    for (lanes, nonces, scratch) in [(json!(1), 96, 1024), (json!(4), 24, 4096), (json!(96), 1, 96 * 1024)] {
        let bundle = parse(&[("lanes", lanes)]).unwrap();
        let kernels = &bundle.algorithms[0];
        assert_eq!((kernels.group_nonces(), kernels.nonce_scratch()), (nonces, scratch));
    }
    assert_eq!(parse(&[]).unwrap().algorithms[0].group_nonces(), 96);
    for (lanes, said) in [(5, "no multiple"), (0, "lanes is 0"), (192, "lanes is 192")] {
        let error = parse(&[("lanes", json!(lanes))]).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    let error = parse(&[("scratch", json!(1026))]).unwrap_err();
    assert!(error.contains("scratch is 1026, which is no multiple of 16"), "{error}");
}
