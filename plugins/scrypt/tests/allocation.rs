//! A search allocates nothing once it exists, whatever it finds.

#[path = "../../api/testing/allocation.rs"]
mod allocation;

#[test]
fn jobs_and_searches_do_not_allocate() {
    allocation::none(&adit_scrypt::Scrypt, 0xffff - 10, 0x1_0000 + 10);
}
