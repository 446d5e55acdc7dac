//! spec: CHN-7.3
//!
//! Writers that describe what is not there, and readers that say they have read it.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{ArenaReader, ArenaWriter, UNIT};
use crate::{
    Misbehaved,
    stream::{Word, record, tests::Memory},
};

const RING: usize = 128;
const SIZE: u64 = 8 * UNIT;

/// Offsets and lengths that are nearly right more often than not.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0..10u64).prop_map(|units| units * UNIT),
        2 => 0..600u64,
        1 => any::<u64>(),
        1 => (0..600u64).prop_map(|less| u64::MAX - less),
    ]
}

/// What may stand in a word of the ring.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => Just(record::DESCRIPTOR),
        2 => (0..40u64).prop_map(record::message),
        1 => (0..40u64).prop_map(|len| record::DESCRIPTOR - 16 + len),
        6 => number(),
    ]
}

proptest! {
    /// Whatever stands in the ring, each look ends in a message within bounds, in nothing, or in a name for what is
    /// wrong.
    #[test]
    fn a_lying_writer_is_named_or_read_within_the_arena(
        steps in prop::collection::vec((0..8u64, prop::collection::vec(word(), 16), any::<bool>()), 1..30),
    ) {
        let memory = Memory::new(RING);
        let slab: Vec<Word> = (0..SIZE / 8).map(|_| Word::default()).collect();
        let (_producer, mut consumer) = memory.ends(0);
        let mut reader = ArenaReader::new(&slab[..]).unwrap();
        let mut known = 0;
        for (words, values, keep) in steps {
            for (word, value) in memory.words.iter().zip(values) {
                word.store(value);
            }
            let tail = memory.writer.position.load(Ordering::Relaxed).max(consumer.position() + words * 8);
            memory.writer.position.store(tail, Ordering::Relaxed);
            // It looks at the tail when it has read what it knows of.
            known = if consumer.is_drained() { tail } else { known };
            let before = consumer.position();
            if let Err((consumer, refused)) = consumer.read_or_back() {
                let next = reader.next.expect("it began at the beginning");
                match reader.read(consumer, refused) {
                    Ok(block) => {
                        prop_assert!(block.offset == next || block.offset == 0);
                        prop_assert!(block.offset + block.bytes().len() as u64 <= SIZE);
                        let last = block.bytes().raw().last();
                        prop_assert!(last.is_none_or(|last| std::ptr::from_ref(last) < slab.as_ptr_range().end));
                        if keep { block.keep() } else { drop(block) }
                    }
                    Err(misbehaved @ Misbehaved::Record { position, header }) => {
                        prop_assert_eq!(misbehaved, refused);
                        let whole = known >= position + 24 && position % RING as u64 <= RING as u64 - 24;
                        prop_assert!(header != record::DESCRIPTOR || !whole);
                    }
                    Err(Misbehaved::Descriptor { offset, length, .. }) => {
                        let due = offset == next || offset == 0;
                        prop_assert!(!due || length > SIZE - offset);
                    }
                    Err(other) => prop_assert!(matches!(other, Misbehaved::Tail { .. }), "{}", other),
                }
                prop_assert!(reader.next.is_some_and(|next| next < SIZE && next.is_multiple_of(UNIT)));
            }
            prop_assert!(consumer.position() - before <= RING as u64);
        }
    }

    /// Only heads that are possible free a block.
    #[test]
    fn a_lying_reader_frees_only_what_it_may(
        steps in prop::collection::vec((number(), 1..600usize), 1..60),
    ) {
        let memory = Memory::new(RING);
        let slab: Vec<Word> = (0..SIZE / 8).map(|_| Word::default()).collect();
        let (mut producer, _consumer) = memory.ends(0);
        let mut writer = ArenaWriter::new(&slab[..]).unwrap();
        let mut highest = 0;
        // Where each block lies, and the head that frees it.
        let mut blocks: Vec<(usize, usize, u64)> = Vec::new();
        for (head, len) in steps {
            memory.reader.position.store(head, Ordering::Relaxed);
            if head <= memory.writer.position.load(Ordering::Relaxed) && head.is_multiple_of(8) {
                highest = highest.max(head);
            }
            if let Ok(claim) = writer.claim(&mut producer, len) {
                let at = (&raw const claim.words()[0]).addr() - slab.as_ptr().addr();
                claim.commit();
                blocks.retain(|(.., head)| *head > highest);
                for (start, end, _) in &blocks {
                    prop_assert!(at + len <= *start || *end <= at, "{at} {len} over {start}..{end}");
                }
                blocks.push((at, at + len, producer.position()));
            }
        }
    }
}

/// A ring's own reader, without an arena, takes no descriptor.
#[test]
fn a_reader_without_an_arena_refuses_descriptors() {
    let memory = Memory::new(RING);
    let slab: Vec<Word> = (0..SIZE / 8).map(|_| Word::default()).collect();
    let (mut producer, mut consumer) = memory.ends(0);
    ArenaWriter::new(&slab[..]).unwrap().try_push(&mut producer, &[1; 100]).unwrap();
    let refused = Misbehaved::Record { position: 0, header: record::DESCRIPTOR };
    assert_eq!(consumer.read().err(), Some(refused));
    assert_eq!(consumer.try_pop(&mut [0; 100]), Err(refused.into()));
    assert_eq!(consumer.read_batch(9, |_| ()), Err(refused));
}
