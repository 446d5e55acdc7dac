//! A search allocates nothing once it exists, whatever it finds.

#[path = "../../api/testing/allocation.rs"]
mod allocation;

#[test]
fn jobs_and_searches_do_not_allocate() {
    allocation::none(&adit_sha256d::Sha256d, 0xffff - 500, 0x1_0000 + 500);
}
