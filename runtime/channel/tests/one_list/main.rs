//! One list of operations, held against one oracle, in every mode over every memory: heap, memory shared between
//! processes, file, named segment; and a broadcast through connections.
//!
//! `ADIT_TEST_LISTS` sets how many lists; each runs in all worlds, in some of which long messages lie
//! in arenas.

mod oracle;
mod trial;
mod world;

use proptest::prelude::*;
use trial::{Commit, Operation, Trial};
use world::{CAPACITY, House, WORLDS};

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let (who, len) = (|| 0..4_usize, || 8..CAPACITY / 4 + 10);
    let commit = prop_oneof![Just(Commit::All), Just(Commit::First), Just(Commit::Nothing)];
    let operation = prop_oneof![
        3 => Just(Operation::SenderJoins),
        1 => who().prop_map(Operation::SenderLeaves),
        3 => Just(Operation::ReceiverJoins),
        1 => who().prop_map(Operation::ReceiverLeaves),
        8 => (who(), len()).prop_map(|(who, len)| Operation::Send(who, len)),
        4 => (who(), len(), commit).prop_map(|(who, len, commit)| Operation::Claim(who, len, commit)),
        3 => (who(), prop::collection::vec(len(), 0..5)).prop_map(|(who, lens)| Operation::Batch(who, lens)),
        2 => who().prop_map(Operation::Flush),
        8 => who().prop_map(Operation::Recv),
        1 => who().prop_map(Operation::RecvShort),
        4 => who().prop_map(Operation::Read),
        1 => who().prop_map(Operation::Keep),
        4 => (who(), 0..6_usize).prop_map(|(who, most)| Operation::RecvBatch(who, most)),
    ];
    prop::collection::vec(operation, 0..150)
}

fn lists() -> u32 {
    std::env::var("ADIT_TEST_LISTS").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lists(), ..ProptestConfig::default() })]

    #[test]
    fn one_list_does_what_the_oracle_says_everywhere(
        operations in operations(),
        publish_every in prop_oneof![Just(0_u64), Just(200)],
        credit in prop_oneof![Just(1_u64), Just(128), Just(4096)],
    ) {
        for world in WORLDS {
            let house = House::new(world.memory);
            let builder = house.builder(world).publish_every(publish_every).credit(credit);
            let mut trial = Trial::new(world, builder, publish_every > 0);
            let mut run = || {
                operations.iter().try_for_each(|operation| trial.step(operation))?;
                trial.finish()
            };
            run().map_err(|error| match error {
                TestCaseError::Fail(why) => TestCaseError::fail(format!("{world:?}: {why}")),
                other => other,
            })?;
        }
    }
}
