//! Exactly the right hits. spec: SES-4.2, SES-5.1, SES-5.2, SES-5.3

use std::time::Duration;

use adit_channel::session::Sizes;
use adit_plugin::{Digest, Target};

use crate::{
    fault::{Checked, fault},
    host::{Context, Host, UNITS},
    ledger::Expect,
    oracle::{Job, Known},
};

/// A real header and the first nonce from 0 whose digest has 16 zero bits; from the plugins' `vectors`.
struct Vector {
    algorithm: Known,
    what: &'static str,
    header: &'static str,
    nonce: u64,
    digest: &'static str,
    /// Nonces from 0 to search.
    count: u64,
}

const VECTORS: [Vector; 2] = [
    Vector {
        algorithm: Known::Blake2sKda,
        what: "a block of Chainweb's chain 5",
        header: "00000000000000006c3cda6cb4cf0500946335dbc470b829f58697544da9c8fe306bf4a32143a45a475755bc0542c84e\
                 030000000000b414ffac845292112a2000d9d056579c5f83090f2b6b2e9664c27a346f16c904070000007a5ec4572d72\
                 3dc4f537d5d3feb30c2ac28f4fe7594bed6cc24eaf9286a32200080000006fe2e81efbc8a131bed6cedad46bc1b4940e\
                 0877fd37f1aaa8e2d3bc388dac25492489f66d565a71a5c4497b2bc99fe58b62733952d913ac150100000000000090da\
                 62dbdc08d012c5f4ea4e2f4941951fea92e6f9be89225c77dbdfb2f182d6050000001bc30ba646dd3707630300000000\
                 000000000000000000000000000000000000b13720000000000005000000e501aa5ab4cf0500840369521a796671",
        nonce: 3426,
        digest: "00005fe15caade915c8b381e911caeccd3b4b3654797662c102ff2d1ea0cc9de",
        count: 1 << 16,
    },
    Vector {
        algorithm: Known::Sha256d,
        what: "Bitcoin's block 125552",
        header: "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d750423db8b\
                 1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a42a14695",
        nonce: 88_156,
        digest: "0000e386e23e23889845337e81fe65cd992436b3561ed2756212285208c6a63f",
        count: 1 << 17,
    },
];

/// Seconds that the first of the known nonces may take to be found.
const LONGEST: f64 = 600.0;

impl Vector {
    fn job(&self, target: Target) -> Job {
        let digit = |c: u8| (c as char).to_digit(16).expect("hex") as u8;
        let digits: Vec<u8> = self.header.bytes().map(digit).collect();
        let header = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Job { algorithm: self.algorithm, header, target }
    }
}

/// spec: SES-4.2
pub(super) fn known_vectors(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    host.meet()?;
    for vector in VECTORS.iter().filter(|vector| host.known.contains(&vector.algorithm)).collect::<Vec<_>>() {
        first_hit(&mut host, vector)?;
        exact_set(&mut host, vector)?;
        equal_to_target(&mut host, vector)?;
    }
    for known in &host.known {
        context.notes.push(format!("knows {known}"));
    }
    Ok(())
}

/// The first nonce with 16 zero bits is the one that is known.
fn first_hit(host: &mut Host, vector: &Vector) -> Checked {
    // A helper that is slow is not wrong.
    let rate = host.rate(vector.algorithm)?;
    let limit = Duration::from_secs_f64((3.0 * vector.count as f64 / rate).clamp(0.0, LONGEST));
    let posted = host.publish(&vector.job(Target::from_zero_bits(16)));
    let id = host.send(&posted, 0, vector.count, Expect::Work)?;
    host.finish_within("with a known header", limit.max(UNITS))?;
    let first = host.ledger.get(id).and_then(|sent| sent.hits.iter().min());
    let expected = (vector.nonce, vector.digest.parse::<Digest>().expect("64 hex digits"));
    if first.map(|(nonce, digest)| (*nonce, Digest(*digest))) != Some(expected) {
        let what = format!(
            "{}: the first nonce with 16 zero bits is {} with digest {}; it found {first:?}",
            vector.what, vector.nonce, vector.digest
        );
        return Err(fault("SES-4.2", what));
    }
    Ok(())
}

/// Every hit of an easier target, over a range that begins in the middle.
fn exact_set(host: &mut Host, vector: &Vector) -> Checked {
    let posted = host.publish(&vector.job(Target::from_zero_bits(9)));
    host.send(&posted, vector.nonce - 1000, 20_000, Expect::Work)?;
    host.finish("with a known header and an easy target")
}

/// "Not above" includes equal, and the first byte weighs least.
fn equal_to_target(host: &mut Host, vector: &Vector) -> Checked {
    let digest: Digest = vector.digest.parse().expect("64 hex digits");
    let mut below = digest.0;
    below[0] -= 1;
    let mut above = digest.0;
    (above[0], above[30]) = (0, above[30] + 1);
    for (target, hits) in [(digest.0, 1), (below, 0), (above, 1)] {
        let posted = host.publish(&vector.job(Target(target)));
        let id = host.send(&posted, vector.nonce - 5, 10, Expect::Work)?;
        host.finish("with a target that is close to a digest")?;
        let found = host.ledger.get(id).map_or(0, |sent| sent.hits.len());
        if found != hits {
            let what = format!(
                "nonce {} has digest {digest}; with target {} it found {found} hits, expected: {hits}",
                vector.nonce,
                Target(target)
            );
            return Err(fault("SES-4.2", what));
        }
    }
    Ok(())
}

/// spec: SES-5.1, SES-5.3
pub(super) fn edge_ranges(context: &mut Context<'_>) -> Checked {
    const FOUR: u64 = 1 << 32;
    let mut host = context.open(Sizes::default())?;
    host.meet()?;
    for known in host.known.clone() {
        // Odd counts around the sizes that kernels like.
        let mut ranges: Vec<(u64, u64)> =
            [1, 2, 3, 31, 33, 63, 64, 65, 255, 257, 1000, 4097].map(|count| (12_345, count)).to_vec();
        ranges.extend([(0, 1), (1, 1), (FOUR - 1, 1), (FOUR - 1000, 1000), (FOUR - 2, 2)]);
        if known.plugin().layout().nonce_width == 8 {
            ranges.extend([(FOUR, 1), (FOUR - 500, 1000), (3 * FOUR - 1, 2), (1 << 63, 100)]);
            // start + count is 2^64 here, which 64 bits do not hold.
            ranges.extend([(u64::MAX, 1), (u64::MAX - 999, 1000), (u64::MAX - FOUR + 1 - 5, 10)]);
        }
        let posted = host.publish(&Job::new(known, 2, Target::MAX));
        for (start, count) in ranges {
            host.send(&posted, start, count, Expect::Work)?;
        }
        host.finish("with ranges at the edges of the nonce space")?;
    }
    Ok(())
}

/// spec: SES-3.2, SES-5.2
pub(super) fn many_hits(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    host.meet()?;
    for known in host.known.clone() {
        for (bits, count) in [(0, 5000), (2, 12_000)] {
            let posted = host.publish(&Job::new(known, 3, Target::from_zero_bits(bits)));
            host.send(&posted, 77, count, Expect::Work)?;
            host.finish("with thousands of hits in a unit")?;
        }
    }
    Ok(())
}
