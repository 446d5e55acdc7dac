//! `adit conform` on the Rust helper and on a program that is none.

mod common;

use common::*;

#[test]
fn the_rust_helper_conforms() {
    let helper = rust_helper();
    let output = finish(adit().args(["conform", "--json", "--", helper.strip_prefix("exec:").unwrap()]), 300);
    let lines = lines(&output);
    for case in events(&lines, "case") {
        assert_eq!(case["outcome"], "passed", "{case}");
    }
    assert_eq!(output.status.code(), Some(0));
    assert!(lines.last().unwrap()["passed"].as_u64().unwrap() >= 12);
}

#[test]
fn what_is_no_helper_fails_by_name() {
    let output = finish(adit().args(["conform", "--filter", "hello", "--", "/bin/true"]), 60);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.contains("failed   hello") && printed.contains("0 passed, 1 failed"), "{printed}");
}
