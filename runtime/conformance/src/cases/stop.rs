//! Stop, in every situation. spec: SES-2.1, SES-5.3

use std::time::{Duration, Instant};

use adit_abi as abi;
use adit_channel::session::Sizes;
use adit_plugin::Target;

use super::rings;
use crate::{
    fault::{Checked, fault},
    host::{Context, Host},
    ledger::Expect,
    oracle::{Job, target_for},
};

/// What a helper has from STOP to its exit.
const STOP: Duration = Duration::from_secs(2);

/// What a helper is doing when its end comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Situation {
    Idle,
    Hashing,
    Paused,
    FullRing,
}

impl Situation {
    pub const ALL: [Self; 4] = [Self::Idle, Self::Hashing, Self::Paused, Self::FullRing];

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "while idle",
            Self::Hashing => "while hashing",
            Self::Paused => "while paused",
            Self::FullRing => "before a full solution ring",
        }
    }

    /// Brings a new helper into this situation.
    pub fn bring(self, context: &Context<'_>, die_with_host: bool) -> Checked<Host> {
        let sizes = match self {
            // So that a helper which looks only when it beats is seen.
            Self::Idle => Sizes { heartbeat_ms: 10_000, ..Sizes::default() },
            Self::FullRing => rings(16, 16),
            Self::Hashing | Self::Paused => Sizes::default(),
        };
        let mut host = context.open_on(crate::regions::Regions::new(sizes)?, die_with_host)?;
        let known = host.meet()?;
        match self {
            Self::Idle => host.pass("while idle", Duration::from_millis(100))?,
            Self::Hashing | Self::Paused => {
                let rate = host.rate(known)?;
                busy(&mut host, rate)?;
            }
            Self::FullRing => {
                let posted = host.publish(&Job::new(known, 9, Target::MAX));
                host.reading = false;
                host.send(&posted, 0, known.most_nonces(), Expect::Work)?;
                let full = |host: &mut Host| host.regions.unread() == 16;
                host.until("while the solution ring fills", Duration::from_secs(3), full)?;
                host.pass("before a full solution ring", Duration::from_millis(50))?;
            }
        }
        if self == Self::Paused {
            host.control(abi::CONTROL_PAUSE);
            host.pass("while paused", Duration::from_millis(100))?;
        }
        Ok(host)
    }
}

/// Gives the helper two units that it will not end by itself, and waits until it is at work.
pub(super) fn busy(host: &mut Host, rate: f64) -> Checked {
    let known = host.known[0];
    let posted = host.publish(&Job::new(known, 8, target_for(300.0, rate)));
    for _ in 0..2 {
        host.send(&posted, 0, known.most_nonces(), Expect::Work)?;
    }
    host.pass("with units without end", Duration::from_millis(120))
}

/// spec: SES-2.1
pub(super) fn stop_in_the_middle(context: &mut Context<'_>) -> Checked {
    for situation in Situation::ALL {
        stops(context, situation, abi::CONTROL_STOP, "STOP")?;
    }
    let mut host = Situation::Idle.bring(context, true)?;
    // It must look whenever it waits, whatever its heartbeat: a host may be unable to send.
    host.regions.set_control(abi::CONTROL_STOP);
    ends(&mut host, Situation::Idle, "STOP without a message")
}

/// spec: SES-2.1
pub(super) fn unknown_state(context: &mut Context<'_>) -> Checked {
    for (situation, state) in [
        (Situation::Idle, 0),
        (Situation::Hashing, abi::CONTROL_STOP + 1),
        (Situation::Paused, u32::MAX),
        (Situation::FullRing, abi::CONTROL_RUN | 1 << 8),
    ] {
        stops(context, situation, state, &format!("the unknown state {state}"))?;
    }
    Ok(())
}

/// A new helper that is told so in this situation ends as it should.
fn stops(context: &mut Context<'_>, situation: Situation, state: u32, word: &str) -> Checked {
    let mut host = situation.bring(context, true)?;
    let begin = Instant::now();
    host.control(state);
    ends(&mut host, situation, word)?;
    context.notes.push(format!("{}: {:.0} ms", situation.name(), begin.elapsed().as_secs_f64() * 1e3));
    Ok(())
}

fn ends(host: &mut Host, situation: Situation, word: &str) -> Checked {
    let status = host.wait_exit(&format!("after {word}"), STOP)?;
    let Some(status) = status else {
        let what = format!("did not stop {}: still running 2 s after {word}", situation.name());
        return Err(fault("SES-2.1", what));
    };
    if status.code() != Some(0) {
        let what = format!("{word} {}: it ended with {status}; expected: 0", situation.name());
        return Err(fault("SES-2.1", what));
    }
    // What it sent before its end is right; what it did not end is lost, which is its right.
    host.reading = true;
    host.pass("after its end", Duration::from_millis(2))?;
    host.verify()
}
