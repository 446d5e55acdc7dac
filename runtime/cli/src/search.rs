//! `adit search`: one header, one range, all hits.

use std::{ops::ControlFlow, process::ExitCode, sync::Arc};

use adit_host::{
    host::{HostEvent, Summary},
    job::{Job, NonceRange, SingleHeader},
    source::FixedSource,
};
use adit_plugin::Target;
use anyhow::Result;
use serde_json::json;

use crate::{
    Usage,
    algorithms::{self, Algorithms},
    arguments::Search,
    mine, output,
    status::rate_text,
};

pub fn run(arguments: &Search) -> Result<ExitCode> {
    let algorithm = Algorithms::load(&arguments.plugins)?.named(&arguments.algorithm)?;
    let header = algorithms::header(&*algorithm, &arguments.header)?;
    let target: Target = arguments.target.parse().map_err(|error| Usage(format!("--target: {error}")))?;
    let nonces = range(arguments.start, arguments.count, algorithm.layout().nonce_end())?;
    let json = arguments.json.json;
    let host = mine::host(&arguments.devices, &[Arc::clone(&algorithm)])?;
    mine::stop_on_signals(&host)?;
    let job = Job {
        key: 1,
        name: "search".into(),
        algorithm,
        target,
        clean: true,
        space: Arc::new(SingleHeader(header)),
        first_roll: 0,
        nonces,
    };
    let mut observer = |event: HostEvent<'_>| {
        match &event {
            HostEvent::Solution { device, share } if json => output::line(&json!({
                "event": "solution", "nonce": share.nonce, "digest": share.digest.to_string(), "device": device,
            })),
            HostEvent::Solution { device, share } => {
                say!("nonce {:>20}  digest {}  {device}", share.nonce, share.digest);
            }
            other => mine::complain(other),
        }
        ControlFlow::Continue(())
    };
    let summary = host.run(Box::new(FixedSource(job)), &mut observer)?;
    report(&summary, json);
    // Stopped half-way: what was found is true, but it is not all, whatever devices said that they hashed.
    Ok(ExitCode::from(if summary.whole { 0 } else { 130 }))
}

fn range(start: u64, count: u64, nonce_end: u128) -> Result<NonceRange, Usage> {
    let end = u128::from(start) + u128::from(count);
    if end > nonce_end {
        let bits = nonce_end.ilog2();
        return Err(Usage(format!(
            "--start {start} --count {count}: the last of these is {}, past the algorithm's last nonce (2^{bits} - 1)",
            end - 1
        )));
    }
    Ok(NonceRange { start, end })
}

fn report(summary: &Summary, json: bool) {
    if json {
        output::line(&json!({
            "event": "done", "hashes": summary.hashes, "hits": summary.solutions,
            "seconds": summary.working_seconds, "whole": summary.whole,
        }));
    } else {
        let rate = summary.hashes as f64 / summary.working_seconds.max(1e-9);
        say!(
            "{} hashes, {} hits, {:.3} s, {}",
            summary.hashes,
            summary.solutions,
            summary.working_seconds,
            rate_text(rate)
        );
    }
}
