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
    for channel in &found {
        let removed = remove && clean(channel)?;
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
    Ok(ExitCode::SUCCESS)
}

fn clean(channel: &KeptChannel) -> Result<bool> {
    kept::clean(&channel.home).map_err(|error| anyhow!("cannot remove {}: {error}", channel.uri))
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
        "event": "kept", "uri": channel.uri, "path": channel.home.path(), "mode": channel.mode.to_string(),
        "type": channel.kind, "capacity": channel.capacity, "receiver": channel.receiver,
        "unread": channel.unread(), "removed": removed, "lanes": lanes,
    })
}
