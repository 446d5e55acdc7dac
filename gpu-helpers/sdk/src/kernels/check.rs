//! Which algorithms a device may offer. spec: KRN-1.3

use super::{Batch, Failure, Found, Kernels, Launcher, bundle::SelfTest, job_words};

/// What became of an algorithm on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Every self-test gave what it should.
    Passed,
    /// The algorithm brings no source for this device API.
    NoSource,
    /// It is left out; says why.
    Failed(String),
    /// It is left out for now: there is not enough memory for it; says for what.
    NoRoom(String),
}

/// Loads an algorithm and runs its self-tests.
///
/// # Errors
/// [`Failure::Device`]: the device is lost. Everything else is an [`Offer`].
pub fn offer(launcher: &mut dyn Launcher, kernels: &Kernels) -> Result<Offer, Failure> {
    if kernels.source(launcher.api()).is_none() {
        return Ok(Offer::NoSource);
    }
    let tried = launcher.load(kernels).map(|()| None).and_then(|none: Option<String>| {
        for (at, test) in kernels.self_test.iter().enumerate() {
            if let Some(what) = run(launcher, kernels, test)? {
                return Ok(Some(format!("self-test {at}: {what}")));
            }
        }
        Ok(none)
    });
    match tried {
        Ok(None) => Ok(Offer::Passed),
        Ok(Some(what)) => Ok(Offer::Failed(what)),
        Err(Failure::Device(what)) => Err(Failure::Device(what)),
        Err(failure @ Failure::Memory(_)) => Ok(Offer::NoRoom(failure.to_string())),
        Err(failure) => Ok(Offer::Failed(failure.to_string())),
    }
}

/// Runs one self-test; what differs, if anything does.
fn run(launcher: &mut dyn Launcher, kernels: &Kernels, test: &SelfTest) -> Result<Option<String>, Failure> {
    let job = job_words(&test.header, kernels.nonce_offset, kernels.nonce_width, &test.target);
    // No job of a session is as young: it lives whatever happens.
    launcher.set_job(&job, u64::MAX)?;
    let (mut found, mut left) = (Vec::new(), vec![(test.start, test.count)]);
    while let Some((start, count)) = left.pop() {
        let most = launcher.most_nonces().max(1);
        if count > most {
            left.push((start + u64::from(most), count - most));
        }
        let count = count.min(most);
        launcher.submit(0, start, count)?;
        match launcher.collect(0, &|| true)? {
            Batch::Hits(hits) => found.extend(hits),
            Batch::Overflow if count == 1 => return Ok(Some("one nonce overflows the results".into())),
            Batch::Overflow => {
                let half = count / 2;
                left.extend([(start + u64::from(half), count - half), (start, half)]);
            }
        }
    }
    found.sort_unstable();
    Ok(difference(&test.hits, &found))
}

fn difference(expected: &[Found], found: &[Found]) -> Option<String> {
    if expected == found {
        return None;
    }
    let nonces = |hits: &[Found]| {
        let shown: Vec<_> = hits.iter().take(8).map(|hit| hit.nonce.to_string()).collect();
        format!("{} ({}{})", hits.len(), shown.join(", "), if hits.len() > 8 { ", ..." } else { "" })
    };
    let same = expected.len() == found.len() && expected.iter().zip(found).all(|(a, b)| a.nonce == b.nonce);
    Some(match expected.iter().zip(found).find(|(expected, found)| expected != found) {
        Some((expected, found)) if same => {
            let hex = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            format!(
                "nonce {}: expected digest {}, found {}",
                found.nonce,
                hex(&expected.digest),
                hex(&found.digest)
            )
        }
        _ => format!("expected hits {}, found {}", nonces(expected), nonces(found)),
    })
}
