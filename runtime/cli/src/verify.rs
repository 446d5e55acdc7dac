//! `adit verify`: one header, one digest.

use std::process::ExitCode;

use adit_plugin::Target;
use anyhow::Result;
use serde_json::json;

use crate::{
    Usage,
    algorithms::{self, Algorithms},
    arguments::Verify,
    output,
};

pub fn run(arguments: &Verify) -> Result<ExitCode> {
    output::go_on_without_reader();
    let algorithm = Algorithms::load(&arguments.plugins)?.named(&arguments.algorithm)?;
    let header = algorithms::header(&*algorithm, &arguments.header)?;
    let target = match &arguments.target {
        Some(target) => target.parse().map_err(|error| Usage(format!("--target: {error}")))?,
        None => Target::MAX,
    };
    let digest = algorithm.digest(&header)?;
    let (meets, nonce) = (digest.meets(&target), algorithm.layout().nonce(&header));
    if arguments.json.json {
        output::line(&json!({
            "event": "verify", "algorithm": algorithm.name(), "nonce": nonce, "digest": digest.to_string(),
            "target": target.to_string(), "meets": meets, "zero_bits": digest.leading_zeros(),
        }));
    } else {
        say!(
            "digest {digest}\ntarget {target}\nnonce  {nonce}, {} leading zero bits",
            digest.leading_zeros()
        );
        say!("{}", if meets { "meets the target" } else { "does not meet the target" });
    }
    Ok(ExitCode::from(u8::from(!meets)))
}
