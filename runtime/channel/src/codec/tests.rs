//! What goes in comes out, and what a peer makes up stays within its bounds.

use proptest::prelude::*;

use super::*;

fn compressions() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::Lz4),
        (-9..=6_i32).prop_map(|level| Compression::Zstd { level }),
        Just(Compression::Snappy),
    ]
}

/// Bytes of every kind between all the same and random.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..3000);
    let same = (any::<u8>(), 0..9000_usize).prop_map(|(byte, len)| vec![byte; len]);
    let pieces = (prop::collection::vec(any::<u8>(), 1..60), 1..200_usize)
        .prop_map(|(piece, times)| piece.repeat(times));
    prop_oneof![noise, same, pieces]
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(compression in compressions(), plain in plain()) {
        let mut encoder = Encoder::new(compression, 1);
        if let Some(len) = encoder.encode(&plain) {
            prop_assert!(len < plain.len());
            let mut back = vec![0; plain.len()];
            prop_assert_eq!(Decoder::default().decode(encoder.id(), encoder.coded(len), &mut back), Ok(()));
            prop_assert_eq!(&back, &plain);
            // A wrong length in either direction is an error and no panic.
            for wrong in [plain.len() - 1, plain.len() + 1] {
                let mut back = vec![0; wrong];
                prop_assert_eq!(
                    Decoder::default().decode(encoder.id(), encoder.coded(len), &mut back),
                    Err(Corrupt)
                );
            }
        }
    }

    #[test]
    fn what_a_peer_makes_up_is_an_error_or_bytes(
        id in 0..6_u8,
        noise in prop::collection::vec(any::<u8>(), 0..300),
        len in 0..10_000_usize,
    ) {
        let _ = Decoder::default().decode(id, &noise, &mut vec![0; len]);
    }

    #[test]
    fn what_is_damaged_on_the_way_is_an_error_or_bytes(
        compression in compressions(),
        plain in plain(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut encoder = Encoder::new(compression, 1);
        if let Some(len) = encoder.encode(&plain) {
            let mut coded = encoder.coded(len).to_vec();
            let at = at.index(coded.len());
            coded[at] = value;
            let _ = Decoder::default().decode(encoder.id(), &coded, &mut vec![0; plain.len()]);
        }
    }
}

#[test]
fn a_bomb_stops_at_what_was_declared() {
    let bomb = vec![7; 50 << 20];
    for compression in [Compression::Lz4, Compression::Zstd { level: 3 }, Compression::Snappy] {
        let mut encoder = Encoder::new(compression, 1);
        let len = encoder.encode(&bomb).expect("it is all the same byte");
        assert!(most(encoder.id(), len) >= bomb.len(), "{compression}: {len}");
        let mut small = vec![0; 4096];
        let decoded = Decoder::default().decode(encoder.id(), encoder.coded(len), &mut small);
        assert_eq!(decoded, Err(Corrupt), "{compression}");
    }
}

#[test]
fn noise_is_sent_plain_and_soon_not_even_tried() {
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..64 << 10)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    for compression in [Compression::Lz4, Compression::Zstd { level: 3 }, Compression::Snappy] {
        let mut encoder = Encoder::new(compression, 256);
        assert!((0..1000).all(|_| encoder.encode(&noise).is_none()), "{compression}");
        assert_eq!(encoder.last_rest, LONGEST_REST);
        // It tries again within the longest rest, and then at once.
        let tried = (0..=LONGEST_REST).position(|_| encoder.encode(&[7; 4096]).is_some());
        assert!(tried.is_some(), "{compression}");
        assert!(encoder.encode(&[7; 4096]).is_some(), "{compression}");
        assert!(encoder.encode(&[7; 255]).is_none(), "{compression}");
    }
}

#[test]
fn every_compression_has_its_codec_and_a_name() {
    assert!(!Encoder::new(Compression::None, 0).is_on());
    for compression in [Compression::Lz4, Compression::Zstd { level: 3 }, Compression::Snappy] {
        let encoder = Encoder::new(compression, 0);
        assert!(encoder.is_on());
        assert!(compression.to_string().starts_with(name(encoder.id()).unwrap()));
    }
    assert_eq!((name(0), name(4)), (Some("none"), None));
}
