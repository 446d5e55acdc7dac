//! A search allocates nothing once it exists, whatever it finds.

#[path = "../../api/testing/allocation.rs"]
mod allocation;

#[test]
fn jobs_and_searches_do_not_allocate() {
    allocation::none(&adit_uhash::Uhash, 0xffff - 4, 0x1_0000 + 4);
}
