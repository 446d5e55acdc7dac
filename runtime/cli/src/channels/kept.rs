//! `adit channels kept`: channels that survive their processes.

use std::{path::Path, process::ExitCode};

use adit_channel::kept::{self, KeptChannel};
use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::table::plain;
use crate::{output, screen::print};

/// Lists those of `shm://` names, or those in a directory; removes those that nobody uses, if asked to.
pub fn run(files: Option<&Path>, remove: bool, json: bool) -> Result<ExitCode> {
    let found = match files {
        Some(directory) => kept::list_files(directory),
        None => kept::list_shared(),
    };
    // Says the place, the cause and what to do, all in one.
    let found = found.map_err(|error| anyhow!("cannot list the channels that are kept: {error}"))?;
    let mut code = ExitCode::SUCCESS;
    for channel in &found {
        let removed = match remove {
            true => clean(channel).unwrap_or_else(|error| {
                complain!("{error}");
                code = ExitCode::FAILURE;
                false
            }),
            false => false,
        };
        if json {
            output::line(&value(channel, removed));
        } else {
            print(&(line(channel, removed) + "\n"));
        }
    }
    if found.is_empty() && !json {
        let place = files.map_or_else(|| "shm:// names".into(), |directory| directory.display().to_string());
        print(&format!("no channel is kept in {place}\n"));
    }
    Ok(code)
}

/// Whether it is gone; somebody else may have removed it a moment ago.
fn clean(channel: &KeptChannel) -> Result<bool> {
    match kept::clean(&channel.home) {
        Err(_) if !channel.home.path().exists() => Ok(true),
        cleaned => cleaned.map_err(|error| anyhow!("cannot remove {}: {error}", channel.uri)),
    }
}

fn line(channel: &KeptChannel, removed: bool) -> String {
    let senders = channel.lanes.iter().filter(|lane| lane.sender).count();
    let lanes = channel.lanes.len();
    let receiver = if channel.receiver { "a receiver" } else { "no receiver" };
    let removed = if removed { ", removed" } else { "" };
    plain(&format!(
        "{}: {}, {}, {} bytes a lane, {senders} of {lanes} lanes with a sender, {receiver}, {} bytes unread{removed}",
        channel.uri,
        channel.mode,
        channel.kind,
        channel.capacity,
        channel.unread()
    ))
}

fn value(channel: &KeptChannel, removed: bool) -> Value {
    let lanes: Vec<Value> = channel
        .lanes
        .iter()
        .map(|lane| {
            json!({
                "sender": lane.sender, "sender_pid": lane.sender_pid, "receiver_pid": lane.receiver_pid,
                "unread": lane.unread,
            })
        })
        .collect();
    json!({
        "event": "kept", "uri": channel.uri, "path": channel.home.path().display().to_string(), "mode": channel.mode.to_string(),
        "type": channel.kind, "capacity": channel.capacity, "receiver": channel.receiver,
        "unread": channel.unread(), "removed": removed, "lanes": lanes,
    })
}
