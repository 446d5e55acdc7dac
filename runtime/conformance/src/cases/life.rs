//! Nothing to do, and nobody to do it for. spec: SES-1.5, SES-5.5, SES-6.1

use std::time::{Duration, Instant};

use adit_channel::session::Sizes;

use super::stop::Situation;
use crate::{
    fault::{Checked, fault},
    host::Context,
};

/// What a helper has from the end of its life line to its own.
const DEATH: Duration = Duration::from_secs(3);
/// Share of a processor that a helper may use without work.
const IDLE_SHARE: f64 = 0.2;

/// spec: SES-5.5, SES-6.1
pub(super) fn silence(context: &mut Context<'_>) -> Checked {
    let mut host = context.open(Sizes::default())?;
    host.meet()?;
    host.pass("after its units", Duration::from_millis(300))?;

    let (messages, beats, cpu, begin) = (host.unasked, host.beats(), host.helper.cpu_time(), Instant::now());
    host.pass("without work", Duration::from_secs(1))?;
    let seconds = begin.elapsed().as_secs_f64();
    let messages = host.unasked - messages;
    if messages > 0 {
        let what = format!("{messages} messages without a unit; expected: log lines and errors alone");
        return Err(fault("SES-5.5", what));
    }
    let beats = host.beats() - beats;
    if beats < 5 {
        let what = format!("{beats} heartbeats in a second without work; expected: one every 100 ms");
        return Err(fault("SES-6.1", what));
    }
    if let (Some(before), Some(after)) = (cpu, host.helper.cpu_time()) {
        let share = after.saturating_sub(before).as_secs_f64() / seconds;
        let percent = 100.0 * share;
        if share > IDLE_SHARE {
            let what =
                format!("without work it used {percent:.0} % of a processor; expected: less than 20 %");
            return Err(fault("SES-3.3", what));
        }
        context.notes.push(format!("processor time without work: {percent:.1} %"));
    }
    Ok(())
}

/// spec: SES-1.5
pub(super) fn host_death(context: &mut Context<'_>) -> Checked {
    for situation in Situation::ALL {
        let mut host = situation.bring(context, false)?;
        let begin = Instant::now();
        // A dead host reads nothing, writes nothing and says nothing.
        host.reading = false;
        host.helper.cut_life_line();
        if host.wait_exit("after its host's death", DEATH)?.is_none() {
            let what = format!("its host died {}: still running 3 s later", situation.name());
            return Err(fault("SES-1.5", what));
        }
        context.notes.push(format!("{}: {:.0} ms", situation.name(), begin.elapsed().as_secs_f64() * 1e3));
    }
    Ok(())
}
